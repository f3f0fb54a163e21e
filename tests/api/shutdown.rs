//! The compiled program is told to stop: group N of the threats.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::raw::{read_within, status};

/// Far more than an answer takes.
const LONG: Duration = Duration::from_secs(30);

/// The real program, ended with the test.
struct Program {
    child: Child,
    address: String,
    /// The operators' own listener.
    ops: String,
    _folder: tempfile::TempDir,
}

impl Program {
    /// `serve` on two free ports, with the cheapest hashes.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (listen, ops) = (free(), free());
        let [address, ops] = [listen, ops].map(|listener| listener.local_addr().unwrap().to_string());
        let child = Command::new(env!("CARGO_BIN_EXE_hallpass"))
            .arg("serve")
            .env("HALLPASS__SERVER__LISTEN", &address)
            .env("HALLPASS__SERVER__OPS_LISTEN", &ops)
            .env("HALLPASS__TOKEN__ISSUER", crate::app::ISSUER)
            .env("HALLPASS__KEYS__SECRET", "base64url:C1Sd5i94wQpTnOUud8AJUpvkLXa_CFGa4yx1vgdQmeIrdL0GT5jh")
            .env("HALLPASS__PASSWORD__BCRYPT_COST", "10")
            .env("HALLPASS__PASSWORD__QUEUE_TIMEOUT", "30s")
            .env("RUST_LOG", "info")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, address, ops, _folder: folder }
    }

    async fn ready(&mut self) {
        // Somebody has to read what it says, or it stops when the pipe is full.
        let stderr = BufReader::new(self.child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().for_each(drop));
        let until = Instant::now() + Duration::from_secs(20);
        while !reqwest::get(format!("http://{}/readyz", self.ops)).await.is_ok_and(|response| response.status() == 200) {
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

/// A login that the service has taken on: it has read the head, and asks for the body.
struct Login {
    stream: TcpStream,
    body: String,
}

impl Login {
    async fn begin(program: &Program, email: &str) -> Self {
        let body = json!({ "email": email, "password": "x" }).to_string();
        let mut stream = TcpStream::connect(&program.address).await.unwrap();
        let head = "POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n";
        stream.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).await.unwrap();
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    async fn send_body(&mut self) {
        self.stream.write_all(self.body.as_bytes()).await.unwrap();
    }
}

#[actix_web::test]
async fn n1_n14_sigterm_is_unready_at_once_lets_every_login_in_flight_end_and_exits_0() {
    let mut program = Program::start();
    program.ready().await;
    let mut logins = Vec::new();
    for n in 0..8 {
        let mut login = Login::begin(&program, &format!("nobody{n}@example.com")).await;
        if n % 2 == 0 {
            login.send_body().await;
        }
        logins.push(login);
    }
    program.signal(Signal::TERM);
    // Half of the logins cannot end yet, so this is seen while it waits for them. Nobody new is let in at the front by then.
    let readyz = format!("http://{}/readyz", program.ops);
    let until = Instant::now() + LONG;
    while reqwest::get(&readyz).await.unwrap().status() != 503 {
        assert!(Instant::now() < until, "it is still ready");
    }
    assert_eq!(reqwest::get(format!("http://{}/livez", program.ops)).await.unwrap().status(), 200, "stopping is not being ill");
    for (n, mut login) in logins.into_iter().enumerate() {
        if n % 2 == 1 {
            login.send_body().await;
        }
        let answer = read_within(&mut login.stream, LONG).await;
        assert!(status(&answer) == 401 && answer.ends_with('}') && answer.contains("invalid_credentials"), "{n}: {answer:?}");
    }
    assert_eq!(program.exit_code(Duration::from_secs(25)).await, Some(0));
}

#[actix_web::test]
async fn n3_an_idle_connection_and_a_slow_body_do_not_keep_it_alive() {
    let mut program = Program::start();
    program.ready().await;
    let _idle = TcpStream::connect(&program.address).await.unwrap();
    let mut slow = TcpStream::connect(&program.address).await.unwrap();
    slow.write_all(b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    program.signal(Signal::TERM);
    assert_eq!(program.exit_code(Duration::from_secs(25)).await, Some(0));
}

#[actix_web::test]
async fn n2_a_second_signal_ends_it_at_once() {
    let mut program = Program::start();
    program.ready().await;
    let mut slow = TcpStream::connect(&program.address).await.unwrap();
    slow.write_all(b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    program.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(300)).await;
    program.signal(Signal::TERM);
    assert_eq!(program.exit_code(Duration::from_secs(5)).await, Some(1));
}
