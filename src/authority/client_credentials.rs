//! A client gets a token in its own name (RFC 6749 s4.4): one indexed look-up unless it was looked up a moment ago, one hash, one signature.
//!
//! No bcrypt: a secret of 256 random bits is not found by trying. No refresh token either: a client can ask again whenever it likes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::audit::{Event, Happening};
use super::grant::granted_scope;
use super::id::{self, is_id};
use super::limits::Request;
use super::outcomes::UseCase;
use super::{Authority, Error};
use crate::secret::Secret;
use crate::store::client::{self, Client};
use crate::store::new_id;
use crate::token::claims::Claims;
use crate::token::client_secret::SecretHash;

/// What a client sends to say who it is.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// Its id, or whatever was sent for one.
    pub id: String,
    /// Its secret, likewise.
    pub secret: Secret,
    /// Where it was sent from.
    pub from: Option<IpAddr>,
}

/// An access token and what its holder should know about it.
#[derive(Debug)]
pub struct ClientGrant {
    /// The signed access token.
    pub access_token: Secret,
    /// Its life, in seconds.
    pub expires_in: u64,
    /// When it expires, as a NumericDate.
    pub expires_at: i64,
    /// What it allows.
    pub scope: String,
}

impl Authority {
    /// An access token for a client, with this scope or, if none is named, with all that the client holds.
    ///
    /// # Errors
    /// [`Error::InvalidClient`], the same for every cause; [`Error::TooManyRequests`]; [`Error::InvalidScope`];
    /// [`Error::StoreUnavailable`].
    pub async fn client_credentials(&self, credentials: &ClientCredentials, scope: Option<&str>) -> Result<ClientGrant, Error> {
        let outcome = self.grant_to_client(credentials, scope).await;
        self.outcomes.count(UseCase::ClientCredentials, &outcome);
        outcome
    }

    async fn grant_to_client(&self, credentials: &ClientCredentials, scope: Option<&str>) -> Result<ClientGrant, Error> {
        let client = self.authenticate_client(credentials, Request::Token).await?;
        let scope = granted_scope(&client.scope, scope)?;
        let now = self.clock.now();
        let expires_in = self.terms.access_ttl.as_secs();
        let expires_at = now + expires_in as i64;
        let claims = Claims {
            iss: &self.terms.issuer,
            sub: &client.id,
            aud: &self.terms.audience,
            exp: expires_at,
            iat: now,
            jti: &new_id("", now),
            client_id: &client.id,
            scope: &scope,
            login: None,
        };
        Ok(ClientGrant { access_token: Secret::from(self.tokens.keys().signer.sign(&claims)?), expires_in, expires_at, scope })
    }

    /// What a client with a secret is told when it wants a grant that only people have: that it is not who it says, or that it may not.
    pub async fn refuse_grant(&self, credentials: &ClientCredentials) -> Error {
        self.authenticate_client(credentials, Request::Token).await.err().unwrap_or(Error::UnauthorizedClient)
    }

    /// The client that this is, if it is there, enabled, has this secret, and does not ask too often.
    pub(super) async fn authenticate_client(&self, credentials: &ClientCredentials, request: Request) -> Result<Arc<Client>, Error> {
        let ClientCredentials { id: client_id, secret, from } = credentials;
        if !is_id(id::CLIENT, client_id) {
            return Err(self.refuse_stranger(*from));
        }
        self.limits.may_be_client(request, client_id, *from)?;
        if let Some(client) = self.recent_client(credentials) {
            self.limits.client(request, client_id)?;
            return Ok(client);
        }
        let (asked_at, now) = (Instant::now(), self.clock.now());
        let Some(client) = client::by_id(&self.database, client_id).await? else { return Err(self.refuse_stranger(*from)) };
        let client = Arc::new(client);
        if is_authentic(&client, secret) {
            self.recent_clients.remember(&client, asked_at, now);
            self.limits.client(request, client_id)?;
            return Ok(client);
        }
        let refusal = self.refuse_stranger(*from);
        // Whoever is limited for it has filled enough lines.
        if matches!(refusal, Error::InvalidClient) {
            let reason = if client.disabled_at.is_some() { "disabled_client" } else { "secret" };
            Happening::to_client(Event::ClientFailed, &client.id).with(reason).log();
        }
        Err(refusal)
    }

    /// The client that this is, if it was read a moment ago and nothing is known against it. None: the store has to be asked.
    fn recent_client(&self, ClientCredentials { id, secret, .. }: &ClientCredentials) -> Option<Arc<Client>> {
        let (client, read_at) = self.recent_clients.get(id, Instant::now())?;
        // Who was disabled or removed since, here or elsewhere, is on the deny list.
        let is_denied = self.tokens.revocations.denies(None, id, "", read_at);
        (!is_denied && is_authentic(&client, secret)).then_some(client)
    }

    pub(super) fn refuse_stranger(&self, from: Option<IpAddr>) -> Error {
        self.limits.stranger(from).err().unwrap_or(Error::InvalidClient)
    }
}

/// Whether the client is enabled and this is one of its secrets. Constant time in the secret, and in which of the two it is.
pub(super) fn is_authentic(client: &Client, secret: &Secret) -> bool {
    let sent = SecretHash::of(secret.expose());
    let is_current = client.secret_hash.matches(&sent);
    let is_previous = client.previous_secret_hash.as_ref().is_some_and(|previous| previous.matches(&sent));
    (is_current | is_previous) && client.disabled_at.is_none()
}
