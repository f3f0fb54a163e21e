//! A server on a port of its own, requests as bytes, answers taken apart strictly.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use hallpass::clock::TestClock;
use hallpass::guard::Guard;

use crate::forge::{NOW, verifier};

pub(crate) struct Server {
    address: SocketAddr,
    handle: ServerHandle,
}

/// A guard that believes forged tokens of our own keys, at the time they were made for.
pub(crate) fn guard() -> Guard {
    Guard::new(verifier()).with_clock(TestClock::at(NOW).into())
}

/// Serves these routes with `workers` workers until it is dropped.
pub(crate) fn serve(workers: usize, routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Server {
    let (started, starting) = mpsc::channel();
    std::thread::spawn(move || {
        System::new().block_on(async move {
            let server =
                HttpServer::new(move || App::new().configure(routes.clone())).workers(workers).disable_signals().shutdown_timeout(0);
            let server = server.bind(("127.0.0.1", 0)).unwrap();
            let address = server.addrs()[0];
            let running = server.run();
            started.send(Server { address, handle: running.handle() }).unwrap();
            running.await.unwrap();
        });
    });
    starting.recv().unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        // The command is sent at once; the future only waits for its end.
        drop(self.handle.stop(false));
    }
}

impl Server {
    /// Sends bytes and reads one answer.
    pub(crate) fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        Answer::parse(&self.exchange(request, Answer::is_whole))
    }

    /// Sends bytes and reads until the server closes, or until this is what was waited for.
    pub(crate) fn exchange(&self, request: impl AsRef<[u8]>, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(request.as_ref());
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !enough(&answer)
            && let Ok(read @ 1..) = stream.read(&mut buffer)
        {
            answer.extend_from_slice(&buffer[..read]);
        }
        answer
    }

    /// A request whose header lines are given as bytes, each without its line end.
    pub(crate) fn request(&self, line: &str, headers: &[&[u8]]) -> Answer {
        let mut request = format!("{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n").into_bytes();
        for header in headers {
            request.extend_from_slice(header);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        self.send(request)
    }

    /// A GET with one `Authorization` header.
    pub(crate) fn get_as(&self, path: &str, authorization: impl AsRef<[u8]>) -> Answer {
        self.request(&format!("GET {path}"), &[&[b"Authorization: ", authorization.as_ref()].concat()])
    }

    /// A GET with a bearer token.
    pub(crate) fn get_with(&self, path: &str, token: impl AsRef<[u8]>) -> Answer {
        self.get_as(path, [b"Bearer ", token.as_ref()].concat())
    }

    /// A GET without a credential.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), &[])
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The parameters of a challenge.
pub(crate) type Parameters = BTreeMap<String, String>;

impl Answer {
    fn is_whole(bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        length.is_some_and(|(_, length)| length.parse() == Ok(body.len()))
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        Self { status, headers: headers.collect(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The `code` of the problem document.
    pub(crate) fn code(&self) -> String {
        serde_json::from_str::<serde_json::Value>(&self.body).unwrap()["code"].as_str().unwrap().to_owned()
    }

    /// The challenge as it was sent, after everything that holds for every refusal was checked.
    #[track_caller]
    pub(crate) fn challenge(&self) -> &str {
        assert!(matches!(self.status, 400 | 401 | 403), "{self:?}");
        assert_eq!(self.header("cache-control"), ["no-store"]);
        let [challenge] = self.header("www-authenticate")[..] else { panic!("not one challenge: {self:?}") };
        let parameters = parameters(challenge);
        assert_eq!(parameters["realm"], "hallpass");
        let known = ["realm", "error", "error_description", "scope", "max_age", "acr_values"];
        assert!(parameters.keys().all(|name| known.contains(&name.as_str())), "{challenge}");
        challenge
    }

    /// The refusal as status, code of the problem document and challenge.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, String, &str) {
        let challenge = self.challenge();
        assert_eq!(self.header("content-type"), ["application/problem+json"]);
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"].as_str().unwrap(), format!("urn:hallpass:error:{}", self.code()));
        (self.status, self.code(), challenge)
    }
}

/// `Bearer 1*SP auth-param *( "," SP auth-param )`, each `name="value"` once, with values of the characters that RFC 6750 s3 allows.
#[track_caller]
pub(crate) fn parameters(challenge: &str) -> Parameters {
    let mut rest = challenge.strip_prefix("Bearer ").unwrap_or_else(|| panic!("another scheme: {challenge}"));
    let mut parameters = Parameters::new();
    loop {
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("no quoted value: {challenge}"));
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{challenge}");
        let (value, after) = value.split_once('"').unwrap_or_else(|| panic!("no closing quote: {challenge}"));
        assert!(value.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{challenge}");
        assert_eq!(parameters.insert(name.to_owned(), value.to_owned()), None, "twice: {challenge}");
        if after.is_empty() {
            return parameters;
        }
        rest = after.strip_prefix(", ").unwrap_or_else(|| panic!("not a comma: {challenge}"));
    }
}

#[test]
fn the_parser_of_challenges_refuses_what_is_no_challenge() {
    assert_eq!(parameters(r#"Bearer realm="a b", error="x""#).len(), 2);
    for broken in [
        r#"Bearer realm="a", realm="b""#,
        r#"Bearer realm="a""b""#,
        "Bearer realm=a",
        "Bearer",
        r#"Basic realm="a""#,
        r#"Bearer realm="a","#,
        r#"Bearer realm="a\""#,
    ] {
        assert!(std::panic::catch_unwind(|| parameters(broken)).is_err(), "{broken}");
    }
}
