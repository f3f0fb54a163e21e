//! Minting. Only the service and the tests of guarded services hold this code: a verifier cannot mint by accident.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use thiserror::Error;

use super::key::{Key, KeyRing};

/// The longest token that is minted: with its name, `__Host-hallpass-access=`, it fits the 4,096 bytes a browser keeps of one cookie (RFC 6265bis s5.6).
pub const MAX_MINTED_BYTES: usize = 4096 - "__Host-hallpass-access=".len();

/// Signs with the first key of a ring.
#[derive(Clone, Debug)]
pub struct Signer(Key);

/// Why no token was minted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unmintable {
    /// The token would not fit a cookie: too many scopes or roles.
    #[error("the token would be longer than a browser's cookie may be: the account has too many scopes or roles")]
    TooLong,
    /// The claims are not JSON.
    #[error("the claims cannot be written as JSON")]
    NotJson,
}

impl Signer {
    /// The signer of this ring.
    ///
    /// # Errors
    /// None for a ring that was read from settings: it has a first key.
    pub fn new(keys: &KeyRing) -> Result<Self, super::UnusableKey> {
        keys.signing_key().cloned().map(Self).ok_or(super::UnusableKey::NoKeys)
    }

    /// Mints a JWS in compact form (RFC 7515 s7.1). About a microsecond.
    ///
    /// # Errors
    /// [`Unmintable`] when the claims are too much for one token.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, Unmintable> {
        let payload = serde_json::to_vec(claims).map_err(|_| Unmintable::NotJson)?;
        let mut token = String::with_capacity(self.0.header().len() + payload.len() * 4 / 3 + 48);
        token.push_str(self.0.header());
        URL_SAFE_NO_PAD.encode_string(&payload, &mut token);
        let signature = self.0.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        if token.len() > MAX_MINTED_BYTES { Err(Unmintable::TooLong) } else { Ok(token) }
    }
}
