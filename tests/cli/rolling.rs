//! Replicas that are replaced one after the other while people work: N5 of the threats.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Place, Service, try_exchange};
use crate::store::on_every_store;

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "plum kettle orbit seven";

fn place() -> Place {
    Place::with_keys().set("HALLPASS__LIMITS__LOGIN_PER_IP", "off").set("HALLPASS__LIMITS__REFRESH_PER_SESSION", "off")
}

fn start(place: &Place) -> Service {
    let service = Service::start(place.command(&["serve", "--listen", "127.0.0.1:0"]).env("RUST_LOG", "error,hallpass::cli=info"));
    // As an orchestrator does: nobody is sent there before it is ready.
    while service.exchange("GET /readyz HTTP/1.1\r\n", "").0 != 200 {
        std::thread::sleep(Duration::from_millis(20));
    }
    service
}

fn post(address: &str, path: &str, body: &Value) -> Result<(u16, Value), String> {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let (status, body) = try_exchange(address, &head, &body)?;
    Ok((status, serde_json::from_str(&body).map_err(|_| body)?))
}

/// A person's client: it refreshes, now here and now there, and asks again elsewhere when it is told 503.
///
/// It also asks again when a connection ended without a byte, but only at a replica that nobody is sent to any more. Who was given its address
/// a moment before that connects to a port that is just being closed: what the kernel has accepted for it and it has not is refused or reset,
/// and nobody but the kernel could do otherwise. A request that was taken on is answered, which N1 shows.
fn work(addresses: &Mutex<Vec<String>>, stop: &AtomicBool, refreshes: &AtomicUsize, wrong: &Mutex<Vec<String>>) {
    let address = |at: usize| {
        let addresses = addresses.lock().unwrap();
        addresses[at % addresses.len()].clone()
    };
    let is_replaced = |address: &String| !addresses.lock().unwrap().contains(address);
    let mut body = json!({ "email": EMAIL, "password": PASSWORD });
    let mut path = "/login";
    for at in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let address = address(at);
        match post(&address, path, &body) {
            Ok((200, tokens)) => {
                (path, body) = ("/refresh", json!({ "refresh_token": tokens["refresh_token"] }));
                refreshes.fetch_add(1, Ordering::Relaxed);
            }
            Ok((503, _)) => {}
            Ok((status, problem)) => return wrong.lock().unwrap().push(format!("{path}: {status} {problem}")),
            Err(came) if came.is_empty() && is_replaced(&address) => {}
            Err(came) => return wrong.lock().unwrap().push(format!("{path}: cut after {came:?}")),
        }
    }
}

#[test]
fn n5_replicas_are_replaced_one_after_the_other_and_nobody_is_logged_out() {
    on_every_store(place, |place| {
        place.run_with(&["user", "add", EMAIL, "--password-stdin"], PASSWORD).ok();
        let mut replicas: Vec<Service> = (0..3).map(|_| start(place)).collect();
        let addresses = Mutex::new(replicas.iter().map(|replica| replica.address.clone()).collect::<Vec<_>>());
        let (stop, refreshes, wrong) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            let _stop = Stop(&stop);
            for _ in 0..4 {
                scope.spawn(|| work(&addresses, &stop, &refreshes, &wrong));
            }
            for (replica, old) in replicas.iter_mut().enumerate() {
                let before = refreshes.load(Ordering::Relaxed);
                let fresh = start(place);
                addresses.lock().unwrap()[replica].clone_from(&fresh.address);
                let (code, log) = std::mem::replace(old, fresh).stop();
                // The HTTP library's own complaint about a connection that came when its last worker had gone.
                let is_late = |line: &&str| line.contains(r#""target":"actix_server::accept","message":"No workers""#);
                let error = log.lines().filter(|line| !is_late(line)).find(|line| line.contains(r#""level":"ERROR""#));
                assert_eq!((code, error), (0, None));
                while refreshes.load(Ordering::Relaxed) < before + 40 && wrong.lock().unwrap().is_empty() {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        });
        assert_eq!(wrong.into_inner().unwrap(), Vec::<String>::new());
    });
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
