//! A client takes a token of its own back (RFC 7009): a refresh token with its session and all access tokens of it, or one access token.
//!
//! What is no good token any more is nothing to take back, and is told like success. Success is told only when it is recorded.

use super::audit::{Event, Happening};
use super::client_credentials::ClientCredentials;
use super::grant::FIRST_PARTY_CLIENT;
use super::limits::Request;
use super::{Authority, Error};
use crate::secret::Secret;
use crate::store::revocation;
use crate::token::opaque::Presented;
use crate::token::{AccessToken, Revocation};

impl Authority {
    /// Takes a token back, for every replica, for this one at once. No credentials: for the public client, whose tokens are those of people.
    ///
    /// # Errors
    /// [`Error::InvalidClient`]; [`Error::TooManyRequests`]; [`Error::UnauthorizedClient`] for another client's token, which stays good; [`Error::StoreUnavailable`]:
    /// it was not taken back.
    pub async fn revoke(&self, credentials: Option<&ClientCredentials>, token: &Secret) -> Result<(), Error> {
        let client_id = match credentials {
            Some(credentials) => self.authenticate_client(credentials, Request::Revocation).await?.id.clone(),
            None => FIRST_PARTY_CLIENT.to_owned(),
        };
        let now = self.clock.now();
        if let Some(presented) = self.tokens.keys().refresh.read(token.expose()) {
            return self.revoke_refresh_token(&client_id, &presented, now).await;
        }
        match self.tokens.verifier.verify(token.expose(), now) {
            Ok(token) if token.client_id() == client_id => {
                if credentials.is_none() {
                    // Each is an entry in everybody's deny list, and a person has as many tokens as refreshes.
                    self.limits.as_a_login_of(token.subject())?;
                }
                self.revoke_access_token(&token, now).await
            }
            Ok(_) => Err(Error::UnauthorizedClient),
            Err(_) => Ok(()),
        }
    }

    async fn revoke_refresh_token(&self, client_id: &str, presented: &Presented, now: i64) -> Result<(), Error> {
        let Some(session) = self.session_of(presented).await? else {
            return Ok(());
        };
        if client_id == FIRST_PARTY_CLIENT {
            // Also one that has timed out: access tokens of it may be out.
            return self.end_session_by(Event::Logout, &session.account_id, &session.id, now).await;
        }
        if self.terms.sessions.is_live(&session, now) { Err(Error::UnauthorizedClient) } else { Ok(()) }
    }

    async fn revoke_access_token(&self, token: &AccessToken, now: i64) -> Result<(), Error> {
        let account_id = token.is_person().then(|| token.subject());
        let (event, session_id, client_id) = (Event::TokenRevoked, token.session_id(), Some(token.client_id()));
        let why = Happening { event, account_id, session_id, client_id, detail: None, actor: (None, None) };
        let until = revocation::until_expired(token.expires_at());
        if revocation::record_token(&self.database, token.id(), until, &why.entry(now)).await? {
            why.log();
        }
        self.tokens.revocations.add([&Revocation::Token { id: token.id().into(), until }], now);
        Ok(())
    }
}
