//! A person's sessions: which there are, whether one is live, ending one.
//!
//! What people do over HTTP and operators at the command line. What is live is asked of the store each time: nothing here is remembered.

use super::admin::Behalf;
use super::audit::{Event, Happening};
use super::id::{PLAIN, is_id};
use super::{Authority, Error, SessionPolicy};
use crate::clock::Clock;
use crate::store::Database;
use crate::store::session::{self, Ending, Session};

/// The sessions of a store.
#[derive(Clone, Debug)]
pub struct Sessions {
    database: Database,
    clock: Clock,
    policy: SessionPolicy,
    behalf: Behalf,
}

impl Sessions {
    /// The sessions of this store, under this policy.
    pub fn new(database: Database, clock: Clock, policy: SessionPolicy) -> Self {
        Self { database, clock, policy, behalf: Behalf::Own }
    }

    /// The same, on behalf of somebody.
    pub fn on_behalf_of(self, behalf: Behalf) -> Self {
        Self { behalf, ..self }
    }

    /// The live sessions of an account, the newest first, at most a thousand.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Internal`] for a damaged row.
    pub async fn live_of(&self, account_id: &str) -> Result<Vec<Session>, Error> {
        let now = self.clock.now();
        let mut sessions = session::by_account(&self.database, account_id).await?;
        sessions.retain(|session| self.policy.is_live(session, now));
        Ok(sessions)
    }

    /// The session with this id, live or not.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for what is no id; [`Error::StoreUnavailable`].
    pub async fn by_id(&self, id: &str) -> Result<Session, Error> {
        if !is_id(PLAIN, id) {
            return Err(Error::NotFound);
        }
        session::by_id(&self.database, id).await?.ok_or(Error::NotFound)
    }

    /// Whether the session is live: not ended, not timed out, of this account, which is enabled and has the password of the login.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Internal`] for a damaged row.
    pub async fn is_live(&self, id: &str, account_id: &str) -> Result<bool, Error> {
        if !is_id(PLAIN, id) {
            return Ok(false);
        }
        let session = session::of_account_in_force(&self.database, id, account_id).await?;
        Ok(session.is_some_and(|session| self.policy.is_live(&session, self.clock.now())))
    }

    /// Ends one session and revokes its access tokens, for every replica. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn end(&self, session: &Session) -> Result<(), Error> {
        let why = Happening::to_session(Event::SessionRevoked, &session.account_id, &session.id);
        self.end_because(why, Ending::This { id: &session.id }, &session.account_id).await
    }

    /// Ends every session of an account and revokes their access tokens, for every replica.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn end_all(&self, account_id: &str) -> Result<(), Error> {
        let why = Happening::to_account(Event::SessionRevoked, account_id).with("all").on_behalf_of(&self.behalf);
        let now = self.clock.now();
        if session::end_all_and_record(&self.database, account_id, &why.entry(now), now).await? {
            why.log();
        }
        Ok(())
    }

    async fn end_because<'a>(&'a self, why: Happening<'a>, which: Ending<'_>, account_id: &str) -> Result<(), Error> {
        let (why, now) = (why.on_behalf_of(&self.behalf), self.clock.now());
        if session::end_and_record(&self.database, which, account_id, &why.entry(now), now).await? {
            why.log();
        }
        Ok(())
    }
}

impl Authority {
    /// The sessions of this authority's store.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.database.clone(), self.clock.clone(), self.terms.sessions)
    }

    /// Ends a session of the person who asks, here at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when they have no such session, whoever else has; [`Error::StoreUnavailable`]: it was not ended.
    pub async fn end_own_session(&self, account_id: &str, id: &str) -> Result<(), Error> {
        let session = self.sessions().by_id(id).await?;
        if session.account_id != account_id {
            return Err(Error::NotFound);
        }
        self.end_session(account_id, &session.id, self.clock.now()).await
    }
}
