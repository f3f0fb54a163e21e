//! What the database tells about itself, to an operator who looks for what is wrong with it. Nothing here changes a row or the schema.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr as _;

use sqlx::AssertSqlSafe;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;

use super::{Database, Error, MIGRATOR};

/// How the schema that is there compares with the one of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// There is none.
    Missing,
    /// Migrating brings it up to date.
    Older {
        /// The version that is there.
        found: i64,
        /// The version of this program.
        wanted: i64,
    },
    /// The same.
    Current(i64),
    /// This program does not know this version.
    Newer(i64),
    /// This version was made by a build with another text of it.
    Foreign(i64),
}

macro_rules! writes {
    ($table:literal, $column:literal) => {
        (
            $table,
            [
                concat!("INSERT INTO ", $table, " SELECT * FROM ", $table, " WHERE 1 = 0"),
                concat!("UPDATE ", $table, " SET ", $column, " = ", $column, " WHERE 1 = 0"),
                concat!("DELETE FROM ", $table, " WHERE 1 = 0"),
            ],
        )
    };
}
/// What would have to be allowed for the service to do its work. None of them finds a row, so nothing is changed.
const WRITES: [(&str, [&str; 3]); 7] = [
    writes!("account", "created_at"),
    writes!("session", "generation"),
    writes!("revocation", "until"),
    writes!("second_factor", "last_step"),
    writes!("throttle", "failures"),
    writes!("client", "created_at"),
    writes!("audit", "at"),
];

/// Compares the schema, without bringing it up to date.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn schema(database: &Database) -> Result<Schema, Error> {
    let is_there = match database {
        Database::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
        Database::Postgres(_) => {
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = '_sqlx_migrations'"
        }
    };
    if on!(database, |pool| sqlx::query_scalar::<_, i64>(is_there).fetch_one(pool))? == 0 {
        return Ok(Schema::Missing);
    }
    let applied = "SELECT version, checksum FROM _sqlx_migrations ORDER BY version";
    let applied = on!(database, |pool| sqlx::query_as::<_, (i64, Vec<u8>)>(applied).fetch_all(pool))?;
    for (version, checksum) in &applied {
        match MIGRATOR.iter().find(|known| known.version == *version) {
            None => return Ok(Schema::Newer(*version)),
            Some(known) if *known.checksum != **checksum => return Ok(Schema::Foreign(*version)),
            Some(_) => {}
        }
    }
    let wanted = MIGRATOR.iter().map(|known| known.version).max().unwrap_or_default();
    Ok(match applied.last() {
        None => Schema::Missing,
        Some((found, _)) if applied.len() < MIGRATOR.iter().count() => Schema::Older { found: *found, wanted },
        Some((found, _)) => Schema::Current(*found),
    })
}

/// Succeeds when the schema is that of this program, and changes nothing.
///
/// # Errors
/// [`Error::Schema`], [`Error::Unavailable`].
pub async fn check_schema(database: &Database) -> Result<(), Error> {
    let problem = match schema(database).await? {
        Schema::Current(_) => return Ok(()),
        Schema::Missing => "the database holds no tables of hallpass yet: `hallpass migrate` makes them".to_owned(),
        Schema::Older { found, wanted } => format!(
            "the database has schema version {found}, which is older than that of this hallpass, {wanted}: back it up, then run `hallpass migrate`"
        ),
        Schema::Newer(version) => return Err(MigrateError::VersionMissing(version).into()),
        Schema::Foreign(version) => return Err(MigrateError::VersionMismatch(version).into()),
    };
    Err(Error::Schema { problem })
}

/// Whether everything can be written to that the service writes to. The first table that cannot, and why. On SQLite it ends with a commit
/// that reaches the disk, of the number that the file has for the use of programs, as it is.
///
/// # Errors
/// The table, and [`Error::Unavailable`].
pub async fn check_writable(database: &Database) -> Result<(), (&'static str, Error)> {
    for (table, statements) in WRITES {
        for statement in statements {
            execute!(database, sqlx::query(statement)).map_err(|error| (table, error))?;
        }
    }
    if let Database::Sqlite(_) = database {
        let version = on!(database, |pool| sqlx::query_scalar::<_, i64>("PRAGMA user_version").fetch_one(pool));
        let version = version.map_err(|error| ("user_version", error))?;
        // A pragma takes no parameters; this is a number.
        execute!(database, sqlx::query(AssertSqlSafe(format!("PRAGMA user_version = {version}"))))
            .map_err(|error| ("user_version", error))?;
    }
    Ok(())
}

/// The clock of the server as a NumericDate. SQLite has none but this machine's.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn clock(database: &Database) -> Result<Option<i64>, Error> {
    let Database::Postgres(_) = database else { return Ok(None) };
    let now = "SELECT CAST(floor(EXTRACT(EPOCH FROM clock_timestamp())) AS BIGINT)";
    on!(database, |pool| sqlx::query_scalar::<_, i64>(now).fetch_one(pool)).map(Some)
}

/// When the newest login, event or revocation was written, by the clock of the replica that did it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn newest(database: &Database) -> Result<Option<i64>, Error> {
    // Each of them is the end of an index.
    let newest = "SELECT MAX(newest) FROM (SELECT MAX(created_at) AS newest FROM session UNION ALL SELECT MAX(at) FROM audit UNION ALL SELECT MAX(recorded_at) FROM revocation) AS each";
    on!(database, |pool| sqlx::query_scalar::<_, Option<i64>>(newest).fetch_one(pool))
}

/// How many connections the server takes, from everybody together. SQLite has no such limit.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn server_connections(database: &Database) -> Result<Option<i64>, Error> {
    let Database::Postgres(_) = database else { return Ok(None) };
    let limit = "SELECT CAST(current_setting('max_connections') AS BIGINT)";
    on!(database, |pool| sqlx::query_scalar::<_, i64>(limit).fetch_one(pool)).map(Some)
}

/// The file of an SQLite address.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options = url.starts_with("sqlite:").then(|| SqliteConnectOptions::from_str(url).ok()).flatten()?;
    Some(options.get_filename().to_owned())
}

/// Whether somebody between this machine and the PostgreSQL server could read along or answer in its place.
pub fn is_exposed_on_the_way(url: &str) -> bool {
    if url.starts_with("sqlite:") {
        return false;
    }
    let Ok(options) = PgConnectOptions::from_str(url) else { return false };
    let host = options.get_host();
    let is_here = host.starts_with('/') || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    !is_here && options.get_socket().is_none() && !matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_on_this_machine_or_one_whose_certificate_is_checked_is_safe_on_the_way() {
        for (url, exposed) in [
            ("postgres://u:p@db.internal/x", true),
            ("postgres://u:p@db.internal/x?sslmode=require", true),
            ("postgres://u:p@10.0.0.7/x?sslmode=disable", true),
            ("postgres://u:p@db.internal/x?sslmode=verify-ca", false),
            ("postgres://u:p@db.internal/x?sslmode=verify-full", false),
            ("postgres://u:p@127.0.0.1:5433/x", false),
            ("postgres://u:p@localhost/x", false),
            ("postgres://u:p@%2Fvar%2Frun%2Fpostgresql/x", false),
            ("sqlite:hallpass.db", false),
        ] {
            assert_eq!(is_exposed_on_the_way(url), exposed, "{url}");
        }
    }
}
