//! How many tokens a second clients can get, against the guarded route `/me`: `cargo bench --bench clients [-- ROUNDS]`.
//!
//! Starts the compiled program with default settings over a SQLite file of its own, on loopback. Eight keep-alive connections ask for one
//! second each in turn: `GET /me` (one verification, no store) and `POST /oauth/token` (one look-up a second, one hash, one signature). The bar: at
//! least 60 % as many tokens as answers of `/me`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a measurement that cannot be made should stop")]

mod program;

use std::env;

use program::{CONNECTIONS, Program, WINDOW, add_person_and_client, median};

fn main() {
    let rounds = env::args().filter_map(|argument| argument.parse::<usize>().ok()).next().unwrap_or(10);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("clients.db").display());
    let credentials = add_person_and_client(&url);
    let program = Program::start(&url);
    let me = format!("GET /me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", program.token());
    let form = "grant_type=client_credentials";
    let token = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\nauthorization: Basic {credentials}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    // The first round warms everything up.
    let mut measured: Vec<[f64; 2]> = (0..=rounds).map(|_| [&me, &token].map(|request| program.per_second(request))).collect();
    measured.remove(0);
    println!("{rounds} rounds of {WINDOW:?} each, {CONNECTIONS} connections");
    println!("  GET /me            {:8.0} a second", median(measured.iter().map(|round| round[0])));
    println!("  POST /oauth/token  {:8.0} a second", median(measured.iter().map(|round| round[1])));
    println!("  ratio              {:8.2} (bar: at least 0.60)", median(measured.iter().map(|round| round[1] / round[0])));
}
