//! The course of following: ask, add, ask again; after trouble, in a while.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::sync::watch;
use tokio::time::sleep;

use super::hallpass::{Changes, Hallpass, Trouble};
use crate::clock::Clock;
use crate::guard::Freshness;
use crate::token::RevocationList;

/// An answer with fewer entries holds all that there was: hallpass cuts a longer list only at twice as many.
const WHOLE_BELOW: usize = 1000;
/// The least between two questions, so that a flood of revocations comes in handfuls, ten a second.
const REST: Duration = Duration::from_millis(100);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// `Retry-After` is heeded up to here.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// How long between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Course {
    hallpass: Hallpass,
    revocations: RevocationList,
    freshness: Freshness,
    clock: Clock,
    caught_up: watch::Sender<bool>,
    cursor: Option<String>,
    /// Whether the list was complete when hallpass last answered: only then it makes sense to wait for more.
    is_whole: bool,
    /// How long to pause when the next question fails.
    pause: Duration,
    /// What was said of the trouble that goes on.
    said: Option<String>,
}

impl Course {
    pub fn new(
        hallpass: Hallpass,
        revocations: RevocationList,
        freshness: Freshness,
        clock: Clock,
        caught_up: watch::Sender<bool>,
    ) -> Self {
        Self { hallpass, revocations, freshness, clock, caught_up, cursor: None, is_whole: false, pause: FIRST_PAUSE, said: None }
    }

    /// Follows for ever; hallpass may wait so long with an answer when there is nothing to tell.
    pub async fn run(mut self, wait: Duration) {
        let mut swept = Instant::now();
        loop {
            let asked_at = Instant::now();
            let wait = if self.is_whole { wait } else { Duration::ZERO };
            match self.hallpass.changes(self.cursor.as_deref(), wait).await {
                Ok(changes) => self.take(changes),
                Err(trouble) => sleep(self.stumble(&trouble)).await,
            }
            if self.is_whole {
                sleep(REST.saturating_sub(asked_at.elapsed())).await;
            }
            if swept.elapsed() >= SWEEP_EVERY {
                swept = Instant::now();
                self.revocations.sweep(self.clock.now());
            }
        }
    }

    fn take(&mut self, changes: Changes) {
        self.revocations.add(&changes.entries, self.clock.now());
        self.is_whole = changes.entries.len() < WHOLE_BELOW;
        self.cursor = Some(changes.cursor);
        self.pause = FIRST_PAUSE;
        if self.is_whole {
            self.freshness.heard(changes.heard_at);
            if self.said.take().is_some() {
                log::info!("the deny list is up to date with hallpass again");
            }
            if !self.caught_up.send_replace(true) {
                log::info!("the deny list follows hallpass");
            }
        }
    }

    /// How long to wait before the next try.
    fn stumble(&mut self, trouble: &Trouble) -> Duration {
        self.is_whole = false;
        let text = trouble.to_string();
        // Once for each kind of trouble: it is tried every few seconds.
        if self.said.as_ref() != Some(&text) {
            log::warn!("the deny list does not follow hallpass: {text}");
            self.said = Some(text);
        }
        let mut least = Duration::ZERO;
        if let Trouble::Refused { status, retry_after, .. } = trouble {
            least = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
            // Another hallpass may stand there by now, which never gave this cursor: everything is read again.
            if *status == StatusCode::BAD_REQUEST {
                self.cursor = None;
            }
        }
        let pause = self.pause.max(least * 2);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        jittered(pause)
    }
}

/// Half of it to all of it: those who lost hallpass at the same time must not come back at the same time.
fn jittered(pause: Duration) -> Duration {
    let dice = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(0.5 + f64::from(dice) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_between_half_of_it_and_all_of_it() {
        for _ in 0..1000 {
            assert!((Duration::from_secs(5)..=Duration::from_secs(10)).contains(&jittered(LONGEST_PAUSE)));
        }
    }
}
