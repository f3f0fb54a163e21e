//! `GET /.well-known/oauth-authorization-server`: what there is, for clients that configure themselves (RFC 8414).
//!
//! Everything follows from the issuer of the settings and nothing from the request: no header moves an endpoint elsewhere. There is no
//! `jwks_uri`, since the keys are secret.

use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::authority::Authority;

/// RFC 8414 s2.
#[derive(Debug, Serialize, ToSchema)]
pub struct Metadata {
    issuer: String,
    token_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    /// Required, and empty: there is no authorization endpoint.
    #[schema(value_type = Vec<String>)]
    response_types_supported: [&'static str; 0],
    #[schema(value_type = Vec<String>)]
    grant_types_supported: [&'static str; 2],
    #[schema(value_type = Vec<String>)]
    token_endpoint_auth_methods_supported: [&'static str; 3],
    #[schema(value_type = Vec<String>)]
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    #[schema(value_type = Vec<String>)]
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
}

/// The handler.
pub async fn metadata(authority: Data<Authority>) -> Json<Metadata> {
    let issuer = authority.issuer();
    Json(Metadata {
        issuer: issuer.to_owned(),
        token_endpoint: format!("{issuer}/oauth/token"),
        introspection_endpoint: format!("{issuer}/oauth/introspect"),
        revocation_endpoint: format!("{issuer}/oauth/revoke"),
        response_types_supported: [],
        grant_types_supported: ["client_credentials", "refresh_token"],
        // "none" is the public client, for the tokens of people.
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
        introspection_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
        revocation_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
    })
}
