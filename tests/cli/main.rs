//! The program as its users run it: in a folder of their own, by its arguments, exit status and output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod client;
mod config;
mod doctor;
mod import;
mod key;
mod logs;
mod program;
mod prompt;
mod randomness;
mod reading;
mod rolling;
mod rotation;
mod serve;
mod session;
mod store;
mod tls;
mod token;
mod usage;
mod user;
