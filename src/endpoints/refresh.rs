//! `POST /refresh`: a refresh token for a new pair of tokens.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::token_response::token_response;
use crate::authority::Authority;
use crate::http::{self, Error, JsonBody};
use crate::secret::Secret;

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    refresh_token: Secret,
}

/// The handler.
///
/// # Errors
/// 400, 401, 413, 415, 503.
pub async fn refresh(request: HttpRequest, authority: Data<Authority>, body: JsonBody<RefreshBody>) -> Result<HttpResponse, Error> {
    let JsonBody(RefreshBody { refresh_token }) = body;
    Ok(token_response(&authority.refresh(&refresh_token, http::device(&request)).await?))
}
