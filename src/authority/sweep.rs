//! Sessions that are over are deleted, some time later, and so is what was written down about them.

use std::time::Duration;

use super::{Authority, Error, audit};
use crate::store::{self, session};
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
            let swept = [self.sweep_sessions().await, self.sweep_audit().await];
            for error in swept.iter().filter_map(|swept| swept.as_ref().err()) {
                log::warn!("old rows were not swept: {error}");
            }
            let is_more = swept.into_iter().any(|swept| swept.unwrap_or(false));
            tokio::time::sleep(if is_more { PAUSE } else { EVERY }).await;
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
}
