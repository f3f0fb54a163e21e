//! The operators' own listener: `/metrics` and the probes, for a network that strangers do not reach.
//!
//! It has a thread of its own, so that it answers while all others are busy, and as long as the process lives.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use super::Error;
use crate::authority::Authority;
use crate::config::Bounds;
use crate::endpoints::{self, probes::Readiness};
use crate::http::{self, Traffic};

/// More than all that scrape and probe have at once.
const MAX_CONNECTIONS: usize = 64;
/// As for anybody else.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Who scrapes comes again within that, usually.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A listener of operators. It runs when `server` is awaited.
pub struct Ops {
    /// The server.
    pub server: Server,
    /// Where it listens; with port 0 asked for, the port it got.
    pub address: SocketAddr,
}

pub(super) fn listen(
    address: SocketAddr,
    authority: &Data<Authority>,
    readiness: &Data<Readiness>,
    traffic: &Data<Traffic>,
    bounds: &Bounds,
) -> Result<Ops, Error> {
    let (authority, readiness, traffic) = (authority.clone(), readiness.clone(), traffic.clone());
    let app = move || {
        App::new()
            .app_data(authority.clone())
            .app_data(readiness.clone())
            .app_data(traffic.counter())
            .app_data(traffic.clone())
            .configure(endpoints::operations)
            .wrap(from_fn(http::envelope))
    };
    let watched = bounds.clone();
    let bound = HttpServer::new(app)
        .workers(1)
        .client_request_timeout(HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .on_connect(move |stream, data| http::connection::watch(stream, data, &watched))
        .max_connections(MAX_CONNECTIONS)
        .h1_allow_half_closed(false)
        .disable_signals()
        .bind(address)
        .map_err(|source| Error::Listen { setting: "server.ops_listen", address, source })?;
    let address = bound.addrs().first().copied().unwrap_or(address);
    Ok(Ops { server: bound.run(), address })
}
