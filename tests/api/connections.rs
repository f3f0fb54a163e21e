//! What one stranger can take of the service by holding connections: group I of the threats, with bounds that a test can wait for.

use std::time::{Duration, Instant};

use hallpass::config::{Bounds, Config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::{Store, TestApp};
use crate::raw::{read_within, status};

const SHORT: Duration = Duration::from_millis(500);
/// Far more than any bound here.
const LONG: Duration = Duration::from_secs(30);
const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

fn short(config: &mut Config) {
    config.server.bounds = Bounds { head: SHORT, keep_alive: SHORT, unread: SHORT, ..Bounds::default() };
}

/// Until the other side has closed.
async fn closes(stream: &mut TcpStream) {
    let started = Instant::now();
    read_within(stream, LONG).await;
    assert!(started.elapsed() < LONG, "the connection is still open");
}

async fn is_served(stream: &mut TcpStream) -> bool {
    let mut part = [0; 12];
    stream.write_all(LIVEZ).await.is_ok() && stream.read_exact(&mut part).await.is_ok() && &part == b"HTTP/1.1 200"
}

#[actix_web::test]
async fn i4_idle_connections_and_next_heads_that_never_end_are_closed_and_hold_up_nobody() {
    let app = TestApp::spawn(Store::Sqlite, short).await.unwrap();
    let mut held = Vec::new();
    for n in 0..300 {
        let mut stream = app.connect().await;
        assert!(is_served(&mut stream).await);
        // The library times the first head only: a byte of the next one would keep a connection for ever.
        if n % 2 == 0 {
            stream.write_all(b"G").await.unwrap();
        }
        held.push(stream);
    }
    app.assert_sound().await;
    for stream in &mut held {
        closes(stream).await;
    }
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn i5_who_never_reads_the_answers_is_let_go() {
    let app = TestApp::spawn(Store::Sqlite, short).await.unwrap();
    let mut stream = app.connect().await;
    let asked = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(64);
    // Until both sides' buffers are full; then for as long as the service puts up with it. Nothing is read.
    let refused = timeout(LONG, async { while stream.write_all(&asked).await.is_ok() {} }).await;
    assert!(refused.is_ok(), "the connection is still open");
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn i4_a_flood_of_connections_waits_in_line_and_the_line_moves() {
    let few = |config: &mut Config| {
        short(config);
        config.server.workers = 1;
        config.server.bounds.connections = 8;
    };
    let app = TestApp::spawn(Store::Sqlite, few).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(app.connect().await);
    }
    // Behind them all, and served once they have had their time.
    assert!(timeout(LONG, async { is_served(&mut app.connect().await).await }).await.unwrap());
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn i4_a_request_that_takes_longer_than_an_idle_connection_may_is_answered() {
    let app = TestApp::spawn(Store::Sqlite, short).await.unwrap();
    let mut stream = app.connect().await;
    stream.write_all(b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{").await.unwrap();
    // Beyond a wait and a head, below the ten seconds of a body.
    tokio::time::sleep(SHORT * 5).await;
    stream.write_all(b"}").await.unwrap();
    assert_eq!(status(&read_within(&mut stream, SHORT).await), 400);
    app.stop().await;
}
