//! A map that is cheap to copy with one entry more: 256 small maps, of which copies share all but the ones that were written to.
//!
//! The deny list publishes a new copy for every change, so that readers need no lock; copying all of a long list would take longer than
//! answering the request that changed it. It knows nothing of what the entries mean.

use std::collections::HashMap;
use std::sync::Arc;

const SHARDS: usize = 256;

/// The map. Empty until something is put into it, and then a look-up costs nothing.
#[derive(Clone, Debug)]
pub(super) struct Shards<V> {
    shards: Vec<Arc<HashMap<Box<str>, V>>>,
    /// How many entries there are.
    pub(super) len: usize,
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        Self { shards: Vec::new(), len: 0 }
    }
}

impl<V: Copy> Shards<V> {
    pub(super) fn get(&self, id: &str) -> Option<&V> {
        if self.len == 0 { None } else { self.shards.get(shard_of(id))?.get(id) }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    /// Puts an entry in, `merged` with the one that is there.
    pub(super) fn put(&mut self, id: &str, value: V, merged: impl FnOnce(V, V) -> V) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Arc::default);
        }
        let Some(shard) = self.shards.get_mut(shard_of(id)) else { return };
        let shard = Arc::make_mut(shard);
        match shard.get_mut(id) {
            Some(known) => *known = merged(*known, value),
            None => {
                shard.insert(id.into(), value);
                self.len += 1;
            }
        }
    }

    /// Removes the others. A shard that holds none of them stays shared.
    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        for shard in &mut self.shards {
            if !shard.values().all(&keep) {
                // What is copied is what stays.
                *shard = Arc::new(shard.iter().filter(|(_, value)| keep(value)).map(|(id, value)| (id.clone(), *value)).collect());
            }
        }
        self.len = self.shards.iter().map(|shard| shard.len()).sum();
    }
}

/// By the last eight bytes, which are the random ones of a UUIDv7; the product spreads what is not random.
fn shard_of(id: &str) -> usize {
    let tail = id.as_bytes().last_chunk::<8>().map_or(0, |tail| u64::from_le_bytes(*tail));
    (tail.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(known: u32, _: u32) -> u32 {
        known
    }

    fn filled(count: u32) -> Shards<u32> {
        let mut shards = Shards::default();
        (0..count).for_each(|number| shards.put(&format!("019b2c4e-6a3f-7c11-9d42-{number:012x}"), number, first));
        shards
    }

    #[test]
    fn a_copy_shares_every_shard_but_the_one_that_was_written_to() {
        let shards = filled(10_000);
        let mut copy = shards.clone();
        copy.put("another one", 1, first);
        let shared = shards.shards.iter().zip(&copy.shards).filter(|(one, other)| Arc::ptr_eq(one, other)).count();
        assert_eq!((shared, shards.len, copy.len), (SHARDS - 1, 10_000, 10_001));
        assert!(shards.get("another one").is_none() && copy.get("another one").is_some());
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
            shards.put(id, number, first);
        }
        assert_eq!((["", "a", "1234567", "12345678", "b"]).map(|id| shards.get(id).copied()), [Some(0), Some(1), Some(2), Some(3), None]);
        shards.retain(|number| number % 2 == 1);
        assert_eq!((shards.len, shards.get("a"), shards.get("")), (2, Some(&1), None));
    }
}
