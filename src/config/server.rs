//! `[server]`: where the service listens.

use std::net::{Ipv4Addr, SocketAddr};

use super::origin::check_origin;
use super::units::check_number;
use super::{Error, layers::Settings, page::Page};

/// Where the service listens and with how many threads.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port. Loopback by default: what stands in front of it decides who may come in.
    pub listen: SocketAddr,
    /// HTTP threads; as many as there are cores by default.
    pub workers: usize,
    /// Whose pages may use the cookies, besides those of the issuer's origin: origins as browsers send them.
    pub cors_origins: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), workers: cores(), cors_origins: Vec::new() }
    }
}

impl Server {
    pub(super) const NAMES: &[&str] = &["server.listen", "server.workers", "server.cors_origins"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let default = Self::default();
        let listen = settings.parsed("server.listen", "an IP address and a port, for instance \"127.0.0.1:8080\" or \"[::1]:8080\"")?;
        Ok(Self {
            listen: listen.unwrap_or(default.listen),
            workers: settings.number("server.workers")?.unwrap_or(default.workers),
            cors_origins: settings.list("server.cors_origins")?.unwrap_or(default.cors_origins),
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        check_number("server.workers", self.workers, 1..=1024)?;
        let refused = |problem| Error::setting("server.cors_origins", format!("has an origin that cannot be one: it {problem}"));
        self.cors_origins.iter().try_for_each(|origin| check_origin(origin).map_err(refused))
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.text("listen", self.listen).number("workers", self.workers).list("cors_origins", &self.cors_origins);
    }
}

/// The cores that this process may use; one where the system does not tell.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
