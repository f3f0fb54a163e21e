//! Whether a request that a browser authenticated by itself, with a cookie, comes from a page that may do so.
//!
//! `Sec-Fetch-Site` (W3C Fetch Metadata) and `Origin` (RFC 6454) are set by the browser and cannot be set by a page, so no token has to travel
//! along. It reads those two headers and the method, and knows nothing of tokens or sessions.

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, ORIGIN, UPGRADE};
use thiserror::Error;

use super::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What an answer depends on where cookies decide (RFC 9110 s12.5.5): no cache may give one origin's answer to another.
pub const VARY: &str = "Origin, Sec-Fetch-Site";

/// The origins whose pages may act with a person's cookies.
#[derive(Clone, Debug)]
pub struct TrustedOrigins {
    own: String,
    allowed: Vec<String>,
}

/// An address that no browser sends as an origin, so that allowing it would allow nothing, or that anybody can speak for.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an origin is scheme://host[:port] as browsers send it, in lower case, without path and default port; never \"*\" or \"null\"")]
pub struct NotAnOrigin;

impl TrustedOrigins {
    /// The origin of the issuer, and others that are trusted as much.
    ///
    /// # Errors
    /// [`NotAnOrigin`], for an issuer that is no URL too.
    pub fn new(issuer: &str, allowed: &[&str]) -> Result<Self, NotAnOrigin> {
        let path_at = issuer.find("://").and_then(|scheme| issuer[scheme + 3..].find('/').map(|path| scheme + 3 + path));
        let own = &issuer[..path_at.unwrap_or(issuer.len())];
        if !is_origin(own) || !allowed.iter().all(|origin| is_origin(origin)) {
            return Err(NotAnOrigin);
        }
        Ok(Self { own: own.to_owned(), allowed: allowed.iter().map(|origin| (*origin).to_owned()).collect() })
    }

    /// Whether a request with a cookie may be acted upon. GET, HEAD and OPTIONS may always: they change nothing, and no other page can read the
    /// answer. That is not so where they open a WebSocket: a page can read one to anywhere. Another protocol no page can ask for.
    ///
    /// # Errors
    /// [`Refusal::CsrfFailed`].
    pub fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !opens_web_socket(headers) {
            return Ok(());
        }
        let trusted = match (only(headers, &SEC_FETCH_SITE), only(headers, &ORIGIN)) {
            (Sent::Once(b"same-origin"), _) => true,
            // A page of an allowed origin is truthfully cross-site, or same-site next door. Anything else that does not say same-origin is
            // refused even if `Origin` is ours: the two contradict each other, and a sibling domain is same-site too.
            (Sent::Once(b"same-site" | b"cross-site"), Sent::Once(origin)) => self.allows(origin),
            // A browser from before Fetch Metadata (2023), or a plain http origin that is no loopback.
            (Sent::Not, Sent::Once(origin)) => origin == self.own.as_bytes() || self.allows(origin),
            // Without both it is no browser, and should send its token in `Authorization`; with one twice it is none either.
            _ => false,
        };
        if trusted { Ok(()) } else { Err(Refusal::CsrfFailed) }
    }

    /// Whether a gateway may let a request with a cookie pass, as far as the page it came from goes. The method that a gateway asks with may
    /// not be the one that it was asked with, so none is harmless: what says that it comes from elsewhere is refused, and so is an `Origin`
    /// that is not one of ours beside any other header. A request that says nothing of its page is no browser's of today.
    ///
    /// # Errors
    /// [`Refusal::CsrfFailed`].
    #[cfg(feature = "service")]
    pub(super) fn check_forwarded(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_ours = |origin: &[u8]| origin == self.own.as_bytes() || self.allows(origin);
        let trusted = match (only(headers, &SEC_FETCH_SITE), only(headers, &ORIGIN)) {
            // `none`: the address was typed, or a bookmark. No page can bring that about. `same-site` without an origin: a link next door.
            (Sent::Once(b"same-origin" | b"same-site" | b"none") | Sent::Not, Sent::Not) => true,
            (Sent::Once(b"same-origin") | Sent::Not, Sent::Once(origin)) => is_ours(origin),
            (Sent::Once(b"same-site" | b"cross-site"), Sent::Once(origin)) => self.allows(origin),
            _ => false,
        };
        if trusted { Ok(()) } else { Err(Refusal::CsrfFailed) }
    }

    /// Compared whole: no suffixes, no patterns.
    fn allows(&self, origin: &[u8]) -> bool {
        self.allowed.iter().any(|allowed| allowed.as_bytes() == origin)
    }
}

enum Sent<'h> {
    Not,
    Once(&'h [u8]),
    Several,
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Sent<'h> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Sent::Not,
        (Some(value), None) => Sent::Once(value.as_bytes()),
        (Some(_), Some(_)) => Sent::Several,
    }
}

/// `Upgrade` is a list (RFC 9110 s7.8), of names in any case.
fn opens_web_socket(headers: &HeaderMap) -> bool {
    let protocols = headers.get_all(UPGRADE).flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    protocols.map(<[u8]>::trim_ascii).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

/// One spelling: what a browser would write differently would never be equal to what it sends.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return false,
    };
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    let has_host = authority.bytes().next().is_some_and(|first| first != b':');
    has_host && authority.bytes().all(is_plain) && !authority.ends_with(default_port) && !authority.ends_with(':')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    const OWN: &str = "https://auth.example.com";
    const ALLOWED: &str = "https://app.example.com";

    fn origins() -> TrustedOrigins {
        TrustedOrigins::new("https://auth.example.com/tenant", &[ALLOWED]).unwrap()
    }

    fn check(method: Method, site: &[&str], origin: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        site.iter().for_each(|value| headers.append(SEC_FETCH_SITE, HeaderValue::from_str(value).unwrap()));
        origin.iter().for_each(|value| headers.append(ORIGIN, HeaderValue::from_str(value).unwrap()));
        let checked = origins().check(&method, &headers);
        assert!(matches!(checked, Ok(()) | Err(Refusal::CsrfFailed)));
        checked.is_ok()
    }

    fn post(site: &[&str], origin: &[&str]) -> bool {
        check(Method::POST, site, origin)
    }

    #[test]
    fn e4_e5_e6_a_browser_that_says_where_it_is_must_say_same_origin() {
        assert!(post(&["same-origin"], &[]) && post(&["same-origin"], &[OWN]) && post(&["same-origin"], &[ALLOWED]));
        for site in
            ["cross-site", "same-site", "none", "", "Same-Origin", "same-origin ", "same-origin, same-origin", "\"same-origin\"", "?1"]
        {
            for origin in [&[][..], &[OWN], &["null"], &["https://evil.example"]] {
                assert!(!post(&[site], origin), "{site:?} {origin:?}");
            }
        }
    }

    #[test]
    fn e7_e8_e21_without_fetch_metadata_the_origin_must_be_exactly_ours_or_an_allowed_one() {
        assert!(post(&[], &[OWN]) && post(&[], &[ALLOWED]));
        for origin in [
            "null",
            "",
            "*",
            "https://evil.example",
            "https://auth.example.com.evil",
            "https://auth.example.com.evil.example",
            "https://evilauth.example.com",
            "https://evilapp.example.com",
            "https://x.app.example.com",
            "https://example.com",
            "http://auth.example.com",
            "https://auth.example.com:8443",
            "https://auth.example.com:443",
            "https://auth.example.com/",
            "https://auth.example.com/tenant",
            "https://AUTH.example.com",
            "https://auth.example.com https://auth.example.com",
            "https://auth.example.com, https://evil.example",
            "auth.example.com",
        ] {
            assert!(!post(&[], &[origin]), "{origin}");
        }
    }

    #[test]
    fn e9_without_both_headers_and_with_one_twice_it_is_refused() {
        assert!(!post(&[], &[]));
        assert!(!post(&["same-origin", "same-origin"], &[OWN]) && !post(&["same-origin", "cross-site"], &[ALLOWED]));
        assert!(!post(&[], &[OWN, OWN]) && !post(&["cross-site"], &[ALLOWED, ALLOWED]));
    }

    #[test]
    fn e10_a_contradiction_is_refused_unless_the_origin_is_an_allowed_one() {
        assert!(post(&["same-site"], &[ALLOWED]) && post(&["cross-site"], &[ALLOWED]));
        assert!(!post(&["same-site"], &[OWN]) && !post(&["cross-site"], &[OWN]) && !post(&["none"], &[ALLOWED]));
    }

    #[test]
    fn only_get_head_and_options_need_no_origin() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(check(method, &["cross-site"], &["https://evil.example"]));
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE, Method::CONNECT] {
            assert!(!check(method, &["cross-site"], &["https://evil.example"]));
        }
        for method in ["get", "Get", "PROPFIND", "HEADX"] {
            assert!(!check(Method::from_bytes(method.as_bytes()).unwrap(), &[], &[]), "{method}");
        }
    }

    #[test]
    fn e4_a_page_from_elsewhere_opens_no_web_socket_and_nothing_else_that_is_offered_counts() {
        let trusted = |upgrade: &[&'static str], site: &'static str| {
            let mut headers = HeaderMap::new();
            upgrade.iter().for_each(|value| headers.append(UPGRADE, HeaderValue::from_static(value)));
            headers.insert(SEC_FETCH_SITE, HeaderValue::from_static(site));
            origins().check(&Method::GET, &headers).is_ok()
        };
        for upgrade in [&["websocket"][..], &["WebSocket"], &["h2c, websocket"], &["h2c", "websocket"], &["h2c,\twebsocket ,x"]] {
            assert!(!trusted(upgrade, "cross-site") && !trusted(upgrade, "none") && trusted(upgrade, "same-origin"), "{upgrade:?}");
        }
        for upgrade in [&["h2c"][..], &["TLS/1.0"], &[""], &["websockets"], &[]] {
            assert!(trusted(upgrade, "cross-site"), "{upgrade:?}");
        }
    }

    #[cfg(feature = "service")]
    #[test]
    fn e4_e7_a_request_that_a_gateway_asks_about_must_not_come_from_elsewhere_whatever_its_method() {
        let check = |site: &[&str], origin: &[&str]| {
            let mut headers = HeaderMap::new();
            site.iter().for_each(|value| headers.append(SEC_FETCH_SITE, HeaderValue::from_str(value).unwrap()));
            origin.iter().for_each(|value| headers.append(ORIGIN, HeaderValue::from_str(value).unwrap()));
            origins().check_forwarded(&headers).is_ok()
        };
        let evil = "https://evil.example";
        for (site, origin) in [
            (&["same-origin"][..], &[][..]),
            (&["none"], &[]),
            (&[], &[]),
            (&["same-origin"], &[OWN]),
            (&["same-origin"], &[ALLOWED]),
            (&[], &[OWN]),
            (&[], &[ALLOWED]),
            (&["cross-site"], &[ALLOWED]),
            (&["same-site"], &[ALLOWED]),
            (&["same-site"], &[]),
        ] {
            assert!(check(site, origin), "{site:?} {origin:?}");
        }
        for (site, origin) in [
            (&["cross-site"][..], &[][..]),
            (&["cross-site"], &[OWN]),
            (&["same-site"], &[OWN]),
            (&["cross-site"], &[evil]),
            (&["same-origin"], &[evil]),
            (&["same-origin"], &["null"]),
            (&["none"], &[evil]),
            (&["none"], &[OWN]),
            (&[], &[evil]),
            (&[], &["null"]),
            (&[""], &[]),
            (&["Same-Origin"], &[]),
            (&["same-origin", "same-origin"], &[]),
            (&[], &[OWN, OWN]),
            (&["cross-site"], &[ALLOWED, ALLOWED]),
        ] {
            assert!(!check(site, origin), "{site:?} {origin:?}");
        }
    }

    #[test]
    fn an_origin_that_no_browser_sends_or_anybody_can_is_refused_when_the_guard_is_made() {
        for good in ["https://a.example", "https://a.example:8443", "http://127.0.0.1:8080", "http://localhost:3000", "https://[::1]:1"] {
            assert!(TrustedOrigins::new(good, &[good]).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "a.example",
            "https://",
            "https://:1",
            "https://*.a.example",
            "https://a.example/",
            "https://a.example:443",
            "http://a:80",
            "https://A.example",
            "HTTPS://a.example",
            "https://a.example:",
            "https://user@a.example",
            "https://a.example?x",
            "file://x",
            "https://\u{e4}.example",
        ] {
            assert_eq!(TrustedOrigins::new(OWN, &[bad]).err(), Some(NotAnOrigin), "{bad}");
        }
        for issuer in ["", "auth", "urn:auth", "https://", "https:///x"] {
            assert_eq!(TrustedOrigins::new(issuer, &[]).err(), Some(NotAnOrigin), "{issuer}");
        }
    }
}
