//! The guard on real sockets: an actix server of its own for every test, and requests written byte by byte, since a client library would
//! mend or refuse the ones that matter.
//!
//! Names begin with the row of the threat table they prove.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod cookies;
mod credentials;
#[path = "../token/forge.rs"]
#[allow(dead_code, reason = "shared with the tests of the token room, which use all of it")]
mod forge;
mod live_session;
mod logs;
mod minting;
mod misuse;
mod policies;
mod rendering;
mod times;
mod wire;
