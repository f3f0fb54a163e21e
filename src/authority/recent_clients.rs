//! The clients that were read within the last second: who asks for tokens all the time is not looked up each time.
//!
//! What is remembered opens nothing for longer than the store's word would reach another replica anyway: whoever was disabled or removed is on
//! the deny list, which is asked besides, and a secret that is not the remembered one is compared with the store's. So what can be late, by a
//! second and never more, is that a secret rotated out or a scope taken is refused; in this process not even that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::client::Client;

/// How long a client is remembered.
const KEPT: Duration = Duration::from_secs(1);
/// More clients than this are not remembered.
const CAPACITY: usize = 1000;

/// The clients, and when each was read. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentClients(Arc<Mutex<HashMap<String, Recent>>>);

#[derive(Clone, Debug)]
struct Recent {
    client: Arc<Client>,
    /// Before the store was asked, by a clock that nobody sets.
    asked_at: Instant,
    /// The same moment as a NumericDate, for comparing with revocations.
    read_at: i64,
}

impl RecentClients {
    /// The client and when it was read (NumericDate), if that was within the last second.
    pub(super) fn get(&self, id: &str, now: Instant) -> Option<(Arc<Client>, i64)> {
        let recent = self.lock().get(id).filter(|recent| is_fresh(recent, now)).cloned()?;
        Some((recent.client, recent.read_at))
    }

    /// The store, asked at this moment, says that it is so.
    pub(super) fn remember(&self, client: &Arc<Client>, asked_at: Instant, read_at: i64) {
        let mut known = self.lock();
        if known.len() >= CAPACITY {
            known.retain(|_, recent| is_fresh(recent, asked_at));
        }
        if known.len() < CAPACITY {
            known.insert(client.id.clone(), Recent { client: Arc::clone(client), asked_at, read_at });
        }
    }

    /// Whatever was read of it is not so any more.
    pub(super) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Recent>> {
        // Nothing is done under the lock that could leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(recent: &Recent, now: Instant) -> bool {
    now.saturating_duration_since(recent.asked_at) < KEPT
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::token::client_secret::SecretHash;

    fn client(index: usize) -> Arc<Client> {
        let (id, name, scope) = (format!("cli_{index}"), index.to_string(), String::new());
        let (secret_hash, previous_secret_hash) = (SecretHash::of("x"), None);
        Arc::new(Client { id, name, scope, secret_hash, previous_secret_hash, created_at: 0, secret_rotated_at: None, disabled_at: None })
    }

    #[test]
    fn f4_a_client_is_remembered_for_a_second_from_when_the_store_was_asked() {
        let (recent, start) = (RecentClients::default(), Instant::now());
        recent.remember(&client(1), start, 7);
        assert_eq!(recent.get("cli_1", start).unwrap().1, 7);
        assert!(recent.get("cli_1", start + KEPT - Duration::from_millis(1)).is_some());
        assert!(recent.get("cli_1", start + KEPT).is_none() && recent.get("cli_2", start).is_none());
        recent.forget("cli_1");
        assert!(recent.get("cli_1", start).is_none());
    }

    #[test]
    fn more_than_a_thousand_are_not_remembered_until_the_second_is_over() {
        let (recent, start) = (RecentClients::default(), Instant::now());
        (0..=CAPACITY).for_each(|index| recent.remember(&client(index), start, 0));
        assert!(recent.get("cli_999", start).is_some() && recent.get("cli_1000", start).is_none());
        recent.remember(&client(CAPACITY), start + KEPT, 0);
        assert!(recent.get("cli_1000", start + KEPT).is_some());
    }
}
