//! Where accounts and sessions live: SQLite or PostgreSQL behind one SQL text.
//!
//! One file a table, with its struct and its queries. Two drivers are an enum and a macro that compiles each query once for either; there
//! is no trait to implement and no third driver to wait for. Rules of the SQL: `$n` parameters, TEXT and BIGINT, decisions in the WHERE
//! clause. Nothing here knows who asks and why, and no error of it holds SQL, values or the address of the database.

use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Handle;
use uuid::{ContextV7, Timestamp, Uuid};

/// Runs one statement that only reads, an expression that makes a future from a pool, on whichever driver it is: with the time limit, the
/// retries and the error of [`statement::run`]. The expression may be evaluated again, so it borrows what it binds.
macro_rules! on {
    ($database:expr, |$pool:ident| $statement:expr) => {
        on!(@run $database, $crate::store::statement::LIMIT, readers, |$pool| $statement)
    };
    (@run $database:expr, $limit:expr, $side:ident, |$pool:ident| $statement:expr) => {
        match $database {
            $crate::store::Database::Sqlite(file) => {
                let $pool = &file.$side;
                $crate::store::statement::run($limit, || $statement).await
            }
            $crate::store::Database::Postgres(server) => {
                let $pool = &server.pool;
                $crate::store::statement::run($limit, || $crate::store::statement::at_home(&server.home, $statement)).await
            }
        }
    };
}

/// The same for what writes: on SQLite it waits in line for the one connection that does.
macro_rules! on_writer {
    ($database:expr, |$pool:ident| $statement:expr) => {
        on_writer!($database, within $crate::store::statement::LIMIT, |$pool| $statement)
    };
    ($database:expr, within $limit:expr, |$pool:ident| $statement:expr) => {
        on!(@run $database, $limit, writer, |$pool| $statement)
    };
}

/// Runs one statement that gives no rows and tells how many it changed.
macro_rules! execute {
    ($database:expr, $query:expr) => {
        on_writer!($database, |pool| async { Ok($query.execute(pool).await?.rows_affected()) })
    };
}

pub mod account;
pub mod account_edit;
pub mod address;
pub mod audit;
pub mod client;
mod connections;
mod device;
mod email;
mod error;
pub mod import;
pub mod inspection;
mod network_disk;
pub mod notification;
pub mod revocation;
mod revocation_compact;
pub mod revocation_tail;
mod row;
pub mod second_factor;
pub mod session;
mod session_insert;
mod statement;
pub mod throttle;

pub use connections::Connections;
pub use device::Device;
pub use email::{Email, InvalidEmail};
pub use error::Error;

/// Compiled in. Cargo does not see a file that is new in the folder: touch this one after adding a migration (a test notices).
static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// How long a statement waits for another writer of the same SQLite file.
const SQLITE_BUSY: Duration = Duration::from_secs(2);
/// How long a migration may wait for another replica's, and how long one of its statements may take.
const MIGRATION_LIMIT: Duration = Duration::from_secs(60);
/// How long a connection that is given back may take to answer before it is thrown away.
const RELEASE_LIMIT: Duration = Duration::from_secs(1);

/// The database and its open connections. Clones share them.
#[derive(Clone, Debug)]
pub enum Database {
    /// One file on this machine, for one process.
    Sqlite(SqliteFile),
    /// A server, shared by all replicas.
    Postgres(PostgresServer),
}

/// An SQLite file and the connections to it. SQLite lets one connection write at a time and has no queue for the others: they sleep and
/// try again, and under load the unlucky ones never win. So all writes of this process go over one connection, first come, first served.
#[derive(Clone, Debug)]
pub struct SqliteFile {
    /// For statements that only read.
    pub readers: SqlitePool,
    /// The one connection for those that write.
    pub writer: SqlitePool,
}

/// A PostgreSQL server and the connections to it. A connection is served by the runtime it was made on and is dead when that one ends. Every
/// HTTP worker has a runtime of its own and ends by itself when the service stops, while another still answers with the connections it left
/// behind: so all connections belong to the runtime that opened the store, which outlives them.
#[derive(Clone, Debug)]
pub struct PostgresServer {
    /// The open connections.
    pub pool: PgPool,
    /// The runtime they are made on.
    pub home: Handle,
}

impl Database {
    /// Opens `sqlite:FILE` or `postgres://…` without connecting: a server that is down is no error here but one of the first statement.
    /// A missing SQLite file is created empty, readable by its owner only. Must be called inside the runtime, which has to run as long
    /// as statements do.
    ///
    /// # Errors
    /// [`Error::Address`]: the address cannot be read, or the file cannot be created, or it lies on another machine's disk.
    pub fn open(url: &str, max_connections: u32) -> Result<Self, Error> {
        let Ok(home) = Handle::try_current() else {
            return Err(address::refused(url, "can only be opened inside the runtime"));
        };
        if url.starts_with("sqlite:") { open_sqlite(url, max_connections) } else { open_postgres(url, max_connections, home) }
    }

    /// Whether there is anything to open: not when it is an SQLite file that has not been made yet. Creates nothing, connects to nothing.
    pub fn exists(url: &str) -> bool {
        !url.starts_with("sqlite:") || SqliteConnectOptions::from_str(url).is_ok_and(|options| options.get_filename().exists())
    }

    /// Brings the schema up to date. Safe when several replicas start at once: one does it, the others wait and find it done.
    ///
    /// # Errors
    /// [`Error::Schema`]: the database is newer than this program, or was changed by hand. [`Error::Unavailable`]: try again; after a
    /// minute at most.
    pub async fn migrate(&self) -> Result<(), Error> {
        let migration = async {
            match self {
                Self::Sqlite(file) => migrate_sqlite(file.writer.connect_options().as_ref()).await,
                // Whoever may not change tables can start once somebody else has.
                Self::Postgres(server) => match inspection::schema(self).await? {
                    inspection::Schema::Current(_) => Ok(()),
                    _ => migrate_postgres(server.pool.connect_options().as_ref()).await,
                },
            }
        };
        tokio::time::timeout(MIGRATION_LIMIT, migration).await.map_err(|_| Error::unavailable("the migration did not end in time"))?
    }

    /// Succeeds when the database answers and holds our tables.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ping(&self) -> Result<(), Error> {
        // `SELECT 1` alone would not touch the file of SQLite.
        on!(self, |pool| async { sqlx::query("SELECT 1 FROM account LIMIT 1").execute(pool).await.map(|_| ()) })
    }

    /// How many connections there are at this moment.
    pub fn connections(&self) -> Connections {
        match self {
            Self::Sqlite(file) => Connections::of(&file.readers) + Connections::of(&file.writer),
            Self::Postgres(server) => Connections::of(&server.pool),
        }
    }

    /// Closes all connections after what they are doing; later statements fail.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(file) => {
                file.readers.close().await;
                file.writer.close().await;
            }
            Self::Postgres(server) => server.pool.close().await,
        }
    }
}

fn open_sqlite(url: &str, max_connections: u32) -> Result<Database, Error> {
    let options = address::sqlite(url)?;
    if !url.contains("mode=ro") {
        create_file(options.get_filename()).map_err(|error| address::refused(url, format!("cannot be created: {error}")))?;
    }
    address::check_disk(url, options.get_filename())?;
    let options = options
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: what was answered with 200 is on the disk (NORMAL may lose the last commits with the power).
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(SQLITE_BUSY)
        .disable_statement_logging();
    // A file does not hang up: asking each connection first whether it is still there costs a short read a part of its time for nothing.
    let pool = |connections| {
        let options = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(statement::ACQUIRE_LIMIT);
        options.test_before_acquire(false)
    };
    let (readers, writer) = (pool(max_connections).connect_lazy_with(options.clone()), pool(1).connect_lazy_with(options));
    Ok(Database::Sqlite(SqliteFile { readers, writer }))
}

/// Creates the file with mode 0600 unless it is there; SQLite gives the same mode to the files it puts beside it.
fn create_file(path: &std::path::Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn open_postgres(url: &str, max_connections: u32, home: Handle) -> Result<Database, Error> {
    let options = address::postgres(url)?
        .application_name("hallpass")
        .options([("statement_timeout", format!("{}ms", statement::STATEMENT_LIMIT.as_millis()))])
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(statement::ACQUIRE_LIMIT)
        // A connection given back in the middle of a statement is asked whether it is ready. A server that hangs would never answer,
        // and the connection would count as open until TCP gives up: the pool would stay empty long after the server is back.
        .after_release(|connection, _| {
            Box::pin(async move {
                let ready = tokio::time::timeout(RELEASE_LIMIT, connection.ping()).await;
                ready.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|()| true)
            })
        });
    Ok(Database::Postgres(PostgresServer { pool: pool.connect_lazy_with(options), home }))
}

/// The write lock is taken first and held throughout: SQLite has no other lock for two processes that both find an empty file.
async fn migrate_sqlite(options: &SqliteConnectOptions) -> Result<(), Error> {
    let mut connection = connect_sqlite(&options.clone().busy_timeout(MIGRATION_LIMIT)).await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // `run` would do, but its future is not Send.
    MIGRATOR.run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await?;
    Ok(connection.close().await?)
}

/// Switching a new file to WAL needs it alone, and SQLite does not wait for that, whatever the busy timeout.
async fn connect_sqlite(options: &SqliteConnectOptions) -> Result<SqliteConnection, Error> {
    let is_busy = |error: &sqlx::Error| {
        let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
        // The low byte of an extended code is the plain one; 5 is SQLITE_BUSY.
        code.is_some_and(|code| code & 0xff == 5)
    };
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) => tokio::time::sleep(Duration::from_millis(20)).await,
            outcome => return Ok(outcome?),
        }
    }
}

/// sqlx takes an advisory lock of the server. Waiting for it is a statement too, hence the longer limit on this one connection.
async fn migrate_postgres(options: &PgConnectOptions) -> Result<(), Error> {
    let limit = format!("{}ms", MIGRATION_LIMIT.as_millis());
    let options = options.clone().options([("statement_timeout", limit)]);
    let connection = tokio::time::timeout(statement::LIMIT, options.connect()).await;
    let mut connection = connection.map_err(|_| Error::unavailable("no connection within the time limit"))??;
    MIGRATOR.run_direct(None, &mut connection, false).await?;
    Ok(connection.close().await?)
}

/// A new id: `prefix` and a UUIDv7 (RFC 9562 s5.7) of the time `now`. Ids made one after another in one process sort in that order.
pub fn new_id(prefix: &str, now: i64) -> String {
    static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
    let seconds = u64::try_from(now).unwrap_or_default();
    format!("{prefix}{}", Uuid::new_v7(Timestamp::from_unix(&CONTEXT, seconds, 0)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::MIGRATOR;

    #[test]
    fn every_file_of_the_folder_is_compiled_in() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
        assert_eq!(files.count(), MIGRATOR.iter().count());
    }
}
