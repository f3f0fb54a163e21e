//! One line a request: what was asked by the route's pattern, never by its path or query, by whom, and how it ended.

use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName};
use log::Level;

use super::traffic::Counter;
use crate::caller::{self, Caller};
use crate::token::InvalidToken;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Asked for all the time, and of interest only to those who look into that.
const PROBES: [&str; 4] = ["/livez", "/readyz", "/healthz", "/metrics"];
/// In the place of a path that no route has: it is a stranger's text, and there is no end to them.
const UNMATCHED: &str = "unmatched";

/// What is known of a request before it is answered.
#[derive(Debug)]
pub struct AccessLine {
    started: Instant,
    method: &'static str,
    route: String,
    traceparent: Option<String>,
    caller: Caller,
    counter: Option<Counter>,
}

impl AccessLine {
    /// Starts the clock.
    pub fn begin(request: &ServiceRequest, caller: Caller) -> Self {
        // As the router reads the path: the same one may be written in many ways.
        let route = request.resource_map().match_pattern(request.match_info().as_str());
        Self {
            started: Instant::now(),
            method: known_method(request.method().as_str()),
            route: route.unwrap_or_else(|| UNMATCHED.to_owned()),
            traceparent: traceparent(request.headers()).map(str::to_owned),
            caller,
            counter: request.app_data().cloned(),
        }
    }

    /// Counts an answered request and writes its line.
    pub fn end(&self, status: StatusCode) {
        let took = self.started.elapsed();
        if let Some(counter) = &self.counter {
            counter.answered(&self.route, self.method, status, took);
        }
        let level = if PROBES.contains(&self.route.as_str()) { Level::Debug } else { Level::Info };
        if !log::log_enabled!(target: "hallpass::access", level) {
            return;
        }
        let (method, route, status) = (self.method, self.route.as_str(), status.as_u16());
        let ms = (took.as_secs_f64() * 1_000_000.0).round() / 1000.0;
        let client = self.caller.address().map(|address| address.to_string());
        let [client, sub, traceparent] =
            [client.as_deref(), self.caller.subject(), self.traceparent.as_deref()].map(|text| text.unwrap_or("-"));
        let request_id = self.caller.request_id();
        log::log!(
            target: "hallpass::access",
            level,
            method, route, status, ms, request_id, traceparent, client, sub;
            "{method} {route} {status}"
        );
    }
}

/// What the guard tells of each token: whom the line is about, and what is counted.
pub fn verified(request: &HttpRequest, token: Result<&str, InvalidToken>) {
    if let Some(counter) = request.app_data::<Counter>() {
        counter.verified(token.err());
    }
    if let Ok(subject) = token {
        caller::is_subject(subject);
    }
}

/// A method's name from a closed list: what a stranger invents does not get into the log.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

/// Which trace the request belongs to, if that is said once and well (W3C Trace Context s3.2).
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(TRACEPARENT);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok().filter(|text| is_traceparent(text))
}

/// `version-trace-parent-flags` in lower-case hex. Version `ff` and identifiers of zeros are invalid.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let &[version, trace_id, parent_id, flags] = parts.as_slice() else { return false };
    let is_hex = |part: &str, length| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &str, length| is_hex(part, length) && part.bytes().any(|byte| byte != b'0');
    is_hex(version, 2) && version != "ff" && is_id(trace_id, 32) && is_id(parent_id, 16) && is_hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL_FORMED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn o1_only_a_well_formed_traceparent_is_written_down() {
        assert!(is_traceparent(WELL_FORMED) && is_traceparent(&WELL_FORMED.replacen("00-", "cc-", 1)));
        for text in [
            "",
            "00",
            &WELL_FORMED[..54],
            &format!("{WELL_FORMED}-x"),
            &format!("{WELL_FORMED} "),
            &WELL_FORMED.to_uppercase(),
            &WELL_FORMED.replacen("00-", "ff-", 1),
            &WELL_FORMED.replacen("-00f", "-0\u{e9}", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7-01-",
        ] {
            assert!(!is_traceparent(text), "{text:?}");
        }
    }

    #[test]
    fn a_trace_that_is_named_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, actix_web::http::header::HeaderValue::from_static(WELL_FORMED));
        assert_eq!(traceparent(&headers), Some(WELL_FORMED));
        headers.append(TRACEPARENT, actix_web::http::header::HeaderValue::from_static(WELL_FORMED));
        assert_eq!(traceparent(&headers), None);
    }

    #[test]
    fn o6_an_invented_method_has_no_name_of_its_own() {
        assert_eq!((known_method("GET"), known_method("get"), known_method("BREW")), ("GET", "other", "other"));
    }
}
