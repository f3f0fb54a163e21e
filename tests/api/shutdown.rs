//! The compiled program is told to stop: group N of the threats.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// The real program, ended with the test.
struct Program {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Program {
    /// `serve --dev` on a free port.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(env!("CARGO_BIN_EXE_hallpass"))
            .args(["serve", "--dev"])
            .env("HALLPASS__SERVER__LISTEN", &address)
            .env("RUST_LOG", "info")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, address, _folder: folder }
    }

    async fn ready(&mut self) {
        // Somebody has to read what it says, or it stops when the pipe is full.
        let stderr = BufReader::new(self.child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().for_each(drop));
        let until = Instant::now() + Duration::from_secs(20);
        while !reqwest::get(format!("http://{}/readyz", self.address)).await.is_ok_and(|response| response.status() == 200) {
            assert!(Instant::now() < until, "it does not get ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    async fn exit_code(&mut self, limit: Duration) -> Option<i32> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[actix_web::test]
async fn n1_n14_sigterm_lets_requests_in_flight_end_and_exits_0() {
    let mut program = Program::start();
    program.ready().await;
    let url = format!("http://{}/login", program.address);
    let logins: Vec<_> = (0..8)
        .map(|n| {
            let request = reqwest::Client::new().post(&url).json(&json!({ "email": format!("nobody{n}@example.com"), "password": "x" }));
            actix_web::rt::spawn(async move { request.send().await.map(|response| response.status().as_u16()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    program.signal(Signal::TERM);
    for login in logins {
        // Each was either answered in full, or came too late to be taken on at all.
        if let Ok(status) = login.await.unwrap() {
            assert!([401, 503].contains(&status), "{status}");
        }
    }
    assert_eq!(program.exit_code(Duration::from_secs(25)).await, Some(0));
}

#[actix_web::test]
async fn n3_an_idle_connection_and_a_slow_body_do_not_keep_it_alive() {
    use tokio::io::AsyncWriteExt as _;
    let mut program = Program::start();
    program.ready().await;
    let _idle = tokio::net::TcpStream::connect(&program.address).await.unwrap();
    let mut slow = tokio::net::TcpStream::connect(&program.address).await.unwrap();
    slow.write_all(b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    program.signal(Signal::TERM);
    assert_eq!(program.exit_code(Duration::from_secs(25)).await, Some(0));
}

#[actix_web::test]
async fn n2_a_second_signal_ends_it_at_once() {
    use tokio::io::AsyncWriteExt as _;
    let mut program = Program::start();
    program.ready().await;
    let mut slow = tokio::net::TcpStream::connect(&program.address).await.unwrap();
    slow.write_all(b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    program.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(300)).await;
    program.signal(Signal::TERM);
    assert_eq!(program.exit_code(Duration::from_secs(5)).await, Some(1));
}
