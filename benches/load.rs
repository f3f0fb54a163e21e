//! What a flood of logins does to everybody else: `cargo bench --bench load`.
//!
//! Starts the compiled program with default settings (cost 12, as many hashing threads as cores, queue 64, 2 s) over a SQLite file of its own,
//! on loopback, and prints ratios of this one run:
//!
//! 1. bcrypt on bare threads, as many as there are cores, nothing else running;
//! 2. 300 people who log in at the same time and, when told 503, come again after `Retry-After`: hashes a second against 1, and how soon the 503 came;
//! 3. a guarded route at a steady 2,000 requests a second (open loop: latency counts from when a request was due), idle and during such a flood,
//!    turn and turn about: on a shared machine two idle rounds may differ more than an idle one and a flooded one.
//!
//! The people's threads run at the lowest priority: people are elsewhere, and what is asked is what the service does to those who ask it for
//! something else, not what 300 clients on its own cores do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a measurement that cannot be made should stop")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hallpass::authority::password::Password;
use hallpass::authority::password_hash::StoredHash;
use hallpass::store::account::{self, NewAccount};
use hallpass::store::{Database, Email};

const COST: u32 = 12;
const PEOPLE: usize = 300;
const RATE: u64 = 2_000;
const SENDERS: u64 = 8;
const SECONDS: u64 = 10;
const ROUNDS: usize = 5;
const PASSWORD: &str = "a password for measuring";

fn main() {
    let hash = StoredHash::make(&Password::new(PASSWORD.into()), COST).unwrap();
    let bare = bare_throughput(hash.as_str());
    println!("bare threads, all cores busy    {bare:6.2} hashes/s  (1.00)");

    let program = Program::start(hash.as_str());
    let token = program.token();
    let flood = Flood::run(program.address, || thread::sleep(Duration::from_secs(SECONDS)));
    println!("{PEOPLE} people logging in          {:6.2} hashes/s  ({:.2})", flood.logins_per_second, flood.logins_per_second / bare);
    println!("  answered 200: {}, 503: {}, anything else: {}", flood.accepted, flood.refused, flood.other);
    println!("  slowest 503: {:.2} s, slowest 200: {:.2} s", flood.slowest_refusal.as_secs_f64(), flood.slowest_login.as_secs_f64());

    println!("guarded route at {RATE} requests/s, {SECONDS} s each, in ms:");
    let rounds: Vec<Round> = (0..ROUNDS).map(|_| Round::run(program.address, &token)).collect();
    println!("  {:15} {:>7} {:>9} {:>7}", "", "idle", "flooded", "ratio");
    for (name, share) in QUANTILES {
        let mut ratios = Vec::new();
        for round in &rounds {
            let (idle, flooded) = (quantile(&round.idle, share), quantile(&round.flooded, share));
            println!("  {name:15} {:7.3} {:9.3} {:7.2}", idle * 1e3, flooded * 1e3, flooded / idle);
            ratios.push(flooded / idle);
        }
        ratios.sort_by(f64::total_cmp);
        println!("  {name} in the median of {ROUNDS} rounds: {:.2}", quantile(&ratios, 0.5));
    }
    println!("most memory that was resident at once: {}", program.peak_memory());
}

const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// Latencies of the guarded route, without a flood and in one.
struct Round {
    idle: Vec<f64>,
    flooded: Vec<f64>,
}

impl Round {
    fn run(address: SocketAddr, token: &str) -> Self {
        // What was begun before has ended.
        thread::sleep(Duration::from_secs(3));
        let (idle, mut flooded) = (guarded_latencies(address, token), Vec::new());
        Flood::run(address, || {
            thread::sleep(Duration::from_secs(1));
            flooded = guarded_latencies(address, token);
        });
        Self { idle, flooded }
    }
}

/// Hashes a second of as many threads as there are cores, at normal priority with nothing beside them.
fn bare_throughput(hash: &str) -> f64 {
    let threads = thread::available_parallelism().unwrap().get();
    let started = Instant::now();
    let done: u64 = thread::scope(|scope| {
        let work = || {
            let mut done = 0;
            while started.elapsed() < Duration::from_secs(SECONDS) {
                #[allow(clippy::disallowed_methods, reason = "the bare crate is what is measured")]
                let right = bcrypt::verify(PASSWORD, hash).unwrap();
                done += u64::from(right);
            }
            done
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).sum()
    });
    done as f64 / started.elapsed().as_secs_f64()
}

/// The compiled program with default settings; ended with this value.
struct Program {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Program {
    fn start(hash: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("load.db").display());
        add_account(&url, hash);
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let key = StoredHash::make(&Password::new(PASSWORD.into()), 4).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_hallpass"))
            .arg("serve")
            .env("HALLPASS__SERVER__LISTEN", address.to_string())
            .env("HALLPASS__DATABASE__URL", &url)
            .env("HALLPASS__TOKEN__ISSUER", "https://auth.example.com")
            // 43 random characters of bcrypt's digest and salt are the key: base64url but for two letters.
            .env("HALLPASS__KEYS__SECRET", format!("base64url:{}A", key.as_str()[11..53].replace(['.', '/'], "-")))
            // Everybody comes from one address here.
            .env("HALLPASS__LIMITS__LOGIN_PER_IP", "off")
            .env("RUST_LOG", "warn")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let program = Self { child, address, _folder: folder };
        let until = Instant::now() + Duration::from_secs(20);
        while !TcpStream::connect(address).is_ok_and(|mut stream| {
            exchange(&mut stream, "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").is_some_and(|(status, _)| status == 200)
        }) {
            assert!(Instant::now() < until, "the program does not get ready");
            thread::sleep(Duration::from_millis(50));
        }
        program
    }

    fn peak_memory(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().to_owned()
    }

    fn token(&self) -> String {
        let (status, answer) = exchange(&mut TcpStream::connect(self.address).unwrap(), &login_request(0)).unwrap();
        assert_eq!(status, 200);
        let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn add_account(url: &str, hash: &str) {
    actix_web::rt::System::new().block_on(async {
        let database = Database::open(url, 1).unwrap();
        database.migrate().await.unwrap();
        for person in 0..PEOPLE {
            let (email, roles) = (Email::parse(&email_of(person)).unwrap(), vec!["support".into()]);
            let new = NewAccount { email, password_hash: Some(hash.into()), scope: "orders:read orders:write".into(), roles };
            account::insert(&database, new, 0).await.unwrap();
        }
        database.close().await;
    });
}

fn email_of(person: usize) -> String {
    format!("person-{person}@example.com")
}

fn login_request(person: usize) -> String {
    let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, email_of(person));
    format!("POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Sends a request and reads its answer whole: the status and the text.
fn exchange(stream: &mut TcpStream, request: &str) -> Option<(u16, String)> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::with_capacity(2048);
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        answer.extend_from_slice(&buffer[..read]);
        let text = std::str::from_utf8(&answer).ok()?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())?;
        if body.len() >= length {
            return Some((head.get(9..12)?.parse().ok()?, text.to_owned()));
        }
    }
}

/// What became of a flood of logins.
struct Flood {
    logins_per_second: f64,
    accepted: u64,
    refused: u64,
    other: u64,
    slowest_refusal: Duration,
    slowest_login: Duration,
}

impl Flood {
    /// 300 people log in again and again while `meanwhile` runs; those who are refused wait as long as they are told to.
    fn run(address: SocketAddr, meanwhile: impl FnOnce()) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let outcomes = Arc::new(Mutex::new(Vec::<(u16, Duration)>::new()));
        let people: Vec<_> = (0..PEOPLE)
            .map(|person| {
                let (ended, outcomes) = (Arc::clone(&ended), Arc::clone(&outcomes));
                thread::Builder::new()
                    .stack_size(128 * 1024)
                    .spawn(move || log_in_again_and_again(address, person, &ended, &outcomes))
                    .unwrap()
            })
            .collect();
        let started = Instant::now();
        meanwhile();
        let lasted = started.elapsed();
        // Counted before the stragglers, who have the machine for themselves.
        let outcomes_so_far = outcomes.lock().unwrap().clone();
        ended.store(true, Ordering::Relaxed);
        people.into_iter().for_each(|person| person.join().unwrap());
        Self::of(&outcomes_so_far, lasted)
    }

    fn of(outcomes: &[(u16, Duration)], lasted: Duration) -> Self {
        let count = |status| outcomes.iter().filter(|(s, _)| *s == status).count() as u64;
        let slowest = |status| outcomes.iter().filter(|(s, _)| *s == status).map(|(_, took)| *took).max().unwrap_or_default();
        let (accepted, refused) = (count(200), count(503));
        Self {
            logins_per_second: accepted as f64 / lasted.as_secs_f64(),
            accepted,
            refused,
            other: outcomes.len() as u64 - accepted - refused,
            slowest_refusal: slowest(503),
            slowest_login: slowest(200),
        }
    }
}

fn log_in_again_and_again(address: SocketAddr, person: usize, ended: &AtomicBool, outcomes: &Mutex<Vec<(u16, Duration)>>) {
    rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = login_request(person);
    while !ended.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let Some((status, answer)) = exchange(&mut stream, &request) else {
            stream = TcpStream::connect(address).unwrap();
            continue;
        };
        outcomes.lock().unwrap().push((status, sent.elapsed()));
        if status == 503 {
            let seconds = answer.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("retry-after: ")?.parse().ok());
            thread::sleep(Duration::from_secs(seconds.expect("every 503 says when to come again")));
        }
    }
}

/// Latencies in seconds, sorted, of a guarded route asked at a steady rate.
fn guarded_latencies(address: SocketAddr, token: &str) -> Vec<f64> {
    let request = format!("GET /me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    let due = AtomicU64::new(0);
    let started = Instant::now() + Duration::from_millis(20);
    let mut latencies: Vec<f64> = thread::scope(|scope| {
        let sender = || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            let mut latencies = Vec::new();
            loop {
                let number = due.fetch_add(1, Ordering::Relaxed);
                if number >= RATE * SECONDS {
                    return latencies;
                }
                let due_at = started + Duration::from_nanos(1_000_000_000 / RATE * number);
                thread::sleep(due_at.saturating_duration_since(Instant::now()));
                let (status, _) = exchange(&mut stream, &request).unwrap();
                assert_eq!(status, 200);
                latencies.push(due_at.elapsed().as_secs_f64());
            }
        };
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(sender)).collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    latencies.sort_by(f64::total_cmp);
    latencies
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}
