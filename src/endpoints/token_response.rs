//! The answer to whoever is given tokens (RFC 6749 s5.1).

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use serde::Serialize;

use crate::authority::Grant;
use crate::secret::Secret;

#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
    scope: &'a str,
    session_id: &'a str,
}

/// 200 with the tokens, kept by no cache.
pub(super) fn token_response(grant: &Grant) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache"));
    response.json(TokenResponse {
        access_token: grant.access_token.expose(),
        token_type: "Bearer",
        expires_in: grant.expires_in,
        expires_at: grant.expires_at,
        refresh_token: grant.refresh_token.as_ref().map(Secret::expose),
        refresh_expires_in: grant.refresh_token.as_ref().map(|_| grant.refresh_expires_in),
        scope: &grant.scope,
        session_id: &grant.session_id,
    })
}
