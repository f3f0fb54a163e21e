//! The end of table `revocation`, in memory: the rows of late, in the order in which this process learned of them.
//!
//! Who follows the deny list waits here, and no connection waits with them. A row is told of once however often it is read, as far as the
//! overlap goes in which rows are read again; telling twice would do no harm. It knows nothing of who waits, and why.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::revocation::{OVERLAP, Recorded};
use super::revocation_compact::Compact;
use crate::token::Revocation;

/// Who has missed more than this many asks the store. They have a fixed place in memory, since one that grows leaves holes behind.
const LONGEST: usize = 1000;
/// As many may wait at once. Each holds a connection of its own to this process.
const WAITERS: usize = 256;

/// The tail. Clones share it.
#[derive(Clone, Debug)]
pub struct Tail(Arc<Shared>);

/// How far somebody has come: behind so many rows of the tail of one process, the newest of which was written at `moment` or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which process; another one learned in another order.
    pub instance: u64,
    /// How many rows.
    pub count: u64,
    /// NumericDate.
    pub moment: i64,
}

#[derive(Debug)]
struct Shared {
    instance: u64,
    rows: Mutex<Rows>,
    head: watch::Sender<Head>,
    waiters: Semaphore,
}

#[derive(Debug)]
struct Rows {
    kept: VecDeque<Compact>,
    /// How many there have been.
    count: u64,
    /// When the newest one known at the last complete look was written.
    moment: i64,
    /// What will be read again, and is known, with the moment at which it was written.
    seen: HashSet<(i64, Compact)>,
    heard_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Head {
    count: u64,
    is_closed: bool,
}

impl Default for Tail {
    fn default() -> Self {
        // Any number that another process will hardly have; nothing is kept secret by it.
        let instance = RandomState::new().hash_one("instance");
        let kept = VecDeque::with_capacity(LONGEST);
        let rows = Mutex::new(Rows { kept, count: 0, moment: 0, seen: HashSet::new(), heard_at: None });
        Self(Arc::new(Shared { instance, rows, head: watch::Sender::default(), waiters: Semaphore::new(WAITERS) }))
    }
}

impl Tail {
    /// Adds the rows that are new.
    pub fn append(&self, rows: &[Recorded]) {
        let mut state = self.rows();
        for row in rows {
            let compact = Compact::from(&row.revocation);
            if state.seen.insert((row.recorded_at, compact.clone())) {
                if state.kept.len() == LONGEST {
                    state.kept.pop_front();
                }
                state.kept.push_back(compact);
                state.count += 1;
            }
        }
        let count = state.count;
        drop(state);
        self.0.head.send_if_modified(|head| std::mem::replace(&mut head.count, count) != count);
    }

    /// Nothing is missing at this moment; the newest row was written at `newest`. Nobody has to be told what denied nothing any more then.
    pub fn heard(&self, newest: i64) {
        let mut state = self.rows();
        let expired = state.kept.iter().take_while(|row| row.until() < newest).count();
        state.kept.drain(..expired);
        state.moment = newest;
        state.heard_at = Some(Instant::now());
        state.seen.retain(|(recorded_at, _)| *recorded_at >= newest.saturating_sub(OVERLAP));
    }

    /// Whether nothing was missing at some moment of the last `limit`.
    pub fn is_fresh(&self, limit: Duration) -> bool {
        self.rows().heard_at.is_some_and(|heard_at| heard_at.elapsed() <= limit)
    }

    /// Behind everything.
    pub fn end(&self) -> Mark {
        let state = self.rows();
        Mark { instance: self.0.instance, count: state.count, moment: state.moment }
    }

    /// At most `limit` rows behind the mark, and the mark behind these. `None`: only the store knows.
    pub fn since(&self, mark: &Mark, limit: usize) -> Option<(Vec<Revocation>, Mark)> {
        let state = self.rows();
        let missed = usize::try_from(state.count.checked_sub(mark.count)?).ok()?;
        if mark.instance != self.0.instance || missed > state.kept.len() {
            return None;
        }
        let rows: Vec<Revocation> = state.kept.iter().skip(state.kept.len() - missed).take(limit).map(Revocation::from).collect();
        // Who has not been told everything has not come as far as the newest row.
        let moment = if rows.len() == missed { state.moment } else { mark.moment };
        let mark = Mark { count: mark.count + rows.len() as u64, moment, ..*mark };
        Some((rows, mark))
    }

    /// Waits until there is something behind the mark, or `limit` is over, or the process ends. False: too many wait already.
    pub async fn wait(&self, mark: &Mark, limit: Duration) -> bool {
        let Ok(_place) = self.0.waiters.try_acquire() else { return false };
        let mut head = self.0.head.subscribe();
        let _ = timeout(limit, head.wait_for(|head| head.is_closed || head.count > mark.count)).await;
        true
    }

    /// Nobody waits any more from now on.
    pub fn close(&self) {
        self.0.head.send_modify(|head| head.is_closed = true);
    }

    /// A panic elsewhere leaves the rows as they are: whole.
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(id: usize, recorded_at: i64) -> Recorded {
        Recorded { revocation: Revocation::Session { id: id.to_string(), until: recorded_at + 3600 }, recorded_at }
    }

    #[test]
    fn n8_a_row_is_told_of_once_however_often_it_is_read() {
        let tail = Tail::default();
        let start = tail.end();
        for _ in 0..3 {
            tail.append(&[row(1, 100), row(2, 101)]);
            tail.heard(101);
        }
        let (rows, mark) = tail.since(&start, 10).unwrap();
        assert_eq!((rows.len(), mark.moment), (2, 101));
        assert_eq!(tail.since(&mark, 10).unwrap().0, []);
        let (rows, mark) = tail.since(&start, 1).unwrap();
        assert_eq!((rows.len(), mark.count, mark.moment), (1, 1, 0));
    }

    #[test]
    fn what_has_expired_is_kept_for_nobody_and_who_missed_it_is_sent_to_the_store() {
        let tail = Tail::default();
        let start = tail.end();
        tail.append(&[row(1, 100), row(2, 101)]);
        tail.heard(3700);
        assert_eq!(tail.since(&start, 10).unwrap().0.len(), 2);
        tail.heard(3701);
        assert!(tail.since(&start, 10).is_none());
        let behind_the_first = Mark { count: 1, ..start };
        assert_eq!(tail.since(&behind_the_first, 10).unwrap().0, [row(2, 101).revocation]);
        tail.heard(3702);
        assert_eq!(tail.since(&tail.end(), 10).unwrap().0, []);
    }

    #[test]
    fn who_missed_too_much_or_comes_from_another_process_is_sent_to_the_store() {
        let (tail, other) = (Tail::default(), Tail::default());
        let start = tail.end();
        let rows: Vec<Recorded> = (0..=LONGEST).map(|id| row(id, 100)).collect();
        tail.append(&rows[1..]);
        assert_eq!(tail.since(&start, LONGEST).unwrap().0.len(), LONGEST);
        tail.append(&rows[..1]);
        assert!(tail.since(&start, 10).is_none());
        assert!(other.since(&tail.end(), 10).is_none() && tail.since(&other.end(), 10).is_none());
        assert!(tail.since(&Mark { count: u64::MAX, ..tail.end() }, 10).is_none());
    }

    #[tokio::test]
    async fn waiting_ends_with_a_row_and_when_the_process_ends_and_has_a_bound() {
        let tail = Tail::default();
        let (start, long) = (tail.end(), Duration::from_secs(600));
        let waiting: Vec<_> = (0..WAITERS)
            .map(|_| {
                tokio::spawn({
                    let tail = tail.clone();
                    async move { tail.wait(&start, long).await }
                })
            })
            .collect();
        while tail.0.waiters.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(!tail.wait(&start, long).await);
        tail.append(&[row(1, 100)]);
        for waiting in waiting {
            assert!(waiting.await.unwrap());
        }
        tail.close();
        assert!(tail.wait(&tail.end(), long).await);
    }
}
