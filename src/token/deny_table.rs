//! A table of what is denied, which is read while it is written to.
//!
//! An entry is a slot of fixed size: a fingerprint of its id and a few numbers, all of them atomic. Whoever looks for an id therefore needs no
//! lock, and whoever adds one copies nothing and leaves no small pieces of memory about. Before the slots stands a filter, since nearly every
//! token that is asked for was not revoked: one look at one word, where a slot would be one more distant place for each.
//!
//! It does not grow by itself: a table that is full is [renewed](Table::renewed) by its owner, who publishes the new one.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// The least that there is once there is anything.
const SLOTS: usize = 64;
/// So many of so many slots may be taken.
const TAKEN: (usize, usize) = (4, 5);
/// Bits of the filter for each slot, of which an entry sets three in one word: then of the ids that are not there at most one in some thirty
/// has to be looked for.
const BITS_PER_SLOT: usize = 8;

/// What is denied under a name. All are NumericDates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Tokens with an older `iat` are denied.
    pub(super) issued_before: i64,
    /// When the last of them has expired.
    pub(super) until: i64,
    /// No later than this it was revoked.
    pub(super) revoked_at: i64,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name<'a> {
    pub(super) kind: Kind,
    pub(super) id: &'a str,
}

/// Of which claim a name's id is the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Session,
    Subject,
    Token,
}

/// The table. One thread at a time may write to it; its owner sees to that.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// A power of two of them, or none. At least one in five is free, so every search ends soon.
    slots: Box<[Slot]>,
    filter: Box<[AtomicU64]>,
    len: AtomicUsize,
    keyed: RandomState,
}

impl Table {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// What is denied under this name.
    #[inline]
    pub(super) fn get(&self, name: Name<'_>) -> Option<Entry> {
        let hash = hash_of(name);
        if self.may_hold(hash) { self.look_for(name, hash) } else { None }
    }

    #[cold]
    fn look_for(&self, name: Name<'_>, hash: u64) -> Option<Entry> {
        let fingerprint = self.fingerprint(name, hash);
        // Looked at once more: a slot that was free may have been taken for another name meanwhile.
        self.place_of(fingerprint).filter(|slot| slot.is_taken() && slot.fingerprint() == fingerprint).map(Slot::entry)
    }

    /// Everything that is denied.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.slots.iter().filter(|slot| slot.is_taken()).map(Slot::entry)
    }

    /// Denies this too; of what is denied under the name already the strictest stays. False: there is no room.
    #[must_use]
    pub(super) fn put(&self, name: Name<'_>, entry: Entry) -> bool {
        self.put_at(self.fingerprint(name, hash_of(name)), entry)
    }

    /// Another table with those that are to be kept, and room for at least one more.
    pub(super) fn renewed(&self, keep: impl Fn(&Entry) -> bool) -> Self {
        let len = self.entries().filter(&keep).count();
        let slots = ((len + 1) * TAKEN.1).div_ceil(TAKEN.0).next_power_of_two().max(SLOTS);
        let renewed = Self {
            slots: (0..slots).map(|_| Slot::default()).collect(),
            filter: (0..slots * BITS_PER_SLOT / 64).map(|_| AtomicU64::new(0)).collect(),
            len: AtomicUsize::new(0),
            keyed: self.keyed.clone(),
        };
        for slot in self.slots.iter().filter(|slot| slot.is_taken() && keep(&slot.entry())) {
            let has_room = renewed.put_at(slot.fingerprint(), slot.entry());
            debug_assert!(has_room, "it was made for as many");
        }
        renewed
    }

    fn put_at(&self, fingerprint: Fingerprint, entry: Entry) -> bool {
        let Some(slot) = self.place_of(fingerprint) else { return false };
        if slot.is_taken() {
            slot.tighten(entry);
            return true;
        }
        let len = self.len() + 1;
        if len * TAKEN.1 > self.slots.len() * TAKEN.0 {
            return false;
        }
        // Relaxed: whoever learns of the revocation from this thread sees all that it wrote before.
        if let Some(word) = self.word_of(fingerprint.hash) {
            word.fetch_or(marks_of(fingerprint.hash), Ordering::Relaxed);
        }
        slot.take(fingerprint, entry);
        self.len.store(len, Ordering::Relaxed);
        true
    }

    /// The slot with this fingerprint, or the free one where it belongs.
    fn place_of(&self, fingerprint: Fingerprint) -> Option<&Slot> {
        let start = fingerprint.secret as usize;
        (0..self.slots.len())
            .filter_map(|step| self.slots.get(start.wrapping_add(step) & (self.slots.len() - 1)))
            .find(|slot| !slot.is_taken() || slot.fingerprint() == fingerprint)
    }

    fn fingerprint(&self, name: Name<'_>, hash: u64) -> Fingerprint {
        // None is 0, which says that a slot is free.
        Fingerprint { hash, secret: self.keyed.hash_one(name).max(1) }
    }

    fn may_hold(&self, hash: u64) -> bool {
        self.word_of(hash).is_some_and(|word| !word.load(Ordering::Relaxed) & marks_of(hash) == 0)
    }

    fn word_of(&self, hash: u64) -> Option<&AtomicU64> {
        self.filter.get((hash >> 18) as usize & self.filter.len().wrapping_sub(1))
    }
}

/// What is known of a name: 128 bits, half of them by a hash whose key nobody knows. Two names are never taken for each other by chance, and
/// nobody can find two that are; if ever, a token is refused that need not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    hash: u64,
    secret: u64,
}

#[derive(Debug, Default)]
struct Slot {
    hash: AtomicU64,
    /// Written last, since a slot is free until it is there.
    secret: AtomicU64,
    issued_before: AtomicI64,
    until: AtomicI64,
    revoked_at: AtomicI64,
}

impl Slot {
    /// What was written before it was taken is seen by whoever sees that it is.
    fn is_taken(&self) -> bool {
        self.secret.load(Ordering::Acquire) != 0
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint { hash: self.hash.load(Ordering::Relaxed), secret: self.secret.load(Ordering::Relaxed) }
    }

    fn entry(&self) -> Entry {
        Entry {
            issued_before: self.issued_before.load(Ordering::Relaxed),
            until: self.until.load(Ordering::Relaxed),
            revoked_at: self.revoked_at.load(Ordering::Relaxed),
        }
    }

    fn take(&self, Fingerprint { hash, secret }: Fingerprint, entry: Entry) {
        self.hash.store(hash, Ordering::Relaxed);
        self.issued_before.store(entry.issued_before, Ordering::Relaxed);
        self.until.store(entry.until, Ordering::Relaxed);
        self.revoked_at.store(entry.revoked_at, Ordering::Relaxed);
        self.secret.store(secret, Ordering::Release);
    }

    /// The later of both, if any of what counts is later: what is only told once more leaves the time of its revocation as it was.
    fn tighten(&self, other: Entry) {
        let known = self.entry();
        if other.issued_before > known.issued_before || other.until > known.until {
            self.issued_before.fetch_max(other.issued_before, Ordering::Relaxed);
            self.until.fetch_max(other.until, Ordering::Relaxed);
            self.revoked_at.fetch_max(other.revoked_at, Ordering::Relaxed);
        }
    }
}

/// Of the kind and the last eight bytes, which are random in a UUIDv7. Nobody gains by names of one hash: they are only looked for a little
/// slower.
fn hash_of(Name { kind, id }: Name<'_>) -> u64 {
    let tail = id.as_bytes().last_chunk::<8>().map_or(0, |tail| u64::from_le_bytes(*tail));
    let salt = match kind {
        Kind::Session => 0x9e37_79b9_7f4a_7c15,
        Kind::Subject => 0xbf58_476d_1ce4_e5b9,
        Kind::Token => 0x94d0_49bb_1331_11eb,
    };
    let product = u128::from(tail ^ salt) * 0xd6e8_feb8_6659_fd93;
    (product >> 64) as u64 ^ product as u64
}

/// Three bits of a word, told by the 18 lowest bits of the hash; the next ones tell which word.
fn marks_of(hash: u64) -> u64 {
    1 << (hash % 64) | 1 << ((hash >> 6) % 64) | 1 << ((hash >> 12) % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: i64) -> Entry {
        Entry { issued_before: number, until: number, revoked_at: number }
    }

    fn id(number: i64) -> String {
        format!("019b2c4e-6a3f-7c11-9d42-{number:012x}")
    }

    fn session(id: &str) -> Name<'_> {
        Name { kind: Kind::Session, id }
    }

    fn filled(count: i64) -> Table {
        let mut table = Table::default();
        for number in 0..count {
            if !table.put(session(&id(number)), entry(number)) {
                table = table.renewed(|_| true);
                assert!(table.put(session(&id(number)), entry(number)));
            }
        }
        table
    }

    #[test]
    fn whatever_was_put_in_is_found_however_often_the_table_was_renewed() {
        let table = filled(5000);
        assert!((0..5000).all(|number| table.get(session(&id(number))) == Some(entry(number))));
        let kept = table.renewed(|entry| entry.until % 7 == 0);
        assert!((0..5000).all(|number| kept.get(session(&id(number))).is_some() == (number % 7 == 0)));
        assert!(kept.put(session(&id(1)), entry(1)) && kept.get(session(&id(1))) == Some(entry(1)) && kept.get(session(&id(2))).is_none());
        assert_eq!((table.len(), kept.len(), kept.entries().count()), (5000, 716, 716));
    }

    #[test]
    fn a_fifth_of_the_slots_stays_free_and_a_table_that_is_full_says_so_and_keeps_what_it_has() {
        let empty = Table::default();
        assert!(!empty.put(session("a"), entry(1)) && empty.get(session("a")).is_none());
        let table = empty.renewed(|_| true);
        assert!((0..51).all(|number| table.put(session(&id(number)), entry(number))));
        assert!(!table.put(session(&id(51)), entry(51)) && table.get(session(&id(51))).is_none());
        assert!(table.put(session(&id(50)), entry(100)) && table.get(session(&id(50))) == Some(entry(100)));
        assert_eq!((table.len(), table.slots.len(), filled(100_000).slots.len()), (51, 64, 131_072));
    }

    #[test]
    fn of_two_entries_under_one_id_the_later_of_each_time_stays() {
        let table = Table::default().renewed(|_| true);
        let put = |issued_before, until, revoked_at| {
            assert!(table.put(session("a"), Entry { issued_before, until, revoked_at }));
            table.get(session("a")).map(|entry| (entry.issued_before, entry.until, entry.revoked_at))
        };
        assert_eq!(put(10, 100, 10), Some((10, 100, 10)));
        assert_eq!(put(10, 99, 20), Some((10, 100, 10)), "told once more");
        assert_eq!(put(5, 110, 5), Some((10, 110, 10)));
        assert_eq!(put(20, 90, 20), Some((20, 110, 20)));
    }

    #[test]
    fn most_of_what_is_not_there_is_not_looked_for() {
        let table = filled(10_000);
        let sought = (10_000..20_000).filter(|number| table.may_hold(hash_of(session(&id(*number))))).count();
        assert!(sought < 500, "{sought}");
    }

    #[test]
    fn ids_that_only_differ_before_their_last_bytes_are_told_apart() {
        let table = Table::default().renewed(|_| true);
        for (number, id) in (0..).zip(["", "a", "1234567", "12345678", "012345678"]) {
            assert!(table.put(session(id), entry(number)));
        }
        let found =
            ["", "a", "1234567", "12345678", "012345678", "b", "912345678"].map(|id| table.get(session(id)).map(|entry| entry.until));
        assert_eq!(found, [Some(0), Some(1), Some(2), Some(3), Some(4), None, None]);
    }

    #[test]
    fn who_finds_a_slot_free_that_is_then_taken_for_another_id_does_not_take_that_for_the_answer() {
        let table = Table::default().renewed(|_| true);
        // All bits of the filter are set, and as many slots taken as may be.
        table.filter.iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
        std::thread::scope(|scope| {
            scope.spawn(|| assert!((0..51).all(|number| table.put(session(&id(number)), entry(number)))));
            scope.spawn(|| assert!((1000..20_000).all(|number| table.get(session(&id(number))).is_none())));
        });
    }

    #[test]
    fn who_reads_while_entries_are_put_in_sees_each_of_them_whole_and_never_loses_one() {
        let table = Table::default().renewed(|_| true);
        let many = (0..9).fold(table, |table, _| grown(&table));
        let written = AtomicI64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=20_000 {
                    assert!(many.put(session(&id(number)), entry(number)));
                    written.store(number, Ordering::Release);
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    while written.load(Ordering::Acquire) < 20_000 {
                        let last = written.load(Ordering::Acquire);
                        assert!(last == 0 || many.get(session(&id(last))) == Some(entry(last)));
                        assert!(many.get(session(&id(last + 1))).is_none_or(|found| found == entry(last + 1)));
                    }
                });
            }
        });
    }

    /// Twice as large, and empty.
    fn grown(table: &Table) -> Table {
        let count = i64::try_from(table.slots.len() * TAKEN.0 / TAKEN.1).unwrap_or_default();
        assert!((0..count).all(|number| table.put(session(&id(number)), entry(number))));
        let larger = table.renewed(|_| true);
        assert_eq!(larger.slots.len(), table.slots.len() * 2);
        Table { slots: (0..larger.slots.len()).map(|_| Slot::default()).collect(), len: AtomicUsize::new(0), ..larger }
    }
}
