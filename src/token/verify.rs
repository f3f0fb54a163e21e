//! The rules by which a token is believed: the same in the service and in every service it guards.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::access_token::AccessToken;
use super::error::InvalidToken;
use super::parse::{self, Expected, Payload};
use super::revocation::RevocationList;
use super::shared_keys::Keys;
use super::usual::Usual;
use super::{MAX_LIFETIME, MAX_TOKEN_BYTES};

/// Verifies access tokens of one issuer for one service.
///
/// Issuer and audience are always checked; there is no way to leave one out.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Keys,
    issuer: String,
    audience: Vec<String>,
    usual: Usual,
    leeway: i64,
    revocations: RevocationList,
}

/// Whether `exp` is one of the rules.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    Matters,
    #[cfg(feature = "service")]
    DoesNotMatter,
}

/// Which session an authentic token names. Not an [`AccessToken`]: it opens nothing.
#[cfg(feature = "service")]
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct SessionToEnd {
    /// The `sid`.
    pub id: String,
    /// The `sub`.
    pub subject: String,
    /// Whether the token is on the deny list.
    pub is_revoked: bool,
}

/// A setting that would make the verifier believe too much.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsafeVerifier {
    /// The issuer is empty.
    #[error("the verifier needs the issuer: the `token.issuer` setting of the hallpass that signs")]
    NoIssuer,
    /// There is no audience, or an empty one.
    #[error("the verifier needs an audience: the name in `aud` by which this service knows tokens that are meant for it")]
    NoAudience,
    /// A leeway above one minute.
    #[error("the leeway is at most 60 seconds: set the clocks right instead")]
    Leeway,
}

impl Verifier {
    /// A verifier that believes tokens of `issuer` that are meant for one of `audience`, with a leeway of 5 s and an empty deny list.
    ///
    /// `keys` is a [`KeyRing`](super::KeyRing), or a [`SharedKeyRing`](super::SharedKeyRing) that is replaced when keys change.
    ///
    /// # Errors
    /// [`UnsafeVerifier`] when there is nothing to compare `iss` or `aud` with.
    pub fn new(keys: impl Into<Keys>, issuer: &str, audience: &[impl AsRef<str>]) -> Result<Self, UnsafeVerifier> {
        if issuer.is_empty() {
            return Err(UnsafeVerifier::NoIssuer);
        }
        if audience.is_empty() || audience.iter().any(|name| name.as_ref().is_empty()) {
            return Err(UnsafeVerifier::NoAudience);
        }
        let audience: Vec<String> = audience.iter().map(|name| name.as_ref().to_owned()).collect();
        let usual = Usual::new(issuer, &audience);
        Ok(Self { keys: keys.into(), issuer: issuer.to_owned(), audience, usual, leeway: 5, revocations: RevocationList::new() })
    }

    /// How far the clocks of issuer and verifier may differ, for `exp`, `nbf`, `iat` and `auth_time`. At most 60 s.
    ///
    /// # Errors
    /// [`UnsafeVerifier::Leeway`] above that.
    pub fn with_leeway(mut self, leeway: Duration) -> Result<Self, UnsafeVerifier> {
        if leeway > Duration::from_secs(60) {
            return Err(UnsafeVerifier::Leeway);
        }
        self.leeway = leeway.as_secs() as i64;
        Ok(self)
    }

    /// Consults this deny list. Clones of a list share their entries.
    pub fn with_revocations(mut self, revocations: RevocationList) -> Self {
        self.revocations = revocations;
        self
    }

    /// The issuer whose tokens are believed.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The deny list in use.
    pub fn revocations(&self) -> &RevocationList {
        &self.revocations
    }

    /// How far the clocks may differ, in seconds.
    pub fn leeway(&self) -> i64 {
        self.leeway
    }

    /// Verifies a token at `now` (NumericDate). No lock, no wait, no look-up; one allocation, and about three times the cost of its HMAC.
    ///
    /// The header is compared with those our keys write, the MAC is checked in constant time, and only then anything is parsed
    /// (RFC 8725 s3.1, RFC 7515 s5.2, RFC 7519 s7.2, RFC 9068 s4).
    ///
    /// # Errors
    /// The first rule that does not hold, as [`InvalidToken`].
    pub fn verify(&self, token: impl AsRef<[u8]>, now: i64) -> Result<AccessToken, InvalidToken> {
        let json = self.authentic_payload(token.as_ref())?;
        let payload = parse::parse(json, self.expected())?;
        self.check(&payload, now, Expiry::Matters)?;
        if self.revokes(&payload.token) { Err(InvalidToken::Revoked) } else { Ok(payload.token) }
    }

    /// The session that a token names, for ending it and for nothing else: every rule of [`Verifier::verify`] but the two that a token
    /// fails by growing old, since people log out late and twice. `None`: a client speaks for itself and has no session.
    ///
    /// # Errors
    /// Those of [`Verifier::verify`] but [`InvalidToken::Expired`] and [`InvalidToken::Revoked`].
    #[cfg(feature = "service")]
    #[doc(hidden)]
    pub fn verify_for_logout(&self, token: impl AsRef<[u8]>, now: i64) -> Result<Option<SessionToEnd>, InvalidToken> {
        let json = self.authentic_payload(token.as_ref())?;
        let payload = parse::parse(json, self.expected())?;
        self.check(&payload, now, Expiry::DoesNotMatter)?;
        let token = payload.token;
        let session_id = token.session_id().filter(|_| token.is_person());
        let to_end = |id: &str| SessionToEnd { id: id.to_owned(), subject: token.subject().to_owned(), is_revoked: self.revokes(&token) };
        Ok(session_id.map(to_end))
    }

    fn expected(&self) -> Expected<'_> {
        Expected { issuer: &self.issuer, audience: &self.audience, usual: &self.usual }
    }

    fn revokes(&self, token: &AccessToken) -> bool {
        self.revocations.denies(token.session_id(), token.subject(), token.id(), token.claims.iat)
    }

    /// The payload's text, if a key of the ring signed it.
    fn authentic_payload(&self, token: &[u8]) -> Result<String, InvalidToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(InvalidToken::TooLong);
        }
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(InvalidToken::NotThreeSegments);
        };
        if first == 0 || second == first + 1 || second + 1 == token.len() {
            return Err(InvalidToken::NotThreeSegments);
        }
        let (signing_input, signature) = (&token[..second], &token[second + 1..]);
        let keys = self.keys.ring();
        let (key, payload_at) = keys.key_for(signing_input).ok_or(InvalidToken::UnknownHeader)?;

        let mut mac = [0; 32];
        // 43 characters are what 32 bytes take: less or more is refused before it could be written anywhere.
        if signature.len() != 43 || URL_SAFE_NO_PAD.decode_slice_unchecked(signature, &mut mac) != Ok(32) {
            return Err(InvalidToken::SignatureEncoding);
        }
        if !key.verify(signing_input, &mac) {
            return Err(InvalidToken::Signature);
        }

        // Bytes of strangers are decoded above in safe code; these are our own.
        let json = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(&signing_input[payload_at..]).map_err(|_| InvalidToken::PayloadEncoding)?;
        String::from_utf8(json).map_err(|_| InvalidToken::PayloadEncoding)
    }

    /// The rules about what the claims say. `now` and NumericDates are non-negative and below 2^63, so no sum of them with a leeway overflows in i64
    /// but at its very end, where saturation is as good as the truth.
    fn check(&self, payload: &Payload, now: i64, expiry: Expiry) -> Result<(), InvalidToken> {
        let (earliest, latest) = (now.saturating_sub(self.leeway), now.saturating_add(self.leeway));
        let token = &payload.token;
        let claims = &token.claims;
        if !payload.issuer_matches {
            return Err(InvalidToken::Issuer);
        }
        if !payload.audience_matches {
            return Err(InvalidToken::Audience);
        }
        if expiry == Expiry::Matters && claims.exp <= earliest {
            return Err(InvalidToken::Expired);
        }
        if claims.iat > latest {
            return Err(InvalidToken::IssuedInFuture);
        }
        if payload.nbf.is_some_and(|nbf| nbf > latest) {
            return Err(InvalidToken::NotYetValid);
        }
        if claims.auth_time.is_some_and(|auth_time| auth_time > latest) {
            return Err(InvalidToken::AuthenticatedInFuture);
        }
        if token.is_person() && claims.sid.is_none() {
            return Err(InvalidToken::SessionMissing);
        }
        if !(0..=MAX_LIFETIME).contains(&(claims.exp - claims.iat)) {
            return Err(InvalidToken::Lifetime);
        }
        Ok(())
    }
}
