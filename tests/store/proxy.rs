//! A TCP proxy on loopback whose line can be cut and can go dead, as networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PASSING: u8 = 0;
const CUT: u8 = 1;
const DEAD: u8 = 2;
const OVER: u8 = 3;

pub(super) struct Proxy {
    pub(super) port: u16,
    line: Arc<Line>,
}

struct Line {
    upstream: String,
    state: AtomicU8,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub(super) fn to(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Arc::new(Line { upstream, state: AtomicU8::new(PASSING), open: Mutex::default() });
        let accepting = line.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                match accepting.state.load(Ordering::SeqCst) {
                    OVER => break,
                    CUT => drop(client),
                    _ => accepting.carry(client),
                }
            }
        });
        Self { port, line }
    }

    /// Every connection ends, and new ones end at once.
    pub(super) fn cut(&self) {
        self.line.end(CUT);
    }

    /// Every connection stays open and nothing arrives any more; new ones are accepted and never answered.
    pub(super) fn go_dead(&self) {
        self.line.state.store(DEAD, Ordering::SeqCst);
    }

    /// Works again for new connections; dead ones stay dead.
    pub(super) fn repair(&self) {
        self.line.open.lock().unwrap().clear();
        self.line.state.store(PASSING, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.end(OVER);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Line {
    fn end(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn carry(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.upstream) else { return };
        self.open.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        for (from, to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
            let line = self.clone();
            std::thread::spawn(move || line.copy(from, to));
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if self.state.load(Ordering::SeqCst) == DEAD {
                // What was under way is lost for good, even after the repair.
                while self.state.load(Ordering::SeqCst) == DEAD {
                    std::thread::sleep(Duration::from_millis(20));
                }
                // The other end hears nothing of it: no shutdown. The thread leaves with its two handles still open elsewhere.
                std::mem::forget((from, to));
                return;
            }
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
