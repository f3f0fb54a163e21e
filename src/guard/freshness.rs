//! How long ago the deny list was known to be complete, and what a guard does when that was too long ago.
//!
//! Whoever keeps the list up to date says when it was complete; the guard looks at one number in memory. It knows nothing of where the
//! entries come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a guard does with a good token while nobody can say whether it was revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenStale {
    /// It goes on believing what the list, as far as it is known, does not deny: an outage of hallpass does not become one of everything
    /// behind it. A logout then holds here no later than when its tokens expire, five minutes by default.
    #[default]
    Serve,
    /// 503 `temporarily_unavailable` with `Retry-After` ([`Refusal::Unavailable`](super::Refusal::Unavailable)), also before the list was
    /// complete for the first time. For routes where a token that was revoked must never pass. Bad tokens are 401 as ever.
    Refuse,
}

/// How fresh a deny list is. Clones share it.
///
/// `Follower` (feature `feed`) makes one and keeps it. With a feed of your own: make one, call [`Freshness::heard`] whenever the list is
/// known to be complete, and give a clone to [`Guard::with_freshness`](super::Guard::with_freshness).
///
/// It counts on the monotonic clock, so that setting the wall clock neither hides an outage nor makes one up.
#[derive(Clone, Debug)]
pub struct Freshness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    /// Milliseconds after `origin`, plus one. 0: never.
    heard: AtomicU64,
    stale_after: Duration,
    when_stale: WhenStale,
}

impl Freshness {
    /// Of a list that was never complete so far.
    pub fn new(stale_after: Duration, when_stale: WhenStale) -> Self {
        Self(Arc::new(Inner { origin: Instant::now(), heard: AtomicU64::new(0), stale_after, when_stale }))
    }

    /// The list held everything that had been revoked at `at`. It never goes back.
    pub fn heard(&self, at: Instant) {
        let after = at.saturating_duration_since(self.0.origin).as_millis();
        self.0.heard.fetch_max(u64::try_from(after).unwrap_or(u64::MAX - 1).saturating_add(1), Ordering::Relaxed);
    }

    /// How long ago the list was last known to be complete, for your probes and metrics. None: it never was.
    pub fn age(&self) -> Option<Duration> {
        let heard = self.0.heard.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.0.origin.elapsed().saturating_sub(Duration::from_millis(heard)))
    }

    /// Whether that is longer than allowed. A list that was never complete is stale.
    pub fn is_stale(&self) -> bool {
        self.age().is_none_or(|age| age > self.0.stale_after)
    }

    /// Whether a guard has to refuse what it would otherwise believe.
    pub(super) fn refuses(&self) -> bool {
        self.0.when_stale == WhenStale::Refuse && self.is_stale()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stale_until_it_is_heard_of_and_again_after_the_limit() {
        let freshness = Freshness::new(Duration::from_secs(3600), WhenStale::Refuse);
        assert_eq!((freshness.age(), freshness.is_stale(), freshness.refuses()), (None, true, true));
        freshness.heard(Instant::now());
        assert!(freshness.age().unwrap() < Duration::from_secs(3600) && !freshness.is_stale() && !freshness.refuses());
        let strict = Freshness::new(Duration::ZERO, WhenStale::Refuse);
        strict.heard(strict.0.origin);
        while strict.age().unwrap().is_zero() {}
        assert!(strict.refuses());
    }

    #[test]
    fn serving_refuses_nobody_however_stale_it_is() {
        let freshness = Freshness::new(Duration::ZERO, WhenStale::default());
        assert!(freshness.is_stale() && !freshness.refuses());
    }

    #[test]
    fn an_older_moment_does_not_make_it_older() {
        let freshness = Freshness::new(Duration::from_secs(1), WhenStale::Serve);
        let now = Instant::now();
        freshness.heard(now + Duration::from_secs(5));
        let heard = freshness.0.heard.load(Ordering::Relaxed);
        freshness.heard(now);
        assert_eq!(freshness.0.heard.load(Ordering::Relaxed), heard);
        assert_eq!(freshness.age(), Some(Duration::ZERO), "a moment to come is now");
    }
}
