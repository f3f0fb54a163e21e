//! Table `throttle`: who was tried how often. A try is counted by the statement that admits it, before anything is known of it, so that those
//! who try at once cannot share one place. How many tries are free and how long the others wait is decided elsewhere.

use super::row::{Columns, Record};
use super::{Database, Error};

const TABLE: &str = "throttle";

/// After so many seconds a try is not under way any more: whatever ran it has crashed or was left alone.
pub const LONGEST_TRY: i64 = 30;

/// The tries of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Those in a row that failed, those under way included.
    pub failures: i64,
    /// Those under way.
    pub pending: i64,
    /// NumericDate before when no more is admitted, once there were more than are free.
    pub retry_at: i64,
    /// NumericDate of the last one.
    pub tried_at: i64,
}

/// What is to hold for one more try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// It is admitted while there were fewer failures than this,
    pub free: i64,
    /// or exactly as many as this: nobody else came in between.
    pub seen: i64,
    /// When the next one is admitted if this one fails and was not free (NumericDate).
    pub retry_at: i64,
}

impl Tries {
    fn read<R: Columns>(row: &R) -> Result<Self, Error> {
        let record = Record::of(TABLE, "address_mac", row)?;
        Ok(Self {
            failures: record.number("failures")?,
            pending: record.number("pending")?,
            retry_at: record.number("retry_at")?,
            tried_at: record.number("tried_at")?,
        })
    }
}

/// The tries of the address with this MAC. None: there was none for a long time.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn by_address(database: &Database, address_mac: &str) -> Result<Option<Tries>, Error> {
    let row = on!(database, |pool| sqlx::query("SELECT * FROM throttle WHERE address_mac = $1")
        .bind(address_mac)
        .map(|row| Tries::read(&row))
        .fetch_optional(pool))?;
    row.transpose()
}

/// Counts one more try as a failure that is under way. False: what the admission says does not hold any more, and nothing was counted.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn admit(database: &Database, address_mac: &str, admission: &Admission, now: i64) -> Result<bool, Error> {
    let upsert = "INSERT INTO throttle (address_mac, failures, pending, retry_at, tried_at) VALUES ($1, 1, 1, $2, $3) \
                  ON CONFLICT (address_mac) DO UPDATE SET failures = throttle.failures + 1, \
                  pending = CASE WHEN throttle.tried_at < $4 THEN 1 ELSE throttle.pending + 1 END, \
                  retry_at = excluded.retry_at, tried_at = excluded.tried_at \
                  WHERE throttle.failures < $5 OR throttle.failures = $6";
    let rows = execute!(
        database,
        sqlx::query(upsert)
            .bind(address_mac)
            .bind(admission.retry_at)
            .bind(now)
            .bind(now.saturating_sub(LONGEST_TRY))
            .bind(admission.free)
            .bind(admission.seen)
    )?;
    Ok(rows > 0)
}

/// A try failed: it stays counted.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn fail(database: &Database, address_mac: &str) -> Result<(), Error> {
    settle(database, "UPDATE throttle SET pending = pending - 1 WHERE address_mac = $1 AND pending > 0", address_mac).await
}

/// A try succeeded: what failed before it does not count any more. What is under way beside it does.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn pass(database: &Database, address_mac: &str) -> Result<(), Error> {
    let reset = "UPDATE throttle SET failures = CASE WHEN pending > 0 THEN pending - 1 ELSE 0 END, \
                 pending = CASE WHEN pending > 0 THEN pending - 1 ELSE 0 END, retry_at = 0 WHERE address_mac = $1";
    settle(database, reset, address_mac).await
}

/// A try proved nothing either way: as if it had not been made. The next one need not wait, since this one had waited.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn withdraw(database: &Database, address_mac: &str) -> Result<(), Error> {
    let take_back = "UPDATE throttle SET failures = failures - 1, pending = pending - 1, retry_at = 0 \
                     WHERE address_mac = $1 AND pending > 0 AND failures > 0";
    settle(database, take_back, address_mac).await
}

/// Deletes at most `limit` rows of addresses that were last tried before a moment, and tells how many.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn sweep(database: &Database, limit: u32, tried_before: i64) -> Result<u64, Error> {
    let delete =
        "DELETE FROM throttle WHERE tried_at < $1 AND address_mac IN (SELECT address_mac FROM throttle WHERE tried_at < $1 LIMIT $2)";
    execute!(database, sqlx::query(delete).bind(tried_before).bind(i64::from(limit)))
}

async fn settle(database: &Database, update: &'static str, address_mac: &str) -> Result<(), Error> {
    execute!(database, sqlx::query(update).bind(address_mac)).map(|_| ())
}
