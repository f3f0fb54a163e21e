//! What people see and change of their own account, out of a live session.

use super::hasher::Verdict;
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
        let otp_enabled = self.has_second_factor(&account).await?;
        Ok(OwnAccount { account, otp_enabled })
    }

    /// Whether a login to this account needs a second factor. There is none yet.
    async fn has_second_factor(&self, _account: &Account) -> Result<bool, Error> {
        Ok(false)
    }

    /// Replaces the password. This session goes on, with the tokens that are out; every other one ends, for every replica.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when the current password is wrong; [`Error::Invalid`] with every reason against the new one;
    /// [`Error::SessionOver`]; [`Error::Busy`]; [`Error::StoreUnavailable`]: nothing was changed.
    pub async fn change_own_password(&self, change: PasswordChange) -> Result<(), Error> {
        let PasswordChange { account_id, session_id, current, new } = change;
        let account = account::by_id(&self.database, &account_id).await?.ok_or(Error::SessionOver)?;
        let stored = account.password_hash.as_ref().map(|hash| hash.expose());
        if self.hasher.verify(current, stored).await? == Verdict::Wrong {
            return Err(Error::InvalidCredentials);
        }
        let hash = self.new_passwords().hash(new, &account.email).await.map_err(of_new_password)?;
        let now = self.clock.now();
        let new = OwnPassword { account: &account, session_id: &session_id, hash: &hash };
        if account::set_own_password_hash(&self.database, new, now).await? {
            self.learn_what_ended(now).await;
            return Ok(());
        }
        // Something was faster: it has ended this session, or it was the same request from another window, and its password counts.
        let is_live = self.sessions().is_live(&session_id, &account_id).await?;
        Err(if is_live { Error::InvalidCredentials } else { Error::SessionOver })
    }
}

/// The rules name the field as all other requests call it.
fn of_new_password(error: Error) -> Error {
    match error {
        Error::Invalid { violations, .. } => Error::Invalid { field: "new_password", violations },
        error => error,
    }
}
