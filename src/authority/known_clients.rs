//! The clients that introspected lately, so that an outage of the store does not stop those who ask about access tokens.
//!
//! Only for when the store does not answer, and only for that: nothing is issued or revoked on its word. A client that has never asked this
//! process before has to wait for the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::client::Client;
use crate::token::MAX_LIFETIME;

/// How long a client is remembered without the store, in seconds. After that there is no token left to ask about.
const KEPT: i64 = MAX_LIFETIME;
/// How often what is remembered is renewed, in seconds.
const RENEWED: i64 = 60;
/// More clients than this are not remembered.
const CAPACITY: usize = 1000;

/// The clients and when the store last spoke of them. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownClients(Arc<Mutex<HashMap<String, Known>>>);

#[derive(Debug)]
struct Known {
    client: Client,
    seen_at: i64,
}

impl KnownClients {
    /// The store says that it is so.
    pub(super) fn remember(&self, client: &Client, now: i64) {
        let mut known = self.lock();
        if known.get(&client.id).is_some_and(|known| now.saturating_sub(known.seen_at) < RENEWED && is_same(&known.client, client)) {
            return;
        }
        if known.len() >= CAPACITY {
            known.retain(|_, known| is_fresh(known, now));
        }
        if known.len() < CAPACITY || known.contains_key(&client.id) {
            known.insert(client.id.clone(), Known { client: client.clone(), seen_at: now });
        }
    }

    /// The store says that it is not.
    pub(super) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    /// What the store last said and when, if that was not long ago.
    pub(super) fn recall(&self, id: &str, now: i64) -> Option<(Client, i64)> {
        self.lock().get(id).filter(|known| is_fresh(known, now)).map(|known| (known.client.clone(), known.seen_at))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(known: &Known, now: i64) -> bool {
    now.saturating_sub(known.seen_at) <= KEPT
}

fn is_same(one: &Client, other: &Client) -> bool {
    one.secret_rotated_at == other.secret_rotated_at && one.scope == other.scope
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::client_secret::SecretHash;

    fn client(index: usize) -> Client {
        let (id, name, scope) = (format!("cli_{index}"), index.to_string(), String::new());
        let (secret_hash, previous_secret_hash) = (SecretHash::of("x"), None);
        Client { id, name, scope, secret_hash, previous_secret_hash, created_at: 0, secret_rotated_at: None, disabled_at: None }
    }

    #[test]
    fn f20_a_client_is_remembered_for_an_hour_and_forgotten_when_the_store_says_so() {
        let known = KnownClients::default();
        known.remember(&client(1), 1000);
        assert!(known.recall("cli_1", 1000 + KEPT).is_some() && known.recall("cli_1", 1001 + KEPT).is_none());
        known.remember(&client(1), 2000);
        assert!(known.recall("cli_1", 2000 + KEPT).is_some() && known.recall("cli_2", 2000).is_none());
        known.remember(&Client { scope: "a".into(), ..client(1) }, 2001);
        assert_eq!(known.recall("cli_1", 2001).unwrap().0.scope, "a");
        known.forget("cli_1");
        assert!(known.recall("cli_1", 2001).is_none());
    }

    #[test]
    fn more_than_a_thousand_are_not_remembered_until_the_old_ones_are_forgotten() {
        let known = KnownClients::default();
        (0..=CAPACITY).for_each(|index| known.remember(&client(index), 1000));
        assert!(known.recall("cli_999", 1000).is_some() && known.recall("cli_1000", 1000).is_none());
        known.remember(&client(CAPACITY), 1001 + KEPT);
        assert!(known.recall("cli_1000", 1001 + KEPT).is_some());
    }
}
