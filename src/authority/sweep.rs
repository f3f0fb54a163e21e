//! Sessions that are over are deleted, some time later.

use std::time::Duration;

use super::{Authority, Error};
use crate::store::session;
use crate::token::MAX_LIFETIME;

/// How many rows one statement deletes: few enough that nobody waits for it.
const BATCH: u32 = 1000;
/// How long the row of a session outlives it, in seconds: as long as access tokens of it may be out.
const KEPT: i64 = 2 * MAX_LIFETIME;

/// How often there is a sweep, and how long between two batches when there is more than one.
const EVERY: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(1);

impl Authority {
    /// Deletes batch after batch for as long as the process lives.
    pub async fn sweep_sessions_for_ever(&self) {
        loop {
            let swept = self.sweep_sessions().await;
            if let Err(error) = &swept {
                log::warn!("old sessions were not swept: {error}");
            }
            tokio::time::sleep(if swept.unwrap_or(false) { PAUSE } else { EVERY }).await;
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
}
