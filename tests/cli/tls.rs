//! The service speaks TLS: N15 and N16 of the threats, and what of group I is about handshakes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};

use crate::program::{Place, Service};

/// Far more than any of it takes.
const LIMIT: Duration = Duration::from_secs(60);

struct Pair {
    cert: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Pair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem(), der: made.cert.der().clone() }
    }

    /// As tools that renew certificates do it: written beside, then moved over.
    fn put(&self, place: &Place) {
        for (name, text) in [("cert.pem", &self.cert), ("key.pem", &self.key)] {
            place.write("new", text);
            std::fs::rename(place.path().join("new"), place.path().join(name)).unwrap();
        }
    }
}

fn with_tls(pair: &Pair) -> Place {
    let place = Place::with_keys().set("HALLPASS__SERVER__TLS_CERT_FILE", "cert.pem").set("HALLPASS__SERVER__TLS_KEY_FILE", "key.pem");
    pair.put(&place);
    place
}

fn client(pair: &Pair, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(pair.der.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let mut config = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

type Encrypted = StreamOwned<ClientConnection, TcpStream>;

fn tcp(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(&service.address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// A connection whose handshake is done.
fn connect(service: &Service, config: ClientConfig) -> std::io::Result<Encrypted> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp(service));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn trusting(service: &Service, pair: &Pair) -> std::io::Result<Encrypted> {
    connect(service, client(pair, rustls::ALL_VERSIONS, &[]))
}

/// One answer with a short body, on a connection that stays.
fn ask(stream: &mut Encrypted, request: &str) -> String {
    stream.write_all(format!("{request} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).unwrap();
        assert_ne!(length, 0, "closed after {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..length]);
    }
    String::from_utf8(answer).unwrap()
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

/// All that comes until the other side closes; an error ends it too.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut part) {
        bytes.extend_from_slice(&part[..length]);
    }
    bytes
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_every_answer_tells_browsers_to_stay_with_it() {
    let pair = Pair::new();
    let place = with_tls(&pair);
    let service = place.serve(&[]);
    assert!(service.lines.last().unwrap()["message"].as_str().unwrap().contains("listening on https://"));
    for version in [&version::TLS12, &version::TLS13] {
        let mut stream = connect(&service, client(&pair, &[version], &[])).unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(version.version));
        for (request, status) in [("GET /livez", "200"), ("GET /me", "401"), ("GET /nothing", "404"), ("PUT /login", "405")] {
            let answer = ask(&mut stream, request);
            assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
            assert!(answer.contains("\r\nstrict-transport-security: max-age=31536000; includeSubDomains\r\n"), "{answer}");
        }
    }
    let mut offered = connect(&service, client(&pair, rustls::ALL_VERSIONS, &["h2", "http/1.1"])).unwrap();
    assert_eq!(offered.conn.alpn_protocol(), Some(&b"http/1.1"[..]), "i18: no HTTP/2");
    assert!(ask(&mut offered, "GET /livez").starts_with("HTTP/1.1 200"));
    assert!(connect(&service, client(&pair, rustls::ALL_VERSIONS, &["h2"])).is_err());
    assert!(trusting(&service, &Pair::new()).is_err(), "another certificate is not believed");

    let plain = Place::with_keys();
    let plain = plain.serve(&[]);
    let mut stream = tcp(&plain);
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let answer = String::from_utf8(rest(&mut stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("strict-transport-security"), "{answer}");
}

/// A ClientHello of this version (RFC 5246 s7.4.1.2) that offers nothing newer.
fn old_hello(minor: u8) -> Vec<u8> {
    let suites = [0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f];
    let groups = [0, 10, 0, 6, 0, 4, 0, 23, 0, 24];
    let mut body = vec![3, minor];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, suites.len() as u8]);
    body.extend_from_slice(&suites);
    body.extend_from_slice(&[1, 0, 0, groups.len() as u8]);
    body.extend_from_slice(&groups);
    let mut hello = vec![22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
    hello.extend_from_slice(&body);
    hello
}

#[test]
fn i3_i17_old_versions_plain_http_garbage_and_handshakes_that_stall_end_and_hold_up_nobody() {
    let pair = Pair::new();
    let place = with_tls(&pair);
    let service = place.serve(&[]);
    for minor in [0, 1, 2] {
        let mut stream = tcp(&service);
        stream.write_all(&old_hello(minor)).unwrap();
        // A fatal alert of handshake_failure or protocol_version (RFC 5246 s7.2), and nothing after it.
        let answer = rest(&mut stream);
        assert!(answer.len() == 7 && matches!(answer[5..], [2, 40 | 70]), "3.{minor}: {answer:?}");
    }
    for garbage in
        [&b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"\0\0\0\0\0\0\0\0", b"\x16\x03\x03\xff\xff", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut stream = tcp(&service);
        stream.write_all(garbage).unwrap();
        let answer = rest(&mut stream);
        assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    }
    let (mut silent, mut half) = (tcp(&service), tcp(&service));
    half.write_all(&old_hello(3)[..20]).unwrap();
    assert!(ask(&mut trusting(&service, &pair).unwrap(), "GET /livez").starts_with("HTTP/1.1 200"));
    assert!(rest(&mut silent).is_empty() && rest(&mut half).is_empty());
    assert!(ask(&mut trusting(&service, &pair).unwrap(), "GET /livez").starts_with("HTTP/1.1 200"));
    assert_eq!(service.stop().0, 0);
}

#[test]
fn n16_a_new_certificate_is_shown_to_new_connections_a_broken_one_to_nobody() {
    let (first, second, third) = (Pair::new(), Pair::new(), Pair::new());
    let place = with_tls(&first);
    let service = place.serve(&[]);
    let mut old = trusting(&service, &first).unwrap();
    assert!(ask(&mut old, "GET /livez").starts_with("HTTP/1.1 200"));
    let shown = |pair: &Pair| {
        (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            trusting(&service, pair).is_ok_and(|mut stream| ask(&mut stream, "GET /livez").starts_with("HTTP/1.1 200"))
        })
    };
    second.put(&place);
    assert!(shown(&second));
    assert!(trusting(&service, &first).is_err());
    // The old connection still is what it was, but for what keeps every connection short.
    if old.conn.process_new_packets().is_ok() {
        assert!(ask(&mut old, "GET /livez").starts_with("HTTP/1.1 200"));
    }

    for broken in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &third.cert] {
        place.write("cert.pem", broken);
        service.signal("HUP");
        std::thread::sleep(Duration::from_millis(300));
        assert!(trusting(&service, &second).is_ok());
    }
    std::fs::remove_file(place.path().join("cert.pem")).unwrap();
    service.signal("HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert!(trusting(&service, &second).is_ok());
    third.put(&place);
    assert!(shown(&third));
    let (code, log) = service.stop();
    assert_eq!(code, 0);
    assert!(log.matches("the certificate cannot be used, so what was read before stays in use").count() >= 4, "{log}");
    assert!(log.contains("is not the key of the certificate") && !log.contains("BEGIN"), "{log}");
}

#[test]
fn n15_a_certificate_that_cannot_be_used_is_one_clear_line_and_exit_78_whoever_looks_at_it() {
    let (pair, other) = (Pair::new(), Pair::new());
    let place = with_tls(&pair);
    let garbage = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    for (cert, key, setting, says) in [
        ("", pair.key.as_str(), "server.tls_cert_file", "no certificate"),
        (pair.key.as_str(), &pair.key, "server.tls_cert_file", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\n!\n", &pair.key, "server.tls_cert_file", "damaged"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &pair.key, "server.tls_cert_file", "can be read"),
        (&pair.cert, "", "server.tls_key_file", "no private key"),
        (&pair.cert, &pair.cert, "server.tls_key_file", "no private key"),
        (&pair.cert, garbage, "server.tls_key_file", "cannot be used"),
        (&pair.cert, &other.key, "server.tls_key_file", "is not the key"),
    ] {
        place.write("cert.pem", cert);
        place.write("key.pem", key);
        let ran = place.run(&["serve", "--listen", "127.0.0.1:0"]).exits(78);
        let message = ran.message();
        assert!(message.contains(setting) && message.contains(says) && !message.contains("c2VjcmV0"), "{says}: {message}");
        assert_eq!(place.run(&["config", "check"]).exits(78).message(), message);
    }
    let found = place.run(&["doctor", "--json"]).exits(1).json();
    assert!(found.iter().any(|finding| finding["check"] == "tls" && finding["level"] == "broken"), "{found:?}");
    std::fs::remove_file(place.path().join("key.pem")).unwrap();
    pair.put(&place);
    std::fs::remove_file(place.path().join("key.pem")).unwrap();
    let ran = place.run(&["serve", "--listen", "127.0.0.1:0"]).exits(78);
    assert!(ran.message().contains("server.tls_key_file") && ran.message().contains("cannot read key.pem"), "{ran:?}");
    assert_eq!(place.run(&["config", "check"]).exits(78).message(), ran.message());
    pair.put(&place);
    place.run(&["config", "check"]).ok();
    for (one, other) in [("CERT", "tls_key_file"), ("KEY", "tls_cert_file")] {
        let place = Place::with_keys().set(&format!("HALLPASS__SERVER__TLS_{one}_FILE"), "x.pem");
        let ran = place.run(&["serve"]).exits(78);
        assert!(ran.message().contains(&format!("without server.{other}")), "{ran:?}");
    }
}

#[test]
fn a_health_check_asks_by_tls_where_the_service_speaks_it() {
    let pair = Pair::new();
    let place = with_tls(&pair);
    let service = place.serve(&[]);
    let place = place.set("HALLPASS__SERVER__LISTEN", &service.address);
    assert_eq!(place.run(&["healthcheck"]).ok().stdout, "ok\n");
    place.run(&["healthcheck", "--url", &format!("https://{}/livez", service.address)]).ok();
    place.run(&["healthcheck", "--url", &format!("https://localhost:{}/livez", service.port())]).ok();
    assert!(place.run(&["healthcheck", "--url", &format!("https://{}/nothing", service.address)]).exits(1).message().contains("404"));
    place.run(&["healthcheck", "--url", &format!("http://{}/livez", service.address)]).exits(1);
    // A certificate that is being replaced is no reason to restart anything.
    Pair::new().put(&place);
    place.run(&["healthcheck"]).ok();

    let plain = Place::with_keys();
    let plain = plain.serve(&[]);
    let ran = Place::new().run(&["healthcheck", "--url", &format!("https://{}/livez", plain.address)]).exits(1);
    assert!(ran.message().starts_with("hallpass: https://"), "{ran:?}");
}

#[test]
fn dev_is_plain_http_whatever_a_real_service_is_set_to() {
    let place = with_tls(&Pair::new());
    let mut service = place.serve(&["--dev"]);
    assert!(service.stdout_until("/me -H").contains("http://127.0.0.1"));
    assert_eq!(service.exchange("GET /livez HTTP/1.1\r\n", "").0, 200);
}
