//! How long and how many strangers may keep the service waiting. No settings: nobody has a reason for others, but tests have.

use std::time::Duration;

/// What one connection may take of the service's time, and how many there may be.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The head of a connection's first request, and a TLS handshake, must have arrived within this.
    pub head: Duration,
    /// A connection without a request is closed after this.
    pub keep_alive: Duration,
    /// An answer of which nothing is taken for this long is given up, with its connection.
    pub unread: Duration,
    /// Connections at most. More wait in the kernel.
    pub connections: usize,
    /// Requests in flight may take this long to end after SIGTERM; orchestrators kill after 30 s.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { head: seconds(5), keep_alive: seconds(15), unread: seconds(10), connections: 4096, drain: seconds(20) }
    }
}

impl Bounds {
    /// A connection is closed after this when no request is under way on it, whatever else goes on: a wait, and then a head.
    pub fn unused(&self) -> Duration {
        self.keep_alive + self.head
    }
}
