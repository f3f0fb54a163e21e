//! Keys change while the service works: rotations under load, broken files, keys that have leaked. K16 to K19, N13 and D25 of the threats.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::program::{Place, Service, exchange};
use crate::store::on_every_store;

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "plum kettle orbit seven";
/// Few enough for the limit of refreshes of one session.
const BETWEEN_REFRESHES: Duration = Duration::from_millis(700);

fn place() -> Place {
    let place = Place::with_keys();
    // The shortest life there is; and everybody here logs in from one address.
    place.set("HALLPASS__TOKEN__ACCESS_TTL", "1m").set("HALLPASS__LIMITS__LOGIN_PER_IP", "off")
}

/// One on SQLite, which is for one process; two on PostgreSQL. They log only what these tests wait for.
fn replicas(place: &Place) -> Vec<Service> {
    place.run_with(&["user", "add", EMAIL, "--password-stdin"], PASSWORD).ok();
    let count = if place.run(&["config", "print"]).ok().stdout.contains("postgres://") { 2 } else { 1 };
    (0..count).map(|_| quiet(place)).collect()
}

fn quiet(place: &Place) -> Service {
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    Service::start(command.env("RUST_LOG", "error,hallpass::serve=info,hallpass::cli=info"))
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap().to_owned()
}

fn kid(token: &str) -> String {
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    text(&header, "kid")
}

fn me(address: &str, token: &str) -> u16 {
    exchange(address, &format!("GET /me HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"), "").0
}

fn post(address: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!("POST {path} HTTP/1.1\r\n{bearer}Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let (status, body) = exchange(address, &head, &body);
    (status, serde_json::from_str(&body).unwrap())
}

fn login(address: &str) -> (u16, Value) {
    post(address, "/login", None, &json!({ "email": EMAIL, "password": PASSWORD }))
}

fn refresh(address: &str, session: &Value) -> (u16, Value) {
    post(address, "/refresh", None, &json!({ "refresh_token": session["refresh_token"] }))
}

/// A login at each of them, whose token each of them believes.
fn assert_sound(services: &[Service]) {
    for service in services {
        let (status, session) = login(&service.address);
        assert_eq!(status, 200);
        services.iter().for_each(|other| assert_eq!(me(&other.address, &text(&session, "access_token")), 200));
    }
}

/// One step by the real command, taken in by every replica.
fn step(place: &Place, services: &mut [Service], args: &[&str]) -> Value {
    let outcome = place.run(&[args, &["--json"]].concat()).ok().json().remove(0);
    services.iter_mut().for_each(|service| drop(service.wait_for(&text(&outcome, "fingerprint"))));
    outcome
}

/// What all who use the service have seen so far.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    requests: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

/// One person's client, which asks now this replica and now that one.
#[derive(Default)]
struct Client {
    refreshes: AtomicUsize,
    access: Mutex<String>,
}

impl Client {
    fn work(&self, addresses: &[String], seen: &Seen, first: usize) {
        let address = |at: usize| addresses[at % addresses.len()].as_str();
        let expect = |what: &str, status: u16| {
            seen.requests.fetch_add(1, Ordering::Relaxed);
            if status != 200 {
                seen.failures.lock().unwrap().push(format!("{what}: {status}"));
            }
            status == 200
        };
        let (status, mut session) = login(address(first));
        if !expect("login", status) {
            return;
        }
        let mut refreshed_at = Instant::now();
        for at in first.. {
            let access = text(&session, "access_token");
            access.clone_into(&mut self.access.lock().unwrap());
            if seen.stop.load(Ordering::Relaxed) {
                return;
            }
            expect("me", me(address(at), &access));
            if refreshed_at.elapsed() > BETWEEN_REFRESHES {
                refreshed_at = Instant::now();
                let (status, answer) = refresh(address(at / 2), &session);
                if !expect("refresh", status) {
                    return;
                }
                session = answer;
                text(&session, "access_token").clone_into(&mut self.access.lock().unwrap());
                self.refreshes.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Until every client has refreshed twice: the second one began after this.
fn all_refresh(clients: &[Client], seen: &Seen) {
    let before: Vec<usize> = clients.iter().map(|client| client.refreshes.load(Ordering::Relaxed)).collect();
    let begun = Instant::now();
    while clients.iter().zip(&before).any(|(client, before)| client.refreshes.load(Ordering::Relaxed) < before + 2) {
        assert!(begun.elapsed() < Duration::from_secs(120), "the clients have stopped: {:?}", seen.failures.lock().unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn k16_k19_d25_a_rotation_under_load_fails_no_request_on_any_replica() {
    on_every_store(place, |place| {
        let mut services = replicas(place);
        let addresses: Vec<String> = services.iter().map(|service| service.address.clone()).collect();
        let (seen, clients) = (Seen::default(), [Client::default(), Client::default(), Client::default()]);
        std::thread::scope(|scope| {
            // However this ends, the clients stop.
            let _stop = Stop(&seen.stop);
            for (first, client) in clients.iter().enumerate() {
                let (seen, addresses) = (&seen, &addresses);
                scope.spawn(move || client.work(addresses, seen, first));
            }
            all_refresh(&clients, &seen);
            let old = kid(&clients[0].access.lock().unwrap());
            let added = step(place, &mut services, &["key", "rotate"]);
            let new = text(&added, "kid");
            all_refresh(&clients, &seen);
            assert_eq!(kid(&clients[0].access.lock().unwrap()), old, "it only verifies");
            step(place, &mut services, &["key", "rotate"]);
            all_refresh(&clients, &seen);
            clients.iter().for_each(|client| assert_eq!(kid(&client.access.lock().unwrap()), new));
            assert_sound(&services);
            step(place, &mut services, &["key", "retire", &old]);
            all_refresh(&clients, &seen);
            assert_sound(&services);
        });
        assert_eq!(seen.failures.into_inner().unwrap(), Vec::<String>::new());
        assert!(seen.requests.into_inner() > 100);
    });
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn k18_the_tokens_of_a_leaked_key_die_on_every_replica_as_soon_as_it_is_removed() {
    on_every_store(place, |place| {
        let mut services = replicas(place);
        let (_, stolen) = login(&services[0].address);
        let (access, leaked) = (text(&stolen, "access_token"), kid(&text(&stolen, "access_token")));
        step(place, &mut services, &["key", "rotate"]);
        services.iter().for_each(|service| assert_eq!(me(&service.address, &access), 200));
        step(place, &mut services, &["key", "retire", &leaked, "--force"]);
        for service in &services {
            assert_eq!(me(&service.address, &access), 401);
            assert_eq!(refresh(&service.address, &stolen).0, 401);
        }
        assert_sound(&services);
    });
}

#[test]
fn k17_a_broken_file_is_told_of_and_what_was_read_before_stays_in_use() {
    let place = place();
    let mut service = replicas(&place).remove(0);
    let (_, session) = login(&service.address);
    let (access, good) = (text(&session, "access_token"), place.read("keys.json"));
    for broken in
        ["", "{", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"c2hvcnQ"}]}"#, &good.replace("HS256", "none")]
    {
        place.write("keys.json", broken);
        let line = service.wait_for("cannot be used");
        assert!(line.contains("\"ERROR\"") && line.contains("keys.file") && !line.contains("c2hvcnQ"), "{line}");
        assert_eq!(me(&service.address, &access), 200);
        // Something good between two that are broken, so that each is told of.
        place.write("keys.json", &good);
        service.signal("HUP");
        service.wait_for("nothing has changed");
    }
    std::fs::remove_file(place.path().join("keys.json")).unwrap();
    service.wait_for("cannot be used");
    assert_eq!((me(&service.address, &access), login(&service.address).0), (200, 200));
    // And when it is mended, it is read.
    place.write("keys.json", &good);
    let outcome = step(&place, std::slice::from_mut(&mut service), &["key", "rotate"]);
    assert_eq!(outcome["action"], "added");
    assert_eq!(service.stop().0, 0);
}

#[test]
fn sighup_reads_the_keys_at_once_and_never_ends_the_process() {
    let place = place();
    let mut service = replicas(&place).remove(0);
    service.signal("HUP");
    service.wait_for("nothing has changed");
    let added = place.run(&["key", "rotate", "--json"]).ok().json().remove(0);
    service.signal("HUP");
    let line = service.wait_for("read again: ");
    assert!(line.contains(&text(&added, "fingerprint")) || line.contains("nothing has changed"), "{line}");
    let secret = "base64url:C1Sd5i94wQpTnOUud8AJUpvkLXa_CFGa4yx1vgdQmeIrdL0GT5jh";
    let single = Place::new().set("HALLPASS__KEYS__SECRET", secret).set("HALLPASS__TOKEN__ISSUER", "https://auth.example.com");
    let mut service = quiet(&single);
    service.signal("HUP");
    service.wait_for("no file to read again");
    assert_eq!(service.stop().0, 0);
}

#[test]
fn n13_replicas_with_other_keys_say_so_by_another_fingerprint_which_the_commands_show_too() {
    let place = place();
    let told = |service: &Service| {
        let line = service.lines.iter().find(|line| line["message"].as_str().unwrap().contains("fingerprint")).unwrap();
        let message = text(line, "message");
        let fingerprint = message.split("fingerprint ").nth(1).unwrap()[..16].to_owned();
        assert!(fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()), "{message}");
        assert!(message.contains("tokens of https://auth.example.com for hallpass; "), "{message}");
        fingerprint
    };
    let (first, second) = (told(&quiet(&place)), told(&quiet(&place)));
    assert_eq!(first, second);
    assert!(place.run(&["config", "check"]).ok().stdout.contains(&first));
    let rotated = place.run(&["key", "rotate", "--json"]).ok().json().remove(0);
    let behind = text(&rotated, "fingerprint");
    assert_ne!(first, behind);
    assert_eq!(told(&quiet(&place)), behind);
}

#[test]
fn a_second_factor_outlives_the_key_that_sealed_it_even_when_that_has_leaked() {
    on_every_store(place, |place| {
        let mut services = replicas(place);
        let (_, session) = login(&services[0].address);
        let access = text(&session, "access_token");
        let (status, enrolment) = post(&services[0].address, "/account/otp", Some(&access), &json!({}));
        assert_eq!(status, 200);
        let secret = totp_rs::Secret::try_from_base32(text(&enrolment, "secret")).unwrap();
        let device = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        #[allow(clippy::disallowed_methods, reason = "the clock of the person's device")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let confirmed =
            post(&services[0].address, "/account/otp/confirm", Some(&access), &json!({ "otp": device.generate(now).to_string() }));
        assert_eq!(confirmed.0, 200);

        step(place, &mut services, &["key", "rotate"]);
        step(place, &mut services, &["key", "retire", &kid(&access), "--force"]);
        for service in &services {
            assert_eq!(login(&service.address).1["code"], "otp_required");
        }
        let body = json!({ "email": EMAIL, "password": PASSWORD, "otp": device.generate(now + 30).to_string() });
        assert_eq!(post(&services[0].address, "/login", None, &body).0, 200);
    });
}

#[test]
fn a_key_is_not_retired_while_nobody_can_say_what_it_has_sealed() {
    let place = place().set("HALLPASS__DATABASE__URL", "postgres://hallpass:s3cret@127.0.0.1:1/x");
    let old = text(&place.run(&["key", "list", "--json"]).ok().json()[0], "kid");
    place.run(&["key", "rotate"]).ok();
    place.run(&["key", "rotate"]).ok();
    let ran = place.run(&["key", "retire", &old]).exits(1);
    assert!(ran.message().contains("the key stays") && ran.message().contains("--force") && !ran.stderr.contains("s3cret"), "{ran:?}");
    let ran = place.run(&["key", "retire", &old, "--force"]).ok();
    assert!(ran.message().contains("recovery code"), "{ran:?}");
}

#[test]
fn the_commands_tell_what_comes_next_how_old_keys_are_and_when_it_is_too_early() {
    let place = place();
    let keys = place.run(&["key", "list", "--json"]).ok().json();
    assert!(keys[0]["age"].as_i64().unwrap() < 600 && keys[0]["created_at"].as_i64().is_some());
    let listed = place.run(&["key", "list"]).ok().stdout;
    assert!(listed.lines().next().unwrap().ends_with("AGE") && listed.lines().nth(1).unwrap().ends_with(" s"), "{listed}");
    let old = text(&keys[0], "kid");
    let added = place.run(&["key", "rotate"]).ok().stdout;
    assert!(added.contains("fingerprint") && added.contains("`hallpass key rotate` once more"), "{added}");
    let promoted = place.run(&["key", "rotate"]).ok();
    assert!(promoted.message().contains("s after it was made"), "{promoted:?}");
    let promoted = promoted.stdout;
    assert!(promoted.contains("wait 125 s") && promoted.contains(&format!("`hallpass key retire {old}`")), "{promoted}");
    place.run(&["migrate"]).ok();
    let ran = place.run(&["key", "retire", &old]).ok();
    assert!(ran.stderr.contains("s earlier than"), "{ran:?}");
    place.write("keys.json", place.read("keys.json").replace("\"iat\"", "\"made\""));
    assert!(place.run(&["key", "list", "--json"]).ok().json()[0]["age"].is_null());
    assert!(place.run(&["key", "list"]).ok().stdout.contains("unknown"));
}
