//! The token room under attack: every forged, malformed or misdirected token that we know of, against the public `Verifier`.
//!
//! Constant time (A50) is shown by structure and not by a clock: the whole 32-byte MAC goes to `hmac`'s `verify`, which compares with `subtle`,
//! and no byte of it is looked at before or after. What is compared early, the header, is public.
//!
//! Names begin with the row of the threat table they prove. Every refusal is followed by the proof that the good token still passes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "jsonwebtoken is the peer that tokens are cross-checked against")]

mod allocations;
mod claims;
mod forge;
mod headers;
mod keys;
#[cfg(feature = "service")]
mod logout;
mod properties;
mod revocations;
mod segments;
mod vectors;
