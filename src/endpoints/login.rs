//! `POST /login`: e-mail address and password for a pair of tokens.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::token_response::token_response;
use crate::authority::login::LoginRequest;
use crate::authority::{Authority, Password};
use crate::http::{self, Error, JsonBody};

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

/// The handler.
///
/// # Errors
/// 400, 401, 413, 415, 503.
pub async fn login(request: HttpRequest, authority: Data<Authority>, body: JsonBody<LoginBody>) -> Result<HttpResponse, Error> {
    let JsonBody(LoginBody { email, password, scope, transport: Transport::Body, .. }) = body;
    if password.is_empty() {
        return Err(Error::InvalidRequest);
    }
    let device = http::device(&request);
    Ok(token_response(&authority.login(LoginRequest { email, password, scope, device }).await?))
}
