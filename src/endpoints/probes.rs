//! `/livez`, `/healthz`: the process answers. `/readyz`: send it traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::Data;
use arc_swap::ArcSwapOption;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authority::{Authority, Error as AuthorityError};
use crate::http::Error;

/// A replica that has not heard for this long what others revoked gets no traffic.
const STALE_AFTER: Duration = Duration::from_secs(30);

/// What readiness depends on besides the store. Clones share it.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Flags>);

#[derive(Debug)]
struct Flags {
    since: Instant,
    migrated: AtomicBool,
    draining: AtomicBool,
    /// When the deny list was last known to be complete.
    heard: ArcSwapOption<Instant>,
}

impl Default for Readiness {
    fn default() -> Self {
        let (migrated, draining) = (AtomicBool::default(), AtomicBool::default());
        Self(Arc::new(Flags { since: Instant::now(), migrated, draining, heard: ArcSwapOption::empty() }))
    }
}

impl Readiness {
    /// The schema is there.
    pub fn migrated(&self) {
        self.0.migrated.store(true, Ordering::Relaxed);
    }

    /// Shutting down: no new traffic, please.
    pub fn draining(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// The deny list is complete at this moment.
    pub fn heard(&self) {
        self.0.heard.store(Some(Arc::new(Instant::now())));
    }

    /// How long ago the deny list was last known to be complete; if it never was, how long it has been waited for.
    pub fn lag(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.0.heard.load_full().map_or(self.0.since, |heard| *heard))
    }

    fn check(&self, now: Instant) -> Result<(), Error> {
        if self.0.draining.load(Ordering::Relaxed) {
            return Err(Error::NotReady("shutting down"));
        }
        if !self.0.migrated.load(Ordering::Relaxed) {
            return Err(Error::NotReady("the store's schema is not there yet"));
        }
        let heard = self.0.heard.load_full();
        if heard.is_none_or(|heard| now.saturating_duration_since(*heard) > STALE_AFTER) {
            return Err(Error::NotReady("the deny list is not up to date"));
        }
        Ok(())
    }
}

/// What a probe says when all is well.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// Depends on nothing but this process.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(OK)
}

/// Asks the store; the keys were proven before the socket was opened.
///
/// # Errors
/// 503 while draining, before the schema and the deny list are there, while the deny list is old, and while the store does not answer.
pub async fn readyz(readiness: Data<Readiness>, authority: Data<Authority>) -> Result<HttpResponse, Error> {
    readiness.check(Instant::now())?;
    authority.database().ping().await.map_err(AuthorityError::from)?;
    Ok(HttpResponse::Ok().json(OK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n7_it_is_ready_only_with_a_schema_and_a_deny_list_of_the_last_30_seconds() {
        let (readiness, now) = (Readiness::default(), Instant::now());
        assert!(readiness.check(now).is_err());
        readiness.migrated();
        assert!(readiness.check(now).is_err());
        readiness.heard();
        let heard = Instant::now();
        assert!(readiness.check(heard).is_ok() && readiness.check(heard + Duration::from_secs(29)).is_ok());
        assert!(readiness.check(heard + Duration::from_secs(31)).is_err());
        readiness.heard();
        readiness.draining();
        assert!(readiness.check(Instant::now()).is_err());
    }
}
