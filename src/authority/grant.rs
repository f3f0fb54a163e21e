//! What a person is given: an access token of a session, and the refresh token to get the next one with.

use super::{Authority, Error, session_policy};
use crate::secret::Secret;
use crate::store::account::Account;
use crate::store::new_id;
use crate::store::session::Session;
use crate::token::Scope;
use crate::token::claims::{Claims, Login};
use uuid::Uuid;

/// The client that people's tokens are issued to when they log in with us directly.
pub const FIRST_PARTY_CLIENT: &str = "hallpass";

/// Two tokens and what their holder should know about them.
#[derive(Debug)]
pub struct Grant {
    /// The signed access token.
    pub access_token: Secret,
    /// Its life, in seconds.
    pub expires_in: u64,
    /// When it expires, as a NumericDate.
    pub expires_at: i64,
    /// The refresh token. None: the person has it already.
    pub refresh_token: Option<Secret>,
    /// How long it is good unless it is used, in seconds.
    pub refresh_expires_in: u64,
    /// What the access token allows.
    pub scope: String,
    /// The session.
    pub session_id: String,
}

impl Authority {
    /// The tokens of a session as it stands. Changes nothing, so whoever asks again gets the same refresh token.
    pub(super) fn grant(&self, account: &Account, session: &Session, scope: String, now: i64) -> Result<Grant, Error> {
        let refresh_token = Some(self.refresh_token(session)?);
        Ok(Grant { refresh_token, ..self.grant_access(account, session, scope, now)? })
    }

    /// The access token alone: for whoever has shown no refresh token.
    pub(super) fn grant_access(&self, account: &Account, session: &Session, scope: String, now: i64) -> Result<Grant, Error> {
        let expires_in = self.terms.access_ttl.as_secs();
        let expires_at = now + expires_in as i64;
        let (amr, acr) = session_policy::proven(session, now);
        let amr: Vec<&str> = amr.iter().map(String::as_str).collect();
        let claims = Claims {
            iss: &self.terms.issuer,
            sub: &account.id,
            aud: &self.terms.audience,
            exp: expires_at,
            iat: now,
            jti: &new_id("", now),
            client_id: FIRST_PARTY_CLIENT,
            scope: &scope,
            login: Some(Login { sid: &session.id, auth_time: session.auth_time, amr: &amr, acr, roles: &account.roles }),
        };
        let access_token = Secret::from(self.tokens.keys().signer.sign(&claims)?);
        let refresh_expires_in = self.terms.sessions.expires_at(session).saturating_sub(now).try_into().unwrap_or_default();
        Ok(Grant { access_token, expires_in, expires_at, refresh_token: None, refresh_expires_in, scope, session_id: session.id.clone() })
    }

    fn refresh_token(&self, session: &Session) -> Result<Secret, Error> {
        let id = Uuid::parse_str(&session.id).map_err(|error| Error::Internal(error.into()))?;
        let token = self.tokens.keys().refresh.issue(id, session.generation, &session.seed);
        token.map(Secret::from).ok_or_else(|| Error::Internal("the key ring is empty".into()))
    }
}

/// What is asked for, if all of it is held; all that is held, if nothing is asked for.
pub(super) fn granted_scope(held: &str, requested: Option<&str>) -> Result<String, Error> {
    let held = parse_held(held)?;
    let requested = requested.map(Scope::parse).transpose().map_err(|_| Error::InvalidScope)?.unwrap_or(held);
    if held.covers(&requested) { Ok(requested.normalized()) } else { Err(Error::InvalidScope) }
}

/// What was asked for at the login and is still held; all that is held, if nothing was asked for.
pub(super) fn remaining_scope(held: &str, requested: Option<&str>) -> Result<String, Error> {
    let held = parse_held(held)?;
    let Some(requested) = requested else {
        return Ok(held.normalized());
    };
    let requested = parse_held(requested)?;
    Ok(requested.iter().filter(|word| held.contains(word)).collect::<Vec<_>>().join(" "))
}

/// Read from our own store, so what does not parse is our fault.
fn parse_held(text: &str) -> Result<Scope<'_>, Error> {
    Scope::parse(text).map_err(|error| Error::Internal(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_more_than_they_hold() {
        assert_eq!(granted_scope("a b c", None).unwrap(), "a b c");
        assert_eq!(granted_scope("a b c", Some("c a")).unwrap(), "c a");
        assert_eq!(granted_scope("a b c", Some("")).unwrap(), "");
        for asked in ["d", "a d", "A", "a  b", "a\nb"] {
            assert!(matches!(granted_scope("a b c", Some(asked)), Err(Error::InvalidScope)), "{asked}");
        }
    }

    #[test]
    fn d14_what_is_not_held_any_more_is_left_out_and_what_was_not_asked_for_stays_out() {
        assert_eq!(remaining_scope("a c", Some("a b")).unwrap(), "a");
        assert_eq!(remaining_scope("", Some("a b")).unwrap(), "");
        assert_eq!(remaining_scope("a b c", Some("")).unwrap(), "");
        assert_eq!(remaining_scope("a b c", None).unwrap(), "a b c");
    }
}
