//! A person proves who they are, and a session begins.
//!
//! Whatever is wrong with the account or the password, the answer and the work behind it are the same: one look into the store, one job on
//! the hashing threads. Only who is right makes a row.

use super::audit::{Event, Happening};
use super::grant::granted_scope;
use super::hasher::Verdict;
use super::password_hash::StoredHash;
use super::{Authority, Device, Error, Grant, Password};
use crate::secret::Secret;
use crate::store::account::{self, Account};
use crate::store::session::{self, Session};
use crate::store::{self, Email};
use crate::token::opaque::Seed;

/// What a person sends.
#[derive(Debug)]
pub struct LoginRequest {
    /// The e-mail address, as typed.
    pub email: String,
    /// The password, as typed.
    pub password: Password,
    /// The scope asked for; everything the person holds if none is named.
    pub scope: Option<String>,
    /// What it is sent with.
    pub device: Device,
}

impl Authority {
    /// Checks e-mail address and password and begins a session. Waits for the store and for a hashing thread.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`], the same for every cause; [`Error::InvalidScope`]; [`Error::Busy`]; [`Error::StoreUnavailable`].
    pub async fn login(&self, request: LoginRequest) -> Result<Grant, Error> {
        // A disabled account is like one that does not exist from here on, down to the work that is done for it.
        let account = self.account_of(&request.email).await?.filter(|account| account.disabled_at.is_none());
        let stored = account.as_ref().and_then(|account| account.password_hash.as_ref()).map(|hash| hash.expose());
        let verdict = self.hasher.verify(request.password, stored).await?;
        let (Some(account), Verdict::Right { upgrade }) = (&account, verdict) else {
            let account_id = account.as_ref().map(|account| account.id.as_str());
            Happening { event: Event::LoginFailed, account_id, session_id: None, detail: None }.log();
            return Err(Error::InvalidCredentials);
        };
        if let Some(upgrade) = upgrade {
            self.upgrade_password_hash(account, &upgrade).await;
        }
        self.begin_session(account, request.scope.as_deref(), request.device).await
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

    /// A new session, never one that was there before, and its first tokens.
    async fn begin_session(&self, account: &Account, requested: Option<&str>, device: Device) -> Result<Grant, Error> {
        let scope = granted_scope(&account.scope, requested)?;
        let now = self.clock.now();
        let session = Session {
            id: store::new_id("", now),
            account_id: account.id.clone(),
            seed: random_seed()?,
            generation: 0,
            scope: requested.map(|_| scope.clone()),
            amr: vec!["pwd".to_owned()],
            acr: "1".to_owned(),
            password_changed_at: account.password_changed_at,
            created_at: now,
            auth_time: now,
            rotated_at: now,
            ended_at: None,
            device,
        };
        let grant = self.grant(account, &session, scope, now)?;
        // Disabled, deleted or given another password since it was looked at: the insertion knows.
        if !self.insert(&session, now).await? {
            return Err(Error::InvalidCredentials);
        }
        Happening::to_session(Event::Login, &account.id, &session.id).record(&self.database, now).await;
        Ok(grant)
    }

    async fn insert(&self, session: &Session, now: i64) -> Result<bool, Error> {
        if !self.terms.single_active {
            return Ok(session::insert(&self.database, session).await?);
        }
        let inserted = session::insert_alone(&self.database, session).await?;
        self.learn_what_ended(now).await;
        Ok(inserted)
    }
}

fn random_seed() -> Result<Seed, Error> {
    let mut seed = Seed::default();
    getrandom::fill(&mut seed).map_err(|error| Error::Internal(error.into()))?;
    Ok(seed)
}
