//! `[database]`: where accounts and sessions live.

use super::units::check_number;
use super::{Error, layers::Settings, page::Page};
use crate::secret::Secret;

/// Where accounts and sessions live.
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite:FILE` or `postgres://user:password@host/name`. A secret, because of the password.
    pub url: Secret,
    /// Upper bound of open connections.
    pub max_connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: Secret::from("sqlite:hallpass.db"), max_connections: 10 }
    }
}

impl Database {
    pub(super) const NAMES: &[&str] = &["database.url", "database.max_connections"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let default = Self::default();
        Ok(Self {
            url: settings.secret("database.url")?.unwrap_or(default.url),
            max_connections: settings.number("database.max_connections")?.unwrap_or(default.max_connections),
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let url = self.url.expose();
        if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(Error::setting("database.url", "must be sqlite:FILE or postgres://user:password@host/name"));
        }
        if url.starts_with("sqlite:") && (url.contains(":memory:") || url.contains("mode=memory")) {
            return Err(Error::setting("database.url", "must name a file: a database in memory forgets every account at the next start"));
        }
        check_number("database.max_connections", self.max_connections, 1..=1000)
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.secret("url", Some(&self.url)).number("max_connections", self.max_connections);
    }
}
