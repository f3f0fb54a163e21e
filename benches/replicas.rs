//! How long a revocation takes from one replica to the other: two processes of the compiled service on a fresh PostgreSQL database, behind a
//! line that can fail in several ways. And that an outage of the database makes neither of them forget one.
//!
//! `HALLPASS_TEST_POSTGRES=postgres://… cargo bench --bench replicas`. A try: log in, log out at one replica, and ask the other with the access
//! token until it says 401. Between two tries is a random pause as long as the feed's own, so that they meet it anywhere in its period.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its result")]

#[path = "../tests/crash/process.rs"]
mod process;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use process::{Hallpass, Settings};
use reqwest::Client;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

const EMAIL: &str = "person@example.com";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(url) = process::new_postgres().await else {
            return eprintln!("HALLPASS_TEST_POSTGRES names no server");
        };
        process::add_person(&process::open(&url).await, EMAIL).await;
        let (line, url) = Line::before(&url).await;
        let settings = Settings::new(&[]);
        let replicas = Replicas { http: Client::new(), here: settings.start(&url).await, there: settings.start(&url).await };
        announcements(&replicas, &line).await;
        let replicas = outage(replicas, &line).await;
        replicas.restarted(&settings, &url).await;
    });
}

struct Replicas {
    http: Client,
    here: Hallpass,
    there: Hallpass,
}

impl Replicas {
    async fn login(&self) -> String {
        self.here.login(&self.http, EMAIL).await["access_token"].as_str().unwrap().to_owned()
    }

    /// The status of a logout at the first replica.
    async fn logout(&self, token: &str) -> u16 {
        let request = self.http.post(self.here.url("/logout")).bearer_auth(token).json(&json!({}));
        request.send().await.unwrap().status().as_u16()
    }

    async fn accepts(&self, replica: &Hallpass, token: &str) -> bool {
        let status = self.http.get(replica.url("/me")).bearer_auth(token).send().await.unwrap().status().as_u16();
        assert!([200, 401].contains(&status), "{status}");
        status == 200
    }

    /// From the answer of the first replica until the second refuses.
    async fn delay(&self) -> Duration {
        let token = self.login().await;
        assert!(self.accepts(&self.there, &token).await);
        assert_eq!(self.logout(&token).await, 204);
        let since = Instant::now();
        assert!(!self.accepts(&self.here, &token).await, "at once where it was revoked");
        while self.accepts(&self.there, &token).await {
            assert!(since.elapsed() < Duration::from_secs(30), "never");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        since.elapsed()
    }
}

async fn announcements(replicas: &Replicas, line: &Line) {
    println!("{:<58} {:>6} {:>10} {:>10}", "from the logout on one replica to the refusal on the other", "tries", "median", "worst");
    for (name, mode, tries, pause) in [
        ("announced", PASSING, 100, 200),
        ("announcements get lost, the connection seems fine", DEAF, 20, 4000),
        ("the listening connection is cut, and every new one", NO_LISTENING, 20, 1000),
        ("announced again", PASSING, 20, 200),
    ] {
        line.set(mode);
        // Until both replicas have noticed, and until the pauses between their attempts to listen are over.
        tokio::time::sleep(Duration::from_secs(12)).await;
        let mut delays = Vec::new();
        for _ in 0..tries {
            tokio::time::sleep(Duration::from_millis(getrandom::u64().unwrap() % pause)).await;
            delays.push(replicas.delay().await);
        }
        delays.sort();
        let milliseconds = |delay: Duration| format!("{:.0} ms", delay.as_secs_f64() * 1000.0);
        println!("{name:<58} {tries:>6} {:>10} {:>10}", milliseconds(delays[tries / 2]), milliseconds(delays[tries - 1]));
    }
}

/// Ten logouts right before the database goes away, ten while it is away, ten as soon as it is back; ten sessions stay.
async fn outage(replicas: Replicas, line: &Line) -> Outlasted {
    let mut sessions = Vec::new();
    for _ in 0..40 {
        sessions.push(replicas.login().await);
    }
    let (ended, live) = sessions.split_at(30);
    for token in &ended[..10] {
        assert_eq!(replicas.logout(token).await, 204);
    }
    line.set(DOWN);
    for token in &ended[10..20] {
        assert_eq!(replicas.logout(token).await, 503, "what cannot be recorded is not called done");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for token in &ended[..10] {
        assert!(!replicas.accepts(&replicas.here, token).await, "what was denied stays denied");
    }
    line.set(PASSING);
    let back = Instant::now();
    for token in &ended[10..] {
        while replicas.logout(token).await != 204 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let logged_out = back.elapsed();
    for token in ended {
        while replicas.accepts(&replicas.there, token).await {
            assert!(back.elapsed() < Duration::from_secs(60), "forgotten");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let refused = back.elapsed();
    for token in live {
        assert!(replicas.accepts(&replicas.here, token).await && replicas.accepts(&replicas.there, token).await);
    }
    println!(
        "database away for 10 s and more: of 30 logouts before (10), during (10 times 503, then repeated) and after (10), 30 are refused"
    );
    println!(
        "  after the database was back: last logout done {:.1} s, last refusal on the other replica {:.1} s",
        logged_out.as_secs_f64(),
        refused.as_secs_f64()
    );
    let (ended, live) = (ended.to_vec(), live.to_vec());
    Outlasted { replicas, ended, live }
}

struct Outlasted {
    replicas: Replicas,
    ended: Vec<String>,
    live: Vec<String>,
}

impl Outlasted {
    /// A process that starts knows everything before it is ready.
    async fn restarted(self, settings: &Settings, url: &str) {
        let Self { replicas: Replicas { http, here, there }, ended, live } = self;
        there.kill();
        let replicas = Replicas { there: settings.start(url).await, http, here };
        for token in &ended {
            assert!(!replicas.accepts(&replicas.there, token).await);
        }
        for token in &live {
            assert!(replicas.accepts(&replicas.there, token).await);
        }
        println!("the other replica killed and started again: {} of {} are refused as soon as it is ready", ended.len(), ended.len());
    }
}

const PASSING: u8 = 0;
/// Connections that listen end, at the latest when they say so.
const NO_LISTENING: u8 = 1;
/// What is announced gets lost, and nothing else.
const DEAF: u8 = 2;
/// Every connection ends.
const DOWN: u8 = 3;

/// What PostgreSQL's messages of announcements begin with.
const NOTIFICATION: u8 = b'A';

/// The way to the database.
struct Line(Arc<AtomicU8>);

impl Line {
    /// Puts itself before a server, and gives the address to use instead.
    async fn before(url: &str) -> (Self, String) {
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let mode = Arc::new(AtomicU8::new(PASSING));
        let (shared, target) = (Arc::clone(&mode), server.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.load(Ordering::Relaxed) != DOWN {
                    let server = TcpStream::connect(&target).await.unwrap();
                    tokio::spawn(carry(client, server, Arc::clone(&shared)));
                }
            }
        });
        let rest = url.replace(&server, &address.to_string());
        assert_ne!(rest, url, "HALLPASS_TEST_POSTGRES must name host and port");
        (Self(mode), format!("{rest}?sslmode=disable"))
    }

    fn set(&self, mode: u8) {
        self.0.store(mode, Ordering::Relaxed);
    }
}

/// Whether a connection has ever listened.
type Listens = AtomicU8;

async fn carry(client: TcpStream, server: TcpStream, mode: Arc<AtomicU8>) {
    let listens = Listens::new(0);
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = pump(from_client, to_server, &mode, &listens) => {}
        () = pump(from_server, to_client, &mode, &listens) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: &AtomicU8, listens: &Listens) {
    let mut buffer = [0; 8192];
    loop {
        let read = match tokio::time::timeout(Duration::from_millis(20), from.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(read)) => read,
            Err(_) => 0,
        };
        let bytes = &buffer[..read];
        if bytes.windows(6).any(|window| window == b"LISTEN") {
            listens.store(1, Ordering::Relaxed);
        }
        let mode = mode.load(Ordering::Relaxed);
        if mode == DOWN || (mode == NO_LISTENING && listens.load(Ordering::Relaxed) == 1) {
            return;
        }
        let is_lost = mode == DEAF && bytes.first() == Some(&NOTIFICATION);
        if !is_lost && to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
