//! Table `client`: the machines that ask for tokens in their own name.
//!
//! Lookups are by id or by name. What a name may be, what scopes mean and which secret is right is decided elsewhere.

use super::row::{Columns, Record, is_word_list};
use super::{Database, Error, audit, new_id, revocation, statement};
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

/// Replaces the secret of a client that was found so; it stays good beside the new one, the one before that does not. False: somebody else has
/// replaced it, or the client is gone, and nothing was changed. Two at once would else leave no secret that anybody uses.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn rotate_secret(database: &Database, client: &Client, secret_hash: &SecretHash, now: i64) -> Result<bool, Error> {
    let update = "UPDATE client SET previous_secret_hash = secret_hash, secret_hash = $2, secret_rotated_at = $3 \
                  WHERE id = $1 AND secret_hash = $4";
    let (before, after) = (client.secret_hash.to_text(), secret_hash.to_text());
    Ok(execute!(database, sqlx::query(update).bind(&client.id).bind(&after).bind(now).bind(&before))? > 0)
}

/// A change of a client by an operator, who looked at it before.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The client as it was found.
    pub before: &'a Client,
    /// The same with another name, another scope, disabled or enabled.
    pub after: &'a Client,
    /// What is written down of it.
    pub why: &'a [audit::Entry],
}

/// Changes a client, if it is still as it was found; disabling it revokes its tokens. False: it is not, or is gone, and nothing was changed.
///
/// # Errors
/// [`Error::Conflict`]: the name is taken. [`Error::Unavailable`].
pub async fn edit(database: &Database, Edit { before, after, why }: Edit<'_>, now: i64) -> Result<bool, Error> {
    let update = "UPDATE client SET name = $2, scopes = $3, disabled_at = NULLIF($4, -1) \
                  WHERE id = $1 AND name = $5 AND scopes = $6 AND COALESCE(disabled_at, -1) = $7";
    let update = statement::step(update).text(&before.id).text(&after.name).text(&after.scope).number(after.disabled_at.unwrap_or(-1));
    let mut steps = vec![update.text(&before.name).text(&before.scope).number(before.disabled_at.unwrap_or(-1)).decides()];
    if before.disabled_at.is_none() && after.disabled_at.is_some() {
        steps.push(revocation::of_client(&before.id, now));
    }
    steps.extend(why.iter().map(|entry| audit::written(entry).aside()));
    Ok(!statement::transaction(database, &steps).await?.is_empty())
}

/// Deletes a client for good, and revokes its tokens. False: there was none.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn delete(database: &Database, id: &str, why: &audit::Entry, now: i64) -> Result<bool, Error> {
    let delete = statement::step("DELETE FROM client WHERE id = $1").text(id).decides();
    let steps = [revocation::of_client(id, now).uncounted(), delete, audit::written(why).aside()];
    Ok(!statement::transaction(database, &steps).await?.is_empty())
}
