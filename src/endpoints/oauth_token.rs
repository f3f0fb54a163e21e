//! `POST /oauth/token`: the token endpoint (RFC 6749 s3.2), for machines, and for the refresh tokens of people.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::token_response::{client_token_response, token_response};
use crate::authority::{self, Authority};
use crate::http::{self, Cookies, Error, FormBody, PresentedClient, Transport};
use crate::secret::Secret;

/// The handler. Which grant is asked for is looked at before who asks, so that it costs nothing to be told that there is none.
///
/// # Errors
/// 400, 401, 413, 415, 429, 503.
pub async fn token(
    request: HttpRequest,
    authority: Data<Authority>,
    cookies: Data<Cookies>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    let grant_type = form.required("grant_type")?;
    let client = PresentedClient::of(&request, &form)?;
    match grant_type.expose() {
        "client_credentials" => {
            let scope = form.one("scope")?.map(Secret::expose);
            let granted = authority.client_credentials(client.credentials()?, scope).await;
            Ok(client_token_response(&granted.map_err(|error| client.refusal(error))?))
        }
        "refresh_token" if client.is_first_party() => {
            let refresh_token = form.required("refresh_token")?;
            let scope = form.one("scope")?.map(Secret::expose);
            let grant = authority.refresh_grant(refresh_token, scope, http::device(&request)).await?;
            token_response(&grant, Transport::Body, &cookies)
        }
        "refresh_token" => Err(client.refusal(authority.refuse_grant(client.credentials()?).await)),
        _ => Err(authority::Error::UnsupportedGrantType.into()),
    }
}
