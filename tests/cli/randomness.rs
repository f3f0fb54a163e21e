//! A system that gives no more random numbers: K21 of the threats.

use std::process::Command;

use serde_json::json;

use crate::program::{Place, Service};

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "plum kettle orbit seven";

/// What the system is asked with, failing as soon as there is a file `exhausted` in the folder of the process.
const FAILING: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    if (access("exhausted", F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_getrandom, buffer, length, flags);
}

int getentropy(void *buffer, size_t length) {
    return getrandom(buffer, length, 0) == (ssize_t)length ? 0 : -1;
}
"#;

fn compile(place: &Place) -> bool {
    place.write("failing.c", FAILING);
    let compiler = Command::new("cc").current_dir(place.path()).args(["-shared", "-fPIC", "-o", "failing.so", "failing.c"]).status();
    compiler.is_ok_and(|status| status.success())
}

#[test]
fn k21_without_random_numbers_logins_are_500_and_tokens_are_verified_and_all_is_well_when_they_are_back() {
    let place = Place::with_keys().set("HALLPASS__SERVER__WORKERS", "1");
    if !compile(&place) {
        return eprintln!("left out: there is no C compiler here");
    }
    place.run_with(&["user", "add", EMAIL, "--password-stdin"], PASSWORD).ok();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    let service = Service::start(command.env("RUST_LOG", "info").env("LD_PRELOAD", place.path().join("failing.so")));
    let (status, tokens) = service.login(EMAIL, PASSWORD);
    assert_eq!(status, 200);
    let me =
        || service.exchange(&format!("GET /me HTTP/1.1\r\nAuthorization: Bearer {}\r\n", tokens["access_token"].as_str().unwrap()), "").0;

    place.write("exhausted", "");
    for _ in 0..3 {
        let (status, problem) = service.login(EMAIL, PASSWORD);
        assert_eq!((status, &problem["code"]), (500, &json!("internal")), "{problem}");
        assert!(problem.get("access_token").is_none());
        assert_eq!(me(), 200, "whoever is inside goes on");
    }
    assert_eq!(service.login(EMAIL, "wrong").0, 401, "what needs none is answered");

    std::fs::remove_file(place.path().join("exhausted")).unwrap();
    assert_eq!(service.login(EMAIL, PASSWORD).0, 200);
    let (code, log) = service.stop();
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains(PASSWORD));
}
