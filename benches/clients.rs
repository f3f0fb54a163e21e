//! How many tokens a second clients can get, against the guarded route `/me`: `cargo bench --bench clients [-- ROUNDS]`.
//!
//! Starts the compiled program with default settings over a SQLite file of its own, on loopback. Eight keep-alive connections ask for one
//! second each in turn: `GET /me` (one verification, no store) and `POST /oauth/token` (one look-up, two hashes, one signature). The bar: at
//! least 60 % as many tokens as answers of `/me`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a measurement that cannot be made should stop")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hallpass::authority::clients::Clients;
use hallpass::authority::password::Password;
use hallpass::authority::password_hash::StoredHash;
use hallpass::clock::Clock;
use hallpass::store::account::{self, NewAccount};
use hallpass::store::{Database, Email};

const CONNECTIONS: usize = 8;
const WINDOW: Duration = Duration::from_secs(1);
const EMAIL: &str = "load@example.com";
const PASSWORD: &str = "a password for measuring";

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
    let median = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("{rounds} rounds of {WINDOW:?} each, {CONNECTIONS} connections");
    println!("  GET /me            {:8.0} a second", median(measured.iter().map(|round| round[0]).collect()));
    println!("  POST /oauth/token  {:8.0} a second", median(measured.iter().map(|round| round[1]).collect()));
    println!("  ratio              {:8.2} (bar: at least 0.60)", median(measured.iter().map(|round| round[1] / round[0]).collect()));
}

/// What stands behind `Basic` for the client.
fn add_person_and_client(url: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::open(url, 1).unwrap();
        database.migrate().await.unwrap();
        let hash = StoredHash::make(&Password::new(PASSWORD.into()), 12).unwrap();
        let email = Email::parse(EMAIL).unwrap();
        let person = NewAccount { email, password_hash: Some(hash.as_str().into()), scope: "a".into(), roles: vec![] };
        account::insert(&database, person, Clock::System.now()).await.unwrap();
        let issued = Clients::new(database.clone(), Clock::System).add("worker", &["a".to_owned()]).await.unwrap();
        database.close().await;
        STANDARD.encode(format!("{}:{}", issued.client.id, issued.secret.expose()))
    })
}

/// The compiled program; ended with this value.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(url: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut key = [0; 32];
        getrandom::fill(&mut key).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_hallpass"))
            .arg("serve")
            .env("HALLPASS__SERVER__LISTEN", address.to_string())
            .env("HALLPASS__DATABASE__URL", url)
            .env("HALLPASS__TOKEN__ISSUER", "https://auth.example.com")
            .env("HALLPASS__TOKEN__ACCESS_TTL", "1h")
            .env("HALLPASS__KEYS__SECRET", format!("base64url:{}", URL_SAFE_NO_PAD.encode(key)))
            // One client asks as often as it can.
            .env("HALLPASS__LIMITS__CLIENT", "off")
            .env("HALLPASS__LIMITS__LOGIN_PER_IP", "off")
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let program = Self { child, address };
        let until = Instant::now() + Duration::from_secs(20);
        let is_ready =
            || TcpStream::connect(address).is_ok_and(|mut stream| ask(&mut stream, "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").0 == 200);
        while !is_ready() {
            assert!(Instant::now() < until, "the program does not get ready");
            thread::sleep(Duration::from_millis(50));
        }
        program
    }

    fn token(&self) -> String {
        let body = format!(r#"{{"email":"{EMAIL}","password":"{PASSWORD}"}}"#);
        let head = "POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ";
        let (status, answer) = ask(&mut TcpStream::connect(self.address).unwrap(), &format!("{head}{}\r\n\r\n{body}", body.len()));
        assert_eq!(status, 200);
        let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Answers a second to this request, over all connections.
    fn per_second(&self, request: &str) -> f64 {
        let started = Instant::now();
        let work = || {
            let mut stream = TcpStream::connect(self.address).unwrap();
            stream.set_nodelay(true).unwrap();
            let mut done = 0_u32;
            while started.elapsed() < WINDOW {
                let (status, answer) = ask(&mut stream, request);
                assert_eq!(status, 200, "{answer}");
                done += 1;
            }
            done
        };
        let done: u32 = thread::scope(|scope| {
            let senders: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
            senders.into_iter().map(|sender| sender.join().unwrap()).sum()
        });
        f64::from(done) / started.elapsed().as_secs_f64()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request and reads the one answer to it: status and text. Status 0: the connection ended.
fn ask(stream: &mut TcpStream, request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        let is_whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| body.len() >= content_length(head));
        if read == 0 || is_whole {
            let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
            return (status, text.into_owned());
        }
    }
}

fn content_length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    line.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}
