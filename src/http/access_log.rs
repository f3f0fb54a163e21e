//! One line a request: what was asked by the route's pattern, never by its path or query, and how it ended.

use std::time::Instant;

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;

use super::address_of;

/// What is known of a request before it is answered.
#[derive(Debug)]
pub struct AccessLine {
    started: Instant,
    method: &'static str,
    client: Option<std::net::IpAddr>,
}

impl AccessLine {
    /// Starts the clock.
    pub fn begin(request: &ServiceRequest) -> Self {
        Self { started: Instant::now(), method: known_method(request.method().as_str()), client: address_of(request.request()) }
    }

    /// Writes the line of an answered request.
    pub fn end<B>(&self, response: &ServiceResponse<B>, request_id: &str) {
        if log::log_enabled!(target: "hallpass::access", log::Level::Info) {
            self.write(response.request().match_pattern().as_deref().unwrap_or("-"), response.status(), request_id);
        }
    }

    /// Writes the line of a request whose route is not known any more.
    pub fn end_unrouted(&self, status: StatusCode, request_id: &str) {
        self.write("-", status, request_id);
    }

    fn write(&self, route: &str, status: StatusCode, request_id: &str) {
        let milliseconds = self.started.elapsed().as_secs_f64() * 1000.0;
        let client = self.client.map(|client| client.to_string()).unwrap_or_default();
        log::info!(
            target: "hallpass::access",
            method = self.method, route = route, status = status.as_u16(), ms = (milliseconds * 1000.0).round() / 1000.0, request_id = request_id, client = client.as_str();
            "{} {} {}", self.method, route, status.as_u16()
        );
    }
}

/// A method's name from a closed list: what a stranger invents does not get into the log.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}
