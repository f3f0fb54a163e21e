//! Table `client`: the machines that ask for tokens in their own name.
//!
//! Lookups are by id or by name. What a name may be, what scopes mean and which secret is right is decided elsewhere.

use super::row::{Columns, Record, is_word_list};
use super::statement::{self, Step};
use super::{Database, Error, new_id, revocation};
use crate::token::client_secret::SecretHash;

const TABLE: &str = "client";

/// A machine that may ask for tokens. Times are NumericDates.
#[derive(Clone, Debug)]
pub struct Client {
    /// `cli_<UUIDv7>`: its `client_id`, and the subject of its tokens.
    pub id: String,
    /// What operators call it.
    pub name: String,
    /// Scopes that it may ask for, space separated.
    pub scope: String,
    /// Of its secret.
    pub secret_hash: SecretHash,
    /// Of the secret before, which is as good. None: there was none.
    pub previous_secret_hash: Option<SecretHash>,
    /// When it was made.
    pub created_at: i64,
    /// When its secret was last replaced. None: never.
    pub secret_rotated_at: Option<i64>,
    /// Since when it is refused. None: not disabled.
    pub disabled_at: Option<i64>,
}

/// What is needed to make a client.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// What operators call it.
    pub name: String,
    /// Scopes, space separated; empty for none.
    pub scope: String,
    /// Of its secret.
    pub secret_hash: SecretHash,
}

impl Client {
    fn read<R: Columns>(row: &R) -> Result<Self, Error> {
        let record = Record::of(TABLE, "id", row)?;
        let hash = |column, text: String| SecretHash::parse(&text).ok_or_else(|| record.corrupt(column));
        let scope = record.text("scopes")?;
        if !is_word_list(&scope) {
            return Err(record.corrupt("scopes"));
        }
        Ok(Self {
            id: record.id().to_owned(),
            name: record.text("name")?,
            scope,
            secret_hash: hash("secret_hash", record.text("secret_hash")?)?,
            previous_secret_hash: record
                .optional_text("previous_secret_hash")?
                .map(|text| hash("previous_secret_hash", text))
                .transpose()?,
            created_at: record.number("created_at")?,
            secret_rotated_at: record.optional_number("secret_rotated_at")?,
            disabled_at: record.optional_number("disabled_at")?,
        })
    }
}

/// Makes a client. Of several at once with one name, exactly one succeeds.
///
/// # Errors
/// [`Error::Conflict`]: the name is taken. [`Error::Invalid`]: scopes that could not be read back.
pub async fn insert(database: &Database, new: NewClient, now: i64) -> Result<Client, Error> {
    if !is_word_list(&new.scope) {
        return Err(Error::Invalid { table: TABLE, column: "scopes" });
    }
    let NewClient { name, scope, secret_hash } = new;
    let (id, hash) = (new_id("cli_", now), secret_hash.to_text());
    let insert = "INSERT INTO client (id, name, scopes, secret_hash, created_at) VALUES ($1, $2, $3, $4, $5)";
    execute!(database, sqlx::query(insert).bind(&id).bind(&name).bind(&scope).bind(&hash).bind(now))?;
    let (previous_secret_hash, secret_rotated_at, disabled_at) = (None, None, None);
    Ok(Client { id, name, scope, secret_hash, previous_secret_hash, created_at: now, secret_rotated_at, disabled_at })
}

/// The client with this id.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn by_id(database: &Database, id: &str) -> Result<Option<Client>, Error> {
    let row = on!(database, |pool| sqlx::query("SELECT * FROM client WHERE id = $1")
        .bind(id)
        .map(|row| Client::read(&row))
        .fetch_optional(pool))?;
    row.transpose()
}

/// The client with this name.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn by_name(database: &Database, name: &str) -> Result<Option<Client>, Error> {
    let row = on!(database, |pool| sqlx::query("SELECT * FROM client WHERE name = $1")
        .bind(name)
        .map(|row| Client::read(&row))
        .fetch_optional(pool))?;
    row.transpose()
}

/// At most `limit` clients in the order of their ids, which is that of their creation, after the id `after` or from the start.
///
/// # Errors
/// [`Error::Corrupt`] when one of them is, [`Error::Unavailable`].
pub async fn list(database: &Database, after: Option<&str>, limit: u32) -> Result<Vec<Client>, Error> {
    // Every id is greater than the empty text.
    let after = after.unwrap_or_default();
    let rows = on!(database, |pool| sqlx::query("SELECT * FROM client WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after)
        .bind(i64::from(limit))
        .map(|row| Client::read(&row))
        .fetch_all(pool))?;
    rows.into_iter().collect()
}

/// Replaces the secret; the one until now stays good beside it, the one before that does not. False: there is no such client.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn rotate_secret(database: &Database, id: &str, secret_hash: &SecretHash, now: i64) -> Result<bool, Error> {
    let update = "UPDATE client SET previous_secret_hash = secret_hash, secret_hash = $2, secret_rotated_at = $3 WHERE id = $1";
    let hash = secret_hash.to_text();
    Ok(execute!(database, sqlx::query(update).bind(id).bind(&hash).bind(now))? > 0)
}

/// Disables a client since a time, which revokes its tokens; or enables it again (None). False: there is no such client, or it is so
/// already.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_disabled_at(database: &Database, id: &str, disabled_at: Option<i64>) -> Result<bool, Error> {
    match disabled_at {
        Some(now) => {
            let disable = "UPDATE client SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL";
            change_and_revoke(database, [statement::step(disable).text(id).number(now), revocation::of_client(id, now)]).await
        }
        None => {
            let enable = "UPDATE client SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NOT NULL";
            Ok(execute!(database, sqlx::query(enable).bind(id))? > 0)
        }
    }
}

/// Deletes a client for good, and revokes its tokens. False: there was none.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn delete(database: &Database, id: &str, now: i64) -> Result<bool, Error> {
    let delete = statement::step("DELETE FROM client WHERE id = $1").text(id);
    let changed = statement::transaction(database, &[revocation::of_client(id, now), delete]).await?;
    Ok(changed.last().is_some_and(|clients| *clients > 0))
}

async fn change_and_revoke(database: &Database, steps: [Step<'_>; 2]) -> Result<bool, Error> {
    let changed = statement::transaction(database, &steps).await?;
    Ok(changed.first().is_some_and(|clients| *clients > 0))
}
