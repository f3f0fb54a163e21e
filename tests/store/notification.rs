//! What PostgreSQL announces, and what becomes of the feed when the line for it breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::clock::{Clock, TestClock};
use hallpass::feed::Feed;
use hallpass::store::account;
use hallpass::store::notification::Listener;
use hallpass::store::session::{Ending, end};
use hallpass::token::RevocationList;

use super::faults::{ended, through_proxy};
use super::*;

/// A replica that is kept up to date, and how often it has looked.
struct Running {
    list: RevocationList,
    looks: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn over(database: &Database) -> Self {
        let (list, looks) = (RevocationList::new(), Arc::new(AtomicUsize::new(0)));
        let (feed, counted) = (Feed::new(database.clone(), list.clone(), Clock::Test(TestClock::at(NOW))), looks.clone());
        let task = tokio::spawn(feed.run(move || _ = counted.fetch_add(1, Ordering::SeqCst)));
        Self { list, looks, task }
    }

    async fn knows(&self, count: usize) {
        ended(async {
            while self.list.len() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

/// How many connections of this database listen.
async fn listening(store: &Store) -> i64 {
    let Database::Postgres(PostgresServer { pool, .. }) = &store.database else { panic!() };
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}

async fn until_listening(store: &Store, wanted: bool) {
    ended(async {
        while (listening(store).await > 0) != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn revoke(store: &Store, session: &str) {
    end(&store.database, "usr_x", Ending::This { id: session }, NOW).await.unwrap();
}

#[tokio::test]
async fn n6_what_is_revoked_is_announced_whoever_revokes_it_and_only_when_there_is_something_new() {
    on_postgres(|store| async move {
        let mut listener = Listener::connect(&store.database).await.unwrap();
        revoke(&store, "one").await;
        ended(listener.heard()).await.unwrap();
        let account = account::insert(&store.database, new_account("a@b.com"), NOW).await.unwrap().id;
        set_disabled_at(&store.database, &account, Some(NOW)).await.unwrap();
        ended(listener.heard()).await.unwrap();
        delete_account(&store.database, &account, NOW).await.unwrap();
        ended(listener.heard()).await.unwrap();

        // Nothing new, then a mark: the next that is heard is the mark.
        revoke(&store, "one").await;
        delete_account(&store.database, &account, NOW).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(300), listener.heard()).await.is_err());
        revoke(&store, "two").await;
        ended(listener.heard()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn sqlite_announces_nothing_and_the_feed_looks_by_itself() {
    on_sqlite(|store| async move {
        assert!(!Listener::is_possible(&store.database));
        assert!(Listener::connect(&store.database).await.is_err());
        let replica = Running::over(&store.database);
        revoke(&store, "one").await;
        replica.knows(1).await;
        replica.task.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n7_a_line_that_is_cut_is_made_up_for_by_looking_and_comes_back_by_itself() {
    on_postgres(|store| async move {
        let (proxy, database) = through_proxy(&store);
        let replica = Running::over(&database);
        until_listening(&store, true).await;
        revoke(&store, "before").await;
        replica.knows(1).await;

        proxy.cut();
        until_listening(&store, false).await;
        revoke(&store, "during").await;
        proxy.repair();
        replica.knows(2).await;
        until_listening(&store, true).await;
        revoke(&store, "after").await;
        replica.knows(3).await;
        replica.task.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n7_only_the_listening_connection_is_ended_and_revocations_still_arrive() {
    on_postgres(|store| async move {
        let replica = Running::over(&store.database);
        for (round, name) in [(1, "first"), (2, "second"), (3, "third")] {
            until_listening(&store, true).await;
            store
                .raw(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND query LIKE 'LISTEN%'",
                )
                .await;
            revoke(&store, name).await;
            replica.knows(round).await;
        }
        replica.task.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n7_a_line_that_goes_dead_without_a_sign_delays_and_loses_nothing() {
    on_postgres(|store| async move {
        let (proxy, database) = through_proxy(&store);
        let replica = Running::over(&database);
        until_listening(&store, true).await;
        proxy.go_dead();
        revoke(&store, "meanwhile").await;
        proxy.repair();
        replica.knows(1).await;
        replica.task.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n17_a_forged_announcement_denies_nobody_and_a_flood_of_them_is_a_few_looks() {
    on_postgres(|store| async move {
        let replica = Running::over(&store.database);
        revoke(&store, "real").await;
        replica.knows(1).await;
        until_listening(&store, true).await;
        let before = replica.looks();
        for payload in ["", "usr_victim", "{\"kind\":\"subject\",\"id\":\"usr_victim\"}", "-real"] {
            store.raw(&format!("NOTIFY revocations, '{payload}'")).await;
        }
        // Each in a transaction of its own, or the server would make one of them.
        for number in 0..3000 {
            store.raw(&format!("NOTIFY revocations, '{number}'")).await;
        }
        revoke(&store, "last").await;
        replica.knows(2).await;
        let looks = replica.looks() - before;
        assert!((1..1000).contains(&looks), "{looks}");
        assert!(!replica.list.is_empty() && replica.list.floor().is_none());
        replica.task.abort();
    })
    .await;
}

#[tokio::test]
async fn the_feed_reads_any_number_of_rows_in_pages() {
    on_every_store(|store| async move {
        let rows = |kind: &str, before: &str| {
            let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)";
            format!(
                "INSERT INTO revocation (kind, id, issued_before, until, recorded_at) {numbers} \
                 SELECT '{kind}', 'id-' || i, {before}, {NOW} + 100, {NOW} - i % 3 FROM n"
            )
        };
        for (kind, before) in [("session", "NULL"), ("subject", "i"), ("token", "NULL")] {
            store.raw(&rows(kind, before)).await;
        }
        let list = RevocationList::new();
        let mut feed = Feed::new(store.database.clone(), list.clone(), Clock::Test(TestClock::at(NOW)));
        feed.poll().await.unwrap();
        assert_eq!(list.len(), 7500);
    })
    .await;
}
