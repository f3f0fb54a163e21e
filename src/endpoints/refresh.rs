//! `POST /refresh`: a refresh token for a new pair of tokens.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::token_response::token_response;
use crate::authority::Authority;
use crate::http::{self, Cookies, Error, OptionalJsonBody, Transport};
use crate::secret::Secret;

/// The refresh token. It is left out by those who send it as a cookie.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Refresh)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<Secret>,
}

/// The handler. A refusal leaves the cookies alone: what is refused may be an older one than the browser has by now.
///
/// # Errors
/// 400, 401, 403, 413, 415, 429, 503.
pub async fn refresh(
    request: HttpRequest,
    authority: Data<Authority>,
    cookies: Data<Cookies>,
    body: OptionalJsonBody<RefreshBody>,
) -> Result<HttpResponse, Error> {
    let OptionalJsonBody(RefreshBody { refresh_token }) = body;
    let (refresh_token, transport) = match (refresh_token, cookies.refresh_token(&request)?) {
        (Some(refresh_token), None) => (refresh_token, Transport::Body),
        (None, Some(refresh_token)) => (refresh_token, Transport::Cookie),
        (Some(_), Some(_)) | (None, None) => return Err(Error::InvalidRequest),
    };
    token_response(&authority.refresh(&refresh_token, http::device(&request)).await?, transport, &cookies)
}
