//! How a row of table `session` begins: besides the others of its account, as far as there may be so many, or as the only one.
//!
//! Two logins, or a login and a change of the account, must see each other, whichever database it is: so each queues at the account's row.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::session::Session;
use super::statement::{self, Step};
use super::{Database, Error, revocation};

/// The most sessions of one account that go on at once. Whoever logs in for every request would otherwise leave a million behind, and ending
/// all of them at once would be too much for one transaction and for the deny list.
pub const MOST: u32 = 1000;

/// Makes a session, if its account is there, enabled, and has the password that it had when it was looked at. None: it is not so any more.
/// When there are more than [`MOST`] of the account, the oldest ends; how many did is told.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn insert(database: &Database, session: &Session) -> Result<Option<u64>, Error> {
    // Ids sort by the time they were made. There is no such one while there are fewer.
    const END_OLDEST: &str = "UPDATE session SET ended_at = $2 WHERE account_id = $1 AND ended_at IS NULL AND id <> $3 AND id < \
                              (SELECT id FROM session WHERE account_id = $1 AND ended_at IS NULL ORDER BY id DESC LIMIT 1 OFFSET $4)";
    let (seed, amr) = stored_forms(session);
    let (account_id, now) = (session.account_id.as_str(), session.created_at);
    let end_oldest = statement::step(END_OLDEST).text(account_id).number(now).text(&session.id).number(i64::from(MOST) - 1);
    let revoke = revocation::of_ended_sessions(account_id, now);
    let changed = statement::transaction(database, &[claimed(session), inserted(session, &seed, &amr), end_oldest, revoke]).await?;
    Ok(outcome(&changed))
}

/// Makes a session like [`insert`], and it is the only one: the others of its account end in the same transaction, and what was issued to
/// them is revoked. Of several at once the last one stays.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn insert_alone(database: &Database, session: &Session) -> Result<Option<u64>, Error> {
    const END_OTHERS: &str = "UPDATE session SET ended_at = $2 WHERE account_id = $1 AND ended_at IS NULL AND id <> $3 \
                              AND EXISTS (SELECT 1 FROM session WHERE id = $3)";
    let (seed, amr) = stored_forms(session);
    let (account_id, now) = (session.account_id.as_str(), session.created_at);
    // In this order, so that a login that comes to nothing ends nobody else's.
    let end_others = statement::step(END_OTHERS).text(account_id).number(now).text(&session.id);
    let revoke = revocation::of_ended_sessions(account_id, now);
    let changed = statement::transaction(database, &[claimed(session), inserted(session, &seed, &amr), end_others, revoke]).await?;
    Ok(outcome(&changed))
}

/// How many sessions ended for the new one, if there is one.
fn outcome(changed: &[u64]) -> Option<u64> {
    match changed {
        [_, inserted, ended, ..] if *inserted > 0 => Some(*ended),
        _ => None,
    }
}

/// Queues at the account's row until the transaction ends, and changes nothing in it. Without that, PostgreSQL lets two logins, or a login
/// and a change of the password, pass each other unseen: neither would find the other's row, and both would stand.
fn claimed(session: &Session) -> Step<'_> {
    let update = "UPDATE account SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NULL AND COALESCE(password_changed_at, -1) = $2";
    statement::step(update).text(&session.account_id).number(session.password_changed_at.unwrap_or(-1))
}

fn inserted<'v>(session: &'v Session, seed: &'v str, amr: &'v str) -> Step<'v> {
    let insert = "INSERT INTO session (id, account_id, seed, generation, scope, amr, acr, password_changed_at, created_at, auth_time, rotated_at, \
                  ip, user_agent) \
                  SELECT $1, id, $3, $4, $5, $6, $7, password_changed_at, $8, $9, $10, $12, $13 FROM account \
                  WHERE id = $2 AND disabled_at IS NULL AND COALESCE(password_changed_at, -1) = $11";
    statement::step(insert)
        .text(&session.id)
        .text(&session.account_id)
        .text(seed)
        .number(i64::from(session.generation))
        .optional_text(session.scope.as_deref())
        .text(amr)
        .text(&session.acr)
        .number(session.created_at)
        .number(session.auth_time)
        .number(session.rotated_at)
        .number(session.password_changed_at.unwrap_or(-1))
        .optional_text(session.device.ip.as_deref())
        .optional_text(session.device.user_agent.as_deref())
}

/// The seed and the `amr` as their columns hold them.
fn stored_forms(session: &Session) -> (String, String) {
    (URL_SAFE_NO_PAD.encode(session.seed), session.amr.join(" "))
}
