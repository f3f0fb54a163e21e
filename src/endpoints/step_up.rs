//! `POST /step-up`: an access token and a proof for an access token that says so.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::me::Person;
use super::token_response::token_response;
use crate::authority::step_up::{Credential, StepUpRequest};
use crate::authority::{Authority, Password};
use crate::guard::{Refusal, Require};
use crate::http::{Cookies, Error, JsonBody};
use crate::secret::Secret;

/// A password or a code, not both.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = StepUp)]
#[serde(deny_unknown_fields)]
pub struct StepUpBody {
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, min_length = 1)]
    password: Option<Password>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    otp: Option<Secret>,
}

/// The handler.
///
/// # Errors
/// 400, 401, 403, 413, 415, 429, 503.
pub async fn step_up(
    request: HttpRequest,
    authority: Data<Authority>,
    cookies: Data<Cookies>,
    token: Require<Person>,
    body: JsonBody<StepUpBody>,
) -> Result<HttpResponse, Error> {
    let credential = match body.0 {
        StepUpBody { password: Some(password), otp: None } if !password.is_empty() => Credential::Password(password),
        StepUpBody { password: None, otp: Some(otp) } => Credential::Otp(otp),
        _ => return Err(Error::InvalidRequest),
    };
    let session_id = token.session_id().ok_or(Refusal::UserTokenRequired)?.to_owned();
    let transport = cookies.transport_of(&request)?;
    let step_up = StepUpRequest { account_id: token.subject().to_owned(), session_id, credential };
    token_response(&authority.step_up(step_up).await?, transport, &cookies)
}
