//! The compiled program with default settings, as the benches start it, and a plain HTTP client for it.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hallpass::authority::clients::Clients;
use hallpass::authority::password::Password;
use hallpass::authority::password_hash::StoredHash;
use hallpass::clock::Clock;
use hallpass::store::account::{self, NewAccount};
use hallpass::store::{Database, Email};

pub const CONNECTIONS: usize = 8;
pub const WINDOW: Duration = Duration::from_secs(1);
const EMAIL: &str = "load@example.com";
const PASSWORD: &str = "a password for measuring";

/// What stands behind `Basic` for the client.
pub fn add_person_and_client(url: &str) -> String {
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
pub struct Program {
    child: Child,
    pub address: SocketAddr,
}

impl Program {
    pub fn start(url: &str) -> Self {
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

    pub fn token(&self) -> String {
        let body = format!(r#"{{"email":"{EMAIL}","password":"{PASSWORD}"}}"#);
        let head = "POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ";
        let (status, answer) = ask(&mut TcpStream::connect(self.address).unwrap(), &format!("{head}{}\r\n\r\n{body}", body.len()));
        assert_eq!(status, 200);
        let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Answers a second to this request, over all connections.
    pub fn per_second(&self, request: &str) -> f64 {
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
pub fn ask(stream: &mut TcpStream, request: &str) -> (u16, String) {
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

/// Half of the values lie below it.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this share of the values lies.
pub fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * share) as usize).min(values.len() - 1)]
}
