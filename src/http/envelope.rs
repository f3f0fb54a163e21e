//! The outermost layer: gives every request an id and every answer its headers, writes problems out, and turns a panic into a 500.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpResponse, ResponseError as _};
use futures_util::FutureExt as _;

use super::access_log::AccessLine;
use super::address_of;
use super::connection::Connection;
use super::cors::{self, Page};
use super::error::Problem;
use super::request_id::X_REQUEST_ID;
use super::{Cors, Error, RequestId};
use crate::authority;
use crate::caller::Caller;
use crate::guard::csrf;

/// The longest request target that is looked at, in bytes.
const MAX_URI_BYTES: usize = 8 * 1024;

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

/// What the answer to a request is given, known before it is answered.
struct Dress {
    id: RequestId,
    form: ErrorForm,
    page: Page,
    /// Whether the connection is ours to speak of: behind a gateway that ends TLS, that is the gateway's matter.
    is_tls: bool,
    /// Whether another protocol was offered. The HTTP library ends such a connection, and would say that it goes on.
    ends: bool,
}

impl Dress {
    fn of(request: &ServiceRequest) -> Self {
        // As the router reads it: the same path may be written in many ways.
        let path = request.match_info().as_str();
        let cors = request.app_data::<Data<Cors>>();
        Self {
            id: RequestId::of(request.headers()),
            form: ErrorForm::of(path),
            page: cors.map_or(Page::Any, |cors| cors.page(path, request.headers())),
            is_tls: request.app_config().secure(),
            ends: request.head().upgrade(),
        }
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
    let dress = Dress::of(&request);
    let caller = Caller::new(dress.id.as_str(), address_of(request.request()));
    let line = AccessLine::begin(&request, caller.clone());
    let _in_use = request.conn_data::<Connection>().map(Connection::in_use);
    if let Some(early) = early_answer(&request, &dress.page) {
        let response = match early {
            Ok(response) => request.into_response(response),
            Err(refusal) => request.error_response(refusal),
        };
        return Ok(finish(response, &dress, &line));
    }
    request.extensions_mut().insert(dress.id.clone());
    match AssertUnwindSafe(caller.asks(async { next.call(request).await })).catch_unwind().await {
        Ok(Ok(response)) => Ok(finish(response.map_into_boxed_body(), &dress, &line)),
        // What is left of the request is gone with the panic: the finished answer travels as an error.
        Ok(Err(error)) => Err(unrouted(error.error_response(), &dress, &line)),
        Err(_panic) => {
            log_error(&Error::Panic, StatusCode::INTERNAL_SERVER_ERROR, &dress.id);
            Err(unrouted(Error::Panic.error_response(), &dress, &line))
        }
    }
}

/// What no route is asked about.
fn early_answer(request: &ServiceRequest, page: &Page) -> Option<Result<HttpResponse, Error>> {
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > MAX_URI_BYTES) {
        return Some(Err(Error::UriTooLong));
    }
    match page {
        Page::Allowed(_) if cors::is_preflight(request.method(), request.headers()) => Some(Ok(cors::admit_preflight())),
        Page::Foreign if cors::is_preflight(request.method(), request.headers()) => Some(Err(Error::OriginNotAllowed)),
        _ => None,
    }
}

fn unrouted(response: HttpResponse, dress: &Dress, line: &AccessLine) -> actix_web::Error {
    let response = put_on(response, dress);
    line.end(response.status());
    InternalError::from_response("answered", response).into()
}

fn finish(response: ServiceResponse<BoxBody>, dress: &Dress, line: &AccessLine) -> ServiceResponse<BoxBody> {
    log_failure(&response, &dress.id);
    let (request, response) = response.into_parts();
    let response = ServiceResponse::new(request, put_on(response, dress));
    line.end(response.status());
    response
}

/// A failure of ours is logged once, here, with its causes and the id that the caller was given.
fn log_failure(response: &ServiceResponse<BoxBody>, id: &RequestId) {
    if !response.status().is_server_error() {
        return;
    }
    if let Some(error) = response.response().error().and_then(|error| error.as_error::<Error>()) {
        log_error(error, response.status(), id);
    }
}

fn log_error(error: &Error, status: StatusCode, id: &RequestId) {
    let mut causes = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes = format!("{causes}: {cause}");
        source = cause.source();
    }
    // Being busy is announced, expected and frequent when it happens: no line a request for that.
    let level =
        if matches!(error, Error::Authority(authority::Error::Busy) | Error::NotReady(_)) { log::Level::Debug } else { log::Level::Error };
    log::log!(level, request_id = id.as_str(), status = status.as_u16(); "{causes}");
}

/// Writes a problem's document and the headers that every answer has.
fn put_on(mut response: HttpResponse, dress: &Dress) -> HttpResponse {
    let problem = response.extensions_mut().remove::<Problem>();
    let mut response = match problem {
        Some(problem) => {
            let (document, media_type) = match dress.form {
                ErrorForm::Problem => (problem.document(dress.id.as_str()), "application/problem+json"),
                ErrorForm::OAuth => (problem.oauth_document(), "application/json"),
            };
            let mut response = response.map_body(|_, _| BoxBody::new(document));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            response
        }
        None => response,
    };
    if dress.ends {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // A page brings its own.
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    }
    // On every route, since a cookie may decide any of them: a route that forgets it would poison somebody's cache.
    headers.insert(VARY, HeaderValue::from_static(csrf::VARY));
    dress.page.admit(headers);
    if dress.is_tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
    // Nothing here may be kept by a cache unless a route says otherwise.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(dress.id.as_str()) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}
