//! Addresses of databases, read and looked at before anything is opened.

use std::path::Path;
use std::str::FromStr as _;

use rustix::fs::{Access, access};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::{Database, Error, inspection, network_disk};
use crate::secret::masked_url;

/// Whether an address can be read as `Database::open` does it. Creates nothing, connects to nothing.
///
/// # Errors
/// [`Error::Address`].
pub fn check(url: &str) -> Result<(), Error> {
    if url.starts_with("sqlite:") { sqlite(url).map(drop) } else { postgres(url).map(drop) }
}

/// Whether the file of an SQLite address may lie where it does, or could be made where it is to be. Creates nothing.
///
/// # Errors
/// [`Error::Address`]: there is no such folder, or nothing can be made in it, or it is on another machine's disk.
pub fn check_place(url: &str) -> Result<(), Error> {
    let Some(file) = inspection::sqlite_file(url) else { return Ok(()) };
    if Database::exists(url) {
        return check_disk(url, &file);
    }
    // Of a name without a folder the parent is empty. The dot refuses what is no folder.
    let folder = file.parent().unwrap_or(Path::new("/")).join(".");
    let allowed = access(&folder, Access::WRITE_OK | Access::EXEC_OK);
    allowed.map_err(|error| refused(url, format!("cannot be created: {}", std::io::Error::from(error))))?;
    check_disk(url, &folder)
}

pub(super) fn check_disk(url: &str, path: &Path) -> Result<(), Error> {
    network_disk::kind_of(path).map_or(Ok(()), |kind| {
        let problem =
            format!("lies on a network disk ({kind}), where two services would ruin it unseen: use a disk of this machine, or PostgreSQL");
        Err(refused(url, problem))
    })
}

pub(super) fn sqlite(url: &str) -> Result<SqliteConnectOptions, Error> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(refused(url, "must name a file: every connection to a database in memory sees another one"));
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|_| refused(url, "cannot be read: write sqlite:FILE"))?;
    if options.get_filename().as_os_str().is_empty() {
        return Err(refused(url, "names no file: write sqlite:FILE"));
    }
    Ok(options)
}

pub(super) fn postgres(url: &str) -> Result<PgConnectOptions, Error> {
    let refused = || refused(url, "cannot be read: write sqlite:FILE or postgres://user:password@host/name");
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(refused());
    }
    PgConnectOptions::from_str(url).map_err(|_| refused())
}

pub(super) fn refused(url: &str, problem: impl Into<String>) -> Error {
    Error::Address { address: masked_url(url), problem: problem.into() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_read_is_refused_and_nothing_is_made_for_one_that_can() {
        for url in ["postgres://u:p@h:notaport/d", "postgres://u:p@h/d?sslmode=foo", "sqlite:x.db?mode=foo", "sqlite:", "sqlite://", "x.db"]
        {
            assert!(check(url).is_err(), "{url}");
        }
        let file = tempfile::tempdir().unwrap().path().join("x.db");
        for url in [&format!("sqlite:{}", file.display()), "sqlite:x.db?mode=ro", "postgres://u:p@h:5432/d?sslmode=require"] {
            check(url).unwrap();
        }
        assert!(!file.exists());
    }

    #[test]
    fn a_file_can_be_made_only_in_a_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let url = |name: &str| format!("sqlite:{}/{name}", folder.path().display());
        assert!(check_place(&url("x.db")).is_ok() && check_place("sqlite:x.db").is_ok() && check_place("postgres://h/d").is_ok());
        for name in ["nowhere/x.db", "file/x.db"] {
            let error = check_place(&url(name)).unwrap_err().to_string();
            assert!(error.contains("cannot be created: N") && error.contains(name), "{error}");
        }
    }
}
