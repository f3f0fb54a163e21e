use hallpass::store::throttle::{Admission, LONGEST_TRY, Tries, admit, by_address, fail, pass, sweep, withdraw};

use super::*;

const MAC: &str = "mac";

fn admission(free: i64, seen: i64, retry_at: i64) -> Admission {
    Admission { free, seen, retry_at }
}

async fn tries(store: &Store) -> Tries {
    by_address(&store.database, MAC).await.unwrap().unwrap()
}

async fn counts(store: &Store) -> (i64, i64) {
    let tries = tries(store).await;
    (tries.failures, tries.pending)
}

/// How many of 32 at once are admitted.
async fn admitted(store: &Store, admission: Admission) -> usize {
    let attempts = (0..32).map(|_| {
        let database = store.database.clone();
        tokio::spawn(async move { admit(&database, MAC, &admission, NOW).await.unwrap() })
    });
    let mut admitted = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        admitted += usize::from(attempt.await.unwrap());
    }
    admitted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn j4_of_32_tries_at_once_as_many_are_admitted_as_are_free_and_then_one_a_delay() {
    on_every_store(|store| async move {
        assert!(by_address(&store.database, MAC).await.unwrap().is_none());
        assert_eq!(admitted(&store, admission(5, 0, NOW + 1)).await, 5);
        assert_eq!(tries(&store).await, Tries { failures: 5, pending: 5, retry_at: NOW + 1, tried_at: NOW });
        assert_eq!(admitted(&store, admission(5, 5, NOW + 2)).await, 1);
        assert_eq!(tries(&store).await, Tries { failures: 6, pending: 6, retry_at: NOW + 2, tried_at: NOW });
        assert_eq!(admitted(&store, admission(5, 5, NOW + 4)).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_came_of_a_try_is_told_and_those_beside_it_stay_counted() {
    on_every_store(|store| async move {
        let database = &store.database;
        assert_eq!(admitted(&store, admission(5, 0, NOW + 1)).await, 5);
        fail(database, MAC).await.unwrap();
        assert_eq!(counts(&store).await, (5, 4));
        withdraw(database, MAC).await.unwrap();
        assert_eq!(counts(&store).await, (4, 3));
        pass(database, MAC).await.unwrap();
        assert_eq!((counts(&store).await, tries(&store).await.retry_at), ((2, 2), 0), "the failure before is forgotten");
        fail(database, MAC).await.unwrap();
        fail(database, MAC).await.unwrap();
        assert_eq!(counts(&store).await, (2, 0));
        // More than there were: of tries that were taken for crashed.
        fail(database, MAC).await.unwrap();
        withdraw(database, MAC).await.unwrap();
        assert_eq!(counts(&store).await, (2, 0));
        pass(database, MAC).await.unwrap();
        assert_eq!(counts(&store).await, (0, 0));
        assert!(admit(database, MAC, &admission(5, 0, NOW + 1), NOW).await.unwrap());
        fail(database, "nobody").await.unwrap();
        pass(database, "nobody").await.unwrap();
        assert!(by_address(database, "nobody").await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn what_has_been_under_way_for_long_is_not_any_more_but_stays_a_failure() {
    on_every_store(|store| async move {
        let database = &store.database;
        assert_eq!(admitted(&store, admission(3, 0, NOW + 1)).await, 3);
        assert!(admit(database, MAC, &admission(3, 3, NOW + 2), NOW + LONGEST_TRY).await.unwrap());
        assert_eq!(counts(&store).await, (4, 4));
        assert!(admit(database, MAC, &admission(3, 4, NOW + 4), NOW + 2 * LONGEST_TRY + 1).await.unwrap());
        assert_eq!(counts(&store).await, (5, 1));
    })
    .await;
}

#[tokio::test]
async fn j12_only_rows_of_long_ago_are_swept_and_no_more_than_asked_for() {
    on_every_store(|store| async move {
        let database = &store.database;
        for n in 0..5 {
            assert!(admit(database, &format!("mac{n}"), &admission(5, 0, NOW), NOW + n).await.unwrap());
        }
        assert_eq!(sweep(database, 2, NOW + 4).await.unwrap(), 2);
        assert_eq!(sweep(database, 9, NOW + 4).await.unwrap(), 2);
        assert_eq!(sweep(database, 9, NOW + 4).await.unwrap(), 0);
        assert!(by_address(database, "mac4").await.unwrap().is_some());
    })
    .await;
}
