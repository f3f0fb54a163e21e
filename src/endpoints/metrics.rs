//! `GET /metrics`: what an operator can see. It asks nobody, the store least of all, so it answers while that is down.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::probes::Readiness;
use crate::authority::{Authority, Error as AuthorityError};
use crate::http::{Error, Traffic};
use crate::metrics::{CONTENT_TYPE, DenyList, Keys, Snapshot};

/// OpenMetrics, whatever the request accepts.
///
/// # Errors
/// None that is known of.
pub async fn metrics(traffic: Data<Traffic>, authority: Data<Authority>, readiness: Data<Readiness>) -> Result<HttpResponse, Error> {
    let keys = authority.key_summary();
    let (hasher, revocations) = (authority.hasher(), authority.revocations());
    let snapshot = Snapshot {
        traffic: traffic.counts(),
        outcomes: authority.outcomes().clone(),
        limited: authority.limited(),
        hashing: hasher.load(),
        hashed: hasher.totals(),
        deny_list: DenyList { entries: revocations.len(), floor: revocations.floor(), lag: readiness.lag(Instant::now()) },
        keys: Keys { fingerprint: keys.fingerprint, count: keys.keys, age: authority.signing_key_age() },
        connections: authority.database().connections(),
    };
    let text = snapshot.openmetrics().map_err(|error| AuthorityError::Internal(error.into()))?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(text))
}
