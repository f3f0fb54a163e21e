//! A session goes on: a refresh token is used up, and a new pair of tokens comes back.
//!
//! The successor of a refresh token is computed, not drawn, so those who use one token at once and those who lost the answer get the same
//! one. The row decides who was first, and whether a token that comes late is a retry or a theft.

use super::audit::{Event, Happening};
use super::grant::{granted_scope, remaining_scope};
use super::outcomes::UseCase;
use super::session_policy::Standing;
use super::{Authority, Device, Error, Grant};
use crate::secret::Secret;
use crate::store::account::{self, Account};
use crate::store::session::{self, Ending, Session};
use crate::token::Revocation;
use crate::token::opaque::Presented;

impl Authority {
    /// Takes a refresh token for a new pair of tokens, and notes the device. Scope and roles are what the account holds now, `auth_time` stays
    /// that of the login.
    ///
    /// # Errors
    /// [`Error::InvalidRefreshToken`] for whatever is wrong with the token, its session or its account; then the session is over, unless
    /// the token named none. [`Error::TooManyRequests`]; [`Error::StoreUnavailable`].
    pub async fn refresh(&self, refresh_token: &Secret, device: Device) -> Result<Grant, Error> {
        let outcome = self.use_up(refresh_token, None, device).await;
        self.outcomes.count(UseCase::Refresh, &outcome);
        outcome
    }

    async fn use_up(&self, refresh_token: &Secret, scope: Option<&str>, device: Device) -> Result<Grant, Error> {
        let presented = self.tokens.keys().refresh.read(refresh_token.expose()).ok_or(Error::InvalidRefreshToken)?;
        self.limits.refresh(presented.session)?;
        let session = self.session_of(&presented).await?.ok_or(Error::InvalidRefreshToken)?;
        let now = self.clock.now();
        match self.terms.sessions.standing(&session, presented.generation, now) {
            Standing::Current => self.rotate(Session { device, ..session }, scope, now).await,
            Standing::Predecessor => {
                let account = self.account_behind(&session, now).await?;
                let scope = granted_scope(&remaining_scope(&account.scope, session.scope.as_deref())?, scope)?;
                self.grant(&account, &session, scope, now)
            }
            Standing::Reused => Err(self.end_reused(&session, now).await),
            Standing::Over => Err(Error::InvalidRefreshToken),
        }
    }

    /// The same in the words of the token endpoint (RFC 6749 s6). A `scope` narrows this one access token and not the session.
    ///
    /// # Errors
    /// Those of [`Authority::refresh`], with [`Error::InvalidGrant`] in the place of [`Error::InvalidRefreshToken`]; [`Error::InvalidScope`] for
    /// more than the session has left, and then the token is not used up.
    pub async fn refresh_grant(&self, refresh_token: &Secret, scope: Option<&str>, device: Device) -> Result<Grant, Error> {
        let outcome = self.use_up(refresh_token, scope, device).await;
        self.outcomes.count(UseCase::Refresh, &outcome);
        outcome.map_err(|error| match error {
            Error::InvalidRefreshToken => Error::InvalidGrant,
            error => error,
        })
    }

    /// The session that a refresh token is of, live or not, if its row proves the token.
    pub(super) async fn session_of(&self, presented: &Presented) -> Result<Option<Session>, Error> {
        let session = session::by_id(&self.database, &presented.session.to_string()).await?;
        Ok(session.filter(|session| presented.is_proven_by(&session.seed)))
    }

    /// Moves on to the next generation. The tokens are made first: an account whose token would be too long has lost nothing.
    async fn rotate(&self, session: Session, scope: Option<&str>, now: i64) -> Result<Grant, Error> {
        let account = self.account_behind(&session, now).await?;
        let scope = granted_scope(&remaining_scope(&account.scope, session.scope.as_deref())?, scope)?;
        let next = Session { generation: session.generation.saturating_add(1), rotated_at: now, ..session };
        let grant = self.grant(&account, &next, scope, now)?;
        if session::rotate(&self.database, &next).await? {
            return Ok(grant);
        }
        // Somebody was faster by a moment. The token was the current one when it came, so this is no reuse, whatever the grace; and the
        // successor is the one that was just computed. Only if that was used or ended meanwhile is there nothing left to give.
        match session::by_id(&self.database, &next.id).await? {
            Some(now_is) if now_is.ended_at.is_none() && now_is.generation == next.generation => Ok(grant),
            _ => Err(Error::InvalidRefreshToken),
        }
    }

    /// The account, if it is what it was at the login: there, enabled, with the same password. If not, the session ends here.
    async fn account_behind(&self, session: &Session, now: i64) -> Result<Account, Error> {
        let account = async || account::by_id(&self.database, &session.account_id).await;
        let same = |account: &Account| account.disabled_at.is_none() && account.password_changed_at == session.password_changed_at;
        if let Some(account) = account().await?.filter(same) {
            return Ok(account);
        }
        // The person may have set a new password in this very session between the two looks: then the session has moved along with it.
        if session::of_account_in_force(&self.database, &session.id, &session.account_id).await?.is_some() {
            return account().await?.ok_or(Error::InvalidRefreshToken);
        }
        self.end_session(&session.account_id, &session.id, now).await?;
        Err(Error::InvalidRefreshToken)
    }

    /// Ends a session whose refresh token was used by two.
    pub(super) async fn end_reused(&self, session: &Session, now: i64) -> Error {
        self.outcomes.count_reuse();
        let ended = self.end_session_by(Event::RefreshReuse, &session.account_id, &session.id, now);
        ended.await.err().unwrap_or(Error::InvalidRefreshToken)
    }

    /// Ends one session for all replicas, for this one at once.
    pub(super) async fn end_session(&self, account_id: &str, session_id: &str, now: i64) -> Result<(), Error> {
        self.end_session_by(Event::SessionRevoked, account_id, session_id, now).await
    }

    /// The same, because of this event.
    pub(super) async fn end_session_by(&self, event: Event, account_id: &str, session_id: &str, now: i64) -> Result<(), Error> {
        let why = Happening::to_session(event, account_id, session_id);
        let which = Ending::This { id: session_id };
        if session::end_and_record(&self.database, which, account_id, &why.entry(now), now).await? {
            why.log();
        }
        let revocation = Revocation::Session { id: session_id.into(), until: crate::store::revocation::until(now) };
        self.tokens.revocations.add([&revocation], now);
        Ok(())
    }
}
