//! `GET /admin/audit`: what happened, the newest first. Nobody changes it here; what is older than 90 days is gone.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::admin::{Administrator, Page, PageQuery};
use crate::authority::audit::Entry;
use crate::authority::{Authority, id};
use crate::http::Error;

/// An event: ids and fixed words, and the address where it is an administrator's.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventBody {
    id: String,
    at: i64,
    event: String,
    #[schema(required = true)]
    sub: Option<String>,
    #[schema(required = true)]
    session_id: Option<String>,
    #[schema(required = true)]
    client_id: Option<String>,
    #[schema(required = true)]
    detail: Option<String>,
    #[schema(required = true)]
    actor: Option<String>,
    #[schema(required = true)]
    ip: Option<String>,
}

impl From<Entry> for EventBody {
    fn from(entry: Entry) -> Self {
        let Entry { id, at, event, account_id: sub, session_id, detail, client_id, actor, ip } = entry;
        Self { id, at, event, sub, session_id, client_id, detail, actor, ip }
    }
}

/// The handler. With `?sub=` only what happened to that person.
///
/// # Errors
/// 400, 401, 403, 503.
pub async fn list(admin: Administrator, authority: Data<Authority>, request: HttpRequest) -> Result<Json<Page<EventBody>>, Error> {
    let query = PageQuery::read_with_sub(&request, id::PLAIN)?;
    let (of, before) = (query.sub.as_deref(), query.after.as_deref());
    let events = authority.administration(admin.0).events(of, before, query.fetched()).await?;
    Ok(query.page(events, |event| &event.id, EventBody::from))
}
