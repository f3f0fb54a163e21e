//! The store, for one command: what adds makes it, what writes brings its schema up to date, what only reads leaves it as it is.

use super::Error;
use crate::config::Config;
use crate::secret::masked_url;
use crate::serve;
use crate::store::{Database, address, inspection};

/// What a command does with the store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    /// It looks. A wrong folder must not look like an empty service, nor may an older program be shut out of its database by that.
    Reads,
    /// It changes what is there, so it may as well bring the schema up to date. Where there is no database there is nothing to change.
    Changes,
    /// It adds something, which may be the first thing that there is.
    Adds,
}

/// Opens the configured store. To be called inside `wait_for`.
pub(super) async fn open(config: &Config, access: Access) -> Result<Database, Error> {
    if let Access::Reads | Access::Changes = access {
        check_file(config.database.url.expose())?;
    }
    let database = serve::database(config)?;
    let outcome = match access {
        Access::Reads => inspection::check_schema(&database).await,
        Access::Changes | Access::Adds => database.migrate().await,
    };
    if outcome.is_err() {
        database.close().await;
    }
    outcome?;
    Ok(database)
}

/// Opening an SQLite file would make it.
fn check_file(url: &str) -> Result<(), Error> {
    address::check(url)?;
    if Database::exists(url) {
        return Ok(());
    }
    let address = masked_url(url);
    Err(Error::failed(format!("there is no database at database.url ({address}): if it is to be there, `hallpass migrate` makes it")))
}
