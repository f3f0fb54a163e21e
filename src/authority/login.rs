//! A person proves who they are and gets an access token.
//!
//! Whatever is wrong with the account or the password, the answer and the work behind it are the same: one look into the store, one job on
//! the hashing threads.

use uuid::Uuid;

use super::hasher::Verdict;
use super::password_hash::StoredHash;
use super::{Authority, Error, Password};
use crate::secret::Secret;
use crate::store::account::{self, Account};
use crate::store::{self, Email};
use crate::token::Scope;
use crate::token::claims::{Claims, Login};

/// The client that people's tokens are issued to when they log in with us directly.
pub const FIRST_PARTY_CLIENT: &str = "hallpass";

/// What a person sends.
#[derive(Debug)]
pub struct LoginRequest {
    /// The e-mail address, as typed.
    pub email: String,
    /// The password, as typed.
    pub password: Password,
    /// The scope asked for; everything the person holds if none is named.
    pub scope: Option<String>,
}

/// A token and what its holder should know about it.
#[derive(Debug)]
pub struct Grant {
    /// The signed token.
    pub access_token: String,
    /// Its life, in seconds.
    pub expires_in: u64,
    /// When it expires, as a NumericDate.
    pub expires_at: i64,
    /// What it allows.
    pub scope: String,
    /// The login session.
    pub session_id: String,
}

impl Authority {
    /// Checks e-mail address and password and mints a token. Waits for the store and for a hashing thread.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`], the same for every cause; [`Error::InvalidScope`]; [`Error::Busy`]; [`Error::StoreUnavailable`].
    pub async fn login(&self, request: LoginRequest) -> Result<Grant, Error> {
        // A disabled account is like one that does not exist from here on, down to the work that is done for it.
        let account = self.account_of(&request.email).await?.filter(|account| account.disabled_at.is_none());
        let stored = account.as_ref().and_then(|account| account.password_hash.as_ref()).map(|hash| hash.expose());
        let verdict = self.hasher.verify(request.password, stored).await?;
        let (Some(account), Verdict::Right { upgrade }) = (account, verdict) else {
            return Err(Error::InvalidCredentials);
        };
        if let Some(upgrade) = upgrade {
            self.upgrade_password_hash(&account, &upgrade).await;
        }
        self.grant(&account, request.scope.as_deref())
    }

    /// The account, if this can be an address at all and there is one. A row that cannot be read counts as none, and is logged.
    async fn account_of(&self, email: &str) -> Result<Option<Account>, Error> {
        let Ok(email) = Email::parse(email) else {
            return Ok(None);
        };
        match account::by_email(&self.database, &email).await {
            Ok(account) => Ok(account),
            Err(error @ store::Error::Corrupt { .. }) => {
                log::error!("nobody can log in to an account whose row is damaged: {error}");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A login never fails for the upkeep of its hash.
    async fn upgrade_password_hash(&self, account: &Account, upgrade: &StoredHash) {
        let Some(old) = &account.password_hash else { return };
        match account::upgrade_password_hash(&self.database, &account.id, old, &Secret::from(upgrade.as_str())).await {
            Ok(_) => log::info!(sub = account.id.as_str(); "password hash upgraded to the configured cost"),
            Err(error) => log::warn!(sub = account.id.as_str(); "password hash not upgraded, next login tries again: {error}"),
        }
    }

    fn grant(&self, account: &Account, requested: Option<&str>) -> Result<Grant, Error> {
        let scope = granted_scope(&account.scope, requested)?;
        let now = self.clock.now();
        let (session_id, token_id) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
        let expires_in = self.terms.access_ttl.as_secs();
        let expires_at = now + expires_in as i64;
        let claims = Claims {
            iss: &self.terms.issuer,
            sub: &account.id,
            aud: &self.terms.audience,
            exp: expires_at,
            iat: now,
            jti: &token_id,
            client_id: FIRST_PARTY_CLIENT,
            scope: &scope,
            login: Some(Login { sid: &session_id, auth_time: now, amr: &["pwd"], acr: "1", roles: &account.roles }),
        };
        let access_token = self.signer.sign(&claims)?;
        Ok(Grant { access_token, expires_in, expires_at, scope, session_id })
    }
}

/// What is asked for, if all of it is held; all that is held, if nothing is asked for.
fn granted_scope(held: &str, requested: Option<&str>) -> Result<String, Error> {
    let held = Scope::parse(held).map_err(|error| Error::Internal(error.into()))?;
    let requested = requested.map(Scope::parse).transpose().map_err(|_| Error::InvalidScope)?.unwrap_or(held);
    if held.covers(&requested) { Ok(requested.normalized()) } else { Err(Error::InvalidScope) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_more_than_they_hold() {
        assert_eq!(granted_scope("a b c", None).unwrap(), "a b c");
        assert_eq!(granted_scope("a b c", Some("c a")).unwrap(), "c a");
        assert_eq!(granted_scope("a b c", Some("")).unwrap(), "");
        for asked in ["d", "a d", "A", "a  b", "a\nb"] {
            assert!(matches!(granted_scope("a b c", Some(asked)), Err(Error::InvalidScope)), "{asked}");
        }
    }
}
