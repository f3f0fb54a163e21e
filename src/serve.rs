//! The composition root: reads like a checklist, from settings to a listening socket and back down again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use thiserror::Error as ThisError;

use crate::authority::{Authority, Hasher, HasherSettings, SessionPolicy, Terms, ThrottlePolicy, Tokens, hasher};
use crate::clock::Clock;
use crate::config::Config;
use crate::endpoints::{self, Optional, probes::Readiness};
use crate::feed::Feed;
use crate::guard::{Guard, NotAnOrigin, SessionLookup};
use crate::http::{self, Cookies, Cors, Traffic, TrustedProxies};
use crate::store::{self, Database};
use crate::token::verify::UnsafeVerifier;

mod connections;
mod keys;
mod ops;
mod reload;
mod run;
mod tls;

pub use crate::endpoints::openapi::text as openapi;
pub use keys::{access_keys, describe, key_ring};
pub use ops::Ops;
pub use reload::Reload;
pub use tls::check_certificate;

/// Connections that are there and not yet taken on wait in the kernel, so many of them.
const BACKLOG: u32 = 1024;
/// TLS handshakes of a worker that go on at once: they are what costs most before anybody is known.
const HANDSHAKES: usize = 256;

/// Why the service did not start.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The settings name no key, or the file cannot be read.
    #[error("{setting}: {reason}")]
    Keys {
        /// The setting that is to be mended.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate or its key.
    #[error("{setting}: {reason}")]
    Tls {
        /// The setting that is to be mended.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Issuer, audience or leeway.
    #[error("token.issuer, token.audience or token.leeway: {0}")]
    Verifier(#[from] UnsafeVerifier),
    /// Whose pages may use the cookies.
    #[error("token.issuer or server.cors_origins: {0}")]
    Origins(#[from] NotAnOrigin),
    /// The hashing threads.
    #[error("{0}")]
    Hasher(#[from] hasher::StartError),
    /// The store's address is no address.
    #[error("{0}")]
    Store(#[source] store::Error),
    /// The store was made by another version.
    #[error("{0}")]
    Schema(#[source] store::Error),
    /// The HTTP server failed.
    #[error("the HTTP server failed: {0}")]
    Server(#[source] std::io::Error),
    /// A freshly minted token was not believed.
    #[error("the self-test failed: a token that was just signed does not verify ({0})")]
    SelfTest(String),
    /// The address cannot be listened on.
    #[error("{setting}: cannot listen on {address}: {source}")]
    Listen {
        /// Whose address it is.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether other settings would mend it.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Error::Keys { .. } | Error::Tls { .. } | Error::Verifier(_) | Error::Origins(_) | Error::Store(_))
    }
}

/// A service that listens. It runs when `server` is awaited.
pub struct Service {
    /// The server.
    pub server: Server,
    /// Where it listens; with port 0 asked for, the port it got.
    pub address: SocketAddr,
    /// The operators' own listener, where there is one.
    pub ops: Option<Ops>,
    /// The use cases, for tests and the demo account.
    pub authority: Authority,
    /// What `/readyz` says.
    pub readiness: Readiness,
    /// Brings in what other replicas revoke.
    pub feed: Feed,
    /// Reads files again that have changed.
    pub reload: Reload,
    /// Whether it ends TLS itself.
    pub is_tls: bool,
    drain: Duration,
}

/// Builds everything and opens the socket. The store may be down: then `/readyz` says so until it is up.
///
/// # Errors
/// [`Error`] in one sentence.
pub fn service(config: &Config, clock: Clock) -> Result<Service, Error> {
    let tokens = keys::tokens(config, clock.now())?;
    let mut reload = Reload::new();
    keys::watch(&mut reload, config, &tokens, &clock);
    let origins: Vec<&str> = config.server.cors_origins.iter().map(String::as_str).collect();
    let guard = Guard::new(tokens.verifier.clone())
        .with_clock(clock.clone())
        .render_with(http::error::refusal)
        .observe_with(http::access_log::verified)
        .with_cookies(&origins)?;
    let (revocations, tail) = (tokens.revocations.clone(), tokens.tail.clone());
    let authority = authority(config, tokens, clock.clone())?;
    let feed = Feed::new(authority.database().clone(), revocations, clock).with_tail(tail);
    let readiness = Readiness::default();
    let certificate = tls::certificate(&config.server, &mut reload)?;
    let (is_tls, drain) = (certificate.is_some(), config.server.bounds.drain);
    let (server, address, ops) = listen(config, guard, &authority, &readiness, certificate)?;
    Ok(Service { server, address, ops, authority, readiness, feed, reload, is_tls, drain })
}

/// The use cases over the configured store, for the service and for the command line.
///
/// # Errors
/// [`Error`] in one sentence.
pub fn authority(config: &Config, tokens: Tokens, clock: Clock) -> Result<Authority, Error> {
    let hasher = hasher(config)?;
    let database = database(config)?;
    let terms = Terms {
        issuer: config.token.issuer.clone(),
        audience: config.token.audience.clone(),
        access_ttl: config.token.access_ttl,
        sessions: SessionPolicy::from(&config.sessions),
        single_active: config.sessions.single_active,
        throttle: ThrottlePolicy { free_failures: config.limits.account_free_failures },
        limits: config.limits.clone(),
        min_password_length: config.password.min_length,
    };
    Ok(Authority::new(database, hasher, tokens, clock, terms))
}

/// The hashing threads, as many and as dear as configured.
///
/// # Errors
/// [`Error::Hasher`].
pub fn hasher(config: &Config) -> Result<Hasher, Error> {
    let password = &config.password;
    Ok(Hasher::start(HasherSettings {
        cost: password.bcrypt_cost,
        threads: password.hash_threads,
        queue: password.queue,
        queue_timeout: password.queue_timeout,
    })?)
}

/// The configured store. Does not connect yet. To be called inside [`block_on`].
///
/// # Errors
/// [`Error::Store`].
pub fn database(config: &Config) -> Result<Database, Error> {
    Database::open(config.database.url.expose(), config.database.max_connections).map_err(Error::Store)
}

/// Runs work on a runtime of this thread, to its end: the service, or one command over the store.
///
/// # Errors
/// The operating system refuses what a runtime needs.
pub fn block_on<F: Future>(work: F) -> std::io::Result<F::Output> {
    Ok(actix_web::rt::Runtime::new()?.block_on(work))
}

fn listen(
    config: &Config,
    guard: Guard,
    authority: &Authority,
    readiness: &Readiness,
    certificate: Option<Arc<tls::Certificate>>,
) -> Result<(Server, SocketAddr, Option<Ops>), Error> {
    let (shared, ready) = (Data::new(authority.clone()), Data::new(readiness.clone()));
    let lookup = SessionLookup::new(authority.clone());
    let cookies = Data::new(Cookies::new(guard.clone(), config.cookies.same_site));
    let proxies = TrustedProxies::new(&config.server.trusted_proxies);
    let cors = Data::new(Cors::new(&config.server.cors_origins));
    let traffic = Data::new(Traffic::default());
    let ops = config.server.ops_listen.map(|address| ops::listen(address, &shared, &ready, &traffic, &config.server.bounds)).transpose()?;
    let optional =
        Optional { registration: config.registration.enabled, metrics: ops.is_none(), docs: config.server.docs, demo: config.server.demo }
            .routes();
    let app = move || {
        App::new()
            .app_data(guard.clone())
            .app_data(lookup.clone())
            .app_data(shared.clone())
            .app_data(cookies.clone())
            .app_data(cors.clone())
            .app_data(ready.clone())
            .app_data(proxies.clone())
            .app_data(traffic.counter())
            .app_data(traffic.clone())
            .configure(&optional)
            .configure(endpoints::routes)
            .wrap(from_fn(http::envelope))
    };
    let (address, bounds) = (config.server.listen, &config.server.bounds);
    let watched = bounds.clone();
    let server = HttpServer::new(app)
        .workers(config.server.workers)
        .client_request_timeout(bounds.head)
        .tls_handshake_timeout(bounds.head)
        .keep_alive(bounds.keep_alive)
        .on_connect(move |stream, data| http::connection::watch(stream, data, &watched))
        .backlog(BACKLOG)
        .max_connections(connections::per_worker(bounds.connections, config.server.workers))
        .max_connection_rate(HANDSHAKES)
        .shutdown_timeout(bounds.drain.as_secs())
        // Who hangs up is gone: the handler is dropped with its place in the queue, and nothing is hashed for nobody.
        .h1_allow_half_closed(false)
        .disable_signals();
    let bound = match certificate {
        Some(certificate) => server.bind_rustls_0_23(address, tls::settings(certificate)?),
        None => server.bind(address),
    };
    let bound = bound.map_err(|source| Error::Listen { setting: "server.listen", address, source })?;
    let address = bound.addrs().first().copied().unwrap_or(address);
    Ok((bound.run(), address, ops))
}
