//! The one place that reads the wall clock.
//!
//! Everything else takes `now` as an argument, so that a test can say what time it is and a decision never sees two different times.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

    /// Begins to measure how much time passes.
    pub fn stopwatch(&self) -> Stopwatch {
        Stopwatch(match self {
            Clock::System => Beginning::System(Instant::now()),
            Clock::Test(clock) => Beginning::Test(clock.clone(), clock.passed()),
        })
    }
}

/// How much time has passed since it was made. Unlike the wall clock it is never set, so it never jumps and never goes back.
#[derive(Clone, Debug)]
pub struct Stopwatch(Beginning);

#[derive(Clone, Debug)]
enum Beginning {
    System(Instant),
    Test(TestClock, u64),
}

impl Stopwatch {
    /// That much.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Beginning::System(beginning) => beginning.elapsed(),
            Beginning::Test(clock, beginning) => Duration::from_secs(clock.passed().saturating_sub(*beginning)),
        }
    }
}

/// A clock that was never set may stand before 1970.
fn seconds_since_1970(time: SystemTime) -> i64 {
    let seconds = |since: std::time::Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -seconds(before.duration()), seconds)
}

/// Milliseconds since 1970, for ids that carry the moment they were made at and never decide anything.
#[cfg(feature = "service")]
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub(crate) fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A clock for tests. Clones share one time.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Times>);

#[derive(Debug)]
struct Times {
    now: AtomicI64,
    passed: AtomicU64,
}

impl TestClock {
    /// A clock that stands at `now` (NumericDate).
    pub fn at(now: i64) -> Self {
        Self(Arc::new(Times { now: AtomicI64::new(now), passed: AtomicU64::new(0) }))
    }

    /// The time it stands at.
    pub fn now(&self) -> i64 {
        self.0.now.load(Ordering::Relaxed)
    }

    /// Lets so many seconds pass; negative steps the clock back, and no time passes.
    pub fn advance(&self, seconds: i64) {
        self.0.now.fetch_add(seconds, Ordering::Relaxed);
        self.0.passed.fetch_add(seconds.try_into().unwrap_or_default(), Ordering::Relaxed);
    }

    fn passed(&self) -> u64 {
        self.0.passed.load(Ordering::Relaxed)
    }
}

impl From<TestClock> for Clock {
    fn from(clock: TestClock) -> Self {
        Clock::Test(clock)
    }
}
