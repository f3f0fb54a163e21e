//! Who may administrate, and what even administrators may not.
//!
//! An administrator hands out no scope that they do not hold themselves, nor comes by one: not with the password of somebody who holds more,
//! not with the secret of a client that does. Nobody changes their own rights, and the last administrator who can log in stays. The operator
//! at the command line has the database at hand, so none of this would hold anything back there.

use super::id::{self, is_id};
use super::limits::Request;
use super::{Authority, Error};
use crate::store::account_edit::LastAdmin;
use crate::store::{account, client};
use crate::token::Scope;

pub use crate::store::account_edit::ADMIN;

/// An administrator, as the token and the store agree at this moment.
#[derive(Clone, Debug)]
pub struct Admin {
    id: String,
    scope: String,
    ip: Option<String>,
}

/// Who asks to administrate.
#[derive(Clone, Debug)]
pub struct Claimant<'a> {
    /// The subject of the access token.
    pub subject: &'a str,
    /// What the token allows.
    pub scope: Scope<'a>,
    /// The address that the request came from.
    pub ip: Option<String>,
}

/// On whose behalf accounts and clients are changed.
#[derive(Clone, Debug, Default)]
pub enum Behalf {
    /// Of the person that it is about.
    #[default]
    Own,
    /// Of the operator at the command line.
    Operator,
    /// Of an administrator.
    Admin(Admin),
}

impl Authority {
    /// The administrator behind a token. A scope counts that the token has and its holder still has in the store, so who was demoted a moment
    /// ago is out, whatever the token says.
    ///
    /// # Errors
    /// [`Error::NotAdmin`]; [`Error::SessionOver`] for who is disabled or gone; [`Error::StoreUnavailable`].
    pub async fn admin(&self, claimant: Claimant<'_>) -> Result<Admin, Error> {
        let Claimant { subject, scope, ip } = claimant;
        self.limits.client(Request::Administration, subject)?;
        let held = if is_id(id::PERSON, subject) {
            let account = account::by_id(&self.database, subject).await?;
            account.filter(|account| account.disabled_at.is_none()).map(|account| account.scope)
        } else if is_id(id::CLIENT, subject) {
            let client = client::by_id(&self.database, subject).await?;
            client.filter(|client| client.disabled_at.is_none()).map(|client| client.scope)
        } else {
            None
        };
        let held = held.ok_or(Error::SessionOver)?;
        let both: Vec<&str> = held.split_terminator(' ').filter(|word| scope.contains(word)).collect();
        if !both.contains(&ADMIN) {
            return Err(Error::NotAdmin);
        }
        Ok(Admin { id: subject.to_owned(), scope: both.join(" "), ip })
    }
}

impl Behalf {
    /// Who does it, where that is not whom it is about; and from where.
    pub(super) fn actor(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Behalf::Own => (None, None),
            Behalf::Operator => (Some("operator"), None),
            Behalf::Admin(admin) => (Some(&admin.id), admin.ip.as_deref()),
        }
    }

    /// Whether the last administrator may be taken away.
    pub(super) fn last_admin(&self) -> LastAdmin {
        if matches!(self, Behalf::Admin(_)) { LastAdmin::Stays } else { LastAdmin::MayGo }
    }

    /// Refuses to add to what somebody holds what the administrator does not hold.
    pub(super) fn may_grant(&self, before: &str, after: &str) -> Result<(), Error> {
        let Behalf::Admin(admin) = self else { return Ok(()) };
        let (before, held) = (Scope::parse(before).map_err(damaged)?, Scope::parse(&admin.scope).map_err(damaged)?);
        let is_new = |word: &str| !before.contains(word) && !held.contains(word);
        if after.split_terminator(' ').any(is_new) { Err(Error::ScopeNotHeld) } else { Ok(()) }
    }

    /// Refuses to hand the administrator a way to act for somebody who holds this.
    pub(super) fn may_act_for(&self, scope: &str) -> Result<(), Error> {
        self.may_grant("", scope)
    }

    /// Refuses what is about the administrator.
    pub(super) fn is_another(&self, id: &str) -> Result<(), Error> {
        match self {
            Behalf::Admin(admin) if admin.id == id => Err(Error::OwnRights),
            _ => Ok(()),
        }
    }
}

fn damaged(error: crate::token::scope::MalformedScope) -> Error {
    Error::Internal(error.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn admin(scope: &str) -> Behalf {
        Behalf::Admin(Admin { id: "usr_1".into(), scope: scope.into(), ip: None })
    }

    #[test]
    fn h5_an_administrator_adds_only_what_they_hold_and_may_leave_or_take_the_rest() {
        let admin = admin("hallpass:admin a");
        for (before, after) in [("", ""), ("", "a"), ("x", "x a"), ("x y", "x"), ("x", ""), ("", "hallpass:admin a")] {
            assert!(admin.may_grant(before, after).is_ok(), "{before} -> {after}");
            assert!(Behalf::Operator.may_grant(before, after).is_ok());
        }
        for (before, after) in [("", "b"), ("x", "b"), ("", "a b"), ("", "A"), ("", "hallpass"), ("x", "x y")] {
            assert!(matches!(admin.may_grant(before, after), Err(Error::ScopeNotHeld)), "{before} -> {after}");
            assert!(Behalf::Operator.may_grant(before, after).is_ok());
        }
        assert!(admin.may_act_for("a").is_ok() && admin.may_act_for("x").is_err());
    }

    #[test]
    fn h4_only_at_the_command_line_may_the_last_administrator_go() {
        assert_eq!(admin("hallpass:admin").last_admin(), LastAdmin::Stays);
        assert_eq!((Behalf::Operator.last_admin(), Behalf::Own.actor()), (LastAdmin::MayGo, (None, None)));
        assert!(
            admin("").is_another("usr_1").is_err() && admin("").is_another("usr_2").is_ok() && Behalf::Operator.is_another("usr_1").is_ok()
        );
    }
}
