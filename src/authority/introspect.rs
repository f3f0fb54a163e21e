//! A client asks about a token (RFC 7662): whether it is good, and what it says.
//!
//! Access tokens are answered from the keys and the deny list, as every guarded service does it; refresh tokens from the store. Asking changes
//! nothing: neither is a token used up by it, nor does an old one end its session.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::client_credentials::{ClientCredentials, is_authentic};
use super::grant::{FIRST_PARTY_CLIENT, remaining_scope};
use super::limits::Request;
use super::session_policy::Standing;
use super::{Authority, Error};
use crate::secret::Secret;
use crate::store::account;
use crate::store::client::Client;
use crate::token::Scope;
use crate::token::opaque::Presented;

/// What a client must hold to ask.
const INTROSPECT: &str = "hallpass:introspect";

/// What a token says. None: it is not active, for whatever reason.
pub type Introspection = Option<Map<String, Value>>;

impl Authority {
    /// What this token says, if it is good at this moment.
    ///
    /// # Errors
    /// [`Error::InvalidClient`]; [`Error::TooManyRequests`]; [`Error::UnauthorizedClient`] for a client that may not ask; [`Error::StoreUnavailable`].
    pub async fn introspect(&self, credentials: &ClientCredentials, token: &Secret) -> Result<Introspection, Error> {
        let client = self.authenticate_introspector(credentials).await?;
        let held = Scope::parse(&client.scope).map_err(|error| Error::Internal(error.into()))?;
        if !held.contains(INTROSPECT) {
            return Err(Error::UnauthorizedClient);
        }
        let now = self.clock.now();
        if let Some(presented) = self.tokens.keys().refresh.read(token.expose()) {
            return self.introspect_refresh_token(&presented, now).await;
        }
        let Ok(token) = self.tokens.verifier.verify(token.expose(), now) else {
            return Ok(None);
        };
        let mut claims: Map<String, Value> = token.custom().map_err(|error| Error::Internal(error.into()))?;
        claims.insert("active".to_owned(), true.into());
        claims.insert("token_type".to_owned(), "Bearer".into());
        Ok(Some(claims))
    }

    /// As the store says or, while it does not answer, as it last said.
    async fn authenticate_introspector(&self, credentials: &ClientCredentials) -> Result<Arc<Client>, Error> {
        let now = self.clock.now();
        match self.authenticate_client(credentials, Request::Introspection).await {
            Ok(client) => {
                self.known_clients.remember(&client, now);
                Ok(client)
            }
            Err(unavailable @ Error::StoreUnavailable(_)) => {
                // The deny list knows of clients that were disabled or removed since.
                let is_denied = |seen_at| self.tokens.revocations.denies(None, &credentials.id, "", seen_at);
                let known = self.known_clients.recall(&credentials.id, now).filter(|(_, seen_at)| !is_denied(*seen_at));
                let (known, _) = known.ok_or(unavailable)?;
                if !is_authentic(&known, &credentials.secret) {
                    return Err(self.refuse_stranger(credentials.from));
                }
                self.limits.client(Request::Introspection, &credentials.id)?;
                Ok(Arc::new(known))
            }
            Err(limited @ Error::TooManyRequests { .. }) => Err(limited),
            // Gone, disabled, or a secret that is good no more: then the memory must not outlive it.
            Err(error) => {
                let is_outdated = |(known, _): &(Client, i64)| is_authentic(known, &credentials.secret);
                if self.known_clients.recall(&credentials.id, now).as_ref().is_some_and(is_outdated) {
                    self.known_clients.forget(&credentials.id);
                }
                Err(error)
            }
        }
    }

    /// Its own token's `exp` is when the session is over unless it is refreshed before.
    async fn introspect_refresh_token(&self, presented: &Presented, now: i64) -> Result<Introspection, Error> {
        let Some(session) = self.session_of(presented).await? else {
            return Ok(None);
        };
        match self.terms.sessions.standing(&session, presented.generation, now) {
            Standing::Current | Standing::Predecessor => {}
            Standing::Reused | Standing::Over => return Ok(None),
        }
        let account = account::by_id(&self.database, &session.account_id).await?;
        let in_force = |of: &account::Account| of.disabled_at.is_none() && of.password_changed_at == session.password_changed_at;
        let Some(account) = account.filter(in_force) else {
            return Ok(None);
        };
        let claims = json!({
            "active": true,
            "iss": self.terms.issuer,
            "sub": account.id,
            "client_id": FIRST_PARTY_CLIENT,
            "scope": remaining_scope(&account.scope, session.scope.as_deref())?,
            "sid": session.id,
            "iat": session.rotated_at,
            "exp": self.terms.sessions.expires_at(&session),
        });
        Ok(claims.as_object().cloned())
    }
}
