//! Addresses as browsers write them in `Origin`: the issuer begins with one, and so is every origin that may use the cookies.

use std::net::{IpAddr, Ipv6Addr};

/// `scheme://host[:port]` and nothing else, in the one spelling that browsers send, since it is compared byte for byte. Plain http is for
/// loopback only: elsewhere whoever is on the way could speak for it, and browsers would keep no `Secure` cookie.
pub(super) fn check_origin(origin: &str) -> Result<(), &'static str> {
    let Some((scheme, authority)) = origin.split_once("://").filter(|(scheme, _)| ["https", "http"].contains(scheme)) else {
        return Err("must begin with https://");
    };
    if authority.contains(['/', '?', '#']) {
        return Err("may not have a path, a query or a fragment: leave out everything after the host and port");
    }
    let host = check_authority(scheme, authority)?;
    if scheme == "http" && !is_loopback(host) {
        return Err("must begin with https:// (http:// is only for a loopback host such as 127.0.0.1)");
    }
    Ok(())
}

/// Checks `host[:port]` and gives the host, an IPv6 address without its brackets.
fn check_authority<'a>(scheme: &str, authority: &'a str) -> Result<&'a str, &'static str> {
    if authority.contains('@') {
        return Err("may not hold a user name or a password");
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => (host, port),
        Some(_) => return Err("has an IPv6 address that cannot be read"),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_name = |host: &str| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if !authority.starts_with('[') && !is_name(host) {
        return Err("must name a host, for instance \"https://auth.example.com\"");
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("must have its host in lower case, as browsers send it");
    }
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    match port {
        "" => Ok(host),
        port if port == default_port => Err("may not name the default port: leave it out, as browsers do"),
        port => match port.strip_prefix(':').map(str::parse::<u16>) {
            Some(Ok(1..)) if !port.starts_with(":+") && !port.starts_with(":0") => Ok(host),
            _ => Err("has a port that is not a number from 1 to 65535"),
        },
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e8_e20_an_origin_is_exactly_what_a_browser_sends_and_never_a_wildcard() {
        for good in [
            "https://app.example.com",
            "https://app.example.com:8443",
            "https://[2001:db8::1]",
            "http://localhost:3000",
            "http://127.0.0.1:5173",
        ] {
            assert_eq!(check_origin(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://*",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com/x",
            "https://app.example.com?x",
            "https://app.example.com#",
            "https://app.example.com:443",
            "https://App.example.com",
            "HTTPS://app.example.com",
            "https://user@app.example.com",
            "http://app.example.com",
            "http://localhost.evil.example",
            "file://x",
            "https://",
            "https://a b",
        ] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }
}
