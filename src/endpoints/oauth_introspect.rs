//! `POST /oauth/introspect` (RFC 7662). `token_type_hint` is not needed: a token shows by its form what it is.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::authority::Authority;
use crate::http::{Error, FormBody, PresentedClient};

/// RFC 7662 s2.2: nothing else is told of what is not active.
#[derive(Debug, Serialize)]
struct Inactive {
    active: bool,
}

/// The handler. What is not active is told with one member, and so without a reason.
///
/// # Errors
/// 400, 401, 413, 415, 429, 503.
pub async fn introspect(request: HttpRequest, authority: Data<Authority>, form: FormBody) -> Result<HttpResponse, Error> {
    let client = PresentedClient::of(&request, &form)?;
    let credentials = client.credentials()?;
    let introspection = authority.introspect(credentials, form.required("token")?).await;
    Ok(match introspection.map_err(|error| client.refusal(error))? {
        Some(claims) => HttpResponse::Ok().json(claims),
        None => HttpResponse::Ok().json(Inactive { active: false }),
    })
}
