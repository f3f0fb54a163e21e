//! `POST /login`: e-mail address and password for a pair of tokens.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Deserialize;

use super::token_response::token_response;
use crate::authority::login::LoginRequest;
use crate::authority::{Authority, Password};
use crate::http::{Error, JsonBody};
use crate::secret::Secret;

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    email: String,
    password: Password,
    /// A second factor; without one enrolled it is read and has nothing to prove.
    #[serde(default)]
    otp: Option<Secret>,
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
/// 400, 401, 413, 415, 429, 503.
pub async fn login(authority: Data<Authority>, body: JsonBody<LoginBody>) -> Result<HttpResponse, Error> {
    let JsonBody(LoginBody { email, password, otp, scope, transport: Transport::Body }) = body;
    if password.is_empty() {
        return Err(Error::InvalidRequest);
    }
    Ok(token_response(&authority.login(LoginRequest { email, password, otp, scope }).await?))
}
