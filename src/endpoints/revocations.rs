//! `GET /revocations`: the deny list as a feed, for services that verify tokens by themselves.

use std::time::Duration;

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, Responder};
use serde::Serialize;
use utoipa::ToSchema;

use crate::authority::Authority;
use crate::authority::follow::Position;
use crate::guard::{Policy, Refusal, Require};
use crate::http::Error;
use crate::token::Revocation;

/// The longest that a request may wait, in seconds.
pub(super) const LONGEST_WAIT: u64 = 30;

/// Who may follow the deny list: it names sessions and subjects of others, so it is for services and for no person.
#[derive(Debug)]
pub struct Follow;

impl Policy for Follow {
    const SCOPE: &'static str = "hallpass:revocations";
}

/// What was revoked, and from where to ask on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revocations)]
pub(super) struct Body {
    /// What to send as `after` the next time.
    cursor: String,
    entries: Vec<Entry>,
}

/// What is refused until `until`: the tokens of a session, those of a subject that were issued before a moment, or one token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revocation)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Entry {
    Session { id: String, until: i64 },
    Subject { id: String, issued_before: i64, until: i64 },
    Token { id: String, until: i64 },
}

impl From<Revocation> for Entry {
    fn from(revocation: Revocation) -> Self {
        match revocation {
            Revocation::Session { id, until } => Entry::Session { id, until },
            Revocation::Subject { id, issued_before, until } => Entry::Subject { id, issued_before, until },
            Revocation::Token { id, until } => Entry::Token { id, until },
        }
    }
}

/// The handler.
///
/// # Errors
/// 400, 401, 403, 503.
pub async fn revocations(follower: Require<Follow>, authority: Data<Authority>, request: HttpRequest) -> Result<impl Responder, Error> {
    if follower.is_person() {
        return Err(Error::Refused(Refusal::InsufficientRole));
    }
    let (after, wait) = asked(request.query_string())?;
    let changes = authority.follow(after, wait).await?;
    Ok(Json(Body { cursor: changes.position.to_text(), entries: changes.entries.into_iter().map(Entry::from).collect() }))
}

/// `after` and `wait`, each at most once; nothing else is known.
fn asked(query: &str) -> Result<(Option<Position>, Duration), Error> {
    let (mut after, mut wait) = (None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "after" if after.is_none() => after = Some(value.parse().map_err(|_| Error::InvalidRequest)?),
            "wait" if wait.is_none() => wait = Some(value.parse().ok().filter(|wait| *wait <= LONGEST_WAIT).ok_or(Error::InvalidRequest)?),
            _ => return Err(Error::InvalidRequest),
        }
    }
    Ok((after, Duration::from_secs(wait.unwrap_or_default())))
}
