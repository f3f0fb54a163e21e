//! The deny list: what was revoked before it expired, in memory, read without a lock on every guarded request.
//!
//! It knows nothing of where entries come from (a store, a feed, a test). An entry dies with the last token that it could deny.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::MAX_LIFETIME;
use super::deny_table::{Entry, Kind, Name, Table};

/// One thing that is not believed any more. All times are NumericDates; after `until` the entry is of no use, since every token it denies has
/// expired.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revocation {
    /// Every token of a session (`sid`).
    Session {
        /// The `sid`.
        id: String,
        /// When the last of its tokens has expired.
        until: i64,
    },
    /// Every token of a subject (`sub`) issued before a moment.
    Subject {
        /// The `sub`.
        id: String,
        /// Tokens with `iat` before this are refused.
        issued_before: i64,
        /// When the last of them has expired.
        until: i64,
    },
    /// One token (`jti`).
    Token {
        /// The `jti`.
        id: String,
        /// When it expires.
        until: i64,
    },
}

/// The deny list. Clones share one list.
///
/// Reading is one atomic load and, for each of a token's three ids, one look at one word; no lock, no allocation. Adding an entry
/// waits for whoever else adds one, and writes into a slot of 40 bytes; each time the list has doubled, all of it is copied (a few
/// milliseconds for the longest one, while readers go on reading). What is known already changes nothing.
///
/// It holds [`RevocationList::CAPACITY`] entries at most. When there are more, those go that have expired, and if these are too few, the
/// older half of all, and a floor takes their place: no token issued before the youngest of these was revoked, or within 150 seconds after,
/// is believed any more, whoever's it is ([`RevocationList::floor`]). That refuses too much and never too little. People who are caught by it refresh, at the latest when these
/// 150 seconds are over. Where tokens live for five minutes it catches nobody before there are 50,000 revocations in seven and a half
/// minutes, since older tokens have expired by themselves.
#[derive(Clone, Debug, Default)]
pub struct RevocationList(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    denied: ArcSwap<Denied>,
    /// Held by whoever writes; readers know nothing of it.
    writing: Mutex<()>,
}

/// Entries are put into the table as it is; one that is replaced is published together with the floor.
#[derive(Debug, Default)]
struct Denied {
    table: Table,
    /// Tokens with an older `iat` are denied. It only ever rises.
    floor: i64,
}

/// So much later than its revocation a token may say that it was issued: the clock that issued it may have been ahead, and the one that
/// revoked it behind, each by a minute (the largest leeway), and half a minute may go by from reading the clock to the end of a transaction.
const MARGIN: i64 = 2 * 60 + 30;
/// Whenever it was issued: no token that says more is believed.
const ANY_TIME: i64 = i64::MAX;
/// The latest moment that a subject can be cut off at.
const LATEST: i64 = ANY_TIME - 1;
/// A full list is copied to make room in it, so it must have room for long: with a few free places it would be copied again and again.
const ROOMY: usize = RevocationList::CAPACITY / 10 * 9;
/// How long an entry outlives its `until`, in seconds: verifiers have a leeway, and a clock that was an hour ahead for a while, or is set
/// back, must not bring to life what was revoked.
const KEPT: i64 = MAX_LIFETIME;

impl RevocationList {
    /// The most entries that are kept.
    pub const CAPACITY: usize = 100_000;

    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds entries, all of which were revoked at `now` or before. Adding one twice, late or in another order changes nothing: the strictest
    /// one stays.
    pub fn add<'a>(&self, revocations: impl IntoIterator<Item = &'a Revocation>, now: i64) {
        self.write(|known| revocations.into_iter().fold(known, |denied, revocation| denied.with(revocation, now)));
    }

    /// Removes what can deny no token any more at `now`, nor at any time an hour before: verifiers have a leeway, and clocks are set back.
    pub fn sweep(&self, now: i64) {
        self.write(|known| known.only(|entry| entry.until.saturating_add(KEPT) >= now));
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.denied.load().table.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The moment (NumericDate) before which no token may have been issued. None: the list has never been full.
    pub fn floor(&self) -> Option<i64> {
        Some(self.0.denied.load().floor).filter(|floor| *floor != 0)
    }

    /// Whether a token with these claims is denied.
    pub(crate) fn denies(&self, sid: Option<&str>, sub: &str, jti: &str, iat: i64) -> bool {
        let denied = self.0.denied.load();
        let names = |kind, id| denied.table.get(Name { kind, id }).is_some_and(|entry| iat < entry.issued_before);
        iat < denied.floor || sid.is_some_and(|sid| names(Kind::Session, sid)) || names(Kind::Subject, sub) || names(Kind::Token, jti)
    }

    /// What is put into the table is there for everybody at once; a table that was replaced is published in the end.
    fn write(&self, write: impl FnOnce(Arc<Denied>) -> Arc<Denied>) {
        let _writing = self.writing();
        let known = self.0.denied.load_full();
        let denied = write(Arc::clone(&known));
        if !Arc::ptr_eq(&known, &denied) {
            self.0.denied.store(denied);
        }
    }

    /// A panic elsewhere leaves the table as it is: whole.
    fn writing(&self) -> MutexGuard<'_, ()> {
        self.0.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Denied {
    /// This one, unless there is no room for the revocation: then one with more, or with a higher floor.
    fn with(self: Arc<Self>, revocation: &Revocation, now: i64) -> Arc<Self> {
        let entry = |issued_before, until: &i64| Entry { issued_before, until: *until, revoked_at: now };
        let (kind, id, entry) = match revocation {
            Revocation::Session { id, until } => (Kind::Session, id, entry(ANY_TIME, until)),
            Revocation::Subject { id, issued_before, until } => (Kind::Subject, id, entry(*issued_before.min(&LATEST), until)),
            Revocation::Token { id, until } => (Kind::Token, id, entry(ANY_TIME, until)),
        };
        if self.covers(&entry) {
            return self;
        }
        let name = Name { kind, id };
        let has_room = self.table.put(name, entry);
        let denied = if has_room { self } else { self.larger(name, entry) };
        if denied.table.len() > RevocationList::CAPACITY { denied.relieved(now) } else { denied }
    }

    /// Whether the floor denies all that this entry would.
    fn covers(&self, entry: &Entry) -> bool {
        let last = if entry.issued_before == ANY_TIME { entry.revoked_at.saturating_add(MARGIN) } else { entry.issued_before };
        last <= self.floor
    }

    fn larger(&self, name: Name<'_>, entry: Entry) -> Arc<Self> {
        let table = self.table.renewed(|_| true);
        let has_room = table.put(name, entry);
        debug_assert!(has_room, "it was made for one more");
        Arc::new(Self { table, floor: self.floor })
    }

    /// With room for many more. What has expired goes first, the hour that it is kept longer notwithstanding: it would cost people their
    /// tokens.
    fn relieved(self: Arc<Self>, now: i64) -> Arc<Self> {
        let live = self.only(|entry| entry.until >= now);
        if live.table.len() <= ROOMY { live } else { live.halved() }
    }

    /// Replaces the older half of the entries, and what is as old as the youngest of them, by a floor. A subject that is cut off at a later
    /// moment stays, unless these alone are too many.
    fn halved(&self) -> Arc<Self> {
        let mut moments: Vec<i64> = self.table.entries().map(|entry| entry.revoked_at).collect();
        let middle = moments.len() / 2;
        let youngest = *moments.select_nth_unstable(middle).1;
        let halved = self.above(youngest.saturating_add(MARGIN));
        if halved.table.len() <= RevocationList::CAPACITY {
            return halved;
        }
        let cut_off = halved.table.entries().map(|entry| entry.issued_before).filter(|moment| *moment != ANY_TIME);
        halved.above(cut_off.fold(0, i64::max))
    }

    /// What a floor does not cover, above it.
    fn above(&self, floor: i64) -> Arc<Self> {
        let floor = Self { table: Table::default(), floor: self.floor.max(floor) };
        Arc::new(Self { table: self.table.renewed(|entry| !floor.covers(entry)), ..floor })
    }

    /// This one, unless there are others: then one without them.
    fn only(self: Arc<Self>, keep: impl Fn(&Entry) -> bool) -> Arc<Self> {
        if self.table.entries().all(|entry| keep(&entry)) {
            return self;
        }
        Arc::new(Self { table: self.table.renewed(keep), floor: self.floor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1000;

    fn session(id: &str, until: i64) -> Revocation {
        Revocation::Session { id: id.into(), until }
    }

    fn subject(id: &str, issued_before: i64, until: i64) -> Revocation {
        Revocation::Subject { id: id.into(), issued_before, until }
    }

    /// As many sessions as the list holds, a twentieth of them for each second from `NOW` on.
    fn full() -> RevocationList {
        let list = RevocationList::new();
        for second in 0..20 {
            let batch: Vec<Revocation> =
                (0..RevocationList::CAPACITY / 20).map(|number| session(&format!("{second:08}-{number:08}"), 1 << 40)).collect();
            list.add(&batch, NOW + second);
        }
        list
    }

    #[test]
    fn each_kind_denies_by_its_own_claim_only() {
        let list = RevocationList::new();
        list.add(&[session("s1", 100), Revocation::Token { id: "t1".into(), until: 100 }], NOW);
        assert!(list.denies(Some("s1"), "u", "t", 0));
        assert!(list.denies(None, "u", "t1", 0));
        assert!(!list.denies(Some("t1"), "s1", "s1", 0));
        assert!(!list.denies(None, "t1", "s1", 0));
    }

    #[test]
    fn a_subject_is_denied_only_what_was_issued_before() {
        let list = RevocationList::new();
        list.add(&[subject("u", 50, 400)], NOW);
        assert!(list.denies(None, "u", "t", 49));
        assert!(!list.denies(None, "u", "t", 50));
    }

    #[test]
    fn n8_repeated_and_reordered_entries_change_nothing() {
        let (early, late) = (subject("u", 50, 400), subject("u", 90, 440));
        for order in [[&early, &late, &early], [&late, &early, &late]] {
            let list = RevocationList::new();
            list.add(order, NOW);
            assert!(list.denies(None, "u", "t", 89));
            list.sweep(440 + KEPT);
            assert_eq!(list.len(), 1);
        }
    }

    /// Everything in the list, in order.
    fn entries(list: &RevocationList) -> Vec<Entry> {
        let mut entries: Vec<Entry> = list.0.denied.load().table.entries().collect();
        entries.sort_unstable();
        entries
    }

    #[test]
    fn what_is_known_already_changes_nothing_and_what_is_stricter_does() {
        let list = RevocationList::new();
        list.add(&[session("s", 100), subject("u", 50, 400)], NOW);
        let before = entries(&list);
        list.add(&[session("s", 100), session("s", 99), subject("u", 50, 400), subject("u", 49, 399)], NOW + 1);
        assert_eq!(entries(&list), before);
        for stricter in [session("s", 101), session("s2", 1), subject("u", 51, 400), subject("u", 51, 401)] {
            let before = entries(&list);
            list.add(&[stricter], NOW);
            assert_ne!(entries(&list), before);
        }
    }

    #[test]
    fn n8_whoever_adds_at_the_same_time_loses_nothing() {
        let list = RevocationList::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let list = list.clone();
                scope.spawn(move || {
                    for number in 0..2000 {
                        list.add(&[session(&format!("{thread:08}-{number:08}"), 1 << 40)], NOW);
                        assert!(list.denies(Some(&format!("{thread:08}-{number:08}")), "u", "t", 0));
                    }
                });
            }
        });
        assert_eq!((list.len(), entries(&list).len()), (8000, 8000));
    }

    #[test]
    fn sweeping_keeps_what_can_still_deny() {
        let list = RevocationList::new();
        list.add(&[session("old", 99), session("edge", 100), session("new", 101)], NOW);
        list.sweep(100 + KEPT);
        assert_eq!(["old", "edge", "new"].map(|id| list.denies(Some(id), "u", "t", 0)), [false, true, true]);
    }

    #[test]
    fn m9_a_full_list_denies_by_a_floor_what_its_older_half_denied_and_nothing_that_is_new() {
        let list = full();
        assert_eq!((list.len(), list.floor()), (RevocationList::CAPACITY, None));
        list.add(&[session("one more", 1 << 40)], NOW + 20);
        let floor = list.floor().unwrap();
        assert_eq!((list.len(), floor), (RevocationList::CAPACITY / 20 * 9 + 1, NOW + 10 + MARGIN));
        for second in 0..20 {
            // The token of a clock that was as far ahead as may be.
            let issued_at = NOW + second + MARGIN - 1;
            assert!(list.denies(Some(&format!("{second:08}-00000000")), "u", "t", issued_at), "{second}");
        }
        assert!(list.denies(Some("one more"), "u", "t", 1 << 40));
        assert!(list.denies(Some("somebody"), "u", "t", floor - 1) && !list.denies(Some("somebody"), "u", "t", floor));
    }

    #[test]
    fn m9_what_the_floor_covers_is_not_taken_in_again_and_the_floor_never_sinks() {
        let list = full();
        list.add(&[session("one more", 1 << 40)], NOW + 20);
        let (before, floor) = (entries(&list), list.floor());
        list.add(&[session("00000003-00000000", 1 << 40), subject("u", NOW + 3, 1 << 40)], NOW + 3);
        assert_eq!(entries(&list), before);
        list.sweep(1 << 41);
        assert_eq!((list.len(), list.floor()), (0, floor));
        assert!(list.denies(None, "u", "t", NOW));
    }

    #[test]
    fn m9_more_revocations_of_one_second_than_the_list_holds_are_all_denied() {
        let list = RevocationList::new();
        let batch: Vec<Revocation> = (0..=RevocationList::CAPACITY).map(|number| session(&format!("{number:08}"), 1 << 40)).collect();
        list.add(&batch, NOW);
        assert!(list.len() <= RevocationList::CAPACITY);
        assert!(
            batch.iter().all(|revocation| matches!(revocation, Revocation::Session { id, .. } if list.denies(Some(id), "u", "t", NOW)))
        );
        assert!(!list.denies(Some("new"), "u", "t", NOW + MARGIN));
    }

    #[test]
    fn m9_subjects_that_are_cut_off_in_the_future_are_not_forgotten() {
        let list = full();
        let cut_off = NOW + 5000;
        list.add(&[subject("banned", cut_off, 1 << 40)], NOW);
        assert!(list.denies(None, "banned", "t", cut_off - 1) && !list.denies(None, "banned", "t", cut_off));
        assert!(!list.denies(None, "u", "t", cut_off - 1));
        let many: Vec<Revocation> =
            (0..=RevocationList::CAPACITY).map(|number| subject(&format!("{number:08}"), cut_off, 1 << 40)).collect();
        list.add(&many, NOW + 1);
        assert!(list.len() <= RevocationList::CAPACITY && list.floor() == Some(cut_off));
    }
    #[test]
    fn m9_a_subject_that_is_cut_off_for_ever_outlives_every_floor() {
        let list = full();
        list.add(&[subject("banned", i64::MAX, 1 << 40)], NOW);
        assert!(list.floor().is_some_and(|floor| list.denies(None, "banned", "t", floor + 1)));
    }
    #[test]
    fn m9_a_full_list_loses_what_has_expired_before_anybody_is_denied_by_a_floor() {
        let list = RevocationList::new();
        let old: Vec<Revocation> = (0..RevocationList::CAPACITY / 5).map(|number| session(&format!("old-{number:08}"), NOW + 60)).collect();
        let live: Vec<Revocation> = (0..RevocationList::CAPACITY / 5 * 4).map(|number| session(&format!("{number:08}"), 1 << 40)).collect();
        list.add(&old, NOW);
        list.add(&live, NOW);
        list.add(&[session("one more", 1 << 40)], NOW + 61);
        assert_eq!((list.len(), list.floor()), (RevocationList::CAPACITY / 5 * 4 + 1, None));
        assert!(list.denies(Some("00000000"), "u", "t", NOW) && list.denies(Some("one more"), "u", "t", NOW));
    }
}
