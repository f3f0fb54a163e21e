use hallpass::clock::{Clock, TestClock};
use hallpass::feed::Feed;
use hallpass::store::revocation::until;
use hallpass::token::RevocationList;

use super::*;

/// A replica's deny list and what keeps it up to date.
struct Replica {
    feed: Feed,
    list: RevocationList,
}

impl Replica {
    fn of(store: &Store, clock: &TestClock) -> Self {
        let list = RevocationList::new();
        Self { feed: Feed::new(store.database.clone(), list.clone(), Clock::Test(clock.clone())), list }
    }

    async fn knows(&mut self) -> usize {
        self.feed.poll().await.unwrap();
        self.list.len()
    }
}

async fn record(store: &Store, id: &str, recorded_at: i64) {
    let row = format!("('session', '{id}', {}, {recorded_at})", until(recorded_at));
    store.raw(&format!("INSERT INTO revocation (kind, id, until, recorded_at) VALUES {row}")).await;
}

#[tokio::test]
async fn n4_the_first_poll_brings_in_everything_that_still_denies_something() {
    on_every_store(|store| async move {
        record(&store, "over", NOW - 4000).await;
        record(&store, "old", NOW - 3000).await;
        record(&store, "new", NOW).await;
        let clock = TestClock::at(NOW);
        assert_eq!(Replica::of(&store, &clock).knows().await, 2);
    })
    .await;
}

#[tokio::test]
async fn n8_rows_that_are_seen_late_or_out_of_order_are_not_missed() {
    on_every_store(|store| async move {
        let clock = TestClock::at(NOW);
        let mut replica = Replica::of(&store, &clock);
        record(&store, "first", NOW).await;
        assert_eq!((replica.knows().await, replica.knows().await), (1, 1));
        // By a transaction that began earlier and ended later, and by a machine whose clock is a minute behind.
        record(&store, "late", NOW - 5).await;
        assert_eq!(replica.knows().await, 2);
        record(&store, "behind", NOW - 60).await;
        assert_eq!(replica.knows().await, 3);
        clock.advance(600);
        record(&store, "behind again", NOW).await;
        assert_eq!(replica.knows().await, 4, "what counts is the newest entry, not how long ago that was");
    })
    .await;
}

#[tokio::test]
async fn an_entry_from_the_future_does_not_hide_those_of_the_present() {
    on_every_store(|store| async move {
        let clock = TestClock::at(NOW);
        let mut replica = Replica::of(&store, &clock);
        record(&store, "future", NOW + 86_400).await;
        assert_eq!(replica.knows().await, 1);
        record(&store, "present", NOW + 1).await;
        assert_eq!(replica.knows().await, 2);
    })
    .await;
}

#[tokio::test]
async fn n9_a_clock_that_steps_back_misses_nothing() {
    on_every_store(|store| async move {
        let clock = TestClock::at(NOW);
        let mut replica = Replica::of(&store, &clock);
        record(&store, "before", NOW).await;
        assert_eq!(replica.knows().await, 1);
        clock.advance(-600);
        record(&store, "after", NOW - 600).await;
        assert_eq!(replica.knows().await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_store_that_fails_leaves_the_list_as_it_was() {
    on_every_store(|store| async move {
        let clock = TestClock::at(NOW);
        let mut replica = Replica::of(&store, &clock);
        record(&store, "known", NOW).await;
        assert_eq!(replica.knows().await, 1);
        store.raw("ALTER TABLE revocation RENAME TO elsewhere").await;
        assert!(replica.feed.poll().await.is_err());
        assert_eq!(replica.list.len(), 1);
        store.raw("ALTER TABLE elsewhere RENAME TO revocation").await;
        record(&store, "missed", NOW).await;
        assert_eq!(replica.knows().await, 2);
    })
    .await;
}
