use std::str::FromStr;
use std::time::Duration;

use hallpass::store::account::{by_email, insert, list};
use hallpass::store::import::accounts;
use hallpass::store::{Database, Error};
use sqlx::Connection;

use super::proxy::Proxy;
use super::*;

/// Far above every limit of the store: whoever needs this long hangs.
const FOREVER: Duration = Duration::from_secs(30);

pub(super) async fn ended<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(FOREVER, future).await.expect("hangs")
}

fn assert_unavailable<T: std::fmt::Debug>(outcome: &Result<T, Error>) {
    assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
}

/// Waits until the store works again; it must do so by itself.
async fn works_again(database: &Database) {
    ended(async {
        while database.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn l6_when_every_connection_is_busy_the_wait_ends_with_unavailable() {
    on_every_store(|store| async move {
        let narrow = Database::open(&store.url, 1).unwrap();
        match &narrow {
            Database::Sqlite(file) => {
                let busy = file.readers.acquire().await.unwrap();
                assert_unavailable(&ended(narrow.ping()).await);
                drop(busy);
                let busy = file.writer.acquire().await.unwrap();
                assert_unavailable(&ended(insert(&narrow, new_account("a@b.com"), NOW)).await);
                ended(narrow.ping()).await.unwrap();
                drop(busy);
            }
            Database::Postgres(PostgresServer { pool, .. }) => {
                let busy = pool.acquire().await.unwrap();
                assert_unavailable(&ended(narrow.ping()).await);
                drop(busy);
            }
        }
        works_again(&narrow).await;
    })
    .await;
}

#[tokio::test]
async fn l13_a_sqlite_file_locked_by_another_process_is_unavailable_to_writers_only() {
    on_sqlite(|store| async move {
        let mut other = sqlx::SqliteConnection::connect(&store.url).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        assert_unavailable(&ended(insert(&store.database, new_account("a@b.com"), NOW)).await);
        assert_unavailable(&ended(accounts(&store.database, vec![new_account("a@b.com")], NOW)).await);
        assert!(by_email(&store.database, &email("a@b.com")).await.unwrap().is_none());
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        insert(&store.database, new_account("a@b.com"), NOW).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l14_eight_writers_at_once_never_see_a_locked_database() {
    on_every_store(|store| async move {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let database = store.database.clone();
                tokio::spawn(async move {
                    for index in 0..25 {
                        insert(&database, new_account(&format!("{writer}.{index}@b.com")), NOW).await.unwrap();
                        let rows = (0..3).map(|row| new_account(&format!("{writer}.{index}.{row}@b.com"))).collect();
                        accounts(&database, rows, NOW).await.unwrap();
                        by_email(&database, &email("0.0@b.com")).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(list(&store.database, None, 1000).await.unwrap().len(), 800);
    })
    .await;
}

#[tokio::test]
async fn l11_sqlite_runs_with_the_journal_and_the_safety_that_were_promised() {
    on_sqlite(|store| async move {
        let Database::Sqlite(hallpass::store::SqliteFile { readers: pool, .. }) = &store.database else { panic!() };
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
        let mut pragmas = Vec::new();
        for pragma in ["PRAGMA synchronous", "PRAGMA foreign_keys", "PRAGMA busy_timeout"] {
            pragmas.push(sqlx::query_scalar::<_, i64>(pragma).fetch_one(pool).await.unwrap());
        }
        assert_eq!((journal.as_str(), pragmas.as_slice()), ("wal", &[2, 1, 2000][..]));
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn k6_a_new_sqlite_file_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    on_sqlite(|store| async move {
        insert(&store.database, new_account("a@b.com"), NOW).await.unwrap();
        let file = store.url.strip_prefix("sqlite:").unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let mode = std::fs::metadata(format!("{file}{suffix}")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{suffix}");
        }
    })
    .await;
}

#[tokio::test]
async fn k22_an_address_that_cannot_be_used_is_named_without_its_password() {
    for (url, named) in [
        ("mysql://hallpass:s3cret@db/x", "mysql://[redacted]@db/x"),
        ("postgres://hallpass:s3cret@db:notaport/x", "postgres://[redacted]@db:notaport/x"),
        ("postgres://hallpass:s3cret@db/x?sslmode=s3cret", "postgres://[redacted]@db/x"),
        ("sqlite::memory:", "sqlite::memory:"),
        ("sqlite:no/such/folder/x.db", "sqlite:no/such/folder/x.db"),
        ("hallpass.db", "hallpass.db"),
    ] {
        let error = Database::open(url, 1).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, Error::Address { .. }) && text.contains(named) && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn l4_a_server_that_is_down_is_no_error_of_opening_but_of_the_first_statement() {
    // Bound and never accepted from, then closed: nothing listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let database = Database::open(&format!("postgres://hallpass:s3cret@127.0.0.1:{port}/x"), 2).unwrap();
    for outcome in [ended(database.ping()).await, ended(database.migrate()).await] {
        assert_unavailable(&outcome);
        assert!(!format!("{outcome:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn a_conflict_or_a_failure_shows_neither_values_nor_sql() {
    on_every_store(|store| async move {
        insert(&store.database, new_account("a@b.com"), NOW).await.unwrap();
        let conflict = insert(&store.database, new_account("a@b.com"), NOW).await.unwrap_err();
        store.raw("ALTER TABLE account RENAME COLUMN email_folded TO x").await;
        let failure = by_email(&store.database, &email("a@b.com")).await.unwrap_err();
        for text in [format!("{conflict} {conflict:?}"), format!("{failure} {failure:?}")] {
            assert!(!text.contains("a@b.com") && !text.contains("SELECT") && !text.contains("$2b$"), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn l5_the_server_itself_gives_up_a_statement_after_three_seconds() {
    on_postgres(|store| async move {
        let Database::Postgres(PostgresServer { pool, .. }) = &store.database else { panic!() };
        let limit: String = sqlx::query_scalar("SHOW statement_timeout").fetch_one(pool).await.unwrap();
        assert_eq!(limit, "3s");
        let slow = ended(sqlx::query("SELECT pg_sleep(20)").execute(pool)).await.unwrap_err();
        assert_unavailable(&Err::<(), _>(Error::from(slow)));
    })
    .await;
}

/// The same database, reached through a line that can be cut.
pub(super) fn through_proxy(store: &Store) -> (Proxy, Database) {
    let options = sqlx::postgres::PgConnectOptions::from_str(&store.url).unwrap();
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let proxy = Proxy::to(place.clone());
    let url = store.url.replace(&place, &format!("127.0.0.1:{}", proxy.port));
    assert_ne!(url, store.url, "HALLPASS_TEST_POSTGRES must name host and port");
    (proxy, Database::open(&url, 4).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l2_a_server_that_is_gone_is_unavailable_and_works_again_when_it_is_back() {
    on_postgres(|store| async move {
        let (proxy, database) = through_proxy(&store);
        works_again(&database).await;
        proxy.cut();
        for _ in 0..3 {
            assert_unavailable(&ended(database.ping()).await);
        }
        proxy.repair();
        works_again(&database).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l5_a_server_that_accepts_and_never_answers_is_unavailable_and_leaves_no_dead_connection_in_the_pool() {
    on_postgres(|store| async move {
        let (proxy, database) = through_proxy(&store);
        // A lock keeps four lookups, one on each connection of the pool, in the middle of their statement while the line goes dead.
        let mut other = sqlx::PgConnection::connect(&store.url).await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE").execute(&mut other).await.unwrap();
        let busy: Vec<_> = (0..4)
            .map(|_| {
                let database = database.clone();
                tokio::spawn(async move { by_email(&database, &email("a@b.com")).await })
            })
            .collect();
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'account'::regclass \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        ended(async {
            while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut other).await.unwrap() < 4 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        proxy.go_dead();
        for task in busy {
            assert_unavailable(&ended(task).await.unwrap());
        }
        assert_unavailable(&ended(database.ping()).await);
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        proxy.repair();
        works_again(&database).await;
    })
    .await;
}
