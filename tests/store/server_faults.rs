//! What a PostgreSQL server does to statements that are right: it undoes them for others' sake, is replaced, or lets them only read.

use hallpass::store::account::{by_email, insert};
use hallpass::store::{Database, Error};

use super::faults::ended;
use super::*;

/// The first so many inserts of an account fail with this code. A sequence counts them: it is not undone with the rest.
async fn fail(store: &Store, code: &str, times: i64) {
    let trigger = format!(
        "DROP SEQUENCE IF EXISTS tries; CREATE SEQUENCE tries;
         CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$;
         DROP TRIGGER IF EXISTS fail ON account; CREATE TRIGGER fail BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    store.raw(&trigger).await;
}

async fn tries(store: &Store) -> i64 {
    let Database::Postgres(PostgresServer { pool, .. }) = &store.database else { panic!() };
    sqlx::query_scalar("SELECT last_value FROM tries").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn l15_what_the_server_undid_is_tried_three_times_more_and_what_has_an_unknown_outcome_never() {
    on_postgres(|store| async move {
        for (index, code) in ["40001", "40P01"].into_iter().enumerate() {
            fail(&store, code, 3).await;
            insert(&store.database, new_account(&format!("a{index}@b.com")), NOW).await.unwrap();
            assert_eq!(tries(&store).await, 4);
            fail(&store, code, 4).await;
            let outcome = insert(&store.database, new_account(&format!("b{index}@b.com")), NOW).await;
            assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
            assert_eq!(tries(&store).await, 4, "once and three times more");
        }
        for code in ["57P01", "25006", "53100", "53300", "08006"] {
            fail(&store, code, 1).await;
            let outcome = insert(&store.database, new_account("c@b.com"), NOW).await;
            assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{code}: {outcome:?}");
            assert_eq!(tries(&store).await, 1, "{code}");
        }
        insert(&store.database, new_account("c@b.com"), NOW).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn l15_a_server_that_ends_all_connections_for_a_failover_is_there_again_for_the_next_statement_or_the_one_after() {
    on_postgres(|store| async move {
        insert(&store.database, new_account("a@b.com"), NOW).await.unwrap();
        let mut admin = <sqlx::PgConnection as sqlx::Connection>::connect(&store.url).await.unwrap();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::raw_sql(end).execute(&mut admin).await.unwrap();
        let mut found = by_email(&store.database, &email("a@b.com")).await;
        for _ in 0..10 {
            if found.is_ok() {
                break;
            }
            assert!(matches!(found, Err(Error::Unavailable { .. })), "{found:?}");
            found = by_email(&store.database, &email("a@b.com")).await;
        }
        assert!(found.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn l15_a_read_only_replica_is_read_and_every_write_is_unavailable() {
    on_postgres(|store| async move {
        insert(&store.database, new_account("a@b.com"), NOW).await.unwrap();
        let name = store.url.rsplit_once('/').unwrap().1;
        store.raw(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
        let replica = Database::open(&store.url, 2).unwrap();
        assert!(ended(by_email(&replica, &email("a@b.com"))).await.unwrap().is_some());
        let outcome = ended(insert(&replica, new_account("b@b.com"), NOW)).await;
        assert!(matches!(&outcome, Err(Error::Unavailable { cause }) if cause.contains("25006")), "{outcome:?}");
        replica.close().await;
    })
    .await;
}

#[tokio::test]
async fn l19_who_may_not_change_tables_starts_on_a_schema_that_is_current() {
    on_postgres(|store| async move {
        let role = format!("hallpass_role_{}", uuid::Uuid::now_v7().simple());
        let rest = store.url.split_once('@').unwrap().1;
        store
            .raw(&format!(
                "CREATE ROLE {role} LOGIN PASSWORD 'only-for-this-test';
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
            ))
            .await;
        let database = Database::open(&format!("postgres://{role}:only-for-this-test@{rest}"), 2).unwrap();
        let (migrated, written) = (database.migrate().await, insert(&database, new_account("a@b.com"), NOW).await);
        store.raw("DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)").await;
        let behind = database.migrate().await;
        database.close().await;
        store.raw(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
        migrated.unwrap();
        written.unwrap();
        assert!(behind.is_err(), "what is missing is not passed over");
    })
    .await;
}

#[tokio::test]
async fn l12_a_full_sqlite_file_is_unavailable_to_writers_and_mends_itself() {
    on_sqlite(|store| async move {
        store.raw("PRAGMA max_page_count = 1").await;
        let mut outcome = Ok(());
        for index in 0..1000 {
            outcome = insert(&store.database, new_account(&format!("a{index}@b.com")), NOW).await.map(|_| ());
            if outcome.is_err() {
                break;
            }
        }
        assert!(matches!(&outcome, Err(Error::Unavailable { cause }) if cause.contains("full")), "{outcome:?}");
        assert!(by_email(&store.database, &email("a0@b.com")).await.unwrap().is_some());
        store.raw("PRAGMA max_page_count = 1000000").await;
        insert(&store.database, new_account("room@b.com"), NOW).await.unwrap();
        let Database::Sqlite(file) = &store.database else { panic!() };
        let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&file.readers).await.unwrap();
        assert_eq!(sound, "ok");
    })
    .await;
}

/// Another thread's runtime, as an HTTP worker has one: it makes the first connection, and ends when told.
fn worker(database: Database) -> (std::thread::JoinHandle<()>, tokio::sync::oneshot::Sender<()>, tokio::sync::oneshot::Receiver<()>) {
    let ((end, ended), (made, is_made)) = (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            database.ping().await.unwrap();
            made.send(()).unwrap();
            ended.await.unwrap();
        });
    });
    (thread, end, is_made)
}

#[tokio::test]
async fn n5_a_worker_that_has_ended_leaves_its_connections_to_those_who_still_answer() {
    on_postgres(|store| async move {
        let database = Database::open(&store.url, 1).unwrap();
        let (thread, end, is_made) = worker(database.clone());
        is_made.await.unwrap();
        // The only connection is at work for us while the one who made it goes.
        let mut locker = <sqlx::PgConnection as sqlx::Connection>::connect(&store.url).await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE").execute(&mut locker).await.unwrap();
        let asked = tokio::spawn(async move { database.ping().await });
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut locker).await.unwrap() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        end.send(()).unwrap();
        thread.join().unwrap();
        sqlx::raw_sql("COMMIT").execute(&mut locker).await.unwrap();
        asked.await.unwrap().unwrap();
    })
    .await;
}
