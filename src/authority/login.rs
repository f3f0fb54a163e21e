//! A person proves who they are, and a session begins.
//!
//! Whatever is wrong with the account or the password, the answer and the work behind it are the same: one look into the store, one job on
//! the hashing threads. Only who is right makes a row.

use std::net::IpAddr;

use super::audit::{Event, Happening};
use super::grant::granted_scope;
use super::hasher::Verdict;
use super::otp::Otp;
use super::outcomes::UseCase;
use super::password_hash::StoredHash;
use super::throttle::Settlement;
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
    /// A one-time code or a recovery code, as typed.
    pub otp: Option<Secret>,
    /// The scope asked for; everything the person holds if none is named.
    pub scope: Option<String>,
    /// What it is sent with.
    pub device: Device,
    /// Where it comes from, for what is limited by that.
    pub from: Option<IpAddr>,
}

/// What a person has proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Password,
    PasswordAndOtp,
}

impl Proof {
    /// By which means (RFC 8176).
    pub(super) fn amr(self) -> Vec<String> {
        let amr: &[&str] = match self {
            Self::Password => &["pwd"],
            Self::PasswordAndOtp => &["pwd", "otp"],
        };
        amr.iter().map(|&means| means.to_owned()).collect()
    }

    /// How strong that is.
    pub(super) fn acr(self) -> &'static str {
        match self {
            Self::Password => "1",
            Self::PasswordAndOtp => "2",
        }
    }
}

impl Authority {
    /// Checks e-mail address, password and, where there is one, the second factor, and begins a session. Waits for the store and for a
    /// hashing thread.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`], the same for every cause; [`Error::OtpRequired`]; [`Error::TooManyRequests`], the same for every
    /// account; [`Error::InvalidScope`]; [`Error::Busy`]; [`Error::StoreUnavailable`].
    pub async fn login(&self, request: LoginRequest) -> Result<Grant, Error> {
        let outcome = self.limited_login(request).await;
        self.outcomes.count(UseCase::Login, &outcome);
        outcome
    }

    async fn limited_login(&self, request: LoginRequest) -> Result<Grant, Error> {
        let counted = self.limits.login(request.from, &request.email)?;
        let outcome = self.login_within_limits(request).await;
        match &outcome {
            Ok(_) | Err(Error::InvalidScope) => self.limits.was_right(counted),
            Err(Error::Busy | Error::StoreUnavailable(_)) => self.limits.was_not_tried(counted),
            Err(_) => {}
        }
        outcome
    }

    async fn login_within_limits(&self, request: LoginRequest) -> Result<Grant, Error> {
        match self.admit_try(&request.email).await {
            Ok(tried) => {
                let outcome = self.try_login(request, false).await;
                self.settle_try(tried, Settlement::of(&outcome, |_| true)).await;
                outcome
            }
            Err(refused @ Error::TooManyRequests { .. }) => self.login_past_the_throttle(request).await?.ok_or_else(|| {
                Happening::failure(Event::LoginDelayed, None, "account").log();
                refused
            }),
            Err(error) => Err(error),
        }
    }

    /// Somebody else's guessing must not keep a person out, so a recovery code gets them past the wait. It has 128 bits, so letting whoever
    /// has one through helps nobody to guess one. It is used up before the password is looked at, so it is good for one try of that.
    ///
    /// A one-time code does not do this: it has 20 bits. Looked at without a wait, it could be guessed; with a wait of its own, whoever keeps
    /// the person out of the first could keep them out of the second.
    async fn login_past_the_throttle(&self, request: LoginRequest) -> Result<Option<Grant>, Error> {
        let Some(Otp::Recovery(hash)) = request.otp.as_ref().map(Otp::parse) else { return Ok(None) };
        let account = self.account_of(&request.email).await?.filter(|account| account.disabled_at.is_none());
        // Also of an account that is not there: the answer must not come sooner for that.
        let id = account.map_or_else(String::new, |account| account.id);
        if self.take_recovery_code(&id, &hash).await? { self.try_login(request, true).await.map(Some) } else { Ok(None) }
    }

    /// `otp_taken` says that the second factor is proven already.
    async fn try_login(&self, request: LoginRequest, otp_taken: bool) -> Result<Grant, Error> {
        // A disabled account is like one that does not exist from here on, down to the work that is done for it.
        let known = self.account_of(&request.email).await?;
        let account = known.as_ref().filter(|account| account.disabled_at.is_none());
        let stored = account.and_then(|account| account.password_hash.as_ref()).map(|hash| hash.expose());
        let verdict = self.hasher.verify(request.password, stored).await?;
        let (Some(account), Verdict::Right { upgrade }) = (account, verdict) else {
            let reason = match (&known, account) {
                (None, _) => "unknown_account",
                (Some(_), None) => "disabled_account",
                (Some(_), Some(_)) => "password",
            };
            Happening::failure(Event::LoginFailed, known.as_ref().map(|account| account.id.as_str()), reason).log();
            return Err(Error::InvalidCredentials);
        };
        if let Some(upgrade) = upgrade {
            self.upgrade_password_hash(account, &upgrade).await;
        }
        let proof = if otp_taken { Proof::PasswordAndOtp } else { self.prove_second_factor(account, request.otp.as_ref()).await? };
        self.begin_session(account, request.scope.as_deref(), proof, request.device).await
    }

    /// Only after the password was right: nobody else learns that there is a second factor, or whether a code is right.
    async fn prove_second_factor(&self, account: &Account, otp: Option<&Secret>) -> Result<Proof, Error> {
        let Some(factor) = self.second_factor_of(&account.id).await? else {
            return Ok(Proof::Password);
        };
        let otp = otp.ok_or(Error::OtpRequired)?;
        if self.take_otp(&factor, otp).await? {
            return Ok(Proof::PasswordAndOtp);
        }
        Happening::failure(Event::LoginFailed, Some(&account.id), "otp").log();
        Err(Error::InvalidCredentials)
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
    pub(super) async fn upgrade_password_hash(&self, account: &Account, upgrade: &StoredHash) {
        let Some(old) = &account.password_hash else { return };
        match account::upgrade_password_hash(&self.database, &account.id, old, &Secret::from(upgrade.as_str())).await {
            Ok(_) => log::info!(sub = account.id.as_str(); "password hash upgraded to the configured cost"),
            Err(error) => log::warn!(sub = account.id.as_str(); "password hash not upgraded, next login tries again: {error}"),
        }
    }

    /// A new session, never one that was there before, and its first tokens.
    async fn begin_session(&self, account: &Account, requested: Option<&str>, proof: Proof, device: Device) -> Result<Grant, Error> {
        let scope = granted_scope(&account.scope, requested)?;
        let now = self.clock.now();
        let session = Session {
            id: store::new_id("", now),
            account_id: account.id.clone(),
            seed: random_seed()?,
            generation: 0,
            scope: requested.map(|_| scope.clone()),
            amr: proof.amr(),
            acr: proof.acr().to_owned(),
            password_changed_at: account.password_changed_at,
            created_at: now,
            auth_time: now,
            step_up: None,
            rotated_at: now,
            ended_at: None,
            device,
        };
        let grant = self.grant(account, &session, scope, now)?;
        // Disabled, deleted or given another password since it was looked at: the insertion knows.
        let gave_way = self.insert(&session, now).await?.ok_or(Error::InvalidCredentials)?;
        Happening::to_session(Event::Login, &account.id, &session.id).record(&self.database, now).await;
        if gave_way > 0 {
            let detail = if self.terms.single_active { "single_active" } else { "too_many" };
            Happening::to_account(Event::SessionRevoked, &account.id).with(detail).record(&self.database, now).await;
        }
        Ok(grant)
    }

    /// How many sessions gave way to it. None: the account is not as it was.
    async fn insert(&self, session: &Session, now: i64) -> Result<Option<u64>, Error> {
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
