//! What all routes of administrators share: who may use them, and how their lists are cut into pages.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::{Data, Json};
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::authority::Authority;
use crate::authority::admin::{ADMIN, Admin, Claimant};
use crate::authority::id::is_id;
use crate::guard::{AccessToken, LiveSession, Policy, Refusal, Require};
use crate::http::{Error, device};

/// The most items of a page, and how many there are when nobody says.
pub(super) const LARGEST_PAGE: u32 = 200;
pub(super) const PAGE: u32 = 50;

/// A client that administrates: its token says so.
#[derive(Debug)]
struct ByScope;

impl Policy for ByScope {
    const SCOPE: &'static str = ADMIN;
}

/// A person who does: they proved a moment ago who they are.
#[derive(Debug)]
struct ByFreshLogin;

impl Policy for ByFreshLogin {
    const SCOPE: &'static str = ADMIN;
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(300));
}

/// An administrator: a person with the scope, a recent login and a live session, or a client with the scope; and the store agrees. Every route
/// under `/admin` takes one.
#[derive(Debug)]
pub struct Administrator(pub Admin);

impl FromRequest for Administrator {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let token = AccessToken::extract(&request).await?;
            let token = match token.is_person() {
                true => LiveSession::<ByFreshLogin>::extract(&request).await?.into_inner(),
                false => Require::<ByScope>::extract(&request).await?.into_inner(),
            };
            let authority = request.app_data::<Data<Authority>>().ok_or(Error::Refused(Refusal::Misconfigured))?;
            let claimant = Claimant { subject: token.subject(), scope: token.scope(), ip: device(&request).ip };
            Ok(Self(authority.admin(claimant).await.map_err(Error::from)?))
        }
        .boxed_local()
    }
}

/// Which part of a list is asked for.
#[derive(Debug)]
pub struct PageQuery {
    /// Behind the item with this id.
    pub after: Option<String>,
    limit: u32,
    /// Of whom, where the list can be asked so.
    pub sub: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    items: Vec<T>,
    /// What to send as `after` for the next page; null on the last.
    #[schema(required = true)]
    next: Option<String>,
}

impl PageQuery {
    /// Reads `limit` and `after`, each at most once, for a list of ids that begin with `prefix`. Nothing else is known.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`], also for a cursor that is not of this list.
    pub fn read(request: &HttpRequest, prefix: &str) -> Result<Self, Error> {
        let query = Self::parse(request.query_string(), prefix)?;
        if query.sub.is_some() { Err(Error::InvalidRequest) } else { Ok(query) }
    }

    /// Reads `sub` too.
    ///
    /// # Errors
    /// As [`PageQuery::read`].
    pub fn read_with_sub(request: &HttpRequest, prefix: &str) -> Result<Self, Error> {
        Self::parse(request.query_string(), prefix)
    }

    fn parse(query: &str, prefix: &str) -> Result<Self, Error> {
        let (mut after, mut limit, mut sub) = (None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "after" if after.is_none() => after = Some(id_of(&value, prefix).ok_or(Error::InvalidRequest)?),
                "limit" if limit.is_none() => {
                    let asked = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
                    limit = Some(asked.ok_or(Error::InvalidRequest)?);
                }
                "sub" if sub.is_none() => sub = Some(value.into_owned()),
                _ => return Err(Error::InvalidRequest),
            }
        }
        Ok(Self { after, limit: limit.unwrap_or(PAGE), sub })
    }

    /// One more than is shown, which tells whether there is a next page.
    pub fn fetched(&self) -> u32 {
        self.limit + 1
    }

    /// What was fetched, as a page.
    pub fn page<R, T>(&self, mut fetched: Vec<R>, id: impl Fn(&R) -> &str, show: impl Fn(R) -> T) -> Json<Page<T>> {
        let shown = self.limit as usize;
        let next = if fetched.len() > shown { fetched.get(shown - 1).map(|last| cursor_of(id(last))) } else { None };
        fetched.truncate(shown);
        Json(Page { items: fetched.into_iter().map(show).collect(), next })
    }
}

fn cursor_of(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1 {id}"))
}

fn id_of(cursor: &str, prefix: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("1 ").filter(|id| is_id(prefix, id)).map(str::to_owned)
}

/// A member that may be left out but not be null: null would look like a change and be none.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "usr_01a207fb-5ab8-76ff-9093-ed951e39519b";

    #[test]
    fn a_cursor_is_of_one_list_and_of_one_form() {
        let cursor = cursor_of(ID);
        assert_eq!(id_of(&cursor, "usr_").as_deref(), Some(ID));
        assert_eq!((id_of(&cursor, "cli_"), id_of(&cursor, "")), (None, None));
        for text in
            ["", "!", ID, &cursor[1..], &format!("{cursor}="), &URL_SAFE_NO_PAD.encode(ID), &URL_SAFE_NO_PAD.encode("1 usr_' OR 1=1 --")]
        {
            assert_eq!(id_of(text, "usr_"), None, "{text}");
        }
    }

    #[test]
    fn a_limit_is_1_to_200_and_nothing_comes_twice_or_is_unknown() {
        let limit = |query: &str| PageQuery::parse(query, "usr_").map(|query| query.limit).ok();
        assert_eq!((limit(""), limit("limit=1"), limit("limit=200")), (Some(50), Some(1), Some(200)));
        for query in
            ["limit=0", "limit=201", "limit=-1", "limit=", "limit=1.5", "limit=4294967296", "limit=1&limit=1", "x=1", "after=", "Limit=1"]
        {
            assert_eq!(limit(query), None, "{query}");
        }
    }

    #[test]
    fn the_last_page_has_no_next() {
        let query = PageQuery { after: None, limit: 2, sub: None };
        let page = |items: &[&str]| query.page(items.to_vec(), |id| id, str::to_owned).into_inner();
        assert_eq!((page(&[]).next, page(&["a"]).next, page(&["a", "b"]).next), (None, None, None));
        let full = page(&["a", "b", "c"]);
        assert_eq!((full.items, full.next), (vec!["a".to_owned(), "b".to_owned()], Some(cursor_of("b"))));
    }
}
