//! Table `second_factor`: the secrets of one-time codes, sealed, and the recovery codes, hashed.
//!
//! That a code works once is decided by the statement that takes it, however many send it at once. What a code is and how a secret is sealed
//! is decided elsewhere.

use super::row::{Columns, Record};
use super::{Database, Error};
use crate::token::sealing::Sealed;

const TABLE: &str = "second_factor";

/// A second factor, or one that is about to be. Times are NumericDates.
#[derive(Clone, Debug)]
pub struct SecondFactor {
    /// Whose it is.
    pub account_id: String,
    /// The secret of its codes.
    pub secret: Sealed,
    /// When the secret was made.
    pub created_at: i64,
    /// Since when a login needs it. None: it was not confirmed.
    pub confirmed_at: Option<i64>,
}

impl SecondFactor {
    fn read<R: Columns>(row: &R) -> Result<Self, Error> {
        let record = Record::of(TABLE, "account_id", row)?;
        Ok(Self {
            account_id: record.id().to_owned(),
            secret: Sealed { kid: record.text("kid")?, text: record.text("secret")? },
            created_at: record.number("created_at")?,
            confirmed_at: record.optional_number("confirmed_at")?,
        })
    }
}

/// The second factor of an account, confirmed or not.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn by_account(database: &Database, account_id: &str) -> Result<Option<SecondFactor>, Error> {
    let row = on!(database, |pool| sqlx::query("SELECT * FROM second_factor WHERE account_id = $1")
        .bind(account_id)
        .map(|row| SecondFactor::read(&row))
        .fetch_optional(pool))?;
    row.transpose()
}

/// Begins a second factor, in place of one that was never confirmed. False: there is a confirmed one.
///
/// # Errors
/// [`Error::Conflict`]: there is no such account. [`Error::Unavailable`].
pub async fn begin(database: &Database, account_id: &str, secret: &Sealed, now: i64) -> Result<bool, Error> {
    let insert = "INSERT INTO second_factor (account_id, secret, kid, created_at, last_step, recovery_codes) VALUES ($1, $2, $3, $4, -1, '') \
                  ON CONFLICT (account_id) DO UPDATE SET secret = excluded.secret, kid = excluded.kid, created_at = excluded.created_at \
                  WHERE second_factor.confirmed_at IS NULL";
    let rows = execute!(database, sqlx::query(insert).bind(account_id).bind(&secret.text).bind(&secret.kid).bind(now))?;
    Ok(rows > 0)
}

/// Confirms a second factor by a code of this step, if its secret is still the one that was looked at. `recovery_codes` are hashes in hex.
/// Of several at once exactly one succeeds.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn confirm(database: &Database, factor: &SecondFactor, step: i64, recovery_codes: &[String], now: i64) -> Result<bool, Error> {
    let update = "UPDATE second_factor SET confirmed_at = $3, last_step = $4, recovery_codes = $5 \
                  WHERE account_id = $1 AND secret = $2 AND confirmed_at IS NULL";
    let codes: String = recovery_codes.iter().map(|code| format!("{code} ")).collect();
    let rows =
        execute!(database, sqlx::query(update).bind(&factor.account_id).bind(&factor.secret.text).bind(now).bind(step).bind(&codes))?;
    Ok(rows > 0)
}

/// Takes a code of this step, if no code of it or a later one was taken. Of several at once exactly one succeeds.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn take_step(database: &Database, factor: &SecondFactor, step: i64) -> Result<bool, Error> {
    let update = "UPDATE second_factor SET last_step = $2 \
                  WHERE account_id = $1 AND last_step < $2 AND created_at = $3 AND confirmed_at IS NOT NULL";
    let rows = execute!(database, sqlx::query(update).bind(&factor.account_id).bind(step).bind(factor.created_at))?;
    Ok(rows > 0)
}

/// Uses up the recovery code with this hash in hex. Of several at once exactly one succeeds.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn take_recovery_code(database: &Database, account_id: &str, hash: &str) -> Result<bool, Error> {
    let update = "UPDATE second_factor SET recovery_codes = REPLACE(recovery_codes, $2, '') \
                  WHERE account_id = $1 AND recovery_codes LIKE '%' || $2 || '%' AND confirmed_at IS NOT NULL";
    let code = format!("{hash} ");
    let rows = execute!(database, sqlx::query(update).bind(account_id).bind(&code))?;
    Ok(rows > 0)
}

/// Puts the same secret in its place, sealed anew. False: it is not the one that was looked at any more.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn reseal(database: &Database, factor: &SecondFactor, secret: &Sealed) -> Result<bool, Error> {
    let update = "UPDATE second_factor SET secret = $3, kid = $4 WHERE account_id = $1 AND secret = $2";
    let rows =
        execute!(database, sqlx::query(update).bind(&factor.account_id).bind(&factor.secret.text).bind(&secret.text).bind(&secret.kid))?;
    Ok(rows > 0)
}

/// At most `limit` second factors that another key than this sealed.
///
/// # Errors
/// [`Error::Corrupt`] when one of them is, [`Error::Unavailable`].
pub async fn sealed_by_others(database: &Database, kid: &str, limit: u32) -> Result<Vec<SecondFactor>, Error> {
    let rows = on!(database, |pool| sqlx::query("SELECT * FROM second_factor WHERE kid <> $1 ORDER BY created_at DESC LIMIT $2")
        .bind(kid)
        .bind(i64::from(limit))
        .map(|row| SecondFactor::read(&row))
        .fetch_all(pool))?;
    rows.into_iter().collect()
}

/// How many second factors each key has sealed, by its `kid`.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn count_by_key(database: &Database) -> Result<Vec<(String, i64)>, Error> {
    on!(database, |pool| sqlx::query_as("SELECT kid, COUNT(*) FROM second_factor GROUP BY kid ORDER BY kid").fetch_all(pool))
}

/// What became of a second factor that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Done,
    /// There was none.
    NothingThere,
    /// It is there still.
    Refused,
}

/// Removes the second factor of an account, if it is not confirmed, was confirmed at `proven_at` or later, or `is_strong` says that it was
/// itself used.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn remove(database: &Database, account_id: &str, is_strong: bool, proven_at: i64) -> Result<Removal, Error> {
    let delete = "DELETE FROM second_factor WHERE account_id = $1 AND ($2 = 1 OR confirmed_at IS NULL OR confirmed_at >= $3)";
    let removed = execute!(database, sqlx::query(delete).bind(account_id).bind(i64::from(is_strong)).bind(proven_at))?;
    Ok(if removed > 0 {
        Removal::Done
    } else if by_account(database, account_id).await?.is_none() {
        Removal::NothingThere
    } else {
        Removal::Refused
    })
}

/// Removes the second factor of an account, confirmed or not, whoever proved what. False: there was none.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn delete(database: &Database, account_id: &str) -> Result<bool, Error> {
    Ok(execute!(database, sqlx::query("DELETE FROM second_factor WHERE account_id = $1").bind(account_id))? > 0)
}

/// Which accounts, from one id to another, have a confirmed one.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn confirmed_between(database: &Database, first: &str, last: &str) -> Result<Vec<String>, Error> {
    let select = "SELECT account_id FROM second_factor WHERE account_id >= $1 AND account_id <= $2 AND confirmed_at IS NOT NULL";
    let rows = on!(database, |pool| sqlx::query(select)
        .bind(first)
        .bind(last)
        .map(|row| Ok(Record::of(TABLE, "account_id", &row)?.id().to_owned()))
        .fetch_all(pool))?;
    rows.into_iter().collect()
}
