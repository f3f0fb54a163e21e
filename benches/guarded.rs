//! What guarding a route adds to the CPU time of a request: a guarded route against the same route unguarded and sent the same headers, and
//! beside it what a hand-written extractor over jsonwebtoken adds.
//!
//! `cargo bench --no-default-features --features testing --bench guarded [-- ROUNDS]`, on Linux with two processors. The server is this program
//! started once more, on a processor of its own; its CPU time, kernel included, is read from `/proc`. Each route is the only one of an application
//! on a port of its own, since looking for a second one costs more than some of what is compared. They take turns in short windows over
//! keep-alive connections on loopback, each request with the next of 8,000 tokens. Ratios are of neighbouring windows, so that a busy machine
//! disturbs all routes alike; the quietest tenth of the windows says what it would be on a machine that does nothing else.
//!
//! All of it with few and with many requests at the same time: a server that has nothing to do sleeps and is woken, and that is a part of what a
//! request costs, guarded or not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints its result and may stop at a fault")]

use std::future::{Ready, ready};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

use actix_web::dev::Payload;
use actix_web::error::ErrorUnauthorized;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{App, FromRequest, HttpRequest, HttpServer, Route, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::clock::Clock;
use hallpass::guard::{AccessToken, Guard};
use hallpass::token::claims::Login;
use hallpass::token::{Claims, KeyRing, Revocation, RevocationList, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "orders";
const TOKENS: usize = 8000;
const WINDOW: usize = 500;
/// So many clients at a time.
const LOADS: [usize; 4] = [1, 2, 4, 32];
/// Unguarded, guarded, guarded with a long deny list, and guarded by hand.
const ROUTES: usize = 4;

fn main() {
    let rounds = env::args().filter_map(|argument| argument.parse::<usize>().ok()).next().unwrap_or(150);
    match env::args().nth(1).as_deref() {
        Some("--serve") => serve(),
        Some("--measure") => measure(rounds),
        _ => assert!(on_processor(0).arg("--measure").arg(rounds.to_string()).status().unwrap().success()),
    }
}

/// This program once more, on one processor alone: where threads happen to run would otherwise decide more than what they do.
fn on_processor(number: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &number.to_string()]).arg(env::current_exe().unwrap());
    command
}

fn measure(rounds: usize) {
    let server = Server::start();
    compare("short ids", &server, &tokens(["usr_", "t", "s"]), rounds);
    compare(
        "UUIDs as the service writes them",
        &server,
        &tokens(["usr_019b2c4e-6a3f-7c11-9d42-", "019b2c4f-6a3f-7c11-9d42-", "019b2c50-6a3f-7c11-9d42-"]),
        rounds,
    );
}

/// Measures all routes with these tokens, and prints what they cost.
fn compare(name: &str, server: &Server, tokens: &[String], rounds: usize) {
    println!(
        "{name}: {rounds} rounds of {WINDOW} requests a route, {TOKENS} tokens of {} bytes; medians (quietest tenth)",
        tokens[0].len()
    );
    println!("  clients |           µs of CPU a request, unguarded; guarded by AccessToken, 100,000 revocations, jsonwebtoken by hand");
    println!("          | guarded / unguarded, by hand / unguarded, 100,000 / none (bars: 1.1; none; 1.03)");
    for clients in LOADS {
        let mut windows = tokens.chunks(WINDOW).cycle();
        let mut connections = server.connect(clients);
        let mut round = || std::array::from_fn(|route| server.microseconds_per_request(&mut connections[route], windows.next().unwrap()));
        // The first rounds warm everything up.
        let _: Vec<[f64; ROUTES]> = (0..rounds / 10).map(|_| round()).collect();
        let rounds: Vec<[f64; ROUTES]> = (0..rounds).map(|_| round()).collect();

        let column = |route: usize, share: f64| quantile(rounds.iter().map(|round| round[route]), share);
        let cost = |route| format!("{:6.2} ({:5.2})", column(route, 0.5), column(route, 0.1));
        let ratio = |route: usize, base: usize| {
            let median = quantile(rounds.iter().map(|round| round[route] / round[base]), 0.5);
            format!("{median:.3} ({:.3})", column(route, 0.1) / column(base, 0.1))
        };
        println!("  {clients:>7} | {} ; {} {} {}", cost(0), cost(1), cost(2), cost(3));
        println!("          | {}  {}  {}", ratio(1, 0), ratio(3, 0), ratio(2, 1));
    }
}

struct Server {
    process: Child,
    routes: [SocketAddr; ROUTES],
}

impl Server {
    fn start() -> Self {
        let mut process = on_processor(1).arg("--serve").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let routes = std::array::from_fn(|_| lines.next().unwrap().unwrap().parse().unwrap());
        Self { process, routes }
    }

    /// So many connections to each route.
    fn connect(&self, clients: usize) -> [Vec<TcpStream>; ROUTES] {
        let connection = |address: SocketAddr| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        };
        self.routes.map(|address| (0..clients).map(|_| connection(address)).collect())
    }

    /// One request for each token, spread over the clients.
    fn microseconds_per_request(&self, clients: &mut [TcpStream], tokens: &[String]) -> f64 {
        let before = self.cpu_nanoseconds();
        let share = tokens.len().div_ceil(clients.len());
        thread::scope(|scope| {
            for (stream, tokens) in clients.iter_mut().zip(tokens.chunks(share)) {
                scope.spawn(|| tokens.iter().for_each(|token| request(stream, token)));
            }
        });
        (self.cpu_nanoseconds() - before) as f64 / tokens.len() as f64 / 1000.0
    }

    /// The time that all threads of the server have spent on a processor.
    fn cpu_nanoseconds(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let on_cpu =
            |thread: PathBuf| fs::read_to_string(thread.join("schedstat")).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap();
        threads.map(|thread| on_cpu(thread.unwrap().path())).sum()
    }
}

fn request(stream: &mut TcpStream, token: &str) {
    let request =
        format!("GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 1024];
    let read = stream.read(&mut answer).unwrap();
    let answer = &answer[..read];
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"\r\n\r\nhello"), "{}", String::from_utf8_lossy(answer));
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn serve() {
    jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default().unwrap();
    let verifier = || Verifier::new(keys(), ISSUER, &[AUDIENCE]).unwrap();
    let (guard, full) = (Guard::new(verifier()), Guard::new(verifier().with_revocations(full_list())));
    let routes: [fn() -> Route; ROUTES] = [
        || web::get().to(|| async { "hello" }),
        || web::get().to(|_: AccessToken| async { "hello" }),
        || web::get().to(|_: AccessToken| async { "hello" }),
        || web::get().to(|_: PeerClaims| async { "hello" }),
    ];
    actix_web::rt::System::new().block_on(async move {
        let servers = routes.into_iter().enumerate().map(|(route, handler)| {
            let guard = if route == 2 { full.clone() } else { guard.clone() };
            let app = move || App::new().app_data(web::Data::new(Peer::new())).app_data(guard.clone()).route("/hello", handler());
            let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", 0)).unwrap();
            println!("{}", server.addrs()[0]);
            server.run()
        });
        futures_util::future::try_join_all(servers).await.unwrap();
    });
}

/// As many entries as a deny list holds, most of them sessions, with ids as the service writes them.
fn full_list() -> RevocationList {
    let now = Clock::System.now();
    let entry = |number: usize| {
        let (id, until) = (format!("019b2c50-6a3f-7c11-9d42-{:012x}", number << 13), now + 3600);
        match number % 50 {
            0 => Revocation::Subject { id: format!("usr_{id}"), issued_before: now, until },
            1 => Revocation::Token { id, until },
            _ => Revocation::Session { id, until },
        }
    };
    let list = RevocationList::new();
    list.add(&(0..RevocationList::CAPACITY).map(entry).collect::<Vec<_>>(), now);
    assert_eq!(list.len(), RevocationList::CAPACITY);
    list
}

/// What a service keeps that uses jsonwebtoken by hand.
struct Peer {
    key: DecodingKey,
    validation: Validation,
}

impl Peer {
    fn new() -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        Self { key: DecodingKey::from_secret(&key()), validation }
    }
}

/// The claims as a careful user of jsonwebtoken would type them.
#[derive(Deserialize)]
#[allow(dead_code, reason = "read for the cost of reading them")]
struct PeerClaims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: i64,
    jti: String,
    client_id: String,
    scope: String,
    sid: String,
    auth_time: i64,
    amr: Vec<String>,
    acr: String,
    roles: Vec<String>,
}

impl FromRequest for PeerClaims {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    #[allow(clippy::disallowed_methods, reason = "the peer of the comparison")]
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let claims = || {
            let peer = request.app_data::<web::Data<Peer>>()?;
            let token = request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
            Some(jsonwebtoken::decode::<PeerClaims>(token, &peer.key, &peer.validation).ok()?.claims)
        };
        ready(claims().ok_or_else(|| ErrorUnauthorized("")))
    }
}

fn key() -> Vec<u8> {
    (0..32_u8).map(|byte| byte.wrapping_mul(73).wrapping_add(11)).collect()
}

fn keys() -> KeyRing {
    KeyRing::from_secret(&format!("base64url:{}", URL_SAFE_NO_PAD.encode(key()))).unwrap()
}

/// Tokens with all claims, each of another person and session.
fn tokens(prefixes: [&str; 3]) -> Vec<String> {
    let signer = Signer::new(&keys()).unwrap();
    let now = Clock::System.now();
    let (aud, roles) = ([AUDIENCE.to_owned()], ["clerk".to_owned()]);
    let token = |number: usize| {
        let [sub, jti, sid] = prefixes.map(|prefix| format!("{prefix}{number:012x}"));
        let login = Login { sid: &sid, auth_time: now, amr: &["pwd"], acr: "1", roles: &roles };
        let claims = Claims {
            iss: ISSUER,
            sub: &sub,
            aud: &aud,
            exp: now + 3600,
            iat: now,
            jti: &jti,
            client_id: "hallpass",
            scope: "orders:read orders:write",
            login: Some(login),
        };
        signer.sign(&claims).unwrap()
    };
    (0..TOKENS).map(token).collect()
}

/// The value below which this share of the values lies.
fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[(values.len() as f64 * share) as usize]
}
