use hallpass::store::Error;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l19_replicas_that_start_at_once_migrate_once() {
    on_every_store(|store| async move {
        // Nothing there yet, and an older schema: in the second case they all read before one of them writes.
        for earlier in ["DROP TABLE _sqlx_migrations", "DELETE FROM _sqlx_migrations"].repeat(3) {
            store.raw("DROP TABLE administration; DROP TABLE client; DROP TABLE audit; DROP TABLE throttle; DROP TABLE second_factor; DROP TABLE revocation; DROP TABLE session; DROP TABLE account").await;
            store.raw(earlier).await;
            start_eight_replicas(&store.url).await;
        }
        assert!(store.database.ping().await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l19_replicas_that_find_no_file_at_all_migrate_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        start_eight_replicas(&format!("sqlite:{}", folder.path().join("new.db").display())).await;
    }
}

async fn start_eight_replicas(url: &str) {
    let replicas: Vec<_> = (0..8)
        .map(|_| {
            let database = Database::open(url, 2).unwrap();
            tokio::spawn(async move {
                let outcome = database.migrate().await;
                database.close().await;
                outcome
            })
        })
        .collect();
    for replica in replicas {
        replica.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn l19_an_older_program_on_a_newer_schema_refuses_to_start() {
    on_every_store(|store| async move {
        store
            .raw("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations LIMIT 1")
            .await;
        let error = store.database.migrate().await.unwrap_err();
        assert!(matches!(error, Error::Schema { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("schema version 9999") && text.contains("newer hallpass"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn l19_a_schema_of_another_build_is_refused() {
    on_every_store(|store| async move {
        let other = if store.is_sqlite() { "x'00'" } else { "'\\x00'" };
        store.raw(&format!("UPDATE _sqlx_migrations SET checksum = {other} WHERE version = 1")).await;
        let error = store.database.migrate().await.unwrap_err();
        assert!(error.to_string().contains("schema version 1 of the database was made by a different build"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_a_database_without_tables_is_not_ready() {
    on_every_store(|store| async move {
        hallpass::store::account::insert(&store.database, new_account("a@b.com"), NOW).await.unwrap();
        store.database.migrate().await.unwrap();
        assert_eq!(hallpass::store::account::list(&store.database, None, 9).await.unwrap().len(), 1);
        store.database.ping().await.unwrap();
        store.raw("DROP TABLE second_factor; DROP TABLE session; DROP TABLE account").await;
        assert!(matches!(store.database.ping().await, Err(Error::Unavailable { .. })));
    })
    .await;
}
