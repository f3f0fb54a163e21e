//! `POST /register`: an account for whoever asks. The route is there only where the settings open it.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::authority::{Authority, Password};
use crate::http::{self, Error, JsonBody};

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    email: String,
    password: Password,
}

/// The handler.
///
/// # Errors
/// 400, 409, 413, 415, 422, 429, 503.
pub async fn register(request: HttpRequest, authority: Data<Authority>, body: JsonBody<RegisterBody>) -> Result<HttpResponse, Error> {
    let JsonBody(RegisterBody { email, password }) = body;
    let account = authority.register(email, password, http::address_of(&request)).await?;
    Ok(HttpResponse::Created().json(json!({ "sub": account.id })))
}
