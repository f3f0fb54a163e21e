//! What can go wrong in the store, in the words of those who call it.
//!
//! The driver's own error is not kept: its Debug holds the values of the row, and some of its texts quote them.

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

/// Why a statement did not do what it should. No variant holds SQL, values of a row, or the address's password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is down, overloaded, read-only or out of space: the caller's answer is 503, and trying again is right.
    #[error("the database is not available: {cause}")]
    Unavailable {
        /// For the log: the kind of failure and the database's code.
        cause: String,
    },
    /// A row with that key is there already, or one that it refers to is gone.
    #[error("the row conflicts with another one")]
    Conflict,
    /// A row that we would never write: somebody else did, or the disk did.
    #[error("column {column} of row {id} in table {table} cannot be used")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The primary key, or `?` when it is what cannot be read.
        id: String,
    },
    /// A value that must not be stored, because it could not be read back.
    #[error("the value for column {column} of table {table} cannot be stored")]
    Invalid {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The schema and this program do not fit.
    #[error("{problem}")]
    Schema {
        /// What is wrong and what to do.
        problem: String,
    },
    /// The address cannot be used at all.
    #[error("database.url ({address}) {problem}")]
    Address {
        /// The address without user, password and parameters.
        address: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl Error {
    pub(super) fn unavailable(cause: impl Into<String>) -> Self {
        Self::Unavailable { cause: cause.into() }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() || inner.is_foreign_key_violation() => Self::Conflict,
            sqlx::Error::Database(inner) => Self::unavailable(described(inner.as_ref())),
            sqlx::Error::Io(inner) => Self::unavailable(inner.to_string()),
            sqlx::Error::Tls(inner) => Self::unavailable(format!("TLS: {inner}")),
            sqlx::Error::PoolTimedOut => Self::unavailable("no connection within the time limit"),
            sqlx::Error::PoolClosed => Self::unavailable("shutting down"),
            _ => Self::unavailable("the driver failed"),
        }
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        let problem = match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => return error.into(),
            MigrateError::VersionMissing(version) => format!(
                "the database has schema version {version}, which this hallpass does not know: start the newer hallpass that made it, or restore a backup from before"
            ),
            MigrateError::VersionMismatch(version) => {
                format!(
                    "schema version {version} of the database was made by a different build of hallpass: start that one, or restore a backup"
                )
            }
            MigrateError::Dirty(version) => format!("the migration to schema version {version} was left half done: restore a backup"),
            _ => "the schema of the database cannot be brought up to date".to_owned(),
        };
        Self::Schema { problem }
    }
}

/// The code always; the text only where it cannot quote a value: SQLite's never do, PostgreSQL's about connecting, roles, resources and
/// shutting down do not.
fn described(error: &dyn sqlx::error::DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    let is_postgres = error.try_downcast_ref::<PgDatabaseError>().is_some();
    if is_postgres && !["08", "25", "28", "3D", "53", "57"].iter().any(|class| code.starts_with(class)) {
        return format!("code {code}");
    }
    format!("{} (code {code})", error.message())
}
