//! Table `account`, as operators change it: what somebody may do and whether they may log in; and taking somebody away.
//!
//! Each change says what it was decided on, and does nothing when that is not so any more. So it does when no administrator would be left
//! who can log in, unless whoever asks has the database at hand anyway.

use super::account::Account;
use super::statement::{self, Step};
use super::{Database, Error, audit, revocation, session};

/// The scope of an administrator. Here, and not with those who know what it means, since an index is made for it.
pub const ADMIN: &str = "hallpass:admin";

/// Whether the last administrator may be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastAdmin {
    /// There must be another one, who is enabled and has a password.
    Stays,
    /// It makes no difference.
    MayGo,
}

/// A change of an account, by somebody who looked at it before.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The account as it was found.
    pub before: &'a Account,
    /// The same with another address, other scopes, other roles, disabled or enabled.
    pub after: &'a Account,
    /// Whether it may be the last administrator.
    pub last_admin: LastAdmin,
    /// What is written down of it.
    pub why: &'a [audit::Entry],
}

/// Another account that can administrate.
macro_rules! another_admin {
    () => {
        "EXISTS (SELECT 1 FROM account AS another WHERE another.id <> $1 AND another.disabled_at IS NULL AND another.password_hash IS NOT NULL \
         AND REPLACE(' ' || another.scopes || ' ', ' hallpass:admin ', '') <> ' ' || another.scopes || ' ')"
    };
}

/// Changes an account, if it is still as it was found; disabling it ends its sessions and revokes what was issued to it. False: it is not, or
/// is gone, or is the last administrator, and nothing was changed.
///
/// # Errors
/// [`Error::Conflict`]: the address is taken. [`Error::Unavailable`].
pub async fn edit(database: &Database, Edit { before, after, last_admin, why }: Edit<'_>, now: i64) -> Result<bool, Error> {
    const UPDATE: &str = concat!(
        "UPDATE account SET email = $2, email_folded = $3, scopes = $4, roles = $5, disabled_at = NULLIF($6, -1) \
         WHERE id = $1 AND email = $7 AND scopes = $8 AND roles = $9 AND COALESCE(disabled_at, -1) = $10 AND ($11 = 1 OR ",
        another_admin!(),
        ")"
    );
    let takes_nobody = last_admin == LastAdmin::MayGo || !is_admin(before) || is_admin(after);
    let (roles_before, roles_after) = (before.roles.join(" "), after.roles.join(" "));
    let update = statement::step(UPDATE).text(&before.id).text(after.email.as_typed()).text(after.email.folded()).text(&after.scope);
    let update = update.text(&roles_after).number(after.disabled_at.unwrap_or(-1)).text(before.email.as_typed()).text(&before.scope);
    let update = update.text(&roles_before).number(before.disabled_at.unwrap_or(-1)).number(i64::from(takes_nobody));
    let mut steps = vec![queued(now), update.decides()];
    if before.disabled_at.is_none() && after.disabled_at.is_some() {
        steps.extend(session::all_ended(&before.id, now));
    }
    steps.extend(why.iter().map(|entry| audit::written(entry).aside()));
    Ok(!statement::transaction(database, &steps).await?.is_empty())
}

/// Deletes an account for good, with its sessions, and revokes what was issued to it. False: there is none, or it is the last administrator,
/// and nothing was changed.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn delete(database: &Database, id: &str, last_admin: LastAdmin, why: &audit::Entry) -> Result<bool, Error> {
    const DELETE: &str = concat!(
        "DELETE FROM account WHERE id = $1 AND ($2 = 1 OR disabled_at IS NOT NULL \
         OR REPLACE(' ' || scopes || ' ', ' hallpass:admin ', '') = ' ' || scopes || ' ' OR ",
        another_admin!(),
        ")"
    );
    let now = why.at;
    let may_go = i64::from(last_admin == LastAdmin::MayGo);
    // As others take them: the account's row before that of its revocation, or two could wait for each other.
    let claim = statement::step("UPDATE account SET disabled_at = disabled_at WHERE id = $1").text(id).uncounted();
    // A login or a refresh that was granted a moment before may bear a time that is later by as much as clocks differ. After that there is
    // nothing to grant.
    let revoke = revocation::of_subject(id, revocation::after(now), now).uncounted();
    let delete = statement::step(DELETE).text(id).number(may_go).decides();
    let steps = [queued(now), claim, revoke, delete, audit::written(why).aside()];
    Ok(!statement::transaction(database, &steps).await?.is_empty())
}

/// Whether there is an administrator besides this account, who is enabled and has a password.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn has_another_admin(database: &Database, id: &str) -> Result<bool, Error> {
    const SELECT: &str = concat!("SELECT 1 FROM administration WHERE ", another_admin!());
    let row = on!(database, |pool| sqlx::query(SELECT).bind(id).map(|_| ()).fetch_optional(pool))?;
    Ok(row.is_some())
}

/// Whether an account is an administrator at this moment.
pub fn is_admin(account: &Account) -> bool {
    account.disabled_at.is_none() && account.scope.split(' ').any(|scope| scope == ADMIN)
}

/// Changes that may take an administrator away come one after another, so that each sees what the one before has left.
fn queued(now: i64) -> Step<'static> {
    statement::step("UPDATE administration SET changed_at = $1 WHERE id = 1").number(now).uncounted()
}
