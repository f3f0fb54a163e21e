//! How many requests were answered how, and how many tokens believed, for an operator to see.
//!
//! Each worker counts for itself, so that no two of them wait for each other; whoever wants to know adds up. Names come from closed lists
//! (routes, methods, statuses, reasons), so however much strangers invent, the tables stay small and say nothing about anybody.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;

use crate::tally::Durations;
use crate::token::InvalidToken;

/// The counts of all workers. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Mutex<Vec<Counter>>>);

/// The counts of one worker. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<Mutex<Counts>>);

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// By the route's pattern.
    pub routes: HashMap<String, Route>,
    /// By what came of it: `ok`, or why not.
    pub verifications: BTreeMap<&'static str, u64>,
}

/// The requests of one route.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// By method and status.
    pub answers: BTreeMap<(&'static str, u16), u64>,
    /// All of them.
    pub durations: Durations,
}

/// What happens every day, shown as 0 until it does: a first time can then be seen as one.
const EXPECTED: [&str; 5] = ["ok", "expired", "revoked", "signature", "unknown_header"];

impl Traffic {
    /// Counts of their own, for a new worker.
    pub fn counter(&self) -> Counter {
        let counter = Counter::default();
        self.lock().push(counter.clone());
        counter
    }

    /// Those of all workers together.
    pub fn counts(&self) -> Counts {
        let mut all = Counts { verifications: EXPECTED.map(|name| (name, 0)).into(), ..Counts::default() };
        self.lock().iter().for_each(|counter| all.merge(&counter.lock()));
        all
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Counter>> {
        // Nothing is done under the lock that could leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter {
    /// A request of this route was answered.
    pub fn answered(&self, route: &str, method: &'static str, status: StatusCode, took: Duration) {
        let mut counts = self.lock();
        let route = match counts.routes.get_mut(route) {
            Some(known) => known,
            None => counts.routes.entry(route.to_owned()).or_default(),
        };
        *route.answers.entry((method, status.as_u16())).or_default() += 1;
        route.durations.add(took);
    }

    /// A token was looked at. None: it was believed.
    pub fn verified(&self, refused: Option<InvalidToken>) {
        *self.lock().verifications.entry(refused.map_or("ok", name)).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn merge(&mut self, other: &Self) {
        for (pattern, more) in &other.routes {
            let route = self.routes.entry(pattern.clone()).or_default();
            more.answers.iter().for_each(|(answer, count)| *route.answers.entry(*answer).or_default() += count);
            route.durations.merge(&more.durations);
        }
        other.verifications.iter().for_each(|(name, count)| *self.verifications.entry(name).or_default() += count);
    }
}

/// Without the claim that is named in some: that is too much to keep apart.
fn name(reason: InvalidToken) -> &'static str {
    match reason {
        InvalidToken::TooLong => "too_long",
        InvalidToken::NotThreeSegments => "not_three_segments",
        InvalidToken::UnknownHeader => "unknown_header",
        InvalidToken::SignatureEncoding => "signature_encoding",
        InvalidToken::Signature => "signature",
        InvalidToken::PayloadEncoding => "payload_encoding",
        InvalidToken::NotAnObject => "not_an_object",
        InvalidToken::DuplicateClaim => "duplicate_claim",
        InvalidToken::ClaimForm(_) => "claim_form",
        InvalidToken::ClaimMissing(_) => "claim_missing",
        InvalidToken::Issuer => "issuer",
        InvalidToken::Audience => "audience",
        InvalidToken::Expired => "expired",
        InvalidToken::IssuedInFuture => "issued_in_future",
        InvalidToken::NotYetValid => "not_yet_valid",
        InvalidToken::AuthenticatedInFuture => "authenticated_in_future",
        InvalidToken::SessionMissing => "session_missing",
        InvalidToken::Lifetime => "lifetime",
        InvalidToken::Revoked => "revoked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_workers_counted_is_added_up_and_goes_on_when_one_is_gone() {
        let traffic = Traffic::default();
        let (one, two) = (traffic.counter(), traffic.counter());
        for counter in [&one, &two, &two] {
            counter.answered("/me", "GET", StatusCode::OK, Duration::from_millis(1));
            counter.verified(None);
        }
        two.answered("/me", "GET", StatusCode::UNAUTHORIZED, Duration::from_millis(1));
        two.verified(Some(InvalidToken::ClaimForm("exp")));
        drop((one, two));
        let counts = traffic.counts();
        assert_eq!(counts.routes["/me"].answers, BTreeMap::from([(("GET", 200), 3), (("GET", 401), 1)]));
        assert_eq!((counts.routes["/me"].durations.count(), counts.routes.len()), (4, 1));
        assert_eq!((counts.verifications["ok"], counts.verifications["claim_form"], counts.verifications["revoked"]), (3, 1, 0));
    }
}
