//! The service over real HTTP, on SQLite and on PostgreSQL.
//!
//! PostgreSQL takes part when `HALLPASS_TEST_POSTGRES` names a server on which databases may be made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod absent;
mod account;
mod admin_clients;
mod admin_users;
mod app;
mod audience_keys;
mod audit;
mod auth_verify;
mod connections;
mod contract;
mod cookies;
mod cors;
mod device;
mod faults;
mod follower;
mod hostile;
mod limits;
mod login;
mod logout;
mod lossy;
mod me;
mod metrics;
mod oauth;
mod oauth_introspect;
mod oauth_metadata;
mod oauth_revoke;
mod oauth_token;
mod openapi;
mod orders;
mod outage;
mod overload;
mod proxy;
mod raw;
mod refresh;
mod register;
mod revocations;
mod second_factor;
mod sessions;
mod shutdown;
mod step_up;
mod strangers;
mod throttle;
