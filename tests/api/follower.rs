//! Following a hallpass that says anything at all: a script on a socket, in which a service of this name would find its master.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hallpass::follower::{CannotFollow, Follow, Follower};
use hallpass::guard::testing::TestIssuer;
use hallpass::token::Verifier;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "hp_cs_of_these_tests";

/// What the script answers to one question after revocations.
#[derive(Clone, Debug)]
enum Line {
    /// These sessions.
    Sessions(Vec<String>),
    /// A status, `Retry-After` and a body.
    Status(u16, &'static str),
    /// This body with status 200.
    Body(String),
    /// The first half of a good answer, and then the line is cut.
    HalfOf(Vec<String>),
    /// These bytes.
    Bytes(&'static str),
    /// Nothing: the connection is closed.
    HangUp,
}

/// A hallpass that keeps to a script, and waits when it is over.
#[derive(Clone)]
struct Script {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    expires_in: u64,
    lines: Mutex<VecDeque<Line>>,
    /// The queries that were asked, and how many tokens were given.
    asked: Mutex<Vec<String>>,
    tokens: AtomicUsize,
    connections: AtomicUsize,
    /// How many connections there were, and how often it was asked who it is.
    visits: AtomicUsize,
    introductions: AtomicUsize,
}

impl Script {
    async fn start(issuer: &str, expires_in: u64, lines: Vec<Line>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Inner {
            issuer: issuer.into(),
            expires_in,
            lines: Mutex::new(lines.into()),
            asked: Mutex::default(),
            tokens: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            visits: AtomicUsize::new(0),
            introductions: AtomicUsize::new(0),
        };
        let script = Self { address: listener.local_addr().unwrap(), inner: Arc::new(inner) };
        let this = script.clone();
        actix_web::rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                actix_web::rt::spawn(async move {
                    this.inner.visits.fetch_add(1, Ordering::Relaxed);
                    this.inner.connections.fetch_add(1, Ordering::Relaxed);
                    this.serve(stream).await;
                    this.inner.connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        script
    }

    /// Answers what comes on one connection, until either side ends it.
    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.ok()?);
                // The first byte of TLS, which this does not speak.
                if head == [0x16] {
                    return None;
                }
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            let length = head.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
            stream.read_exact(&mut vec![0; length]).await.ok()?;
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let answer = match target.split('?').next().unwrap() {
                "/.well-known/oauth-authorization-server" => {
                    self.inner.introductions.fetch_add(1, Ordering::Relaxed);
                    ok(&json!({ "issuer": self.inner.issuer }).to_string())
                }
                "/oauth/token" => {
                    assert!(head.contains("authorization: basic "), "{head}");
                    self.inner.tokens.fetch_add(1, Ordering::Relaxed);
                    ok(&json!({ "access_token": "a.b.c", "token_type": "bearer", "expires_in": self.inner.expires_in }).to_string())
                }
                "/revocations" => {
                    assert!(head.contains("authorization: bearer a.b.c\r\n"), "{head}");
                    self.inner.asked.lock().unwrap().push(target.split('?').nth(1).unwrap().to_owned());
                    let line = self.inner.lines.lock().unwrap().pop_front();
                    match line {
                        None => {
                            // Until whoever asks goes away.
                            let _ = stream.read_u8().await;
                            return None;
                        }
                        Some(Line::Sessions(ids)) => ok(&answer(&ids)),
                        Some(Line::Body(body)) => ok(&body),
                        Some(Line::Status(status, retry_after)) => {
                            let body = r#"{"code":"some_code"}"#;
                            format!("HTTP/1.1 {status} x\r\n{retry_after}content-length: {}\r\n\r\n{body}", body.len())
                        }
                        Some(Line::HalfOf(ids)) => {
                            let whole = ok(&answer(&ids));
                            stream.write_all(&whole.as_bytes()[..whole.len() - 5]).await.ok()?;
                            return None;
                        }
                        Some(Line::Bytes(bytes)) => {
                            stream.write_all(bytes.as_bytes()).await.ok()?;
                            return None;
                        }
                        Some(Line::HangUp) => return None,
                    }
                }
                other => panic!("asked for {other}"),
            };
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
    }

    fn follow(&self, verifier: &Verifier) -> Follower {
        Follow::new(verifier, &format!("http://{}", self.address), "cli_1", SECRET).start().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// Waits until the script is over and whoever follows waits for more.
    async fn is_over(&self, lines: usize) {
        eventually("the script is over", || self.asked().len() > lines).await;
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A good answer; its cursor names the last entry.
fn answer(sessions: &[String]) -> String {
    let entries: Vec<_> = sessions.iter().map(|id| json!({ "kind": "session", "id": id, "until": 1_i64 << 40 })).collect();
    json!({ "cursor": format!("after {}", sessions.last().map_or("", |id| id)), "entries": entries }).to_string()
}

fn sessions(ids: &[&str]) -> Line {
    Line::Sessions(ids.iter().map(|id| (*id).to_owned()).collect())
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn issuer() -> (TestIssuer, Verifier) {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    (issuer, verifier)
}

#[actix_web::test]
async fn the_whole_list_comes_first_then_it_waits_and_a_cursor_is_only_passed_on() {
    let many: Vec<String> = (0..1500).map(|number| format!("s{number}")).collect();
    let (_, verifier) = issuer();
    let script = Script::start(verifier.issuer(), 300, vec![Line::Sessions(many), sessions(&["&=", "last"]), sessions(&["new"])]).await;
    let follower = script.follow(&verifier);
    follower.caught_up().await;
    assert!(verifier.revocations().len() >= 1502, "not complete after a part of it");
    script.is_over(3).await;
    assert_eq!(script.asked(), ["wait=0", "after=after%20s1499&wait=0", "after=after%20last&wait=10", "after=after%20new&wait=10"]);
    assert_eq!(verifier.revocations().len(), 1503);
    assert!(!follower.freshness().is_stale());
    assert_eq!(script.inner.tokens.load(Ordering::Relaxed), 1);
}

#[actix_web::test]
async fn whatever_it_is_told_it_takes_in_only_whole_answers_and_goes_on_behind_the_last_one() {
    let too_long = format!(r#"{{"cursor":"c","entries":[],"x":"{}"}}"#, "x".repeat(9 << 20));
    let unknown_kind = r#"{"cursor":"c","entries":[{"kind":"session","id":"bad","until":9},{"kind":"tenant","id":"bad","until":9}]}"#;
    for line in [
        Line::HangUp,
        Line::HalfOf(vec!["bad".into()]),
        Line::Bytes("SSH-2.0-OpenSSH_9.2\r\n"),
        Line::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"),
        Line::Body("<html>It works!</html>".into()),
        Line::Body("{}".into()),
        Line::Body("[]".into()),
        Line::Body(r#"{"cursor":"c","entries":[{"kind":"session","id":"bad"}]}"#.into()),
        Line::Body(r#"{"cursor":"c","entries":[{"kind":"session","id":"bad","until":"soon"}]}"#.into()),
        Line::Body(unknown_kind.into()),
        Line::Body(too_long),
        Line::Status(503, ""),
        Line::Status(503, "retry-after: soon\r\n"),
        Line::Status(500, ""),
        Line::Status(429, "retry-after: 0\r\n"),
        Line::Status(403, ""),
        Line::Status(404, ""),
        Line::Status(204, ""),
        Line::Status(302, "location: http://127.0.0.1:1/\r\n"),
    ] {
        let (_, verifier) = issuer();
        let script = Script::start(verifier.issuer(), 300, vec![sessions(&["s1"]), line.clone(), sessions(&["s2"])]).await;
        let follower = script.follow(&verifier);
        script.is_over(3).await;
        assert_eq!(verifier.revocations().len(), 2, "{line:?}");
        let asked = script.asked();
        assert_eq!(asked[1..], ["after=after%20s1&wait=10", "after=after%20s1&wait=0", "after=after%20s2&wait=10"], "{line:?}");
        assert!(!follower.freshness().is_stale(), "{line:?}");
    }
}

#[actix_web::test]
async fn a_token_that_is_not_believed_any_more_is_replaced_at_once_and_once() {
    let (_, verifier) = issuer();
    let lines =
        vec![sessions(&["s1"]), Line::Status(401, ""), sessions(&["s2"]), Line::Status(401, ""), Line::Status(401, ""), sessions(&["s3"])];
    let script = Script::start(verifier.issuer(), 300, lines).await;
    let _follower = script.follow(&verifier);
    script.is_over(6).await;
    // One for the start, one for each first refusal, and one after the pause that the second in a row brought.
    assert_eq!((verifier.revocations().len(), script.inner.tokens.load(Ordering::Relaxed)), (3, 4));
}

#[actix_web::test]
async fn a_token_is_renewed_before_it_ends() {
    let (_, verifier) = issuer();
    let script = Script::start(verifier.issuer(), 0, vec![sessions(&["s1"]), sessions(&["s2"])]).await;
    let _follower = script.follow(&verifier);
    script.is_over(2).await;
    assert_eq!(script.inner.tokens.load(Ordering::Relaxed), 3, "one that ends at once is good for one question");
}

#[actix_web::test]
async fn a_cursor_that_is_not_known_any_more_means_to_read_everything_again() {
    let (_, verifier) = issuer();
    let script = Script::start(verifier.issuer(), 300, vec![sessions(&["s1"]), Line::Status(400, ""), sessions(&["s1", "s2"])]).await;
    let _follower = script.follow(&verifier);
    script.is_over(3).await;
    assert_eq!((script.asked()[2].as_str(), verifier.revocations().len()), ("wait=0", 2));
}

#[actix_web::test]
async fn another_issuer_is_told_no_secret_and_believed_nothing() {
    let (_, verifier) = issuer();
    let script = Script::start("https://somebody.else.example", 300, vec![sessions(&["s1"])]).await;
    let follower = script.follow(&verifier);
    eventually("it tries again", || script.inner.introductions.load(Ordering::Relaxed) == 3).await;
    assert_eq!((script.inner.tokens.load(Ordering::Relaxed), script.asked().len(), verifier.revocations().len()), (0, 0, 0));
    assert!(follower.freshness().is_stale() && follower.freshness().age().is_none());
}

#[actix_web::test]
async fn what_is_dropped_hangs_up_and_the_list_keeps_what_it_has() {
    let (_, verifier) = issuer();
    let script = Script::start(verifier.issuer(), 300, vec![sessions(&["s1"])]).await;
    let follower = script.follow(&verifier);
    script.is_over(1).await;
    assert_eq!(script.inner.connections.load(Ordering::Relaxed), 1);
    drop(follower);
    eventually("it hangs up", || script.inner.connections.load(Ordering::Relaxed) == 0).await;
    assert_eq!(verifier.revocations().len(), 1);
}

#[actix_web::test]
async fn a_server_that_no_authority_vouches_for_is_not_talked_to() {
    let (_, verifier) = issuer();
    // Whoever answers, it is not TLS by anybody that is trusted.
    let script = Script::start(verifier.issuer(), 300, vec![sessions(&["s1"])]).await;
    let _follower = Follow::new(&verifier, &format!("https://{}", script.address), "cli_1", SECRET).start().unwrap();
    eventually("it tries again", || script.inner.visits.load(Ordering::Relaxed) == 2).await;
    assert_eq!((script.inner.tokens.load(Ordering::Relaxed), script.asked().len()), (0, 0));
}

#[actix_web::test]
async fn settings_that_cannot_work_are_refused_at_once_and_no_secret_is_printed() {
    let (_, verifier) = issuer();
    let follow = |url: &str| Follow::new(&verifier, url, "cli_1", SECRET);
    let refused = |follow: Follow| follow.start().err();
    assert_eq!(refused(follow("http://hallpass:8080")), Some(CannotFollow::PlainHttp { host: "hallpass".into() }));
    assert_eq!(refused(follow("hallpass:8080")), Some(CannotFollow::NotAnAddress));
    for seconds in [0, 2, 3601] {
        assert_eq!(refused(follow("https://x").stale_after(Duration::from_secs(seconds))), Some(CannotFollow::StaleAfter));
    }
    assert_eq!(refused(follow("https://x").trusting(b"none")), Some(CannotFollow::Certificate));
    let printed = format!("{:?} {:?}", follow("https://x"), follow("https://x").start());
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("cli_1:{SECRET}"));
    assert!(!printed.contains(SECRET) && !printed.contains(&basic), "{printed}");
}
