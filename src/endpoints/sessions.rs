//! `GET /sessions` and `DELETE /sessions/{id}`: where a person is logged in. Nothing in the list is a token, or makes one.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use crate::authority::Authority;
use crate::guard::LiveSession;
use crate::http::Error;

/// A session: where a person is logged in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionBody {
    id: String,
    created_at: i64,
    last_used_at: i64,
    #[schema(required = true)]
    ip: Option<String>,
    #[schema(required = true)]
    user_agent: Option<String>,
    current: bool,
}

/// The handler of `GET /sessions`.
///
/// # Errors
/// 401, 403, 503.
pub async fn list(session: LiveSession, authority: Data<Authority>) -> Result<Json<Vec<SessionBody>>, Error> {
    let live = authority.sessions().live_of(session.subject()).await?;
    let body = live.into_iter().map(|listed| SessionBody {
        current: listed.id == session.id(),
        id: listed.id,
        created_at: listed.created_at,
        last_used_at: listed.rotated_at,
        ip: listed.device.ip,
        user_agent: listed.device.user_agent,
    });
    Ok(Json(body.collect()))
}

/// The handler of `DELETE /sessions/{id}`. 204 means that it is recorded, and so will hold everywhere.
///
/// # Errors
/// 401, 403, 404 for the session of anybody else, 503.
pub async fn end(session: LiveSession, authority: Data<Authority>, id: Path<String>) -> Result<HttpResponse, Error> {
    authority.end_own_session(session.subject(), &id).await?;
    Ok(HttpResponse::NoContent().finish())
}
