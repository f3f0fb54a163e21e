//! A verified access token: the only way to get one is [`Verifier::verify`](super::Verifier::verify).

use std::fmt;

use serde::Deserialize;
use smallvec::SmallVec;

use super::scope::Scope;

/// An access token whose signature, issuer, audience, times and revocation were checked.
///
/// Owns one buffer, the token's payload, and points into it; reading a claim costs nothing and cloning copies the buffer.
/// `Debug` shows whom it is about and until when, never the whole payload.
///
/// There is no other way to one, so a function that takes an `AccessToken` cannot be called with claims that nobody verified:
///
/// ```compile_fail,E0277
/// # fn claims(json: &str) -> hallpass::token::AccessToken {
/// serde_json::from_str(json).unwrap()
/// # }
/// ```
///
/// ```compile_fail,E0451
/// # fn forge(token: hallpass::token::AccessToken) -> hallpass::token::AccessToken {
/// hallpass::token::AccessToken { ..token }
/// # }
/// ```
#[derive(Clone)]
pub struct AccessToken {
    pub(super) text: Text,
    pub(super) claims: Spans,
}

/// The payload's JSON, followed by the unescaped form of the strings in it that were written with escapes (hardly ever any).
#[derive(Clone)]
pub(super) struct Text {
    pub(super) buffer: String,
    pub(super) json_bytes: usize,
}

/// Where a string lies in [`Text`]. A token has at most 8,192 bytes, and with everything unescaped once more still fits 16 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) len: u16,
}

/// Several strings; up to four lie in the token itself.
pub(super) type SpanList = SmallVec<[Span; 4]>;

/// The claims that rules and handlers ask for. `iss` and `aud` were compared while reading and are not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spans {
    pub(super) sub: Span,
    pub(super) client_id: Span,
    pub(super) jti: Span,
    pub(super) scope: Span,
    pub(super) sid: Option<Span>,
    pub(super) acr: Option<Span>,
    pub(super) amr: SpanList,
    pub(super) roles: SpanList,
    pub(super) auth_time: Option<i64>,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

impl Text {
    pub(super) fn at(&self, span: Span) -> &str {
        let start = usize::from(span.start);
        self.buffer.get(start..start + usize::from(span.len)).unwrap_or_default()
    }
}

impl AccessToken {
    /// `sub`: whom the token speaks of, `usr_…` or `cli_…` (RFC 7519 s4.1.2).
    pub fn subject(&self) -> &str {
        self.text.at(self.claims.sub)
    }

    /// `client_id`: whom it was issued to; equal to the subject when a client speaks for itself (RFC 9068 s2.2).
    pub fn client_id(&self) -> &str {
        self.text.at(self.claims.client_id)
    }

    /// `jti`: the token's own name (RFC 7519 s4.1.7).
    pub fn id(&self) -> &str {
        self.text.at(self.claims.jti)
    }

    /// `scope`: what the token allows (RFC 9068 s2.2.3).
    pub fn scope(&self) -> Scope<'_> {
        Scope::trusted(self.text.at(self.claims.scope))
    }

    /// `sid`: the login session. Every token of a person has one.
    pub fn session_id(&self) -> Option<&str> {
        self.claims.sid.map(|span| self.text.at(span))
    }

    /// `roles` (RFC 9068 s2.2.3.1), none when the claim is absent.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.claims.roles.iter().map(|span| self.text.at(*span))
    }

    /// Whether the token has this role, compared exactly.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().any(|granted| granted == role)
    }

    /// `amr`: how the person proved who they are (RFC 8176).
    pub fn amr(&self) -> impl Iterator<Item = &str> {
        self.claims.amr.iter().map(|span| self.text.at(*span))
    }

    /// `acr`: how strong that proof was, `"1"` or `"2"` (RFC 9068 s2.2.1).
    pub fn acr(&self) -> Option<&str> {
        self.claims.acr.map(|span| self.text.at(span))
    }

    /// `auth_time`: when the person last proved who they are, as a NumericDate (RFC 9068 s2.2.1).
    pub fn auth_time(&self) -> Option<i64> {
        self.claims.auth_time
    }

    /// `iat`: when the token was issued, as a NumericDate.
    pub fn issued_at(&self) -> i64 {
        self.claims.iat
    }

    /// `exp`: when it stops being believed, as a NumericDate.
    pub fn expires_at(&self) -> i64 {
        self.claims.exp
    }

    /// Whether it speaks of a person, and not of a client for itself (RFC 9068 s2.2: `sub` is then the `client_id`).
    pub fn is_person(&self) -> bool {
        self.subject() != self.client_id()
    }

    /// Reads claims of your own out of the payload, which was verified before. Parses at every call: ask once a request.
    ///
    /// # Errors
    /// When the payload does not have the shape of `T`.
    ///
    /// ```
    /// # use hallpass::token::AccessToken;
    /// #[derive(serde::Deserialize)]
    /// struct Tenant<'a> {
    ///     tenant: &'a str,
    /// }
    ///
    /// fn tenant(token: &AccessToken) -> Option<&str> {
    ///     token.custom::<Tenant>().ok().map(|claims| claims.tenant)
    /// }
    /// ```
    pub fn custom<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.text.buffer.get(..self.text.json_bytes).unwrap_or_default())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("sub", &self.subject()).field("exp", &self.expires_at()).finish_non_exhaustive()
    }
}
