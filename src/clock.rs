//! The one place that reads the wall clock.
//!
//! Everything else takes `now` as an argument, so that a test can say what time it is and a decision never sees two different times.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where `now` comes from: the system, or a test that sets it.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's wall clock.
    #[default]
    System,
    /// A clock that stands still until told otherwise.
    Test(TestClock),
}

impl Clock {
    /// The time as a NumericDate: whole seconds since 1970-01-01T00:00:00Z (RFC 7519 s2).
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    pub fn now(&self) -> i64 {
        match self {
            Clock::System => seconds_since_1970(SystemTime::now()),
            Clock::Test(clock) => clock.now(),
        }
    }
}

/// A clock that was never set may stand before 1970.
fn seconds_since_1970(time: SystemTime) -> i64 {
    let seconds = |since: std::time::Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -seconds(before.duration()), seconds)
}

/// A clock for tests. Clones share one time.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// A clock that stands at `now` (NumericDate).
    pub fn at(now: i64) -> Self {
        Self(Arc::new(AtomicI64::new(now)))
    }

    /// The time it stands at.
    pub fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Moves the clock by so many seconds; negative steps it back.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl From<TestClock> for Clock {
    fn from(clock: TestClock) -> Self {
        Clock::Test(clock)
    }
}
