//! The outermost layer: gives every request an id and every answer its headers, writes problems out, and turns a panic into a 500.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse, ResponseError as _};
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::Error;
use super::access_log::AccessLine;
use super::error::Problem;
use crate::authority;
use crate::guard::csrf;

/// The longest request target that is looked at, in bytes.
const MAX_URI_BYTES: usize = 8 * 1024;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: in the answer, in a problem's body, and in every log line about it.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestId {
    /// The caller's own id if it is harmless, else a new UUIDv7.
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_harmless(id));
        Self(sent.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_harmless(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// How an error is written: everything is a problem (RFC 9457) but what OAuth's own endpoints say (RFC 6749 s5.2), whatever went wrong there.
#[derive(Clone, Copy)]
enum ErrorForm {
    Problem,
    OAuth,
}

impl ErrorForm {
    fn of(path: &str) -> Self {
        if path.starts_with("/oauth/") { Self::OAuth } else { Self::Problem }
    }
}

/// Middleware around the whole application; wrap it last, so that it is outermost.
///
/// # Errors
/// Only answers that are finished already: the HTTP library sends them as they are.
pub async fn envelope(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = RequestId::of(request.headers());
    let line = AccessLine::begin(&request);
    // As the router reads it: the same path may be written in many ways.
    let form = ErrorForm::of(request.match_info().as_str());
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > MAX_URI_BYTES) {
        let response = finish(request.error_response(Error::UriTooLong), &id, form);
        line.end(&response, id.as_str());
        return Ok(response);
    }
    request.extensions_mut().insert(id.clone());
    match AssertUnwindSafe(async { next.call(request).await }).catch_unwind().await {
        Ok(Ok(response)) => {
            let response = finish(response.map_into_boxed_body(), &id, form);
            line.end(&response, id.as_str());
            Ok(response)
        }
        // What is left of the request is gone with the panic: the finished answer travels as an error.
        Ok(Err(error)) => Err(unrouted(error.error_response(), &id, form, &line)),
        Err(_panic) => Err(unrouted(Error::Panic.error_response(), &id, form, &line)),
    }
}

fn unrouted(response: HttpResponse, id: &RequestId, form: ErrorForm, line: &AccessLine) -> actix_web::Error {
    let response = dress(response, id, form);
    line.end_unrouted(response.status(), id.as_str());
    InternalError::from_response("answered", response).into()
}

fn finish(response: ServiceResponse<BoxBody>, id: &RequestId, form: ErrorForm) -> ServiceResponse<BoxBody> {
    log_failure(&response, id);
    let (request, response) = response.into_parts();
    ServiceResponse::new(request, dress(response, id, form))
}

/// A failure of ours is logged once, here, with its causes and the id that the caller was given.
fn log_failure(response: &ServiceResponse<BoxBody>, id: &RequestId) {
    if !response.status().is_server_error() {
        return;
    }
    let Some(error) = response.response().error().and_then(|error| error.as_error::<Error>()) else {
        return;
    };
    let mut causes = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes = format!("{causes}: {cause}");
        source = cause.source();
    }
    // Being busy is announced, expected and frequent when it happens: no line a request for that.
    let level =
        if matches!(error, Error::Authority(authority::Error::Busy) | Error::NotReady(_)) { log::Level::Debug } else { log::Level::Error };
    log::log!(level, request_id = id.as_str(), status = response.status().as_u16(); "{causes}");
}

/// Writes a problem's document and the headers that every answer has.
fn dress(mut response: HttpResponse, id: &RequestId, form: ErrorForm) -> HttpResponse {
    let problem = response.extensions_mut().remove::<Problem>();
    let mut response = match problem {
        Some(problem) => {
            let (document, media_type) = match form {
                ErrorForm::Problem => (problem.document(id.as_str()), "application/problem+json"),
                ErrorForm::OAuth => (problem.oauth_document(), "application/json"),
            };
            let mut response = response.map_body(|_, _| BoxBody::new(document));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            response
        }
        None => response,
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    // On every route, since a cookie may decide any of them: a route that forgets it would poison somebody's cache.
    headers.insert(VARY, HeaderValue::from_static(csrf::VARY));
    // Nothing here may be kept by a cache unless a route says otherwise.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o9_only_a_harmless_request_id_is_taken_over() {
        for (sent, taken) in [("abc-123", true), ("", false), ("a b", false), ("a\u{7f}", false), ("x_y", false)] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(sent) {
                headers.insert(X_REQUEST_ID, value);
            }
            assert_eq!(RequestId::of(&headers).as_str() == sent, taken, "{sent:?}");
        }
        assert!(!is_harmless(&"a".repeat(65)) && is_harmless(&"a".repeat(64)));
    }
}
