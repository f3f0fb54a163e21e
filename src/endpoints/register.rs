//! `POST /register`: an account for whoever asks. The route is there only where the settings open it.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authority::{Authority, Password};
use crate::http::{self, Error, JsonBody};

/// An account to be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Registration)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    #[schema(pattern = "^[!-?A-~]+@[!-?A-~]+$", max_length = 254)]
    email: String,
    #[schema(value_type = String, format = Password)]
    password: Password,
}

/// The new account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Registered {
    sub: String,
}

/// The handler.
///
/// # Errors
/// 400, 409, 413, 415, 422, 429, 503.
pub async fn register(request: HttpRequest, authority: Data<Authority>, body: JsonBody<RegisterBody>) -> Result<HttpResponse, Error> {
    let JsonBody(RegisterBody { email, password }) = body;
    let account = authority.register(email, password, http::address_of(&request)).await?;
    Ok(HttpResponse::Created().json(Registered { sub: account.id }))
}
