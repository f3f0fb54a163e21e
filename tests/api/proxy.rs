//! A TCP proxy on loopback that can be cut, to take a database away and give it back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of bytes.
#[repr(u8)]
enum Mode {
    Pass = 0,
    /// Connections are refused and open ones are closed.
    Cut = 1,
    /// Connections are accepted and nothing comes through.
    Hang = 2,
}

#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    pub async fn to(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), mode: Arc::default() };
        let (target, mode) = (format!("{host}:{port}"), Arc::clone(&proxy.mode));
        actix_web::rt::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if mode.load(Ordering::Relaxed) == Mode::Cut as u8 {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                let ((client_reads, client_writes), (server_reads, server_writes)) = (client.into_split(), server.into_split());
                actix_web::rt::spawn(pump(client_reads, server_writes, Arc::clone(&mode)));
                actix_web::rt::spawn(pump(server_reads, client_writes, Arc::clone(&mode)));
            }
        });
        proxy
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pass(&self) {
        self.mode.store(Mode::Pass as u8, Ordering::Relaxed);
    }

    pub fn cut(&self) {
        self.mode.store(Mode::Cut as u8, Ordering::Relaxed);
    }

    pub fn hang(&self) {
        self.mode.store(Mode::Hang as u8, Ordering::Relaxed);
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mode: Arc<AtomicU8>) {
    let mut buffer = [0; 8192];
    loop {
        let tick = std::time::Duration::from_millis(20);
        let read = match tokio::time::timeout(tick, from.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(read)) => read,
            Err(_) => 0,
        };
        while mode.load(Ordering::Relaxed) == Mode::Hang as u8 {
            tokio::time::sleep(tick).await;
        }
        if mode.load(Ordering::Relaxed) == Mode::Cut as u8 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
