//! What people see and change of their own account, out of a live session.

use super::audit::{Event, Happening};
use super::hasher::Verdict;
use super::throttle::Settlement;
use super::{Authority, Error, Password};
use crate::store::account::{self, Account, OwnPassword};

/// An account as its owner sees it.
#[derive(Clone, Debug)]
pub struct OwnAccount {
    /// The account.
    pub account: Account,
    /// Whether a login needs a second factor.
    pub otp_enabled: bool,
}

/// What a person sends to have another password.
#[derive(Debug)]
pub struct PasswordChange {
    /// The account, as the access token says.
    pub account_id: String,
    /// The session that it is sent in.
    pub session_id: String,
    /// The password until now.
    pub current: Password,
    /// The password from now on.
    pub new: Password,
}

impl Authority {
    /// The account behind a live session.
    ///
    /// # Errors
    /// [`Error::SessionOver`] when it was deleted meanwhile; [`Error::StoreUnavailable`]; [`Error::Internal`] for a damaged row.
    pub async fn own_account(&self, account_id: &str) -> Result<OwnAccount, Error> {
        let account = account::by_id(&self.database, account_id).await?.ok_or(Error::SessionOver)?;
        let otp_enabled = self.second_factor_of(account_id).await?.is_some();
        Ok(OwnAccount { account, otp_enabled })
    }

    /// Replaces the password. This session goes on, with the tokens that are out; every other one ends, for every replica.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when the current password is wrong; [`Error::Invalid`] with every reason against the new one;
    /// [`Error::SessionOver`]; [`Error::TooManyRequests`], as at a login; [`Error::Busy`]; [`Error::StoreUnavailable`]: nothing was changed.
    pub async fn change_own_password(&self, change: PasswordChange) -> Result<(), Error> {
        let PasswordChange { account_id, session_id, current, new } = change;
        self.limits.as_a_login_of(&session_id)?;
        let account = account::by_id(&self.database, &account_id).await?.ok_or(Error::SessionOver)?;
        self.check_current(&account, current).await?;
        let hash = self.new_passwords().hash(new, &account.email).await.map_err(of_new_password)?;
        let now = self.clock.now();
        let new = OwnPassword { account: &account, session_id: &session_id, hash: &hash };
        if account::set_own_password_hash(&self.database, new, now).await? {
            self.learn_what_ended(now).await;
            Happening::to_session(Event::PasswordChanged, &account_id, &session_id).record(&self.database, now).await;
            return Ok(());
        }
        // Something was faster: it has ended this session, or it was the same request from another window, and its password counts.
        let is_live = self.sessions().is_live(&session_id, &account_id).await?;
        Err(if is_live { Error::InvalidCredentials } else { Error::SessionOver })
    }

    /// Counted like a login: whoever has the session and not the password must not guess it here. Being right about it proves a part only
    /// where there is a second factor.
    async fn check_current(&self, account: &Account, current: Password) -> Result<(), Error> {
        let is_whole = self.second_factor_of(&account.id).await?.is_none();
        let tried = self.admit_try(account.email.folded()).await?;
        let stored = account.password_hash.as_ref().map(|hash| hash.expose());
        let outcome = match self.hasher.verify(current, stored).await {
            Ok(Verdict::Right { .. }) => Ok(()),
            Ok(Verdict::Wrong) => Err(Error::InvalidCredentials),
            Err(error) => Err(error.into()),
        };
        self.settle_try(tried, Settlement::of(&outcome, |()| is_whole)).await;
        if let Err(Error::InvalidCredentials) = outcome {
            Happening::failure(Event::StepUpFailed, Some(&account.id), "current_password").log();
        }
        outcome
    }
}

/// The rules name the field as all other requests call it.
fn of_new_password(error: Error) -> Error {
    match error {
        Error::Invalid { violations, .. } => Error::Invalid { field: "new_password", violations },
        error => error,
    }
}
