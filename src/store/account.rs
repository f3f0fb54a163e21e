//! Table `account`: the people who can log in.
//!
//! Lookups are by id or by folded address. Hashes and scopes are kept as they are given; what they mean is decided elsewhere.

use super::row::{Columns, Record, is_word, is_word_list};
use super::session;
use super::statement::{self, Step};
use super::{Database, Email, Error, new_id, revocation};
use crate::secret::Secret;

pub(super) const TABLE: &str = "account";

/// A person who can log in.
#[derive(Clone, Debug)]
pub struct Account {
    /// `usr_<UUIDv7>`, the subject of tokens.
    pub id: String,
    /// The address.
    pub email: Email,
    /// bcrypt hash as it is stored, possibly an unusable one from an import. None: no password yet.
    pub password_hash: Option<Secret>,
    /// Scopes that the person may ask for, space separated.
    pub scope: String,
    /// Roles, in the order they were given.
    pub roles: Vec<String>,
    /// NumericDate.
    pub created_at: i64,
    /// NumericDate since when logins are refused. None: not disabled.
    pub disabled_at: Option<i64>,
    /// NumericDate of the last change of the password. None: never set.
    pub password_changed_at: Option<i64>,
}

/// What is needed to make an account.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The address.
    pub email: Email,
    /// bcrypt hash. None: no password yet.
    pub password_hash: Option<Secret>,
    /// Scopes, space separated; empty for none.
    pub scope: String,
    /// Roles; none may be empty or hold a space.
    pub roles: Vec<String>,
}

impl NewAccount {
    /// The account that this becomes at `now`, with a new id.
    pub(super) fn into_account(self, now: i64) -> Result<Account, Error> {
        if !is_word_list(&self.scope) {
            return Err(Error::Invalid { table: TABLE, column: "scopes" });
        }
        if !self.roles.iter().all(|role| is_word(role)) {
            return Err(Error::Invalid { table: TABLE, column: "roles" });
        }
        let password_changed_at = self.password_hash.as_ref().map(|_| now);
        let Self { email, password_hash, scope, roles } = self;
        Ok(Account { id: new_id("usr_", now), email, password_hash, scope, roles, created_at: now, disabled_at: None, password_changed_at })
    }
}

impl Account {
    fn read<R: Columns>(row: &R) -> Result<Self, Error> {
        let record = Record::of(TABLE, "id", row)?;
        let email = Email::parse(&record.text("email")?).map_err(|_| record.corrupt("email"))?;
        let (scope, roles) = (record.text("scopes")?, record.text("roles")?);
        if !is_word_list(&scope) {
            return Err(record.corrupt("scopes"));
        }
        if !is_word_list(&roles) {
            return Err(record.corrupt("roles"));
        }
        Ok(Self {
            id: record.id().to_owned(),
            email,
            password_hash: record.optional_text("password_hash")?.map(Secret::from),
            scope,
            roles: roles.split_terminator(' ').map(str::to_owned).collect(),
            created_at: record.number("created_at")?,
            disabled_at: record.optional_number("disabled_at")?,
            password_changed_at: record.optional_number("password_changed_at")?,
        })
    }
}

/// Makes an account. Of several at once with one address, exactly one succeeds.
///
/// # Errors
/// [`Error::Conflict`]: the address is taken. [`Error::Invalid`]: scopes or roles that could not be read back.
pub async fn insert(database: &Database, new: NewAccount, now: i64) -> Result<Account, Error> {
    insert_account(database, new.into_account(now)?).await
}

/// Makes an account that is disabled from the beginning.
///
/// # Errors
/// Those of [`insert`].
pub async fn insert_disabled(database: &Database, new: NewAccount, now: i64) -> Result<Account, Error> {
    insert_account(database, Account { disabled_at: Some(now), ..new.into_account(now)? }).await
}

async fn insert_account(database: &Database, account: Account) -> Result<Account, Error> {
    let (hash, roles) = (account.password_hash.as_ref().map(Secret::expose), account.roles.join(" "));
    let insert = "INSERT INTO account (id, email, email_folded, password_hash, scopes, roles, created_at, disabled_at, password_changed_at) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    execute!(
        database,
        sqlx::query(insert)
            .bind(&account.id)
            .bind(account.email.as_typed())
            .bind(account.email.folded())
            .bind(hash)
            .bind(&account.scope)
            .bind(&roles)
            .bind(account.created_at)
            .bind(account.disabled_at)
            .bind(account.password_changed_at)
    )?;
    Ok(account)
}

/// The account with this address, whatever its case.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn by_email(database: &Database, email: &Email) -> Result<Option<Account>, Error> {
    let row = on!(database, |pool| sqlx::query("SELECT * FROM account WHERE email_folded = $1")
        .bind(email.folded())
        .map(|row| Account::read(&row))
        .fetch_optional(pool))?;
    row.transpose()
}

/// The account with this id.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn by_id(database: &Database, id: &str) -> Result<Option<Account>, Error> {
    let row = on!(database, |pool| sqlx::query("SELECT * FROM account WHERE id = $1")
        .bind(id)
        .map(|row| Account::read(&row))
        .fetch_optional(pool))?;
    row.transpose()
}

/// At most `limit` accounts in the order of their ids, which is that of their creation, after the id `after` or from the start.
///
/// # Errors
/// [`Error::Corrupt`] when one of them is, [`Error::Unavailable`].
pub async fn list(database: &Database, after: Option<&str>, limit: u32) -> Result<Vec<Account>, Error> {
    // Every id is greater than the empty text.
    let after = after.unwrap_or_default();
    let rows = on!(database, |pool| sqlx::query("SELECT * FROM account WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after)
        .bind(i64::from(limit))
        .map(|row| Account::read(&row))
        .fetch_all(pool))?;
    rows.into_iter().collect()
}

/// Sets a new password at `now`, which ends the account's sessions and revokes what was issued to it. False: there is no such account.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_password_hash(database: &Database, id: &str, hash: &Secret, now: i64) -> Result<bool, Error> {
    // The time is the password's version too: always another one than before, also for the second change within a second.
    let update = "UPDATE account SET password_hash = $2, \
                  password_changed_at = CASE WHEN password_changed_at >= $3 THEN password_changed_at + 1 ELSE $3 END WHERE id = $1";
    change_and_end_sessions(database, id, statement::step(update).text(id).text(hash.expose()).number(now), now).await
}

/// A new password that a person sets out of a session of their own.
#[derive(Clone, Copy, Debug)]
pub struct OwnPassword<'a> {
    /// The account, as it was when the old password was found to be right.
    pub account: &'a Account,
    /// The session, which goes on.
    pub session_id: &'a str,
    /// The new hash, with a salt of its own, so that no other row and no other moment has it.
    pub hash: &'a Secret,
}

/// Sets a new password at `now`, which ends the account's other sessions and revokes what was issued to them. False: the account has been
/// disabled or given another password since, or the session has ended; then nothing was changed.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_own_password_hash(database: &Database, new: OwnPassword<'_>, now: i64) -> Result<bool, Error> {
    // The time as in `set_password_hash`.
    const CHANGE: &str = "UPDATE account SET password_hash = $2, \
                          password_changed_at = CASE WHEN password_changed_at >= $3 THEN password_changed_at + 1 ELSE $3 END \
                          WHERE id = $1 AND disabled_at IS NULL AND COALESCE(password_changed_at, -1) = $4 \
                          AND EXISTS (SELECT 1 FROM session WHERE id = $5 AND account_id = $1 AND ended_at IS NULL)";
    let OwnPassword { account: Account { id, password_changed_at, .. }, session_id, hash } = new;
    let change =
        statement::step(CHANGE).text(id).text(hash.expose()).number(now).number(password_changed_at.unwrap_or(-1)).text(session_id);
    let [keep, end_others] = session::of_new_password(id, session_id, hash.expose(), now);
    let changed = statement::transaction(database, &[change, keep, end_others, revocation::of_ended_sessions(id, now)]).await?;
    Ok(changed.first().is_some_and(|accounts| *accounts > 0))
}

/// Sessions are revoked one by one: a login of the same second as the change is not to be caught with them. The subject's entry is for a
/// login that was being made meanwhile, and for sessions that were swept.
async fn change_and_end_sessions(database: &Database, id: &str, change: Step<'_>, now: i64) -> Result<bool, Error> {
    let [end, revoke, revoke_subject] = session::all_ended(id, now);
    let changed = statement::transaction(database, &[change.decides(), end, revoke, revoke_subject]).await?;
    Ok(!changed.is_empty())
}

/// Replaces a hash by another one of the same password: only if it is still `old`, so that it never undoes a change of the password that
/// came in between. False: it was not, or there is no such account.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn upgrade_password_hash(database: &Database, id: &str, old: &Secret, new: &Secret) -> Result<bool, Error> {
    let update = "UPDATE account SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
    let rows = execute!(database, sqlx::query(update).bind(id).bind(old.expose()).bind(new.expose()))?;
    Ok(rows > 0)
}
