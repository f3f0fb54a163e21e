//! Why a token is not believed: one variant a reason.
//!
//! A caller on the wire learns only "expired" or "invalid" (API: nothing else is told apart); the variants are for logs, metrics and tests.

use thiserror::Error;

/// The reason a token was refused, in the order in which the rules are applied.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidToken {
    /// Longer than [`MAX_TOKEN_BYTES`](crate::token::MAX_TOKEN_BYTES).
    #[error("the token is longer than 8192 bytes")]
    TooLong,
    /// Not three non-empty parts between two dots (RFC 7515 s3.1).
    #[error("the token is not three non-empty segments")]
    NotThreeSegments,
    /// The header is not, byte for byte, one that we write for a key in the ring: other `alg`, `typ`, `kid`, or anything besides.
    #[error("the token's header is not one that a key of this ring writes")]
    UnknownHeader,
    /// The third part is not 32 bytes of canonical base64url.
    #[error("the token's signature is not base64url of 32 bytes")]
    SignatureEncoding,
    /// The MAC is another one.
    #[error("the token's signature is wrong")]
    Signature,
    /// The second part is not canonical, unpadded base64url of UTF-8 text.
    #[error("the token's payload is not base64url of UTF-8")]
    PayloadEncoding,
    /// The payload is not one JSON object.
    #[error("the token's payload is not one JSON object")]
    NotAnObject,
    /// A member appears twice (RFC 7519 s4).
    #[error("a claim of the token appears twice")]
    DuplicateClaim,
    /// A member has the wrong type or a value outside its form.
    #[error("the claim {0:?} of the token has the wrong form")]
    ClaimForm(&'static str),
    /// A required member is absent (RFC 9068 s2.2).
    #[error("the claim {0:?} of the token is missing")]
    ClaimMissing(&'static str),
    /// `iss` is not the configured issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// `aud` does not contain the configured audience.
    #[error("the token is for another audience")]
    Audience,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `iat` lies in the future.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// `nbf` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `auth_time` lies in the future.
    #[error("the token's login lies in the future")]
    AuthenticatedInFuture,
    /// A person's token without `sid`: it could never be logged out.
    #[error("the token of a person has no session")]
    SessionMissing,
    /// `exp - iat` is negative or longer than [`MAX_LIFETIME`](crate::token::MAX_LIFETIME).
    #[error("the token's life is longer than 3600 seconds")]
    Lifetime,
    /// On the deny list: its session, its subject or itself was revoked.
    #[error("the token was revoked")]
    Revoked,
}
