//! A map that is cheap to copy with one entry more, and cheap to ask for what is not in it.
//!
//! It is 256 small maps, of which copies share all but those that were written to: the deny list publishes a copy for every change, so that
//! readers need no lock, and copying all of a long list would take longer than answering the request that changed it. Before them stands a
//! filter, since nearly every token that is asked for was not revoked: one look at one word, where a map takes several at distant places.
//! It knows nothing of what the entries mean.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SHARDS: usize = 256;
/// Bits of the filter for each entry at least, of which each sets three in one word: then of the ids that are not there at most one in some
/// thirty has to be looked for.
const BITS_PER_ENTRY: usize = 8;

/// The map. Empty until something is put into it.
#[derive(Clone, Debug)]
pub(super) struct Shards<V> {
    shards: Vec<Arc<HashMap<Arc<str>, V>>>,
    filter: Filter,
    /// How many entries there are.
    pub(super) len: usize,
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        Self { shards: Vec::new(), filter: Filter::default(), len: 0 }
    }
}

impl<V: Copy> Shards<V> {
    pub(super) fn get(&self, id: &str) -> Option<&V> {
        let hash = hash_of(id);
        if self.filter.may_hold(hash) { self.shards.get(shard_of(hash))?.get(id) } else { None }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    /// Puts an entry in, `merged` with the one that is there.
    pub(super) fn put(&mut self, id: &Arc<str>, value: V, merged: impl FnOnce(V, V) -> V) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Arc::default);
        }
        let hash = hash_of(id);
        let Some(shard) = self.shards.get_mut(shard_of(hash)) else { return };
        let shard = Arc::make_mut(shard);
        if let Some(known) = shard.get_mut(&**id) {
            *known = merged(*known, value);
            return;
        }
        shard.insert(Arc::clone(id), value);
        self.len += 1;
        if self.filter.has_room_for(self.len) { self.filter.insert(hash) } else { self.renew_filter() }
    }

    /// Removes the others. A shard that holds none of them stays shared.
    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        for shard in &mut self.shards {
            if !shard.values().all(&keep) {
                // What is copied is what stays.
                *shard = Arc::new(shard.iter().filter(|(_, value)| keep(value)).map(|(id, value)| (Arc::clone(id), *value)).collect());
            }
        }
        let len = self.shards.iter().map(|shard| shard.len()).sum();
        if std::mem::replace(&mut self.len, len) != len {
            self.renew_filter();
        }
    }

    fn renew_filter(&mut self) {
        self.filter = Filter::with_room_for(self.len);
        self.shards.iter().flat_map(|shard| shard.keys()).for_each(|id| self.filter.insert(hash_of(id)));
    }
}

/// Knows of most ids that they are not there, and of none that is there. Copies share it: what another copy put in makes nothing worse
/// than an id to be looked for in vain.
#[derive(Clone, Debug, Default)]
struct Filter(Arc<[AtomicU64]>);

impl Filter {
    /// A power of two, so that it is renewed only when the number of entries has doubled.
    fn with_room_for(len: usize) -> Self {
        let words = (len * BITS_PER_ENTRY / 64 + 1).next_power_of_two();
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    fn has_room_for(&self, len: usize) -> bool {
        len * BITS_PER_ENTRY <= self.0.len() * 64
    }

    /// Relaxed: whoever can reach the entry has seen everything that came before its publication.
    fn insert(&self, hash: u64) {
        if let Some(word) = self.0.get(self.word_of(hash)) {
            word.fetch_or(marks_of(hash), Ordering::Relaxed);
        }
    }

    fn may_hold(&self, hash: u64) -> bool {
        self.0.get(self.word_of(hash)).is_some_and(|word| !word.load(Ordering::Relaxed) & marks_of(hash) == 0)
    }

    /// The number of words is a power of two, or none.
    fn word_of(&self, hash: u64) -> usize {
        (hash >> 18) as usize & self.0.len().wrapping_sub(1)
    }
}

/// Of the last eight bytes, which are random in a UUIDv7. Nobody gains by ids of one hash: they are made here, and only looked for slower.
fn hash_of(id: &str) -> u64 {
    let tail = id.as_bytes().last_chunk::<8>().map_or(0, |tail| u64::from_le_bytes(*tail));
    let product = u128::from(tail ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product >> 64) as u64 ^ product as u64
}

/// Three bits of a word, told by the 18 lowest bits of the hash; the next ones tell which word.
fn marks_of(hash: u64) -> u64 {
    1 << (hash % 64) | 1 << ((hash >> 6) % 64) | 1 << ((hash >> 12) % 64)
}

fn shard_of(hash: u64) -> usize {
    (hash >> 56) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(known: u32, _: u32) -> u32 {
        known
    }

    fn filled(count: u32) -> Shards<u32> {
        let mut shards = Shards::default();
        (0..count).for_each(|number| shards.put(&format!("019b2c4e-6a3f-7c11-9d42-{number:012x}").into(), number, first));
        shards
    }

    #[test]
    fn a_copy_shares_every_shard_but_the_one_that_was_written_to() {
        let shards = filled(10_000);
        let mut copy = shards.clone();
        copy.put(&"another one".into(), 1, first);
        let shared = shards.shards.iter().zip(&copy.shards).filter(|(one, other)| Arc::ptr_eq(one, other)).count();
        assert_eq!((shared, shards.len, copy.len), (SHARDS - 1, 10_000, 10_001));
        assert!(shards.get("another one").is_none() && copy.get("another one").is_some());
    }

    #[test]
    fn whatever_was_put_in_is_found_however_the_filter_grew_and_shrank() {
        let mut shards = filled(5000);
        let id = |number: u32| format!("019b2c4e-6a3f-7c11-9d42-{number:012x}");
        assert!((0..5000).all(|number| shards.get(&id(number)) == Some(&number)));
        shards.retain(|number| number % 7 == 0);
        assert!((0..5000).all(|number| shards.get(&id(number)).is_some() == (number % 7 == 0)));
        shards.put(&id(1).into(), 1, first);
        assert_eq!(shards.get(&id(1)), Some(&1));
    }

    #[test]
    fn most_of_what_is_not_there_is_not_looked_for() {
        let shards = filled(10_000);
        let sought =
            (10_000..20_000_u32).filter(|number| shards.filter.may_hold(hash_of(&format!("019b2c4e-6a3f-7c11-9d42-{number:012x}"))));
        let sought = sought.count();
        assert!(sought < 500, "{sought}");
    }

    #[test]
    fn ids_that_differ_at_their_end_are_spread_over_all_shards() {
        let shards = filled(100_000);
        let sizes = || shards.shards.iter().map(|shard| shard.len());
        assert!(sizes().max() < Some(800) && sizes().min() > Some(100), "{:?} to {:?}", sizes().min(), sizes().max());
    }

    #[test]
    fn ids_shorter_than_what_is_looked_at_have_a_place_too() {
        let mut shards = Shards::default();
        for (number, id) in (0..).zip(["", "a", "1234567", "12345678"]) {
            shards.put(&id.into(), number, first);
        }
        assert_eq!((["", "a", "1234567", "12345678", "b"]).map(|id| shards.get(id).copied()), [Some(0), Some(1), Some(2), Some(3), None]);
        shards.retain(|number| number % 2 == 1);
        assert_eq!((shards.len, shards.get("a"), shards.get("")), (2, Some(&1), None));
    }
}
