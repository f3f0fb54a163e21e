//! `POST /oauth/revoke` (RFC 7009). `token_type_hint` is not needed: a token shows by its form what it is.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::authority::Authority;
use crate::http::{Error, FormBody, PresentedClient};

/// RFC 7009 s2.2: the status says it all.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revoked {}

/// The handler. 200 means that it is recorded, and so will hold everywhere, or that there was nothing to revoke.
///
/// # Errors
/// 400, 401, 413, 415, 429, 503.
pub async fn revoke(request: HttpRequest, authority: Data<Authority>, form: FormBody) -> Result<HttpResponse, Error> {
    let client = PresentedClient::of(&request, &form)?;
    let credentials = if client.is_first_party() { None } else { Some(client.credentials()?) };
    let revoked = authority.revoke(credentials, form.required("token")?).await;
    revoked.map_err(|error| client.refusal(error))?;
    Ok(HttpResponse::Ok().json(Revoked {}))
}
