//! `POST /login`: e-mail address and password for a pair of tokens.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::token_response::token_response;
use crate::authority::login::LoginRequest;
use crate::authority::{Authority, Password};
use crate::http::{self, Cookies, Error, JsonBody, Transport};
use crate::secret::Secret;

/// Who logs in, and how they want to be answered.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Login)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    email: String,
    #[schema(value_type = String, format = Password, min_length = 1)]
    password: Password,
    /// A one-time code or a recovery code; without a second factor enrolled it has nothing to prove.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    otp: Option<Secret>,
    /// At most these scopes, space separated; all that the person holds if it is left out.
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
