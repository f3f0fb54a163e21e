//! Why a use case said no. What it means on the wire is `http::error`'s to say.

use thiserror::Error;

use super::hasher::HashingError;
use super::password_policy::Violation;
use crate::store;
use crate::token::sign::Unmintable;

/// Why a use case said no.
#[derive(Debug, Error)]
pub enum Error {
    /// Unknown account, wrong password, disabled account, no password: never told apart.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// The password is right, and a second factor is needed that was not sent.
    #[error("a second factor is needed")]
    OtpRequired,
    /// The login does not prove enough for what is asked: a second factor is needed.
    #[error("the login is too weak")]
    WeakLogin,
    /// Too many failures in a row for one account, or too many requests for one address, session or client.
    #[error("too many requests")]
    TooManyRequests {
        /// Seconds until the next try is admitted.
        retry_after: u64,
    },
    /// A refresh token that is none of ours, was used, or whose session is over: never told apart.
    #[error("invalid refresh token")]
    InvalidRefreshToken,
    /// Not a client's credentials: unknown client, wrong secret, disabled client, no credentials at all. Never told apart.
    #[error("invalid client")]
    InvalidClient,
    /// A refresh token as [`Error::InvalidRefreshToken`] has it, at the token endpoint.
    #[error("invalid grant")]
    InvalidGrant,
    /// The client may not do this: not with this grant, not with another one's token, not without a scope that it lacks.
    #[error("the client may not do this")]
    UnauthorizedClient,
    /// A grant that is not given here.
    #[error("unsupported grant type")]
    UnsupportedGrantType,
    /// An access token whose session is over, where only a live one will do.
    #[error("the session is over")]
    SessionOver,
    /// An access token and a refresh token of two sessions.
    #[error("the credentials name two sessions")]
    TwoSessions,
    /// A scope that is malformed or not held.
    #[error("invalid scope")]
    InvalidScope,
    /// All hashing threads are busy and their queue is full or too slow.
    #[error("all hashing threads are busy")]
    Busy,
    /// The store did not answer.
    #[error("the store is unavailable")]
    StoreUnavailable(#[source] store::Error),
    /// It exists already.
    #[error("it exists already")]
    Conflict,
    /// The token's holder is no administrator any more.
    #[error("no administrator")]
    NotAdmin,
    /// A scope that the administrator does not hold would be handed out, or come by.
    #[error("the administrator does not hold all of the scope")]
    ScopeNotHeld,
    /// It is about the administrator's own rights or proofs.
    #[error("this is about the administrator")]
    OwnRights,
    /// Nobody would be left to administrate.
    #[error("this is the last administrator")]
    LastAdmin,
    /// It does not exist.
    #[error("it does not exist")]
    NotFound,
    /// A value that is not acceptable, and every reason why.
    #[error("{}", sentences(.violations))]
    Invalid {
        /// The field it came in.
        field: &'static str,
        /// The reasons.
        violations: Vec<Violation>,
    },
    /// Our own fault.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn sentences(violations: &[Violation]) -> String {
    violations.iter().map(|violation| violation.message.as_str()).collect::<Vec<_>>().join(" ")
}

impl From<HashingError> for Error {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Error::Busy,
            HashingError::DoesNotFit | HashingError::Failed => Error::Internal(error.into()),
        }
    }
}

impl From<Unmintable> for Error {
    fn from(error: Unmintable) -> Self {
        Error::Internal(error.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable { .. } => Error::StoreUnavailable(error),
            store::Error::Conflict => Error::Conflict,
            store::Error::Corrupt { .. } | store::Error::Invalid { .. } | store::Error::Schema { .. } | store::Error::Address { .. } => {
                Error::Internal(error.into())
            }
        }
    }
}
