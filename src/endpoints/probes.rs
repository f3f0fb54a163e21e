//! `/livez`, `/healthz`: the process answers. `/readyz`: send it traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use crate::authority::{Authority, Error as AuthorityError};
use crate::http::Error;

/// What readiness depends on besides the store. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    migrated: AtomicBool,
    draining: AtomicBool,
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

    fn check(&self) -> Result<(), Error> {
        if self.0.draining.load(Ordering::Relaxed) {
            return Err(Error::NotReady("shutting down"));
        }
        if !self.0.migrated.load(Ordering::Relaxed) {
            return Err(Error::NotReady("the store's schema is not there yet"));
        }
        Ok(())
    }
}

/// Depends on nothing but this process.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Asks the store; the keys were proven before the socket was opened.
///
/// # Errors
/// 503 while draining, before the schema is there, and while the store does not answer.
pub async fn readyz(readiness: Data<Readiness>, authority: Data<Authority>) -> Result<HttpResponse, Error> {
    readiness.check()?;
    authority.database().ping().await.map_err(AuthorityError::from)?;
    Ok(HttpResponse::Ok().json(json!({ "status": "ok" })))
}
