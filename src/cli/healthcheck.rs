//! `hallpass healthcheck`: one request to a service on this machine. Needs no key, no store and no other tool, so an image without a shell can
//! check itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::exchange::{self, ReadWrite};
use super::{Error, SettingsFile, output};
use crate::config::Section;

/// Connecting, asking and being answered.
const LIMIT: Duration = Duration::from_secs(3);
/// A status line is far shorter.
const LONGEST_HEAD: usize = 4096;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hallpass healthcheck
  hallpass healthcheck --ready
  hallpass healthcheck --url http://127.0.0.1:8080/livez

Asks the address of `server.listen`, by TLS if the service has a certificate; which one does not matter here. /livez does not depend on the database, so an outage of it makes nobody restart the service.
Exit status: 0 when the answer is 200 within 3 seconds, else 1.")]
pub(super) struct Healthcheck {
    /// Ask /readyz instead: whether the service can log people in.
    #[arg(long)]
    ready: bool,
    /// Ask this address instead of the configured one.
    #[arg(long, value_name = "URL", conflicts_with = "ready")]
    url: Option<String>,
}

pub(super) fn run(command: &Healthcheck, settings: &SettingsFile) -> Result<(), Error> {
    let target = match &command.url {
        Some(url) => Target::parse(url)?,
        None => {
            let server = settings.load(&[Section::Server], &[])?.server;
            Target::local(server.is_tls(), server.listen, command.ready)
        }
    };
    let status = target.ask(Instant::now() + LIMIT).map_err(|problem| Error::failed(format!("{target}: {problem}")))?;
    if status != 200 {
        return Err(Error::failed(format!("{target}: answered {status}")));
    }
    output::line("ok")
}

/// `http://host:port/path` or `https://…`, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    is_tls: bool,
    authority: String,
    path: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", if self.is_tls { "https" } else { "http" }, self.authority, self.path)
    }
}

impl Target {
    fn local(is_tls: bool, listen: SocketAddr, ready: bool) -> Self {
        // What listens everywhere listens on loopback too.
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let path = if ready { "/readyz" } else { "/livez" };
        Self { is_tls, authority: SocketAddr::new(ip, listen.port()).to_string(), path: path.to_owned() }
    }

    fn parse(url: &str) -> Result<Self, Error> {
        let refused = || Error::Usage("--url must be http[s]://HOST[:PORT][/PATH], without user name and query".to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(refused)?;
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(refused()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_clean = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"@?#".contains(&byte));
        if authority.is_empty() || !is_clean {
            return Err(refused());
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:{default_port}") };
        Ok(Self { is_tls: default_port == 443, authority, path: if path.is_empty() { "/livez".to_owned() } else { path.to_owned() } })
    }

    /// The status of the answer.
    fn ask(&self, deadline: Instant) -> Result<u16, String> {
        let mut stream: Box<dyn ReadWrite> = match self.is_tls {
            true => Box::new(exchange::encrypted(&self.authority, deadline)?),
            false => Box::new(exchange::plain(&self.authority, deadline)?),
        };
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.path, self.authority);
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut head = Vec::new();
        while head.len() < LONGEST_HEAD && !head.contains(&b'\n') {
            let mut part = [0; 512];
            match stream.read(&mut part) {
                Ok(0) => break,
                Ok(length) => head.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        status_of(&head).ok_or_else(|| "the answer is not HTTP".to_owned())
    }
}

/// The status of `HTTP/1.1 200 OK`.
fn status_of(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let (version, rest) = line.split_once(' ')?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    rest.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_everywhere_is_asked_on_loopback() {
        for (listen, ready, url) in [
            ("0.0.0.0:8080", false, "http://127.0.0.1:8080/livez"),
            ("[::]:8080", true, "http://[::1]:8080/readyz"),
            ("10.1.2.3:80", false, "http://10.1.2.3:80/livez"),
        ] {
            assert_eq!(Target::local(false, listen.parse().unwrap(), ready).to_string(), url);
        }
    }

    #[test]
    fn a_url_is_http_or_https_with_a_host() {
        for (url, target) in [
            ("http://auth:8080/readyz", "http://auth:8080/readyz"),
            ("http://auth", "http://auth:80/livez"),
            ("http://[::1]/", "http://[::1]:80/"),
            ("http://[::1]:8080", "http://[::1]:8080/livez"),
            ("https://auth", "https://auth:443/livez"),
            ("https://auth:8443/readyz", "https://auth:8443/readyz"),
        ] {
            assert_eq!(Target::parse(url).unwrap().to_string(), target);
        }
        for url in [
            "ftp://auth",
            "auth:8080",
            "http://",
            "http:///livez",
            "http://u:p@auth",
            "http://auth/a b",
            "http://auth/\r\nX: y",
            "http://auth/?q",
        ] {
            assert!(matches!(Target::parse(url), Err(Error::Usage(_))), "{url}");
        }
    }

    #[test]
    fn only_an_http_1_status_line_has_a_status() {
        assert_eq!(status_of(b"HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 503\r\n"), Some(503));
        for head in [&b""[..], b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 2", b"SSH-2.0 200", b"\xff\xff 200"] {
            assert_eq!(status_of(head), None, "{head:?}");
        }
    }
}
