//! The stores that a test runs over.

use crate::program::Place;

/// Runs a test over SQLite and, when `HALLPASS_TEST_POSTGRES` names a server where databases may be created, over PostgreSQL.
pub fn on_every_store(place: fn() -> Place, test: fn(&Place)) {
    test(&place());
    #[allow(clippy::disallowed_methods, reason = "not a setting of hallpass: where the tests find a server")]
    let Ok(server) = std::env::var("HALLPASS_TEST_POSTGRES") else {
        return eprintln!("left out: PostgreSQL, since HALLPASS_TEST_POSTGRES names no server");
    };
    let database = Postgres::create(&server);
    test(&place().set("HALLPASS__DATABASE__URL", &database.url));
}

/// A database of its own, dropped at the end whatever came of the test.
struct Postgres {
    server: String,
    name: String,
    url: String,
}

impl Postgres {
    fn create(server: &str) -> Self {
        let name = format!("hallpass_cli_{}", uuid::Uuid::now_v7().simple());
        let (address, _) = server.rsplit_once('/').unwrap();
        execute(server, format!("CREATE DATABASE {name}"));
        Self { server: server.to_owned(), url: format!("{address}/{name}"), name }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        execute(&self.server, format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Runs SQL in the database of the place, whichever it is.
pub fn sql(place: &Place, sql: &str) {
    match place.setting("HALLPASS__DATABASE__URL") {
        Some(url) => execute(url, sql.to_owned()),
        None => {
            let url = format!("sqlite:{}", place.path().join("hallpass.db").display());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&pool).await.unwrap();
                pool.close().await;
            });
        }
    }
}

/// Runs SQL on a PostgreSQL server.
pub fn execute(server: &str, sql: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = sqlx::PgPool::connect(server).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        pool.close().await;
    });
}
