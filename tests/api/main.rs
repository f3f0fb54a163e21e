//! The service over real HTTP, on SQLite and on PostgreSQL.
//!
//! PostgreSQL takes part when `HALLPASS_TEST_POSTGRES` names a server on which databases may be made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod app;
mod contract;
mod device;
mod hostile;
mod login;
mod logout;
mod me;
mod outage;
mod overload;
mod proxy;
mod raw;
mod refresh;
mod second_factor;
mod shutdown;
mod step_up;
mod throttle;
