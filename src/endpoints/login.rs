//! `POST /login`: e-mail address and password for an access token.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::web::Data;
use serde::{Deserialize, Serialize};

use crate::authority::login::{Grant, LoginRequest};
use crate::authority::{Authority, Password};
use crate::http::{Error, JsonBody};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    email: String,
    password: Password,
    /// A second factor. No account has one yet, so it is read and has nothing to prove.
    #[serde(default, rename = "otp")]
    _otp: Option<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    transport: Transport,
}

/// How the tokens travel. Cookies are refused until there is a cookie mode, rather than ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Transport {
    #[default]
    Body,
}

/// The answer (RFC 6749 s5.1).
#[derive(Debug, Serialize)]
struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    expires_at: i64,
    scope: String,
    session_id: String,
}

impl From<Grant> for TokenResponse {
    fn from(Grant { access_token, expires_in, expires_at, scope, session_id }: Grant) -> Self {
        Self { access_token, token_type: "Bearer", expires_in, expires_at, scope, session_id }
    }
}

/// The handler.
///
/// # Errors
/// 400, 401, 413, 415, 503.
pub async fn login(authority: Data<Authority>, body: JsonBody<LoginBody>) -> Result<HttpResponse, Error> {
    let JsonBody(LoginBody { email, password, scope, transport: Transport::Body, .. }) = body;
    if password.is_empty() {
        return Err(Error::InvalidRequest);
    }
    let grant = authority.login(LoginRequest { email, password, scope }).await?;
    let headers = [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    let mut response = HttpResponse::Ok();
    headers.into_iter().for_each(|header| {
        response.insert_header(header);
    });
    Ok(response.json(TokenResponse::from(grant)))
}
