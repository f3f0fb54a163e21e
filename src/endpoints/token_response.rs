//! The answer to whoever is given tokens (RFC 6749 s5.1).

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, PRAGMA};
use serde::Serialize;
use utoipa::ToSchema;

use crate::authority::Grant;
use crate::authority::client_credentials::ClientGrant;
use crate::http::{Cookies, Error, Transport};
use crate::secret::Secret;

/// Tokens. Those that travel as cookies are not in it; a client has no refresh token and no session.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    access_token: Option<&'a str>,
    token_type: &'static str,
    expires_in: u64,
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_expires_in: Option<u64>,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    session_id: Option<&'a str>,
}

/// 200 with the tokens, kept by no cache. Those that travel as cookies are not in the body: no script of the page is to see them.
///
/// # Errors
/// None for tokens of ours.
pub(super) fn token_response(grant: &Grant, transport: Transport, cookies: &Cookies) -> Result<HttpResponse, Error> {
    let in_body = transport == Transport::Body;
    let mut response = HttpResponse::Ok().json(TokenResponse {
        access_token: in_body.then(|| grant.access_token.expose()),
        token_type: "Bearer",
        expires_in: grant.expires_in,
        expires_at: grant.expires_at,
        refresh_token: grant.refresh_token.as_ref().filter(|_| in_body).map(Secret::expose),
        refresh_expires_in: grant.refresh_token.as_ref().map(|_| grant.refresh_expires_in),
        scope: &grant.scope,
        session_id: Some(&grant.session_id),
    });
    keep_out_of_caches(&mut response);
    let headers = response.headers_mut();
    if transport == Transport::Cookie {
        cookies.keep(grant, headers)?;
    }
    Ok(response)
}

/// The same for a client, which has no session and no refresh token.
pub(super) fn client_token_response(grant: &ClientGrant) -> HttpResponse {
    let mut response = HttpResponse::Ok().json(TokenResponse {
        access_token: Some(grant.access_token.expose()),
        token_type: "Bearer",
        expires_in: grant.expires_in,
        expires_at: grant.expires_at,
        refresh_token: None,
        refresh_expires_in: None,
        scope: &grant.scope,
        session_id: None,
    });
    keep_out_of_caches(&mut response);
    response
}

fn keep_out_of_caches(response: &mut HttpResponse) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
}
