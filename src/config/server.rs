//! `[server]`: where the service listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::origin::check_origin;
use super::units::check_number;
use super::{Bounds, Error, layers::Settings, page::Page};

/// Where the service listens and with how many threads.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address and port. Loopback by default: what stands in front of it decides who may come in.
    pub listen: SocketAddr,
    /// Where `/metrics` is instead, with the probes besides: a network that strangers do not reach.
    pub ops_listen: Option<SocketAddr>,
    /// HTTP threads; as many as there are cores by default.
    pub workers: usize,
    /// Whose pages may use the cookies, besides those of the issuer's origin: origins as browsers send them.
    pub cors_origins: Vec<String>,
    /// The proxies that are believed when they say where a request came from.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether there is a page at `/docs`.
    pub docs: bool,
    /// The certificate that the service shows, with those between it and a root (PEM). Without it, it speaks plain HTTP.
    pub tls_cert_file: Option<PathBuf>,
    /// The certificate's private key (PEM).
    pub tls_key_file: Option<PathBuf>,
    /// Whether there is a page at `/` to see it work. Not a setting: `serve --dev` has it.
    pub demo: bool,
    /// What strangers may take of the service's time. Not a setting.
    pub bounds: Bounds,
}

impl Default for Server {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self {
            listen,
            ops_listen: None,
            workers: cores(),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            docs: true,
            tls_cert_file: None,
            tls_key_file: None,
            demo: false,
            bounds: Bounds::default(),
        }
    }
}

impl Server {
    pub(super) const NAMES: &[&str] = &[
        "server.listen",
        OPS_LISTEN,
        "server.workers",
        "server.cors_origins",
        TRUSTED_PROXIES,
        "server.docs",
        TLS_CERT_FILE,
        TLS_KEY_FILE,
    ];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let default = Self::default();
        let listen = settings.parsed("server.listen", "an IP address and a port, for instance \"127.0.0.1:8080\" or \"[::1]:8080\"")?;
        let ops_listen = settings.parsed(OPS_LISTEN, "an IP address and a port, for instance \"127.0.0.1:9090\"")?;
        Ok(Self {
            listen: listen.unwrap_or(default.listen),
            ops_listen,
            workers: settings.number("server.workers")?.unwrap_or(default.workers),
            cors_origins: settings.list("server.cors_origins")?.unwrap_or(default.cors_origins),
            trusted_proxies: networks(settings)?.unwrap_or(default.trusted_proxies),
            docs: settings.flag("server.docs")?.unwrap_or(default.docs),
            tls_cert_file: settings.path(TLS_CERT_FILE)?,
            tls_key_file: settings.path(TLS_KEY_FILE)?,
            demo: default.demo,
            bounds: default.bounds,
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.ops_listen.is_some_and(|ops| ops.port() != 0 && is_taken(self.listen, ops)) {
            return Err(Error::setting(OPS_LISTEN, "is the address and port of server.listen: give it a port of its own"));
        }
        check_number("server.workers", self.workers, 1..=1024)?;
        let refused = |problem| Error::setting("server.cors_origins", format!("has an origin that cannot be one: it {problem}"));
        self.cors_origins.iter().try_for_each(|origin| check_origin(origin).map_err(refused))?;
        self.trusted_proxies.iter().try_for_each(check_network)?;
        match (&self.tls_cert_file, &self.tls_key_file) {
            (Some(_), None) => Err(Error::setting(TLS_CERT_FILE, "is set without server.tls_key_file: TLS needs both")),
            (None, Some(_)) => Err(Error::setting(TLS_KEY_FILE, "is set without server.tls_cert_file: TLS needs both")),
            _ => Ok(()),
        }
    }

    /// Whether the service ends TLS itself.
    pub fn is_tls(&self) -> bool {
        self.tls_cert_file.is_some()
    }

    pub(super) fn print(&self, page: &mut Page) {
        let proxies: Vec<String> = self.trusted_proxies.iter().map(ToString::to_string).collect();
        page.text("listen", self.listen);
        match self.ops_listen {
            Some(address) => page.text("ops_listen", address),
            None => page.unset("ops_listen"),
        };
        page.number("workers", self.workers);
        page.list("cors_origins", &self.cors_origins).list("trusted_proxies", &proxies).flag("docs", self.docs);
        for (key, file) in [("tls_cert_file", &self.tls_cert_file), ("tls_key_file", &self.tls_key_file)] {
            match file {
                Some(file) => page.text(key, file.display()),
                None => page.unset(key),
            };
        }
    }
}

const OPS_LISTEN: &str = "server.ops_listen";
const TLS_CERT_FILE: &str = "server.tls_cert_file";
const TLS_KEY_FILE: &str = "server.tls_key_file";
const TRUSTED_PROXIES: &str = "server.trusted_proxies";

/// Who listens everywhere has the port on each address.
fn is_taken(listen: SocketAddr, other: SocketAddr) -> bool {
    listen.port() == other.port() && (listen.ip() == other.ip() || listen.ip().is_unspecified() || other.ip().is_unspecified())
}

/// Networks, or addresses of single hosts.
fn networks(settings: &Settings) -> Result<Option<Vec<IpNet>>, Error> {
    let network = |text: &String| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let Some(texts) = settings.list(TRUSTED_PROXIES)? else { return Ok(None) };
    let networks = texts.iter().map(network).collect::<Option<Vec<IpNet>>>();
    networks.map(Some).ok_or_else(|| {
        Error::setting(TRUSTED_PROXIES, "must be a list of addresses and networks, for instance \"127.0.0.1\" and \"10.20.0.0/16\"")
    })
}

/// Whoever is trusted may say that a request came from anywhere, so a network that nobody has to themselves is a mistake.
fn check_network(network: &IpNet) -> Result<(), Error> {
    let (narrowest, kind) = match network {
        IpNet::V4(_) => (8, "IPv4"),
        IpNet::V6(_) => (7, "IPv6"),
    };
    let problem = if network.prefix_len() < narrowest {
        format!("trusts half the world: an {kind} network must be /{narrowest} or smaller")
    } else if network.addr() != network.network() {
        "has a network with bits beyond its prefix: write the whole network as its first address, one host without a prefix".to_owned()
    } else if network.addr().is_unspecified() {
        "names the address of nobody: name the proxy".to_owned()
    } else if network.addr() != network.addr().to_canonical() {
        "has IPv4 addresses in IPv6 form: write them as IPv4".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::setting(TRUSTED_PROXIES, problem))
}

/// The cores that this process may use; one where the system does not tell.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
