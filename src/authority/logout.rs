//! A person ends sessions: the one that the credential is of, all others, or all.
//!
//! Ending the own session is always granted, with whatever authentic token of it is at hand, however old: it harms nobody, and people who
//! want to be out must get out. The other sessions are ended only out of a live one, or an old token from a log could do it.

use super::audit::{Event, Happening};
use super::session_policy::Standing;
use super::{Authority, Error};
use crate::secret::Secret;
use crate::store::revocation;
use crate::store::session::{self, Ending, Session};
use crate::token::verify::SessionToEnd;

/// Which sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that the credential is of.
    This,
    /// All of the person's but this one.
    Others,
    /// All of the person's.
    All,
}

/// What a person sends. At least one credential; two must be of one session.
#[derive(Debug)]
pub struct LogoutRequest {
    /// Which sessions.
    pub which: Which,
    /// What the access token says.
    pub bearer: Option<SessionToEnd>,
    /// The refresh token.
    pub refresh_token: Option<Secret>,
}

impl Authority {
    /// Ends sessions and revokes their access tokens, for every replica. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidRefreshToken`]; [`Error::SessionOver`] when there are other sessions to end and this one is over;
    /// [`Error::TwoSessions`]; [`Error::StoreUnavailable`]: nothing was ended.
    pub async fn logout(&self, request: LogoutRequest) -> Result<(), Error> {
        let LogoutRequest { which, bearer, refresh_token } = request;
        let now = self.clock.now();
        match (bearer, refresh_token) {
            (bearer, Some(refresh_token)) => self.logout_by_refresh_token(which, &refresh_token, bearer.as_ref()).await,
            (Some(bearer), None) if which == Which::This => self.end_session_by(Event::Logout, &bearer.subject, &bearer.id, now).await,
            (Some(bearer), None) => {
                let session = session::by_id(&self.database, &bearer.id).await?;
                let is_live = |session: &Session| {
                    !bearer.is_revoked && session.account_id == bearer.subject && self.terms.sessions.is_live(session, now)
                };
                match session.filter(is_live) {
                    Some(session) => self.end_several(&session, which, now).await,
                    None => self.nothing_left_of(&bearer.subject, now).await,
                }
            }
            (None, None) => Err(Error::InvalidRefreshToken),
        }
    }

    /// Ends the session whose refresh token a browser gives up by logging in anew, whoever's it is: it may have been planted there, and nobody
    /// can use it from that browser any more. What is no token of ours is nothing to end.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]: it was not ended.
    pub async fn end_replaced(&self, refresh_token: &Secret) -> Result<(), Error> {
        let Some(presented) = self.tokens.keys().refresh.read(refresh_token.expose()) else {
            return Ok(());
        };
        match self.session_of(&presented).await? {
            Some(session) if session.ended_at.is_none() => self.end_session(&session.account_id, &session.id, self.clock.now()).await,
            _ => Ok(()),
        }
    }

    async fn logout_by_refresh_token(&self, which: Which, token: &Secret, bearer: Option<&SessionToEnd>) -> Result<(), Error> {
        let presented = self.tokens.keys().refresh.read(token.expose()).ok_or(Error::InvalidRefreshToken)?;
        if bearer.is_some_and(|bearer| bearer.id != presented.session.to_string()) {
            return Err(Error::TwoSessions);
        }
        let now = self.clock.now();
        let Some(session) = self.session_of(&presented).await? else {
            // Swept long ago, so it is over. An access token that came along is revoked all the same.
            return match bearer {
                Some(bearer) if which == Which::This => self.end_session_by(Event::Logout, &bearer.subject, &bearer.id, now).await,
                None if which == Which::This => Ok(()),
                _ => Err(Error::InvalidRefreshToken),
            };
        };
        if which == Which::This {
            return self.end_session_by(Event::Logout, &session.account_id, &session.id, now).await;
        }
        match self.terms.sessions.standing(&session, presented.generation, now) {
            Standing::Current | Standing::Predecessor => self.end_several(&session, which, now).await,
            Standing::Reused => Err(self.end_reused(&session, now).await),
            Standing::Over => self.nothing_left_of(&session.account_id, now).await.map_err(|error| match error {
                Error::SessionOver => Error::InvalidRefreshToken,
                error => error,
            }),
        }
    }

    /// Others or all, out of this live session.
    async fn end_several(&self, session: &Session, which: Which, now: i64) -> Result<(), Error> {
        let (ending, detail) = if which == Which::Others { (Ending::Others { id: &session.id }, "others") } else { (Ending::All, "all") };
        let why = Happening::to_session(Event::Logout, &session.account_id, &session.id).with(detail);
        if session::end_and_record(&self.database, ending, &session.account_id, &why.entry(now), now).await? {
            why.log();
        }
        self.learn_what_ended(now).await;
        Ok(())
    }

    /// Refuses here at once what was revoked since a moment; if the store fails now, with the next look at it, as everywhere else, and so
    /// what there is besides, which another replica's clock has dated later.
    pub(super) async fn learn_what_ended(&self, since: i64) {
        match revocation::recorded_since(&self.database, since, 2 * session::MOST, since).await {
            Ok(recorded) => self.tokens.revocations.add(recorded.iter().map(|recorded| &recorded.revocation), self.clock.now()),
            Err(error) => log::warn!("the deny list will learn later of sessions that ended: {error}"),
        }
    }

    /// Whether what was asked for out of a session that is over is so already: then asking again was harmless.
    async fn nothing_left_of(&self, account_id: &str, now: i64) -> Result<(), Error> {
        let sessions = session::by_account(&self.database, account_id).await?;
        if sessions.iter().any(|session| self.terms.sessions.is_live(session, now)) { Err(Error::SessionOver) } else { Ok(()) }
    }
}
