//! A second factor: enrolled, confirmed, asked for, and taken away again.
//!
//! It protects nobody before a code has shown that the device has the secret. The secret is told once and kept sealed; each code and each
//! recovery code is good for one use, which the store decides. Recovery codes are there for a lost device, and need no key of the ring.

use super::audit::{Event, Happening};
use super::otp::{self, Otp, RECOVERY_CODES, SECRET_BYTES};
use super::throttle::Settlement;
use super::{Authority, Error, resealing};
use crate::secret::Secret;
use crate::store::account::{self, Account};
use crate::store::second_factor::{self, Removal, SecondFactor};
use zeroize::Zeroizing;

/// The `acr` of a login that used a second factor.
const STRONG: &str = "2";

/// What the person's device has to be told, once.
#[derive(Debug)]
pub struct Enrolment {
    /// In base32, to be typed.
    pub secret: Secret,
    /// The `otpauth:` address, which holds the secret too.
    pub otpauth_uri: Secret,
}

impl Authority {
    /// Makes the secret of a second factor, in place of one that was never confirmed.
    ///
    /// # Errors
    /// [`Error::Conflict`]: there is a confirmed one. [`Error::SessionOver`]: the account is gone or disabled. [`Error::StoreUnavailable`].
    pub async fn enrol_second_factor(&self, account_id: &str) -> Result<Enrolment, Error> {
        let account = self.enabled_account(account_id).await?;
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(&mut secret[..]).map_err(|error| Error::Internal(error.into()))?;
        let (shown, otpauth_uri) = otp::enrolment(&secret[..], self.issuer_host(), account.email.as_typed())
            .ok_or_else(|| Error::Internal("the secret cannot be written as an otpauth address".into()))?;
        let sealed =
            self.tokens.keys().sealing.seal(&secret[..], account_id).ok_or_else(|| Error::Internal("nothing to seal with".into()))?;
        if !second_factor::begin(&self.database, account_id, &sealed, self.clock.now()).await? {
            return Err(Error::Conflict);
        }
        Ok(Enrolment { secret: shown, otpauth_uri })
    }

    /// Confirms the second factor by a code of it, and gives the recovery codes, which are told once. From here on a login needs a code.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`]: the code is wrong, and nothing has changed. [`Error::TooManyRequests`]; [`Error::NotFound`]: none was
    /// enrolled; [`Error::Conflict`]: it is confirmed already; [`Error::SessionOver`]; [`Error::StoreUnavailable`].
    pub async fn confirm_second_factor(&self, account_id: &str, code: &Secret) -> Result<Vec<Secret>, Error> {
        let account = self.enabled_account(account_id).await?;
        let factor = second_factor::by_account(&self.database, account_id).await?.ok_or(Error::NotFound)?;
        if factor.confirmed_at.is_some() {
            return Err(Error::Conflict);
        }
        let tried = self.admit_try(account.email.folded()).await?;
        let outcome = self.confirm(&factor, code).await;
        // A success is no proof of the password, so it resets nothing.
        self.settle_try(tried, Settlement::of(&outcome, |_| false)).await;
        if outcome.is_ok() {
            Happening::to_account(Event::SecondFactorAdded, account_id).record(&self.database, self.clock.now()).await;
        }
        outcome
    }

    /// Takes the second factor away. `acr` and `auth_time` are those of the token: whoever proved only the password since there was a second
    /// factor must not be able to do away with it.
    ///
    /// # Errors
    /// [`Error::WeakLogin`]; [`Error::StoreUnavailable`].
    pub async fn remove_second_factor(&self, account_id: &str, acr: Option<&str>, auth_time: i64) -> Result<(), Error> {
        let is_strong = acr == Some(STRONG);
        match second_factor::remove(&self.database, account_id, is_strong, auth_time).await? {
            Removal::Done => {
                Happening::to_account(Event::SecondFactorRemoved, account_id).record(&self.database, self.clock.now()).await;
                Ok(())
            }
            Removal::NothingThere => Ok(()),
            Removal::Refused => Err(Error::WeakLogin),
        }
    }

    /// The second factor that a login of this account needs, if any.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Internal`] for a damaged row: then nobody gets in without the factor.
    pub async fn second_factor_of(&self, account_id: &str) -> Result<Option<SecondFactor>, Error> {
        let factor = second_factor::by_account(&self.database, account_id).await?;
        Ok(factor.filter(|factor| factor.confirmed_at.is_some()))
    }

    /// Whether this is a code or a recovery code of the second factor. Then it is used up.
    pub(super) async fn take_otp(&self, factor: &SecondFactor, sent: &Secret) -> Result<bool, Error> {
        match Otp::parse(sent) {
            Otp::Code(code) => self.take_code(factor, &code).await,
            Otp::Recovery(hash) => self.take_recovery_code(&factor.account_id, &hash).await,
            Otp::Malformed => Ok(false),
        }
    }

    /// Uses up a recovery code, if it is one.
    pub(super) async fn take_recovery_code(&self, account_id: &str, hash: &str) -> Result<bool, Error> {
        let taken = second_factor::take_recovery_code(&self.database, account_id, hash).await?;
        if taken {
            Happening::to_account(Event::RecoveryCodeUsed, account_id).record(&self.database, self.clock.now()).await;
        }
        Ok(taken)
    }

    /// Seals what is not sealed under the first key anew, a few at a time. True: there may be more.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn reseal_second_factors(&self, limit: u32) -> Result<bool, Error> {
        resealing::reseal(&self.database, &self.tokens.keys().sealing, limit).await
    }

    async fn take_code(&self, factor: &SecondFactor, code: &str) -> Result<bool, Error> {
        let Some(step) = self.step_of(factor, code) else { return Ok(false) };
        let taken = second_factor::take_step(&self.database, factor, step).await?;
        let keys = self.tokens.keys();
        if taken && !keys.sealing.is_current(&factor.secret.kid) {
            resealing::reseal_one(&self.database, &keys.sealing, factor).await;
        }
        Ok(taken)
    }

    async fn confirm(&self, factor: &SecondFactor, code: &Secret) -> Result<Vec<Secret>, Error> {
        let Otp::Code(code) = Otp::parse(code) else { return Err(Error::InvalidCredentials) };
        let step = self.step_of(factor, &code).ok_or(Error::InvalidCredentials)?;
        let made = (0..RECOVERY_CODES).map(|_| otp::new_recovery_code()).collect::<Result<Vec<_>, _>>();
        let (codes, hashes): (Vec<Secret>, Vec<String>) = made.map_err(|error| Error::Internal(error.into()))?.into_iter().unzip();
        let confirmed = second_factor::confirm(&self.database, factor, step, &hashes, self.clock.now()).await?;
        // Somebody confirmed it, or began another one, a moment ago.
        if confirmed { Ok(codes) } else { Err(Error::Conflict) }
    }

    /// The step of a right code. A secret that no key opens any more has none: recovery codes still work.
    fn step_of(&self, factor: &SecondFactor, code: &str) -> Option<i64> {
        let secret = self.tokens.keys().sealing.open(&factor.secret, &factor.account_id);
        if secret.is_none() {
            log::error!(sub = factor.account_id.as_str(); "the secret of a second factor cannot be opened: its key was retired, or the row was changed");
        }
        otp::step_of(&secret?, code, self.clock.now())
    }

    /// The account behind an access token, which may have been issued before it was disabled.
    async fn enabled_account(&self, account_id: &str) -> Result<Account, Error> {
        let account = account::by_id(&self.database, account_id).await?;
        account.filter(|account| account.disabled_at.is_none()).ok_or(Error::SessionOver)
    }

    /// What devices show beside the code.
    fn issuer_host(&self) -> &str {
        let issuer = self.terms.issuer.as_str();
        let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
        host.split(['/', ':']).next().filter(|host| !host.is_empty()).unwrap_or("hallpass")
    }
}
