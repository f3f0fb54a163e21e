//! When to look into the store next: as soon as it says that there is something, and after a while in any case.
//!
//! Any number of announcements that come while nobody looks are one ring. It knows nothing of what there is to see.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::store::notification::Listener;
use crate::store::{self, Database};

/// How often to look where nothing is announced, as with SQLite or while the line is broken.
const PERIOD: Duration = Duration::from_secs(1);
/// How often to look although everything is announced: a line may go dead without a sign.
const LISTENING_PERIOD: Duration = Duration::from_secs(4);
/// The pauses between attempts to get a line.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The bell.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Notify,
    is_listening: AtomicBool,
}

impl Bell {
    /// Waits until it rings, or until as long after `last` as there may be between two looks.
    pub(super) async fn wait(&self, last: Instant) {
        let period = if self.is_listening.load(Ordering::Relaxed) { LISTENING_PERIOD } else { PERIOD };
        let _ = timeout_at(last + period, self.rung.notified()).await;
    }

    /// Rings for every announcement, for ever. Also each time that the line is there or gone: what was said meanwhile was said to nobody.
    pub(super) async fn listen(&self, database: &Database) {
        if !Listener::is_possible(database) {
            return std::future::pending().await;
        }
        let (mut pause, mut is_broken) = (FIRST_PAUSE, false);
        loop {
            let connected = Listener::connect(database).await;
            if connected.is_ok() {
                is_broken = false;
                log::info!("revocations are announced by the database");
            }
            let since = Instant::now();
            let error = match connected {
                Ok(listener) => self.ring(listener).await,
                Err(error) => error,
            };
            if !std::mem::replace(&mut is_broken, true) {
                log::warn!("revocations are not announced by the database, so it is asked for them each second: {error}");
            }
            // A line that breaks as soon as it is there is tried less and less often, like one that is not.
            if since.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Rings until the line breaks, and tells how it broke.
    async fn ring(&self, mut listener: Listener) -> store::Error {
        self.is_listening.store(true, Ordering::Relaxed);
        let error = loop {
            self.rung.notify_one();
            if let Err(error) = listener.heard().await {
                break error;
            }
        };
        self.is_listening.store(false, Ordering::Relaxed);
        self.rung.notify_one();
        error
    }
}
