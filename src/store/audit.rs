//! Table `audit`: what happened to accounts and sessions.
//!
//! No reference to other tables, so that a row outlives what it speaks of. Which events there are is decided elsewhere.

use super::row::{Columns, Record};
use super::statement::{self, Step};
use super::{Database, Error, new_id};

const TABLE: &str = "audit";

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// UUIDv7.
    pub id: String,
    /// NumericDate.
    pub at: i64,
    /// What happened, as a fixed word.
    pub event: String,
    /// Whose account.
    pub account_id: Option<String>,
    /// Which session.
    pub session_id: Option<String>,
    /// A fixed word more.
    pub detail: Option<String>,
    /// Which client it is about, or was the work of.
    pub client_id: Option<String>,
    /// Who did it, where that is not the account or the client itself.
    pub actor: Option<String>,
    /// From which address.
    pub ip: Option<String>,
}

impl Entry {
    /// An event of `now`, with a new id.
    pub fn new(event: &'static str, account_id: Option<&str>, session_id: Option<&str>, detail: Option<&'static str>, now: i64) -> Self {
        let [account_id, session_id, detail] = [account_id, session_id, detail].map(|text| text.map(str::to_owned));
        Self {
            id: new_id("", now),
            at: now,
            event: event.to_owned(),
            account_id,
            session_id,
            detail,
            client_id: None,
            actor: None,
            ip: None,
        }
    }

    /// The same, about a client or by one.
    pub fn with_client(self, client_id: Option<&str>) -> Self {
        Self { client_id: client_id.map(str::to_owned), ..self }
    }

    /// The same, as the work of somebody else.
    pub fn by(self, actor: Option<&str>, ip: Option<&str>) -> Self {
        Self { actor: actor.map(str::to_owned), ip: ip.map(str::to_owned), ..self }
    }

    fn read<R: Columns>(row: &R) -> Result<Self, Error> {
        let record = Record::of(TABLE, "id", row)?;
        Ok(Self {
            id: record.id().to_owned(),
            at: record.number("at")?,
            event: record.text("event")?,
            account_id: record.optional_text("account_id")?,
            session_id: record.optional_text("session_id")?,
            detail: record.optional_text("detail")?,
            client_id: record.optional_text("client_id")?,
            actor: record.optional_text("actor")?,
            ip: record.optional_text("ip")?,
        })
    }
}

/// Writes an event down.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn insert(database: &Database, entry: &Entry) -> Result<(), Error> {
    statement::transaction(database, &[written(entry)]).await.map(|_| ())
}

/// At most `limit` events, the newest first, older than the one with the id `before` or from the newest on; of one account or of all.
///
/// # Errors
/// [`Error::Corrupt`] when one of them is, [`Error::Unavailable`].
pub async fn list(database: &Database, account_id: Option<&str>, before: Option<&str>, limit: u32) -> Result<Vec<Entry>, Error> {
    // Ids begin with a hexadecimal digit, and `g` comes after all of these in every collation. `~` does not: it sorts before them in most.
    let before = before.unwrap_or("g");
    let rows = match account_id {
        Some(account_id) => {
            let select = "SELECT * FROM audit WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
            on!(database, |pool| sqlx::query(select)
                .bind(account_id)
                .bind(before)
                .bind(i64::from(limit))
                .map(|row| Entry::read(&row))
                .fetch_all(pool))?
        }
        None => {
            let select = "SELECT * FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2";
            on!(database, |pool| sqlx::query(select).bind(before).bind(i64::from(limit)).map(|row| Entry::read(&row)).fetch_all(pool))?
        }
    };
    rows.into_iter().collect()
}

/// Deletes at most `limit` events from before a moment, and tells how many.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn sweep(database: &Database, limit: u32, before: i64) -> Result<u64, Error> {
    let delete = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 LIMIT $2)";
    execute!(database, sqlx::query(delete).bind(before).bind(i64::from(limit)))
}

/// Writes an event down, as a step of a transaction.
pub(super) fn written(entry: &Entry) -> Step<'_> {
    let insert = "INSERT INTO audit (id, at, event, account_id, session_id, detail, client_id, actor, ip) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let step = statement::step(insert).text(&entry.id).number(entry.at).text(&entry.event);
    [&entry.account_id, &entry.session_id, &entry.detail, &entry.client_id, &entry.actor, &entry.ip]
        .into_iter()
        .fold(step, |step, text| step.optional_text(text.as_deref()))
}
