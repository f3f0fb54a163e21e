//! A person proves once more who they are, within a session (RFC 9470): for what must not be done by whoever finds an open browser.
//!
//! The session stays the same one, and its refresh token with it. The new access token says when and how; older ones of the session say what
//! they said before.

use super::audit::{Event, Happening};
use super::grant::remaining_scope;
use super::hasher::Verdict;
use super::login::Proof;
use super::outcomes::UseCase;
use super::throttle::Settlement;
use super::{Authority, Error, Grant, Password};
use crate::secret::Secret;
use crate::store::account::{self, Account};
use crate::store::session::{self, Session, StepUp};

/// What a person sends, and the session that they send it in.
#[derive(Debug)]
pub struct StepUpRequest {
    /// The subject of the access token.
    pub account_id: String,
    /// Its session.
    pub session_id: String,
    /// The proof.
    pub credential: Credential,
}

/// One of the two.
#[derive(Debug)]
pub enum Credential {
    /// The password, as typed.
    Password(Password),
    /// A code or a recovery code, as typed.
    Otp(Secret),
}

impl Authority {
    /// Checks the credential and gives an access token that says so, without a refresh token.
    ///
    /// # Errors
    /// [`Error::SessionOver`]: ended, timed out, or its account is disabled or has another password; [`Error::InvalidCredentials`];
    /// [`Error::TooManyRequests`]; [`Error::Busy`]; [`Error::StoreUnavailable`].
    pub async fn step_up(&self, request: StepUpRequest) -> Result<Grant, Error> {
        let outcome = self.renew_proof(request).await;
        self.outcomes.count(UseCase::StepUp, &outcome);
        outcome
    }

    async fn renew_proof(&self, request: StepUpRequest) -> Result<Grant, Error> {
        let StepUpRequest { account_id, session_id, credential } = request;
        self.limits.as_a_login_of(&session_id)?;
        let (session, account) = self.live_session(&account_id, &session_id).await?;
        let tried = self.admit_try(account.email.folded()).await?;
        let means = match credential {
            Credential::Password(_) => "password",
            Credential::Otp(_) => "otp",
        };
        let outcome = self.prove_again(&account, credential).await;
        if let Err(Error::InvalidCredentials) = outcome {
            Happening::to_session(Event::StepUpFailed, &account_id, &session_id).with(means).log();
        }
        self.settle_try(tried, Settlement::of(&outcome, |(_, is_whole)| *is_whole)).await;
        let (proof, _) = outcome?;
        let (now, step_up) = (self.clock.now(), StepUp { amr: proof.amr(), acr: proof.acr().to_owned() });
        // Ended, disabled or given another password since it was looked at: the update knows.
        if !session::step_up(&self.database, &session.id, &step_up, now).await? {
            return Err(Error::SessionOver);
        }
        Happening::to_session(Event::StepUp, &account_id, &session_id).record(&self.database, now).await;
        let session = Session { auth_time: now, step_up: Some(step_up), ..session };
        let scope = remaining_scope(&account.scope, session.scope.as_deref())?;
        self.grant_access(&account, &session, scope, now)
    }

    /// The session and its account, if both are what they were at the login.
    async fn live_session(&self, account_id: &str, session_id: &str) -> Result<(Session, Account), Error> {
        let now = self.clock.now();
        let session = session::by_id(&self.database, session_id).await?;
        let is_live = |session: &Session| session.account_id == account_id && self.terms.sessions.is_live(session, now);
        let session = session.filter(is_live).ok_or(Error::SessionOver)?;
        let account = account::by_id(&self.database, account_id).await?;
        let same = |account: &Account| account.disabled_at.is_none() && account.password_changed_at == session.password_changed_at;
        Ok((session.clone(), account.filter(same).ok_or(Error::SessionOver)?))
    }

    /// What was proven, and whether it is everything that the account asks for at a login.
    async fn prove_again(&self, account: &Account, credential: Credential) -> Result<(Proof, bool), Error> {
        match credential {
            Credential::Password(password) => {
                let stored = account.password_hash.as_ref().map(|hash| hash.expose());
                let Verdict::Right { upgrade } = self.hasher.verify(password, stored).await? else {
                    return Err(Error::InvalidCredentials);
                };
                if let Some(upgrade) = upgrade {
                    self.upgrade_password_hash(account, &upgrade).await;
                }
                Ok((Proof::Password, self.second_factor_of(&account.id).await?.is_none()))
            }
            Credential::Otp(otp) => {
                let factor = self.second_factor_of(&account.id).await?.ok_or(Error::InvalidCredentials)?;
                // The session began with the password, so together with the code these are two factors.
                if self.take_otp(&factor, &otp).await? { Ok((Proof::PasswordAndOtp, false)) } else { Err(Error::InvalidCredentials) }
            }
        }
    }
}
