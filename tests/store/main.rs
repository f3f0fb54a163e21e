//! What every store must do, run against SQLite in a temporary file and, when `HALLPASS_TEST_POSTGRES` holds the address of a server where
//! databases may be created (`postgres://user@127.0.0.1:5432/postgres`), against PostgreSQL, with a fresh database for every test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod account;
mod account_edit;
mod audit;
mod client;
mod faults;
mod feed;
mod import;
mod migrations;
mod notification;
mod proxy;
mod second_factor;
mod server_faults;
mod session;
mod throttle;
mod tls;

use std::sync::Once;

use hallpass::secret::Secret;
use hallpass::store::account::{Account, NewAccount};
use hallpass::store::account_edit::{Edit, LastAdmin};
use hallpass::store::audit::Entry;
use hallpass::store::{self, Database, Email, Error, PostgresServer};
use sqlx::AssertSqlSafe;

const NOW: i64 = 1_800_000_000;

/// One empty, migrated database.
#[derive(Clone, Debug)]
struct Store {
    database: Database,
    url: String,
}

impl Store {
    /// Statements that the store itself would never make.
    async fn raw(&self, sql: &str) {
        match &self.database {
            Database::Sqlite(file) => drop(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&file.writer).await.unwrap()),
            Database::Postgres(PostgresServer { pool, .. }) => drop(sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap()),
        }
    }

    /// How many rows a query gives.
    async fn count(&self, sql: &str) -> usize {
        match &self.database {
            Database::Sqlite(file) => sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&file.writer).await.unwrap().len(),
            Database::Postgres(PostgresServer { pool, .. }) => sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap().len(),
        }
    }

    fn is_sqlite(&self) -> bool {
        matches!(self.database, Database::Sqlite(_))
    }
}

/// Runs the test on every store there is. A store of the test is removed even when the test fails.
async fn on_every_store<F: Future<Output = ()> + Send + 'static>(test: impl Fn(Store) -> F) {
    on_sqlite(&test).await;
    on_postgres(&test).await;
}

async fn on_sqlite<F: Future<Output = ()> + Send + 'static>(test: impl Fn(Store) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = migrated(&url).await;
    let database = store.database.clone();
    let outcome = tokio::spawn(test(store)).await;
    database.close().await;
    outcome.unwrap();
}

async fn on_postgres<F: Future<Output = ()> + Send + 'static>(test: impl Fn(Store) -> F) {
    let Some(server) = postgres_server() else { return };
    let admin = sqlx::PgPool::connect(&server).await.unwrap();
    let name = format!("hallpass_test_{}", uuid::Uuid::now_v7().simple());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    let (address, _) = server.rsplit_once('/').unwrap();
    let store = migrated(&format!("{address}/{name}")).await;
    let outcome = tokio::spawn(test(store)).await;
    sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&admin).await.unwrap();
    outcome.unwrap();
}

fn postgres_server() -> Option<String> {
    static SAID: Once = Once::new();
    #[allow(clippy::disallowed_methods, reason = "not a setting of hallpass: where the tests find a server")]
    let server = std::env::var("HALLPASS_TEST_POSTGRES").ok();
    if server.is_none() {
        SAID.call_once(|| eprintln!("HALLPASS_TEST_POSTGRES is not set: the store is tested on SQLite only"));
    }
    server
}

async fn migrated(url: &str) -> Store {
    let database = Database::open(url, 10).unwrap();
    database.migrate().await.unwrap();
    Store { database, url: url.to_owned() }
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn new_account(address: &str) -> NewAccount {
    NewAccount { email: email(address), password_hash: Some(Secret::from("$2b$04$hash")), scope: "read write".to_owned(), roles: vec![] }
}

/// As an operator does it, who looks at the account just before.
async fn set_disabled_at(database: &Database, id: &str, disabled_at: Option<i64>) -> Result<bool, Error> {
    let Some(before) = store::account::by_id(database, id).await? else { return Ok(false) };
    let after = Account { disabled_at, ..before.clone() };
    let edit = Edit { before: &before, after: &after, last_admin: LastAdmin::MayGo, why: &[] };
    store::account_edit::edit(database, edit, disabled_at.unwrap_or(NOW)).await
}

async fn delete_account(database: &Database, id: &str, now: i64) -> Result<bool, Error> {
    let why = Entry::new("account_deleted", Some(id), None, None, now);
    store::account_edit::delete(database, id, LastAdmin::MayGo, &why).await
}
