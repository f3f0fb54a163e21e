//! `hallpass healthcheck`: one request to a service on this machine. Needs no key, no store and no other tool, so an image without a shell can
//! check itself.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

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

Asks the address of `server.listen`. /livez does not depend on the database, so an outage of it makes nobody restart the service.
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
        None => Target::local(settings.load(&[Section::Server], &[])?.server.listen, command.ready),
    };
    let status = target.ask(Instant::now() + LIMIT).map_err(|problem| Error::failed(format!("{target}: {problem}")))?;
    if status != 200 {
        return Err(Error::failed(format!("{target}: answered {status}")));
    }
    output::line("ok")
}

/// `http://host:port/path`, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    authority: String,
    path: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl Target {
    fn local(listen: SocketAddr, ready: bool) -> Self {
        // What listens everywhere listens on loopback too.
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let path = if ready { "/readyz" } else { "/livez" };
        Self { authority: SocketAddr::new(ip, listen.port()).to_string(), path: path.to_owned() }
    }

    fn parse(url: &str) -> Result<Self, Error> {
        let refused = || Error::Usage("--url must be http://HOST[:PORT][/PATH], without user name and query".to_owned());
        let rest = url.strip_prefix("http://").ok_or_else(refused)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_clean = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"@?#".contains(&byte));
        if authority.is_empty() || !is_clean {
            return Err(refused());
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self { authority, path: if path.is_empty() { "/livez".to_owned() } else { path.to_owned() } })
    }

    /// The status of the answer.
    fn ask(&self, deadline: Instant) -> Result<u16, String> {
        let mut stream = self.connect(deadline)?;
        let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.path, self.authority);
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut head = Vec::new();
        while head.len() < LONGEST_HEAD && !head.contains(&b'\n') {
            let mut part = [0; 512];
            stream.set_read_timeout(Some(time_left(deadline)?)).map_err(|error| error.to_string())?;
            match stream.read(&mut part) {
                Ok(0) => break,
                Ok(length) => head.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err("no answer within 3 seconds".to_owned()),
            }
        }
        status_of(&head).ok_or_else(|| "the answer is not HTTP".to_owned())
    }

    fn connect(&self, deadline: Instant) -> Result<TcpStream, String> {
        let addresses = self.authority.to_socket_addrs().map_err(|_| "no such host".to_owned())?;
        let mut problem = "no such host".to_owned();
        for address in addresses {
            match TcpStream::connect_timeout(&address, time_left(deadline)?) {
                Ok(stream) => {
                    let limited = stream.set_write_timeout(Some(LIMIT));
                    return limited.map(|()| stream).map_err(|error| error.to_string());
                }
                Err(error) => problem = error.to_string(),
            }
        }
        Err(problem)
    }
}

fn time_left(deadline: Instant) -> Result<Duration, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err("no answer within 3 seconds".to_owned()) } else { Ok(left) }
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
            assert_eq!(Target::local(listen.parse().unwrap(), ready).to_string(), url);
        }
    }

    #[test]
    fn a_url_is_plain_http_with_a_host() {
        for (url, target) in [
            ("http://auth:8080/readyz", "http://auth:8080/readyz"),
            ("http://auth", "http://auth:80/livez"),
            ("http://[::1]/", "http://[::1]:80/"),
            ("http://[::1]:8080", "http://[::1]:8080/livez"),
        ] {
            assert_eq!(Target::parse(url).unwrap().to_string(), target);
        }
        for url in [
            "https://auth",
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
