//! Requests as bytes, for what no well-behaved client sends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::TestApp;

impl TestApp {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes and reads all that comes back until the server closes, or for three seconds.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // The server may refuse and close before it has read everything.
        let _ = stream.write_all(bytes.as_ref()).await;
        read_within(&mut stream, Duration::from_secs(3)).await
    }

    /// A `POST /login` with this body, and `connection: close`.
    pub async fn raw_login(&self, content_type: &str, body: &[u8]) -> String {
        let head = format!("POST /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{content_type}content-length: {}\r\n\r\n", body.len());
        self.raw([head.as_bytes(), body].concat()).await
    }
}

/// What arrives until the connection ends, or until the time is up.
pub async fn read_within(stream: &mut TcpStream, limit: Duration) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let until = tokio::time::Instant::now() + limit;
    while let Ok(Ok(read)) = tokio::time::timeout_at(until, stream.read(&mut buffer)).await {
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of a raw answer, 0 when the connection was closed without one.
pub fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|status| status.parse().ok()).unwrap_or(0)
}
