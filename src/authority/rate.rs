//! How often something may happen: a bucket that holds so many and fills up again evenly (GCRA), and a table of buckets that never outgrows
//! its bounds.
//!
//! A bucket is one number: when it is full again. What is full needs no place, so it can be forgotten; what is not is never forgotten, or
//! whoever comes from enough addresses could have their own limit forgotten. Those who come when there is no room share a bucket with others.
//! Times are nanoseconds that have passed since the table was made.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::fmt;
use std::hash::{BuildHasher as _, Hash};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::Rate;

/// The buckets of one table.
pub const LARGEST_TABLE: usize = 100_000;
/// Each has a lock of its own. A power of two.
const SHARDS: usize = 16;
/// Buckets that are shared by those who find no room, in each shard. A power of two.
const SHARED: usize = 64;
/// A full shard is searched for buckets that are full again at most once in this time.
const SEARCH_PAUSE: u64 = 1_000_000_000;

/// So many at once, and one more whenever the time of one has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The time of one.
    pub one: u64,
    /// The time of all but one.
    others: u64,
}

impl From<Rate> for Bucket {
    fn from(rate: Rate) -> Self {
        let count = u64::from(rate.count.max(1));
        let one = nanoseconds(rate.per) / count;
        Self { one, others: one.saturating_mul(count - 1) }
    }
}

impl Bucket {
    /// When a bucket from which one is taken at `now` will be full again. Err: nothing is left, and there will be in so many nanoseconds.
    pub fn take(self, full_at: u64, now: u64) -> Result<u64, u64> {
        let full_at = full_at.max(now);
        match (full_at - now).checked_sub(self.others) {
            None | Some(0) => Ok(full_at.saturating_add(self.one)),
            Some(wait) => Err(wait),
        }
    }
}

/// A duration as a bucket counts it.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Which bucket of a table.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    own: u64,
    neighbours: u64,
}

/// The buckets of strangers, found by a hash that they cannot foresee.
pub struct Table {
    shards: Box<[Mutex<Shard>]>,
    hashed: RandomState,
}

struct Shard {
    full_at: HashMap<u64, u64>,
    shared: [u64; SHARED],
    searched_at: Option<u64>,
}

impl Default for Table {
    fn default() -> Self {
        let shard = || Mutex::new(Shard { full_at: HashMap::new(), shared: [0; SHARED], searched_at: None });
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hashed: RandomState::new() }
    }
}

impl Table {
    /// The place of a key. Neighbours are in the same shard, and share one bucket when there is no room for their own: a crowd that comes out
    /// of one network fills a part of the table and shares among itself.
    pub fn place(&self, own: impl Hash, neighbours: impl Hash) -> Place {
        Place { own: self.hashed.hash_one(own), neighbours: self.hashed.hash_one(neighbours) }
    }

    /// Looks at and changes when a bucket is full again. The second argument says whether it is shared.
    pub fn change<T>(&self, place: Place, now: u64, change: impl FnOnce(&mut u64, bool) -> T) -> T {
        let mut shard = self.shard(place);
        if shard.full_at.len() >= LARGEST_TABLE / SHARDS && !shard.full_at.contains_key(&place.own) {
            shard.make_room(now);
        }
        let Shard { full_at, shared, .. } = &mut *shard;
        let has_room = full_at.len() < LARGEST_TABLE / SHARDS;
        match full_at.entry(place.own) {
            Entry::Occupied(entry) => change(entry.into_mut(), false),
            Entry::Vacant(entry) if has_room => change(entry.insert(0), false),
            Entry::Vacant(_) => {
                // The upper bits: the lower ones chose the shard.
                change(&mut shared[(place.neighbours >> 32) as usize % SHARED], true)
            }
        }
    }

    /// When a bucket is full again. None: it has no place of its own, since nothing was taken from it for long.
    pub fn full_at(&self, place: Place) -> Option<u64> {
        self.shard(place).full_at.get(&place.own).copied()
    }

    /// How many buckets there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().full_at.len()).sum()
    }

    fn shard(&self, place: Place) -> std::sync::MutexGuard<'_, Shard> {
        self.shards[place.neighbours as usize % self.shards.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn make_room(&mut self, now: u64) {
        if self.searched_at.is_some_and(|searched_at| now < searched_at.saturating_add(SEARCH_PAUSE)) {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        self.searched_at = Some(now);
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn bucket(count: u32, seconds: u64) -> Bucket {
        Bucket::from(Rate { count, per: Duration::from_secs(seconds) })
    }

    #[test]
    fn so_many_are_there_at_once_and_one_more_after_the_time_of_one() {
        let (bucket, mut full_at) = (bucket(10, 60), 0);
        for _ in 0..10 {
            full_at = bucket.take(full_at, 5 * SECOND).unwrap();
        }
        assert_eq!(bucket.take(full_at, 5 * SECOND), Err(6 * SECOND));
        assert_eq!(bucket.take(full_at, 11 * SECOND - 1), Err(1));
        full_at = bucket.take(full_at, 11 * SECOND).unwrap();
        assert_eq!(bucket.take(full_at, 11 * SECOND), Err(6 * SECOND));
        for _ in 0..10 {
            full_at = bucket.take(full_at, 1000 * SECOND).unwrap();
        }
        assert!(bucket.take(full_at, 1000 * SECOND).is_err(), "an hour's rest is worth no more than a full bucket");
        assert_eq!(bucket.take(u64::MAX, 0).unwrap_err(), u64::MAX - 54 * SECOND);
        assert_eq!(bucket.take(0, u64::MAX), Ok(u64::MAX));
    }

    #[test]
    fn what_is_told_to_wait_is_admitted_after_exactly_that_and_not_before() {
        for (count, seconds) in [(1, 1), (1, 3600), (3, 1), (7, 60), (120, 60), (1_000_000, 1)] {
            let (bucket, mut full_at, mut now) = (bucket(count, seconds), 0, 0);
            let mut taken = 0;
            while now < 3 * seconds * SECOND {
                match bucket.take(full_at, now) {
                    Ok(later) => (full_at, taken) = (later, taken + 1),
                    Err(wait) => {
                        assert!(bucket.take(full_at, now + wait).is_ok() && bucket.take(full_at, now + wait - 1).is_err());
                        now += wait.max(seconds * SECOND / 100);
                    }
                }
            }
            let most = 4 * u64::from(count) + 1;
            assert!(taken <= most, "{taken} of {count} in {seconds}");
        }
    }

    /// Takes one for each key, and tells which could.
    fn take(table: &Table, keys: impl Iterator<Item = u64>, now: u64) -> usize {
        let bucket = bucket(1, 60);
        let take = |key: u64| {
            let place = table.place(key, key >> 8);
            table.change(place, now, |full_at, _| bucket.take(*full_at, now).map(|later| *full_at = later).is_ok())
        };
        keys.filter(|key| take(*key)).count()
    }

    #[test]
    fn j12_a_table_stays_below_100_000_whoever_comes_and_forgets_nobody_who_is_limited() {
        let table = Table::default();
        assert_eq!(take(&table, 0..1000, 0), 1000);
        let newcomers = take(&table, 1000..1_000_000, SECOND);
        assert!(table.len() <= LARGEST_TABLE);
        assert!((LARGEST_TABLE - 1000..=LARGEST_TABLE + SHARDS * SHARED).contains(&newcomers), "those without room share: {newcomers}");
        assert_eq!(take(&table, 0..1000, 59 * SECOND), 0, "the first ones are still limited");
        let late = take(&table, 2_000_000..2_001_000, 59 * SECOND);
        assert!(late <= 5, "at most one a network, whose shared bucket nobody has used: {late}");
        assert_eq!(take(&table, 0..1000, 62 * SECOND), 1000);
        assert!(take(&table, 3_000_000..3_050_000, 62 * SECOND) > 40_000, "what is full again makes room");
        assert!(table.len() <= LARGEST_TABLE);
    }

    #[test]
    fn j12_a_crowd_out_of_one_network_leaves_room_for_the_others() {
        let table = Table::default();
        let bucket = bucket(1, 60);
        let take = |key: u64, network: u64| {
            let place = table.place((key, network), network);
            table.change(place, 0, |full_at, _| bucket.take(*full_at, 0).map(|later| *full_at = later).is_ok())
        };
        let crowd = (0..500_000).filter(|key| take(*key, 1)).count();
        assert_eq!(crowd, LARGEST_TABLE / SHARDS + 1, "and one shared by all the others");
        let others = (2..1002).filter(|network| take(0, *network)).count();
        assert!(others > 900, "{others}");
    }

    #[test]
    fn j4_of_32_at_once_exactly_as_many_are_admitted_as_there_are() {
        let (table, bucket) = (Table::default(), bucket(10, 60));
        let place = table.place(1, 1);
        let take = || table.change(place, 0, |full_at, _| bucket.take(*full_at, 0).map(|later| *full_at = later).is_ok());
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..32).map(|_| scope.spawn(|| usize::from(take()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 10);
    }
}
