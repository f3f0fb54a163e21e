//! What the HTTP library does not bound of a connection. It times the head of the first request, and the wait for the next one; but once a
//! byte of a next head has come, or while it skips a body that nobody wants, or while an answer is not taken, it waits for ever.

use std::any::Any;
use std::cell::Cell;
use std::os::fd::{AsFd as _, OwnedFd};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::rt::task::JoinHandle;
use rustix::net::{Shutdown, shutdown, sockopt};

use crate::config::Bounds;

/// A connection's own entry in its data: it ends with the connection, and its watch with it.
#[derive(Debug)]
pub struct Connection {
    state: Rc<State>,
    watch: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    /// A descriptor of our own, since the library keeps its stream to itself.
    socket: OwnedFd,
    under_way: Cell<u32>,
    unused_since: Cell<Instant>,
}

/// A request under way: as long as this lives, its connection is in use.
#[derive(Debug)]
pub struct InUse(Rc<State>);

/// Watches a connection that was just accepted, by closing it when no request has been under way for too long. For `HttpServer::on_connect`.
pub fn watch(stream: &dyn Any, data: &mut Extensions, bounds: &Bounds) {
    let tls = stream.downcast_ref::<TlsStream<TcpStream>>().map(|stream| stream.get_ref().0);
    let Some(stream) = tls.or_else(|| stream.downcast_ref()) else { return };
    // What the other side does not take is given up by the kernel, sent or not. Without it, a closed connection with an answer that nobody
    // reads would stay in its memory for minutes.
    let unread = u32::try_from(bounds.unread.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = sockopt::set_tcp_user_timeout(stream, unread) {
        log::debug!("a connection cannot be given a time limit: {error}");
    }
    match stream.as_fd().try_clone_to_owned() {
        Ok(socket) => drop(data.insert(Connection::watched(socket, bounds.unused()))),
        // No descriptor is left: what is not watched is bounded by the kernel alone, and soon closed as there are too many.
        Err(error) => log::warn!("a connection goes unwatched: {error}"),
    }
}

impl Connection {
    fn watched(socket: OwnedFd, limit: Duration) -> Self {
        let state = Rc::new(State { socket, under_way: Cell::new(0), unused_since: Cell::new(Instant::now()) });
        let watch = actix_web::rt::spawn(close_when_unused(Rc::downgrade(&state), limit));
        Self { state, watch }
    }

    /// From now on a request is under way, until what this gives is dropped.
    pub fn in_use(&self) -> InUse {
        self.state.under_way.update(|requests| requests + 1);
        InUse(self.state.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.under_way.update(|requests| requests.saturating_sub(1));
        self.0.unused_since.set(Instant::now());
    }
}

async fn close_when_unused(connection: Weak<State>, limit: Duration) {
    while let Some(state) = connection.upgrade() {
        let unused = if state.under_way.get() > 0 { Duration::ZERO } else { state.unused_since.get().elapsed() };
        let left = limit.saturating_sub(unused);
        if left.is_zero() {
            // The library reads the end of the stream, and lets go. An error means that the other side was faster.
            let _ = shutdown(&state.socket, Shutdown::Both);
            return;
        }
        drop(state);
        tokio::time::sleep(left).await;
    }
}
