//! The deny list: what was revoked before it expired, in memory, read without a lock on every guarded request.
//!
//! It knows nothing of where entries come from (a store, a feed, a test). An entry dies with the last token that it could deny.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// One thing that is not believed any more. All times are NumericDates; after `until` the entry is of no use, since every token it denies has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
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
/// Reading is one atomic load and, for each kind that has entries at all, one hash look-up; no lock, no allocation.
/// Writing copies the list once for a whole batch, and not at all when there is nothing new in it.
#[derive(Clone, Debug, Default)]
pub struct RevocationList(Arc<ArcSwap<Entries>>);

#[derive(Clone, Debug, Default)]
struct Entries {
    sessions: HashMap<Box<str>, i64>,
    subjects: HashMap<Box<str>, Subject>,
    tokens: HashMap<Box<str>, i64>,
}

#[derive(Clone, Copy, Debug)]
struct Subject {
    issued_before: i64,
    until: i64,
}

impl RevocationList {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds entries. Adding one twice, late or in another order changes nothing: the strictest one stays.
    pub fn add<'a>(&self, revocations: impl IntoIterator<Item = &'a Revocation>) {
        let known = self.0.load();
        let batch: Vec<&Revocation> = revocations.into_iter().filter(|revocation| !known.covers(revocation)).collect();
        if batch.is_empty() {
            return;
        }
        self.0.rcu(|entries| {
            let mut entries = Entries::clone(entries);
            batch.iter().for_each(|revocation| entries.add(revocation));
            entries
        });
    }

    /// Removes what can deny no token any more at `now`.
    pub fn sweep(&self, now: i64) {
        self.0.rcu(|entries| {
            let mut entries = Entries::clone(entries);
            entries.sessions.retain(|_, until| *until >= now);
            entries.subjects.retain(|_, subject| subject.until >= now);
            entries.tokens.retain(|_, until| *until >= now);
            entries
        });
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        let entries = self.0.load();
        entries.sessions.len() + entries.subjects.len() + entries.tokens.len()
    }

    /// Whether nothing is denied.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a token with these claims is denied.
    pub(crate) fn denies(&self, sid: Option<&str>, sub: &str, jti: &str, iat: i64) -> bool {
        let entries = self.0.load();
        (!entries.sessions.is_empty() && sid.is_some_and(|sid| entries.sessions.contains_key(sid)))
            || (!entries.subjects.is_empty() && entries.subjects.get(sub).is_some_and(|subject| iat < subject.issued_before))
            || (!entries.tokens.is_empty() && entries.tokens.contains_key(jti))
    }
}

impl Entries {
    /// Whether adding it would change nothing.
    fn covers(&self, revocation: &Revocation) -> bool {
        match revocation {
            Revocation::Session { id, until } => self.sessions.get(id.as_str()).is_some_and(|known| known >= until),
            Revocation::Token { id, until } => self.tokens.get(id.as_str()).is_some_and(|known| known >= until),
            Revocation::Subject { id, issued_before, until } => {
                self.subjects.get(id.as_str()).is_some_and(|known| known.issued_before >= *issued_before && known.until >= *until)
            }
        }
    }

    fn add(&mut self, revocation: &Revocation) {
        match revocation {
            Revocation::Session { id, until } => latest(&mut self.sessions, id, *until),
            Revocation::Token { id, until } => latest(&mut self.tokens, id, *until),
            Revocation::Subject { id, issued_before, until } => {
                let subject = self.subjects.entry(id.as_str().into()).or_insert(Subject { issued_before: *issued_before, until: *until });
                subject.issued_before = subject.issued_before.max(*issued_before);
                subject.until = subject.until.max(*until);
            }
        }
    }
}

fn latest(entries: &mut HashMap<Box<str>, i64>, id: &str, until: i64) {
    let entry = entries.entry(id.into()).or_insert(until);
    *entry = (*entry).max(until);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, until: i64) -> Revocation {
        Revocation::Session { id: id.into(), until }
    }

    #[test]
    fn each_kind_denies_by_its_own_claim_only() {
        let list = RevocationList::new();
        list.add(&[session("s1", 100), Revocation::Token { id: "t1".into(), until: 100 }]);
        assert!(list.denies(Some("s1"), "u", "t", 0));
        assert!(list.denies(None, "u", "t1", 0));
        assert!(!list.denies(Some("t1"), "s1", "s1", 0));
        assert!(!list.denies(None, "t1", "s1", 0));
    }

    #[test]
    fn a_subject_is_denied_only_what_was_issued_before() {
        let list = RevocationList::new();
        list.add(&[Revocation::Subject { id: "u".into(), issued_before: 50, until: 400 }]);
        assert!(list.denies(None, "u", "t", 49));
        assert!(!list.denies(None, "u", "t", 50));
    }

    #[test]
    fn n8_repeated_and_reordered_entries_change_nothing() {
        let (early, late) = (
            Revocation::Subject { id: "u".into(), issued_before: 50, until: 400 },
            Revocation::Subject { id: "u".into(), issued_before: 90, until: 440 },
        );
        for order in [[&early, &late, &early], [&late, &early, &late]] {
            let list = RevocationList::new();
            list.add(order);
            assert!(list.denies(None, "u", "t", 89));
            list.sweep(440);
            assert_eq!(list.len(), 1);
        }
    }

    #[test]
    fn what_is_known_already_does_not_copy_the_list_and_what_is_stricter_does() {
        let (list, subject) = (RevocationList::new(), |issued_before, until| Revocation::Subject { id: "u".into(), issued_before, until });
        list.add(&[session("s", 100), subject(50, 400)]);
        let before = Arc::as_ptr(&list.0.load_full());
        list.add(&[session("s", 100), session("s", 99), subject(50, 400), subject(49, 399)]);
        assert_eq!(Arc::as_ptr(&list.0.load_full()), before);
        for stricter in [session("s", 101), session("s2", 1), subject(51, 400), subject(51, 401)] {
            let before = list.0.load_full();
            list.add(&[stricter]);
            assert!(!Arc::ptr_eq(&list.0.load_full(), &before));
        }
    }

    #[test]
    fn sweeping_keeps_what_can_still_deny() {
        let list = RevocationList::new();
        list.add(&[session("old", 99), session("edge", 100), session("new", 101)]);
        list.sweep(100);
        assert_eq!(["old", "edge", "new"].map(|id| list.denies(Some(id), "u", "t", 0)), [false, true, true]);
    }
}
