//! Refusals, and how they are said on the wire: status, challenge (RFC 6750 s3, RFC 9470 s3) and problem document (RFC 9457).

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use serde_json::json;
use thiserror::Error;

use super::csrf;
use crate::token::InvalidToken;

/// Why a guarded route did not answer. Holds nothing of the credential that was sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No credential: 401 with a bare challenge.
    #[error("no access token")]
    MissingToken,
    /// Several credentials, or one that is not of the form `Bearer token`: 400.
    #[error("malformed or repeated credential")]
    InvalidRequest,
    /// A token that is not believed: 401. Only "expired" is told apart on the wire; the reason is for logs.
    #[error("{0}")]
    InvalidToken(InvalidToken),
    /// A scope is not granted: 403.
    #[error("the token lacks the scope {scope:?}")]
    InsufficientScope {
        /// What the route needs.
        scope: Cow<'static, str>,
    },
    /// A role is missing: 403.
    #[error("the token lacks a role")]
    InsufficientRole,
    /// A client speaks for itself where only people may: 403.
    #[error("the token is not a person's")]
    UserTokenRequired,
    /// The login is too old or too weak: 401, and the client is told what to ask the person for.
    #[error("the login is too old or too weak")]
    InsufficientUserAuthentication {
        /// How old it may be, in seconds.
        max_age: Option<u64>,
        /// How strong it must be.
        acr: Option<&'static str>,
    },
    /// Whether the session is live, or the token revoked, could not be found out: 503, never "allow".
    #[error("it could not be found out whether the token still holds")]
    Unavailable,
    /// A cookie, sent by a page that may not use it: 403 without a challenge, since another token would not help (RFC 6750 knows no cookies).
    #[error("the request did not come from a trusted origin")]
    CsrfFailed,
    /// The service forgot to set the guard up: 500, never "allow".
    #[error("the guard is not set up")]
    Misconfigured,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::InvalidRequest => StatusCode::BAD_REQUEST,
            Refusal::MissingToken | Refusal::InvalidToken(_) | Refusal::InsufficientUserAuthentication { .. } => StatusCode::UNAUTHORIZED,
            Refusal::InsufficientScope { .. } | Refusal::InsufficientRole | Refusal::UserTokenRequired | Refusal::CsrfFailed => {
                StatusCode::FORBIDDEN
            }
            Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable code that programs compare.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::MissingToken => "missing_token",
            Refusal::InvalidRequest => "invalid_request",
            Refusal::InvalidToken(_) => "invalid_token",
            Refusal::InsufficientScope { .. } | Refusal::InsufficientRole => "insufficient_scope",
            Refusal::UserTokenRequired => "user_token_required",
            Refusal::InsufficientUserAuthentication { .. } => "insufficient_user_authentication",
            Refusal::Unavailable => "temporarily_unavailable",
            Refusal::CsrfFailed => "csrf_failed",
            Refusal::Misconfigured => "internal",
        }
    }

    /// The fixed sentence that people read.
    pub fn title(&self) -> &'static str {
        match self {
            Refusal::MissingToken => "This needs an access token.",
            Refusal::InvalidRequest => "The request is malformed.",
            Refusal::InvalidToken(InvalidToken::Expired) => "The access token has expired.",
            Refusal::InvalidToken(_) => "The access token is invalid.",
            Refusal::InsufficientScope { .. } | Refusal::InsufficientRole => "The access token does not allow this.",
            Refusal::UserTokenRequired => "This is for people, not for clients.",
            Refusal::InsufficientUserAuthentication { .. } => "This needs a more recent or stronger login.",
            Refusal::Unavailable => "The service is busy or not ready. Try again shortly.",
            Refusal::CsrfFailed => "This was not sent by a page that may use the cookies.",
            Refusal::Misconfigured => "The server failed.",
        }
    }

    /// Seconds after which it makes sense to try again, where it is not the request's fault; `Retry-After` says the same.
    pub fn retry_after(&self) -> Option<u64> {
        matches!(self, Refusal::Unavailable).then_some(3)
    }

    /// The value of `WWW-Authenticate`, one challenge with each parameter once; `None` where the caller's credential is not the matter.
    pub fn challenge(&self) -> Option<String> {
        const REALM: &str = r#"Bearer realm="hallpass""#;
        Some(match self {
            Refusal::Unavailable | Refusal::CsrfFailed | Refusal::Misconfigured => return None,
            Refusal::MissingToken => REALM.to_owned(),
            Refusal::InvalidRequest => format!(r#"{REALM}, error="invalid_request""#),
            Refusal::InvalidToken(InvalidToken::Expired) => {
                format!(r#"{REALM}, error="invalid_token", error_description="The access token has expired""#)
            }
            Refusal::InvalidToken(_) => format!(r#"{REALM}, error="invalid_token", error_description="The access token is invalid""#),
            Refusal::InsufficientScope { scope } => format!(r#"{REALM}, error="insufficient_scope", scope="{scope}""#),
            Refusal::InsufficientRole | Refusal::UserTokenRequired => format!(r#"{REALM}, error="insufficient_scope""#),
            Refusal::InsufficientUserAuthentication { max_age, acr } => {
                let acr = acr.map(|acr| format!(r#", acr_values="{acr}""#)).unwrap_or_default();
                let max_age = max_age.map(|max_age| format!(r#", max_age="{max_age}""#)).unwrap_or_default();
                format!(r#"{REALM}, error="insufficient_user_authentication"{acr}{max_age}"#)
            }
        })
    }
}

/// The refusal as a problem document (RFC 9457).
pub(super) fn problem(refusal: &Refusal) -> HttpResponse {
    let code = refusal.code();
    let mut body = json!({ "type": format!("urn:hallpass:error:{code}"), "title": refusal.title(), "status": refusal.status().as_u16(), "code": code });
    if let Some(seconds) = refusal.retry_after() {
        body["retry_after"] = seconds.into();
    }
    HttpResponse::build(refusal.status()).content_type("application/problem+json").body(body.to_string())
}

/// Sets what no rendering may leave out: status, challenge, `Retry-After` and `Cache-Control: no-store`.
pub(super) fn with_challenge(refusal: &Refusal, mut response: HttpResponse) -> HttpResponse {
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if *refusal == Refusal::CsrfFailed {
        headers.append(VARY, HeaderValue::from_static(csrf::VARY));
    }
    // Made of printable ASCII only (`policy::authorize` checks a policy's at compile time, `forwarded` parses a rule), so this does not fail.
    if let Some(challenge) = refusal.challenge().and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
