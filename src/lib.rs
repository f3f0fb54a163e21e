#![doc = include_str!("../docs/architecture.md")]

pub mod clock;
#[cfg(feature = "feed")]
pub mod follower;
pub mod guard;
pub mod token;

// The service half is public for the binary and for the tests over real HTTP. It is not an API for other crates.
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod authority;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod caller;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod config;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod endpoints;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod feed;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod http;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod logging;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod metrics;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod secret;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod serve;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod store;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod tally;

// For the targets in `fuzz/`.
#[cfg(all(fuzzing, feature = "service"))]
#[doc(hidden)]
pub mod fuzzing;
