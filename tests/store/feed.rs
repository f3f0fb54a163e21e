use hallpass::clock::{Clock, TestClock};
use hallpass::feed::Feed;
use hallpass::store::revocation::{sweep, until};
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
        record(&store, "over", NOW - 7400).await;
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
async fn an_entry_from_the_future_does_not_hide_what_was_written_while_the_store_was_not_heard_of() {
    on_every_store(|store| async move {
        let clock = TestClock::at(NOW);
        let mut replica = Replica::of(&store, &clock);
        record(&store, "future", NOW + 600).await;
        assert_eq!(replica.knows().await, 1);
        record(&store, "meanwhile", NOW + 100).await;
        clock.advance(240);
        assert_eq!(replica.knows().await, 2);
    })
    .await;
}

#[tokio::test]
async fn n10_a_clock_that_is_an_hour_ahead_for_a_while_loses_no_entry() {
    on_every_store(|store| async move {
        let clock = TestClock::at(NOW);
        let mut replica = Replica::of(&store, &clock);
        record(&store, "revoked", NOW).await;
        assert_eq!(replica.knows().await, 1);
        clock.advance(3600);
        let mut started_then = Replica::of(&store, &clock);
        assert_eq!((replica.knows().await, started_then.knows().await), (1, 1));
        for list in [&replica.list, &started_then.list] {
            list.sweep(clock.now());
            assert_eq!(list.len(), 1);
        }
        assert_eq!(sweep(&store.database, 1000, clock.now()).await.unwrap(), 0);
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

#[tokio::test]
async fn m9_more_rows_than_a_list_holds_raise_its_floor_and_let_nothing_through() {
    on_every_store(|store| async move {
        // A thousand in each of 101 seconds.
        let numbers = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 100999)";
        let rows = format!("{numbers} SELECT 'session', 'session-' || i, {}, {NOW} - 100 + i / 1000 FROM n", until(NOW));
        store.raw(&format!("INSERT INTO revocation (kind, id, until, recorded_at) {rows}")).await;
        let mut replica = Replica::of(&store, &TestClock::at(NOW));
        let known = replica.knows().await;
        assert!((45_000..=RevocationList::CAPACITY).contains(&known), "{known}");
        // The floor lies between the oldest and the youngest, and later by what clocks and transactions may take.
        let floor = replica.list.floor().unwrap();
        assert!((NOW - 60 + 150..NOW - 40 + 150).contains(&floor), "{}", floor - NOW);
        assert_eq!(replica.knows().await, known, "what the floor stands for is not taken in again");
    })
    .await;
}
