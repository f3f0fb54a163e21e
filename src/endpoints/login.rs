//! `POST /login`: e-mail address and password for a pair of tokens.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::token_response::token_response;
use crate::authority::login::LoginRequest;
use crate::authority::{Authority, Password};
use crate::http::{self, Cookies, Error, JsonBody, Transport};
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

/// The handler.
///
/// # Errors
/// 400, 401, 403, 413, 415, 429, 503.
pub async fn login(
    request: HttpRequest,
    authority: Data<Authority>,
    cookies: Data<Cookies>,
    body: JsonBody<LoginBody>,
) -> Result<HttpResponse, Error> {
    let JsonBody(LoginBody { email, password, otp, scope, transport }) = body;
    if password.is_empty() {
        return Err(Error::InvalidRequest);
    }
    // Before the password is looked at: a foreign page must not log anybody in, least of all to an account of its own.
    let replaced = match transport {
        Transport::Body => None,
        Transport::Cookie => {
            cookies.check_origin(&request)?;
            cookies.refresh_token(&request)?
        }
    };
    let device = http::device(&request);
    let from = http::address_of(&request);
    let grant = authority.login(LoginRequest { email, password, otp, scope, device, from }).await?;
    if let Some(replaced) = replaced {
        authority.end_replaced(&replaced).await?;
    }
    token_response(&grant, transport, &cookies)
}
