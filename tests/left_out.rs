//! What `cargo test` leaves out on this machine, and why, in one line. The tests concerned say it themselves, but where nobody looks.

#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::Path;

#[test]
fn what_is_left_out_is_said_in_one_line() {
    let line = match left_out().join("; ").as_str() {
        "" => "nothing is left out\n".to_owned(),
        what => format!("left out: {what}\n"),
    };
    assert_eq!(line.lines().count(), 1, "{line}");
    // Not `eprintln!`: the harness holds that back when a test passes.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn left_out() -> Vec<String> {
    #[allow(clippy::disallowed_methods, reason = "not settings of hallpass: what the tests find around them")]
    let (postgres, path) = (std::env::var_os("HALLPASS_TEST_POSTGRES"), std::env::var_os("PATH").unwrap_or_default());
    let has = |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let mut left_out = Vec::new();
    if !cfg!(feature = "service") {
        left_out.push("the service (its feature is off)".to_owned());
    } else if postgres.is_none() {
        left_out.push("PostgreSQL (HALLPASS_TEST_POSTGRES names no server)".to_owned());
    }
    if !Path::new("../shared/vectors").is_dir() {
        left_out.push("the published vectors (../shared/vectors is not here)".to_owned());
    }
    for name in ["curl", "htpasswd", "script"].iter().filter(|name| !has(name)) {
        left_out.push(format!("what needs {name} (it is not here)"));
    }
    left_out
}
