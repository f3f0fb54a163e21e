//! What is over is deleted some time later: sessions, what was written down about them, and the tries of addresses that nobody tries any more.
//! Second factors are brought under the key that seals.

use std::time::Duration;

use tokio::time::timeout;

use super::{Authority, Error, audit};
use crate::store::{self, session, throttle};
use crate::token::MAX_LIFETIME;

/// How many rows one statement deletes: few enough that nobody waits for it.
const BATCH: u32 = 1000;
/// How long the row of a session outlives it, in seconds: as long as access tokens of it may be out.
const KEPT: i64 = 2 * MAX_LIFETIME;
/// How long the tries of an address are remembered after the last one, in seconds. Far longer than the longest wait.
const TRIES_KEPT: i64 = 24 * 3600;

/// How often there is a sweep, and how long between two batches when there is more than one.
const EVERY: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(1);

impl Authority {
    /// Sweeps batch after batch for as long as the process lives.
    pub async fn sweep_for_ever(&self) {
        loop {
            let sessions = more("old sessions were not swept", self.sweep_sessions().await);
            let events = more("old events were not swept", self.sweep_audit().await);
            let tries = more("old tries were not swept", self.sweep_tries().await);
            let second_factors = more("second factors were not sealed anew", self.reseal_second_factors(BATCH).await);
            let pause = if sessions || events || tries || second_factors { PAUSE } else { EVERY };
            // Other keys: what is sealed under the old ones must not wait until somebody retires them.
            let _over_or_replaced = timeout(pause, self.tokens.replaced()).await;
        }
    }

    /// Deletes a batch of sessions that have long been over. True: there may be more.
    ///
    /// Sessions that were left idle are kept until their absolute timeout: finding them earlier would take an index on a column that every
    /// refresh changes.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn sweep_sessions(&self) -> Result<bool, Error> {
        let ended_before = self.clock.now().saturating_sub(KEPT);
        let lifetime = i64::try_from(self.terms.sessions.absolute_timeout.as_secs()).unwrap_or(i64::MAX);
        let swept = session::sweep(&self.database, BATCH, ended_before, ended_before.saturating_sub(lifetime)).await?;
        Ok(swept >= u64::from(BATCH))
    }

    /// Deletes a batch of events that nobody has to know of any more. True: there may be more.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn sweep_audit(&self) -> Result<bool, Error> {
        let before = self.clock.now().saturating_sub(audit::KEPT);
        Ok(store::audit::sweep(&self.database, BATCH, before).await? >= u64::from(BATCH))
    }

    /// Deletes a batch of the tries of addresses that nobody has tried for a day. True: there may be more.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn sweep_tries(&self) -> Result<bool, Error> {
        let swept = throttle::sweep(&self.database, BATCH, self.clock.now().saturating_sub(TRIES_KEPT)).await?;
        Ok(swept >= u64::from(BATCH))
    }
}

fn more(failure: &str, swept: Result<bool, Error>) -> bool {
    swept.inspect_err(|error| log::warn!("{failure}: {error}")).unwrap_or(false)
}
