//! The service: starting, refusing to start, development, health, stopping.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::program::{Place, Service};

fn development(place: &Place) -> (Service, String) {
    let mut service = place.serve(&["--dev"]);
    let greeting = service.stdout_until("/me -H");
    (service, greeting)
}

/// The word after `name` in the greeting.
fn told<'a>(greeting: &'a str, name: &str) -> &'a str {
    greeting.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap().trim()
}

#[test]
fn k14_dev_is_refused_on_anything_but_loopback() {
    let place = Place::new();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let ran = place.run(&["serve", "--dev", "--listen", listen]).exits(78);
        assert!(ran.message().contains("loopback"), "{ran:?}");
    }
    let ran = place.set("HALLPASS__SERVER__LISTEN", "0.0.0.0:0").run(&["serve", "--dev"]).exits(78);
    assert!(ran.message().contains("loopback"));
}

#[test]
fn the_lines_that_dev_prints_log_in_and_ask_who_one_is_when_pasted() {
    if Command::new("curl").arg("--version").output().is_err() {
        return eprintln!("left out: there is no curl here");
    }
    let (service, greeting) = development(&Place::new());
    let paste: Vec<&str> = greeting.lines().filter(|line| line.contains("curl ")).collect();
    assert_eq!(paste.len(), 2);
    let output = Command::new("sh").arg("-euc").arg(paste.join("\n")).output().unwrap();
    let me: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!((&me["scope"], &me["roles"][0]), (&"orders:read".into(), &"demo".into()));
    assert_eq!(service.stop().0, 0);
}

#[test]
fn dev_keeps_its_accounts_and_its_key_and_makes_a_fresh_password_at_every_start() {
    let place = Place::new();
    let (first, greeting) = development(&place);
    let password = told(&greeting, "password").to_owned();
    let (status, body) = first.login("demo@example.com", &password);
    assert_eq!(status, 200);
    let (subject, keys) = (subject_of(&body), place.read("hallpass-dev/keys.json"));
    drop(first);
    for (name, mode) in [("hallpass-dev", 0o700), ("hallpass-dev/keys.json", 0o600), ("hallpass-dev/hallpass.db", 0o600)] {
        assert_eq!(place.mode(name), mode, "{name}");
    }
    assert_eq!(place.files(), ["hallpass-dev"]);

    let (second, greeting) = development(&place);
    assert_ne!(told(&greeting, "password"), password);
    assert_eq!(second.login("demo@example.com", &password).0, 401);
    let (status, body) = second.login("demo@example.com", told(&greeting, "password"));
    assert_eq!((status, subject_of(&body)), (200, subject));
    assert_eq!(place.read("hallpass-dev/keys.json"), keys);
}

#[test]
fn dev_lets_anybody_register_and_a_real_service_does_not() {
    let body = r#"{"email":"ada@example.org","password":"plum kettle orbit seven"}"#;
    let head = format!("POST /register HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let (service, _) = development(&Place::new());
    assert_eq!(service.exchange(&head, body).0, 201);
    assert_eq!(service.login("ada@example.org", "plum kettle orbit seven").0, 200);
    assert_eq!(Place::with_keys().serve(&[]).exchange(&head, body).0, 404);
}

fn subject_of(body: &serde_json::Value) -> serde_json::Value {
    let token = body["access_token"].as_str().unwrap();
    let ran = Place::new().run_with(&["token", "inspect", "--json"], token).ok();
    ran.json()[0]["claims"]["sub"].clone()
}

#[test]
fn dev_has_a_page_that_nothing_gets_into_and_a_real_service_has_none() {
    let real = Place::with_keys();
    assert_eq!(real.serve(&[]).exchange("GET / HTTP/1.1\r\n", "").0, 404);
    let (service, greeting) = development(&Place::new());
    let url = format!("http://{}/#email=demo@example.com&password={}", service.address, told(&greeting, "password"));
    assert!(greeting.lines().any(|line| line == url), "{greeting}");
    let answer = service.answer("GET / HTTP/1.1\r\n", "");
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(head.contains("content-security-policy: default-src 'none'; style-src 'sha256-") && !head.contains("unsafe"), "{head}");
    assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("http://") && !page.contains(" style=\"") && !page.contains(" onclick"));
}

#[test]
fn dev_is_not_disturbed_by_settings_of_a_real_service() {
    let place = Place::with_keys()
        .set("HALLPASS__DATABASE__URL", "postgres://hallpass:s3cret@127.0.0.1:1/x")
        .set("HALLPASS__PASSWORD__MIN_LENGTH", "64");
    let (service, greeting) = development(&place);
    assert_eq!(service.login("demo@example.com", told(&greeting, "password")).0, 200);
    assert!(greeting.contains(&format!("http://127.0.0.1:{}", service.port())));
}

#[test]
fn a_dev_folder_that_is_a_link_is_refused() {
    let place = Place::new();
    std::os::unix::fs::symlink("/tmp", place.path().join("hallpass-dev")).unwrap();
    assert!(place.run(&["serve", "--dev"]).exits(1).message().contains("hallpass-dev"));
}

#[test]
fn n15_a_port_in_use_is_one_clear_line_and_exit_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = Place::with_keys().run(&["serve", "--listen", &address]).exits(1);
    assert!(ran.message().contains(&address) && ran.message().contains("in use"), "{ran:?}");
    let ran = Place::new().run(&["serve", "--dev", "--listen", &address]).exits(1);
    assert!(ran.message().contains(&address), "{ran:?}");
}

#[test]
fn it_is_healthy_while_it_runs_and_stops_with_0_when_told_to() {
    let place = Place::with_keys();
    let service = place.serve(&[]);
    let url = |path: &str| format!("http://{}{path}", service.address);
    place.run(&["healthcheck", "--url", &url("/livez")]).ok();
    assert!(place.run(&["healthcheck", "--url", &url("/nothing")]).exits(1).message().contains("404"));
    // No key, no issuer, nothing but the address: what a container's health check has.
    for listen in [service.address.clone(), format!("0.0.0.0:{}", service.port())] {
        let bare = Place::new().set("HALLPASS__SERVER__LISTEN", &listen);
        assert_eq!(bare.run(&["healthcheck"]).ok().stdout, "ok\n");
        // It listens before it has made its tables.
        let is_ready = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            bare.run(&["healthcheck", "--ready"]).code == 0
        });
        assert!(is_ready);
    }
    let (code, log) = service.stop();
    assert_eq!(code, 0);
    assert!(log.lines().last().unwrap().contains("\"stopped\""), "{log}");
}

#[test]
fn a_health_check_fails_where_nothing_listens_and_where_something_else_does() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let place = Place::new().set("HALLPASS__SERVER__LISTEN", &address.to_string());
    let answering = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"SSH-2.0-something\r\n").unwrap();
    });
    assert!(place.run(&["healthcheck"]).exits(1).message().contains("not HTTP"));
    answering.join().unwrap();
    assert!(place.run(&["healthcheck"]).exits(1).message().contains("refused"));
}

#[test]
fn a_service_that_never_answers_is_not_healthy() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new().set("HALLPASS__SERVER__LISTEN", &silent.local_addr().unwrap().to_string());
    assert!(place.run(&["healthcheck"]).exits(1).message().contains("within 3 seconds"));
}

#[test]
fn o1_o2_what_a_stranger_sends_stays_inside_one_line_of_json() {
    let place = Place::with_keys();
    let service = place.serve(&[]);
    let hostile = "a@b.example\\u001b[31m\\n{\\\"level\\\":\\\"INFO\\\"}\\u202e";
    let body = format!("{{\"email\":\"{hostile}\",\"password\":\"x\"}}");
    let head = format!(
        "POST /login?x=%0aforged HTTP/1.1\r\nUser-Agent: \u{202e}\"x\u{1b}[31m\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    service.exchange(&head, &body);
    let (code, log) = service.stop();
    assert_eq!(code, 0);
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(["ts", "level", "target", "message"].iter().all(|member| line[member].is_string()), "{line}");
    }
    assert!(!log.contains('\u{1b}') && !log.contains('\u{202e}') && !log.contains("forged"), "{log}");
}

#[test]
fn the_format_of_the_log_can_be_chosen() {
    let place = Place::with_keys().set("HALLPASS__LOG__FORMAT", "text").set("RUST_LOG", "warn");
    place.chmod("keys.json", 0o644);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = place.run(&["serve", "--listen", &taken.local_addr().unwrap().to_string()]).exits(1);
    let line = ran.stderr.lines().next().unwrap();
    assert!(line.contains("WARN") && line.contains("hallpass::cli::serve: the keys file") && !line.starts_with('{'), "{line}");
}
