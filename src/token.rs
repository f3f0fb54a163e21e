//! Access tokens: what is in them, who may sign them, and when one is believed.
//!
//! Pure: nothing here reads a clock, a socket or a file, or knows of HTTP, a database or a runtime. `now` is always an argument.

pub mod access_token;
#[cfg(feature = "service")]
mod audience_key;
#[cfg(any(feature = "service", feature = "testing"))]
pub mod claims;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod client_secret;
mod deny_table;
pub mod error;
mod json;
mod jwk;
pub mod key;
#[cfg(feature = "service")]
mod key_summary;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod opaque;
mod parse;
pub mod revocation;
pub mod scope;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod sealing;
pub mod shared_keys;
#[cfg(any(feature = "service", feature = "testing"))]
pub mod sign;
mod usual;
pub mod verify;
mod weak;

pub use access_token::AccessToken;
#[cfg(any(feature = "service", feature = "testing"))]
pub use claims::Claims;
pub use error::InvalidToken;
pub use key::{KeyRing, UnusableKey};
#[cfg(feature = "service")]
pub use key_summary::KeySummary;
pub use revocation::{Revocation, RevocationList};
pub use scope::Scope;
pub use shared_keys::SharedKeyRing;
#[cfg(any(feature = "service", feature = "testing"))]
pub use sign::Signer;
pub use verify::Verifier;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8192;

/// The longest life of a token that is believed, `exp - iat` in seconds, whatever its signature says.
pub const MAX_LIFETIME: i64 = 3600;
