//! Table `session`: logins that can be refreshed, one row each.
//!
//! Everything that decides is decided by the statement that writes: who was first, whether the account is still what it was, whether the
//! session is over. How long a session lives and what a refresh token means is decided elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::row::{Columns, Record, is_word_list};
use super::statement::{self, Step};
use super::{Database, Device, Error, audit, revocation};

pub use super::session_insert::{MOST, insert, insert_alone};

const TABLE: &str = "session";

/// A login that can be refreshed. Times are NumericDates.
#[derive(Clone)]
pub struct Session {
    /// UUIDv7, the `sid` of access tokens.
    pub id: String,
    /// Whose it is.
    pub account_id: String,
    /// What its refresh tokens are computed from, besides the service's key.
    pub seed: [u8; 32],
    /// How often it was refreshed.
    pub generation: u32,
    /// The scope asked for at the login. None: everything held.
    pub scope: Option<String>,
    /// How the person proved who they are (RFC 8176).
    pub amr: Vec<String>,
    /// How strong that was.
    pub acr: String,
    /// The account's `password_changed_at` at the login.
    pub password_changed_at: Option<i64>,
    /// When it was made.
    pub created_at: i64,
    /// When the person last proved who they are.
    pub auth_time: i64,
    /// How, if that was after the login.
    pub step_up: Option<StepUp>,
    /// When it was last refreshed; at first, when it was made.
    pub rotated_at: i64,
    /// When it was ended. None: it was not, but it may have timed out.
    pub ended_at: Option<i64>,
    /// What it was made with, or last refreshed.
    pub device: Device,
}

/// How a person proved who they are once more, within a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUp {
    /// By which means (RFC 8176).
    pub amr: Vec<String>,
    /// How strong that was.
    pub acr: String,
}

/// Which sessions to end.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'a> {
    /// This one of the account's.
    This {
        /// The session.
        id: &'a str,
    },
    /// All of the account's but this one.
    Others {
        /// The session that stays.
        id: &'a str,
    },
    /// All of the account's.
    All,
}

impl Session {
    fn read<R: Columns>(row: &R) -> Result<Self, Error> {
        let record = Record::of(TABLE, "id", row)?;
        let seed = URL_SAFE_NO_PAD.decode(record.text("seed")?).ok().and_then(|seed| seed.try_into().ok());
        let amr = record.text("amr")?;
        let scope = record.optional_text("scope")?;
        let step_up = match (record.optional_text("step_up_amr")?, record.optional_text("step_up_acr")?) {
            (Some(amr), Some(acr)) => Some(StepUp { amr: amr.split_terminator(' ').map(str::to_owned).collect(), acr }),
            _ => None,
        };
        if !scope.as_deref().is_none_or(is_word_list) {
            return Err(record.corrupt("scope"));
        }
        Ok(Self {
            id: record.id().to_owned(),
            account_id: record.text("account_id")?,
            seed: seed.ok_or_else(|| record.corrupt("seed"))?,
            generation: u32::try_from(record.number("generation")?).map_err(|_| record.corrupt("generation"))?,
            scope,
            amr: amr.split_terminator(' ').map(str::to_owned).collect(),
            acr: record.text("acr")?,
            password_changed_at: record.optional_number("password_changed_at")?,
            created_at: record.number("created_at")?,
            auth_time: record.number("auth_time")?,
            step_up,
            rotated_at: record.number("rotated_at")?,
            ended_at: record.optional_number("ended_at")?,
            device: Device { ip: record.optional_text("ip")?, user_agent: record.optional_text("user_agent")? },
        })
    }
}

/// Shows nothing that a refresh token could be computed from.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Session");
        shown.field("id", &self.id).field("account_id", &self.account_id).field("generation", &self.generation);
        shown.field("rotated_at", &self.rotated_at).field("ended_at", &self.ended_at).finish_non_exhaustive()
    }
}

/// The session with this id, live or not.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn by_id(database: &Database, id: &str) -> Result<Option<Session>, Error> {
    let row = on!(database, |pool| sqlx::query("SELECT * FROM session WHERE id = $1")
        .bind(id)
        .map(|row| Session::read(&row))
        .fetch_optional(pool))?;
    row.transpose()
}

/// The session with this id, if it is this account's, was not ended, and the account is enabled and has the password of the login. It may have
/// timed out.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn of_account_in_force(database: &Database, id: &str, account_id: &str) -> Result<Option<Session>, Error> {
    let select = "SELECT session.* FROM session JOIN account ON account.id = session.account_id \
                  WHERE session.id = $1 AND account.id = $2 AND session.ended_at IS NULL AND account.disabled_at IS NULL \
                  AND COALESCE(account.password_changed_at, -1) = COALESCE(session.password_changed_at, -1)";
    let row = on!(database, |pool| sqlx::query(select).bind(id).bind(account_id).map(|row| Session::read(&row)).fetch_optional(pool))?;
    row.transpose()
}

/// The sessions of an account that were not ended, the newest first, at most [`MOST`]. Some of them may have timed out.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn by_account(database: &Database, account_id: &str) -> Result<Vec<Session>, Error> {
    let select = "SELECT * FROM session WHERE account_id = $1 AND ended_at IS NULL ORDER BY id DESC LIMIT $2";
    let rows =
        on!(database, |pool| sqlx::query(select).bind(account_id).bind(i64::from(MOST)).map(|row| Session::read(&row)).fetch_all(pool))?;
    rows.into_iter().collect()
}

/// Moves a session on to this generation from the one before, with the time and the device of it. Of several at once exactly one succeeds;
/// the others, and whoever comes when it has ended, get false.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn rotate(database: &Database, next: &Session) -> Result<bool, Error> {
    let update = "UPDATE session SET generation = $2, rotated_at = $3, ip = $4, user_agent = $5 \
                  WHERE id = $1 AND generation = $2 - 1 AND ended_at IS NULL";
    let rows = execute!(
        database,
        sqlx::query(update)
            .bind(&next.id)
            .bind(i64::from(next.generation))
            .bind(next.rotated_at)
            .bind(&next.device.ip)
            .bind(&next.device.user_agent)
    )?;
    Ok(rows > 0)
}

/// Keeps in a session that the person proved at `now` who they are, if it was not ended and its account is there, enabled, and has the
/// password of the login. False: it is not so any more.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn step_up(database: &Database, id: &str, step_up: &StepUp, now: i64) -> Result<bool, Error> {
    let update = "UPDATE session SET auth_time = $2, step_up_amr = $3, step_up_acr = $4 WHERE id = $1 AND ended_at IS NULL AND EXISTS \
                  (SELECT 1 FROM account WHERE account.id = session.account_id AND account.disabled_at IS NULL \
                  AND COALESCE(account.password_changed_at, -1) = COALESCE(session.password_changed_at, -1))";
    let amr = step_up.amr.join(" ");
    let rows = execute!(database, sqlx::query(update).bind(id).bind(now).bind(&amr).bind(&step_up.acr))?;
    Ok(rows > 0)
}

/// Ends sessions of an account and revokes their access tokens, both or neither. Ending one again changes nothing, but a session named by
/// itself is revoked even when its row was swept already.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn end(database: &Database, account_id: &str, which: Ending<'_>, now: i64) -> Result<(), Error> {
    statement::transaction(database, &[ended(account_id, which, now), revoked(account_id, which, now)]).await.map(|_| ())
}

/// Like [`end`], and writes down why in the same transaction. Only what cannot be written down is left out. False: there was nothing left to
/// end, and so nothing to write down.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn end_and_record(database: &Database, which: Ending<'_>, account_id: &str, why: &audit::Entry, now: i64) -> Result<bool, Error> {
    let steps = [ended(account_id, which, now), revoked(account_id, which, now), audit::written(why).aside()];
    let changed = statement::transaction(database, &steps).await?;
    Ok(changed.first().is_some_and(|sessions| *sessions > 0))
}

/// Ends all sessions of an account like [`end_and_record`], and what was issued to it before is revoked whether there is a session for it or
/// not: there is none where an older database was restored. A login within the difference of two clocks is caught with it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn end_all_and_record(database: &Database, account_id: &str, why: &audit::Entry, now: i64) -> Result<bool, Error> {
    let [end, revoke, revoke_subject] = all_ended(account_id, now);
    let changed = statement::transaction(database, &[end, revoke, revoke_subject, audit::written(why).aside()]).await?;
    Ok(changed.first().is_some_and(|sessions| *sessions > 0))
}

/// Deletes at most `limit` sessions that ended before `ended_before` or were made before `created_before`, and tells how many.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn sweep(database: &Database, limit: u32, ended_before: i64, created_before: i64) -> Result<u64, Error> {
    let delete = "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE ended_at < $1 OR created_at < $2 LIMIT $3)";
    execute!(database, sqlx::query(delete).bind(ended_before).bind(created_before).bind(i64::from(limit)))
}

/// After an account was given this hash: its one session goes on under the new password, the others end. Nothing, if it was not given it.
pub(super) fn of_new_password<'v>(account_id: &'v str, session_id: &'v str, hash: &'v str, now: i64) -> [Step<'v>; 2] {
    const KEEP: &str = "UPDATE session SET password_changed_at = (SELECT password_changed_at FROM account WHERE id = $1) \
                        WHERE id = $2 AND account_id = $1 AND EXISTS (SELECT 1 FROM account WHERE id = $1 AND password_hash = $3)";
    const END_OTHERS: &str = "UPDATE session SET ended_at = $4 WHERE account_id = $1 AND ended_at IS NULL AND id <> $2 \
                              AND EXISTS (SELECT 1 FROM account WHERE id = $1 AND password_hash = $3)";
    let step = |sql| statement::step(sql).text(account_id).text(session_id).text(hash);
    [step(KEEP), step(END_OTHERS).number(now)]
}

/// Revokes what such a transaction ends, as its second step.
fn revoked<'v>(account_id: &'v str, which: Ending<'v>, now: i64) -> Step<'v> {
    match which {
        Ending::This { id } => revocation::of_session(id, now),
        Ending::Others { .. } | Ending::All => revocation::of_ended_sessions(account_id, now),
    }
}

/// Ends the sessions of an account and revokes what was issued to it.
pub(super) fn all_ended(account_id: &str, now: i64) -> [Step<'_>; 3] {
    let end = ended(account_id, Ending::All, now);
    [end, revocation::of_ended_sessions(account_id, now), revocation::of_subject(account_id, now, now)]
}

/// Ends sessions, as the first step of a transaction.
pub(super) fn ended<'v>(account_id: &'v str, which: Ending<'v>, now: i64) -> Step<'v> {
    const ALL: &str = "UPDATE session SET ended_at = $2 WHERE account_id = $1 AND ended_at IS NULL";
    const THIS: &str = "UPDATE session SET ended_at = $2 WHERE account_id = $1 AND ended_at IS NULL AND id = $3";
    const OTHERS: &str = "UPDATE session SET ended_at = $2 WHERE account_id = $1 AND ended_at IS NULL AND id <> $3";
    let step = |sql| statement::step(sql).text(account_id).number(now);
    match which {
        Ending::This { id } => step(THIS).text(id),
        Ending::Others { id } => step(OTHERS).text(id),
        Ending::All => step(ALL),
    }
}
