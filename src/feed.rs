//! The deny list between replicas: what one of them revokes, all of them refuse within two seconds.
//!
//! Every process asks the store each second for what was written lately and adds it to the list in its memory, which guarded requests look
//! into without waiting. Entries may be read twice, late and in any order. It decides nothing about who is revoked.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::store::{self, Database, revocation};
use crate::token::RevocationList;

/// How often the store is asked.
const PERIOD: Duration = Duration::from_secs(1);
/// How many of those times go by between two sweeps.
const SWEEP_EVERY: u64 = 60;
/// How many rows one statement deletes.
const SWEEP_ROWS: u32 = 1000;
/// What was written this many seconds before the newest entry is read again each time: the clocks of two replicas may be a minute apart
/// (the largest leeway), and a statement that is retried takes up to half a minute from reading the clock to being seen.
const OVERLAP: i64 = 90;

/// Keeps the deny list of this process up to date.
#[derive(Debug)]
pub struct Feed {
    database: Database,
    revocations: RevocationList,
    clock: Clock,
    /// When the newest entry known was written (NumericDate).
    newest: i64,
}

impl Feed {
    /// A feed from this store into this list. It knows nothing before the first poll.
    pub fn new(database: Database, revocations: RevocationList, clock: Clock) -> Self {
        Self { database, revocations, clock, newest: 0 }
    }

    /// Reads what was written lately; the first time, all that still denies something.
    ///
    /// # Errors
    /// [`store::Error`]: the list is as it was.
    pub async fn poll(&mut self) -> Result<(), store::Error> {
        let now = self.clock.now();
        // Never later than now: an entry from the future, by a clock that was wrong, must not hide those that others write until then.
        let since = self.newest.min(now).saturating_sub(OVERLAP);
        let recorded = revocation::recorded_since(&self.database, since, now).await?;
        self.revocations.add(recorded.iter().map(|recorded| &recorded.revocation));
        let newest = recorded.iter().map(|recorded| recorded.recorded_at).max();
        self.newest = self.newest.max(newest.unwrap_or_default());
        Ok(())
    }

    /// Polls for ever; `heard` is called each time the list is known to be complete.
    pub async fn run(mut self, heard: impl Fn()) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_deaf = false;
        for tick in 1_u64.. {
            ticks.tick().await;
            match self.poll().await {
                Ok(()) => {
                    heard();
                    if std::mem::take(&mut is_deaf) {
                        log::info!("the deny list is up to date again");
                    }
                }
                // Said once: what cannot be read now cannot be read a second later either.
                Err(error) if !is_deaf => {
                    is_deaf = true;
                    log::error!("the deny list cannot be kept up to date: {error}");
                }
                Err(_) => {}
            }
            if tick.is_multiple_of(SWEEP_EVERY) && !is_deaf {
                self.sweep().await;
            }
        }
    }

    /// Forgets what can deny nothing any more, here and in the store.
    async fn sweep(&self) {
        let now = self.clock.now();
        self.revocations.sweep(now);
        // One batch at a time: a minute later there is another one.
        if let Err(error) = revocation::sweep(&self.database, SWEEP_ROWS, now).await {
            log::warn!("the deny list was not swept: {error}");
        }
    }
}
