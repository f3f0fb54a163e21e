//! The one place where an error becomes a status, a code and a sentence.
//!
//! Texts are fixed: nothing that came in, no inner error and no path ever goes out. The cause stays in the error, for the log.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use super::refused_use_case::authority_problem;
use crate::authority;
use crate::authority::admin::ADMIN;
use crate::authority::password_policy::Violation;
use crate::guard::Refusal;
use crate::token::InvalidToken;

/// A token is as good as its session.
pub(super) const SESSION_OVER: Refusal = Refusal::InvalidToken(InvalidToken::Revoked);

/// What may change a second factor: a login that used it, and is as recent as every route asks that changes how one logs in.
pub(super) const TOO_WEAK: Refusal = Refusal::InsufficientUserAuthentication { max_age: Some(300), acr: Some("2") };

/// An administrator who was demoted since the token was issued.
pub(super) const NOT_ADMIN: Refusal = Refusal::InsufficientScope { scope: Cow::Borrowed(ADMIN) };

/// Why a request gets no answer of its own. Refusals of guarded routes come as [`Refusal`] and look the same on the wire.
#[derive(Debug, Error)]
pub enum Error {
    /// A body or header that is not what the contract says.
    #[error("malformed request")]
    InvalidRequest,
    /// No such path.
    #[error("no such path")]
    NotFound,
    /// The path exists, the method does not.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// The methods that do.
        allow: &'static str,
    },
    /// The body came too slowly.
    #[error("the body did not arrive in time")]
    RequestTimeout,
    /// The body is longer than is read.
    #[error("body too large")]
    PayloadTooLarge,
    /// The target is longer than is looked at.
    #[error("URI too long")]
    UriTooLong,
    /// The body is not JSON in UTF-8.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// The body is not a form.
    #[error("not a form")]
    NotAForm,
    /// A client that tried HTTP Basic, which is then named to it (RFC 6749 s5.2).
    #[error("invalid client by HTTP Basic")]
    InvalidBasicClient,
    /// A handler panicked. The panic itself is logged where it happened.
    #[error("a handler panicked")]
    Panic,
    /// A page of this origin asked if it may ask.
    #[error("no origin of ours")]
    OriginNotAllowed,
    /// A credential is missing, or is not enough.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Not ready for traffic.
    #[error("not ready: {0}")]
    NotReady(&'static str),
    /// The use case said no.
    #[error(transparent)]
    Authority(#[from] authority::Error),
}

/// What goes out in an error's place: RFC 9457, without the request id, which only the outermost layer knows.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// The stable code.
    pub code: &'static str,
    /// The fixed sentence.
    pub title: &'static str,
    /// Seconds after which it makes sense to try again.
    pub retry_after: Option<u64>,
    /// What is wrong with which field.
    pub violations: Option<(&'static str, Vec<Violation>)>,
}

/// Why there is no other answer (RFC 9457 s3.1). `code` is for programs and never changes its meaning.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    violations: Option<Vec<FieldViolation<'a>>>,
}

/// What is wrong with one field.
#[derive(Serialize, ToSchema)]
#[schema(as = Violation)]
pub struct FieldViolation<'a> {
    field: &'a str,
    code: &'a str,
    message: &'a str,
}

/// Why there is no other answer (RFC 6749 s5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub struct OAuthDocument<'a> {
    error: &'a str,
    error_description: &'a str,
}

impl<'a> FieldViolation<'a> {
    fn of(field: &'a str, Violation { code, message }: &'a Violation) -> Self {
        Self { field, code, message }
    }
}

/// The codes that RFC 6749 s5.2 has itself; they mean the same here.
const OAUTH_CODES: [&str; 7] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "temporarily_unavailable",
];

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { status, code, title, retry_after: None, violations: None }
    }

    pub(super) fn refused(refusal: &Refusal) -> Self {
        Self { retry_after: refusal.retry_after(), ..Self::new(refusal.status(), refusal.code(), refusal.title()) }
    }

    pub(super) fn unavailable(retry_after: u64) -> Self {
        let problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "The service is busy or not ready. Try again shortly.");
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// The document, with the id under which the log has more.
    pub fn document(&self, request_id: &str) -> String {
        let document = Document {
            kind: format!("urn:hallpass:error:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            code: self.code,
            request_id,
            retry_after: self.retry_after,
            violations: self
                .violations
                .as_ref()
                .map(|(field, violations)| violations.iter().map(|violation| FieldViolation::of(field, violation)).collect()),
        };
        // Texts and numbers only: this cannot fail, and if it did the status would still say enough.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// The same as the OAuth endpoints say it (RFC 6749 s5.2), which has no words for most of what HTTP can say by its status.
    pub fn oauth_document(&self) -> String {
        let error = match self.status {
            _ if OAUTH_CODES.contains(&self.code) => self.code,
            _ if self.retry_after.is_some() => "temporarily_unavailable",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        serde_json::to_string(&OAuthDocument { error, error_description: self.title }).unwrap_or_default()
    }

    /// An answer without a body that carries the problem to the outermost layer, which writes it out.
    fn response(self, header: Option<(HeaderName, HeaderValue)>) -> HttpResponse {
        let mut response = HttpResponse::new(self.status);
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl Error {
    /// RFC 9110 s15.5.2: every 401 says how to do better; but a client is asked for HTTP Basic only if that is what it tried.
    fn challenge(&self) -> Option<HeaderValue> {
        let refusal = match self {
            Error::InvalidBasicClient => return Some(HeaderValue::from_static(r#"Basic realm="hallpass""#)),
            Error::Refused(refusal) => refusal,
            Error::Authority(authority::Error::SessionOver) => &SESSION_OVER,
            Error::Authority(authority::Error::WeakLogin) => &TOO_WEAK,
            Error::Authority(authority::Error::NotAdmin) => &NOT_ADMIN,
            // Which one is in the request: nothing of it is repeated.
            Error::Authority(authority::Error::ScopeNotHeld) => &Refusal::InsufficientRole,
            // What was sent is no access token, so there is nothing to say about one.
            Error::Authority(
                authority::Error::InvalidCredentials | authority::Error::OtpRequired | authority::Error::InvalidRefreshToken,
            ) => &Refusal::MissingToken,
            _ => return None,
        };
        refusal.challenge().and_then(|challenge| HeaderValue::try_from(challenge).ok())
    }

    fn problem(&self) -> Problem {
        let new = Problem::new;
        match self {
            Error::InvalidRequest => malformed(),
            Error::NotFound => new(StatusCode::NOT_FOUND, "not_found", "There is nothing here."),
            Error::MethodNotAllowed { .. } => new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This method is not allowed here."),
            Error::RequestTimeout => new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive."),
            Error::PayloadTooLarge => new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is larger than 16 KiB."),
            Error::UriTooLong => new(StatusCode::URI_TOO_LONG, "uri_too_long", "The URI is longer than 8 KiB."),
            Error::UnsupportedMediaType => new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the body as application/json in UTF-8, without a content encoding.",
            ),
            Error::NotAForm => new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the body as application/x-www-form-urlencoded in UTF-8, without a content encoding.",
            ),
            Error::InvalidBasicClient => invalid_client(),
            Error::OriginNotAllowed => new(StatusCode::FORBIDDEN, "origin_not_allowed", "Pages of this origin may not ask here."),
            Error::Panic => internal(),
            Error::NotReady(_) => Problem::unavailable(1),
            Error::Refused(refusal) => Problem::refused(refusal),
            Error::Authority(error) => authority_problem(error),
        }
    }
}

pub(super) fn malformed() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "The request is malformed.")
}

pub(super) fn invalid_client() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_client", "The client is unknown, or its credentials are wrong or missing.")
}

pub(super) fn internal() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed. The request id tells its operator where to look.")
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.problem().status
    }

    fn error_response(&self) -> HttpResponse {
        let header = match self {
            Error::MethodNotAllowed { allow } => Some((ALLOW, HeaderValue::from_static(allow))),
            _ => self.challenge().map(|challenge| (WWW_AUTHENTICATE, challenge)),
        };
        self.problem().response(header)
    }
}

/// Refusals of the guard, in the service's own format; the guard adds the challenge.
pub fn refusal(refusal: &Refusal, _: &HttpRequest) -> HttpResponse {
    Problem::refused(refusal).response(None)
}
