//! `[password]`: how passwords are hashed, and which are too short.

use std::time::Duration;

use super::server::cores;
use super::units::{check_duration, check_number};
use super::{Error, layers::Settings, page::Page};

/// How passwords are hashed, and which are too short.
#[derive(Clone, Debug)]
pub struct Password {
    /// bcrypt cost of new hashes, 10 to 14. Each step doubles the work of a login and of a guess.
    pub bcrypt_cost: u32,
    /// Shortest new password, in characters.
    pub min_length: usize,
    /// Threads that hash; as many as there are cores by default.
    pub hash_threads: usize,
    /// How many logins may wait for a thread; more are sent away with 503.
    pub queue: usize,
    /// How long a login may wait for a thread.
    pub queue_timeout: Duration,
}

impl Default for Password {
    fn default() -> Self {
        Self { bcrypt_cost: 12, min_length: 15, hash_threads: cores(), queue: 64, queue_timeout: Duration::from_secs(2) }
    }
}

impl Password {
    pub(super) const NAMES: &[&str] =
        &["password.bcrypt_cost", "password.min_length", "password.hash_threads", "password.queue", "password.queue_timeout"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let default = Self::default();
        Ok(Self {
            bcrypt_cost: settings.number("password.bcrypt_cost")?.unwrap_or(default.bcrypt_cost),
            min_length: settings.number("password.min_length")?.unwrap_or(default.min_length),
            hash_threads: settings.number("password.hash_threads")?.unwrap_or(default.hash_threads),
            queue: settings.number("password.queue")?.unwrap_or(default.queue),
            queue_timeout: settings.duration("password.queue_timeout")?.unwrap_or(default.queue_timeout),
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        check_number("password.bcrypt_cost", self.bcrypt_cost, 10..=14)?;
        check_number("password.min_length", self.min_length, 8..=64)?;
        check_number("password.hash_threads", self.hash_threads, 1..=256)?;
        check_number("password.queue", self.queue, 1..=10_000)?;
        check_duration("password.queue_timeout", self.queue_timeout, Duration::from_secs(1)..=Duration::from_secs(30))
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.number("bcrypt_cost", self.bcrypt_cost).number("min_length", self.min_length);
        page.number("hash_threads", self.hash_threads).number("queue", self.queue);
        page.duration("queue_timeout", self.queue_timeout);
    }
}
