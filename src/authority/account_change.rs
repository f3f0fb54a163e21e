//! Operators change what somebody may do, whether they may log in, and what address they have; or take them away.
//!
//! Read, decided, and written only if it is still as it was read: so what is written down is what changed, and no rule is passed by two who
//! are fast.

use super::accounts::{Accounts, parse_email, parse_roles, parse_scope};
use super::audit::{Event, Happening};
use super::{Error, admin};
use crate::store::account::{self, Account};
use crate::store::account_edit::{self, Edit, LastAdmin, is_admin};
use crate::store::audit::Entry;
use crate::token::Scope;

/// How often somebody else may be faster.
const TRIES: usize = 32;

/// What is to be different. None: it stays as it is.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// The e-mail address.
    pub email: Option<String>,
    /// All scopes.
    pub scopes: Option<Vec<String>>,
    /// All roles.
    pub roles: Option<Vec<String>>,
    /// Whether logins are refused.
    pub disabled: Option<bool>,
}

impl Accounts {
    /// Changes the account with this id, and gives it as it was and as it is now. Disabling ends the sessions.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::NotFound`]; [`Error::Conflict`] when the address is taken; [`Error::StoreUnavailable`]; for administrators
    /// [`Error::ScopeNotHeld`], [`Error::OwnRights`], [`Error::LastAdmin`].
    pub async fn change(&self, id: &str, change: &AccountChange) -> Result<(Account, Account), Error> {
        let mut seen: Option<Account> = None;
        for _ in 0..TRIES {
            let before = self.by_id(id).await?;
            let now = self.clock.now();
            let after = changed(&before, change, now)?;
            self.behalf.may_grant(&before.scope, &after.scope)?;
            if before.scope != after.scope || before.roles != after.roles || before.disabled_at != after.disabled_at {
                self.behalf.is_another(&before.id)?;
            }
            let happened = self.happened(&before, &after);
            if happened.is_empty() {
                return Ok((before, after));
            }
            let why: Vec<Entry> = happened.iter().map(|happening| happening.entry(now)).collect();
            let edit = Edit { before: &before, after: &after, last_admin: self.behalf.last_admin(), why: &why };
            if account_edit::edit(&self.database, edit, now).await? {
                happened.iter().for_each(Happening::log);
                return Ok((before, after));
            }
            // Found twice as it was, it is not that somebody was faster.
            let takes_admin = is_admin(&before) && !is_admin(&after) && self.behalf.last_admin() == LastAdmin::Stays;
            if takes_admin && seen.is_some_and(|seen| is_same(&seen, &before)) {
                return Err(Error::LastAdmin);
            }
            seen = Some(before);
        }
        Err(Error::Busy)
    }

    /// Deletes an account for good, with its sessions.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::StoreUnavailable`]; for administrators [`Error::OwnRights`], [`Error::LastAdmin`].
    pub async fn delete(&self, account: &Account) -> Result<(), Error> {
        self.behalf.is_another(&account.id)?;
        let happening = Happening::to_account(Event::AccountDeleted, &account.id).on_behalf_of(&self.behalf);
        let why = happening.entry(self.clock.now());
        if account_edit::delete(&self.database, &account.id, self.behalf.last_admin(), &why).await? {
            happening.log();
            return Ok(());
        }
        let is_there = account::by_id(&self.database, &account.id).await?.is_some();
        Err(if is_there { Error::LastAdmin } else { Error::NotFound })
    }

    /// Whether nobody but this account can administrate.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn is_last_admin(&self, account: &Account) -> Result<bool, Error> {
        Ok(is_admin(account) && !account_edit::has_another_admin(&self.database, &account.id).await?)
    }

    /// What happens by that, in words that are stable. Nothing: nothing does.
    fn happened<'a>(&'a self, before: &'a Account, after: &Account) -> Vec<Happening<'a>> {
        let to_account = |event| Happening::to_account(event, &before.id).on_behalf_of(&self.behalf);
        let mut happened = Vec::new();
        if before.email.as_typed() != after.email.as_typed() {
            happened.push(to_account(Event::AccountChanged).with("email"));
        }
        if before.scope != after.scope {
            happened.push(to_account(Event::AccountChanged).with(scope_detail(&before.scope, &after.scope)));
        }
        if before.roles != after.roles {
            happened.push(to_account(Event::AccountChanged).with("roles"));
        }
        match (before.disabled_at, after.disabled_at) {
            (None, Some(_)) => happened.push(to_account(Event::AccountDisabled)),
            (Some(_), None) => happened.push(to_account(Event::AccountEnabled)),
            (Some(_), Some(_)) | (None, None) => {}
        }
        happened
    }
}

/// Which scopes, as far as it matters to whoever reads about it later.
pub(super) fn scope_detail(before: &str, after: &str) -> &'static str {
    let holds = |scope| Scope::trusted(scope).contains(admin::ADMIN);
    match (holds(before), holds(after)) {
        (false, true) => "scopes admin_granted",
        (true, false) => "scopes admin_taken",
        (true, true) | (false, false) => "scopes",
    }
}

fn changed(before: &Account, change: &AccountChange, now: i64) -> Result<Account, Error> {
    let AccountChange { email, scopes, roles, disabled } = change;
    let email = email.as_deref().map(parse_email).transpose()?;
    let scope = scopes.as_deref().map(parse_scope).transpose()?;
    let roles = roles.as_deref().map(parse_roles).transpose()?;
    let disabled_at = match disabled {
        // The first time is the one that counts.
        Some(true) => before.disabled_at.or(Some(now)),
        Some(false) => None,
        None => before.disabled_at,
    };
    let before = before.clone();
    Ok(Account {
        email: email.unwrap_or(before.email),
        scope: scope.unwrap_or(before.scope),
        roles: roles.unwrap_or(before.roles),
        disabled_at,
        ..before
    })
}

/// In what a change looks at.
fn is_same(one: &Account, other: &Account) -> bool {
    let Account { email, scope, roles, disabled_at, .. } = one;
    (email.as_typed(), scope, roles, disabled_at) == (other.email.as_typed(), &other.scope, &other.roles, &other.disabled_at)
}
