//! `GET /me`: what the token says of the person who sent it, from the token alone.

use actix_web::web::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::guard::{AccessToken, Policy, Require};

/// For people only: a client that speaks for itself is nobody's `me`.
#[derive(Debug)]
pub struct Person;

impl Policy for Person {
    const PERSON: bool = true;
}

/// What an access token says of the person who sent it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    sub: String,
    client_id: String,
    scope: String,
    roles: Vec<String>,
    #[schema(required = true)]
    session_id: Option<String>,
    #[schema(required = true)]
    auth_time: Option<i64>,
    amr: Vec<String>,
    #[schema(required = true)]
    acr: Option<String>,
    expires_at: i64,
}

impl From<&AccessToken> for Me {
    fn from(token: &AccessToken) -> Self {
        Self {
            sub: token.subject().to_owned(),
            client_id: token.client_id().to_owned(),
            scope: token.scope().to_string(),
            roles: token.roles().map(str::to_owned).collect(),
            session_id: token.session_id().map(str::to_owned),
            auth_time: token.auth_time(),
            amr: token.amr().map(str::to_owned).collect(),
            acr: token.acr().map(str::to_owned),
            expires_at: token.expires_at(),
        }
    }
}

/// The handler.
pub async fn me(token: Require<Person>) -> Json<Me> {
    Json(Me::from(&*token))
}
