//! `[token]`: what the tokens say and how long they live.

use std::time::Duration;

use super::origin::check_origin;
use super::units::check_duration;
use super::{Error, layers::Settings, page::Page};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What the tokens say and how long they live.
#[derive(Clone, Debug)]
pub struct Token {
    /// `iss`: the public address of the service, compared byte for byte (RFC 8414 s2). Empty in the default, which loading refuses.
    pub issuer: String,
    /// `aud`: for whom tokens are minted. Never empty.
    pub audience: Vec<String>,
    /// Whether tokens are signed with a key of their audience instead of the key of the ring.
    pub per_audience_keys: bool,
    /// Life of an access token.
    pub access_ttl: Duration,
    /// How far the clocks of two machines may be apart.
    pub leeway: Duration,
}

impl Default for Token {
    fn default() -> Self {
        let (access_ttl, leeway) = (5 * MINUTE, Duration::from_secs(5));
        Self { issuer: String::new(), audience: vec!["hallpass".to_owned()], per_audience_keys: false, access_ttl, leeway }
    }
}

impl Token {
    pub(super) const NAMES: &[&str] = &["token.issuer", "token.audience", "token.per_audience_keys", "token.access_ttl", "token.leeway"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let default = Self::default();
        Ok(Self {
            issuer: settings.text("token.issuer")?.map_or(default.issuer, str::to_owned),
            audience: settings.list("token.audience")?.unwrap_or(default.audience),
            per_audience_keys: settings.flag("token.per_audience_keys")?.unwrap_or(default.per_audience_keys),
            access_ttl: settings.duration("token.access_ttl")?.unwrap_or(default.access_ttl),
            leeway: settings.duration("token.leeway")?.unwrap_or(default.leeway),
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        check_issuer(&self.issuer).map_err(|problem| Error::setting("token.issuer", problem))?;
        check_audience(&self.audience).map_err(|problem| Error::setting("token.audience", problem))?;
        if self.per_audience_keys && self.audience.len() != 1 {
            return Err(Error::setting(
                "token.per_audience_keys",
                "needs exactly one name in token.audience: a token has one signature, so it can be of one audience's key only",
            ));
        }
        check_duration("token.access_ttl", self.access_ttl, MINUTE..=HOUR)?;
        check_duration("token.leeway", self.leeway, Duration::ZERO..=MINUTE)
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.text("issuer", &self.issuer).list("audience", &self.audience).flag("per_audience_keys", self.per_audience_keys);
        page.duration("access_ttl", self.access_ttl).duration("leeway", self.leeway);
    }
}

/// Names of services, as they stand in `aud`.
pub(crate) fn check_audience(audience: &[String]) -> Result<(), &'static str> {
    if audience.is_empty() || audience.iter().any(String::is_empty) {
        return Err("needs at least one name, and none may be empty");
    }
    if audience.iter().flat_map(|name| name.chars()).any(|char| char.is_whitespace() || char.is_control()) {
        return Err("may not hold spaces or control characters");
    }
    let repeated = audience.iter().enumerate().any(|(index, name)| audience[..index].contains(name));
    if repeated { Err("names the same audience twice: keep one of them") } else { Ok(()) }
}

/// RFC 8414 s2 and what follows from comparing it byte for byte: one spelling of one address, the one that browsers send as Origin.
fn check_issuer(issuer: &str) -> Result<(), &'static str> {
    if issuer.is_empty() {
        return Err("is not set: give the public address of this service, for instance \"https://auth.example.com\"");
    }
    if issuer.contains(['?', '#']) {
        return Err("may not have a query or a fragment: leave out everything from the ? or #");
    }
    if issuer.ends_with('/') {
        return Err("may not end in a slash: leave it out");
    }
    if !issuer.bytes().all(|byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte)) {
        return Err("may hold only the ASCII characters of a URL");
    }
    let authority_at = issuer.find("://").map_or(0, |scheme| scheme + 3);
    let path_at = issuer[authority_at..].find('/').map_or(issuer.len(), |path| authority_at + path);
    check_origin(&issuer[..path_at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k12_an_issuer_is_an_https_address_without_slash_query_or_fragment() {
        for good in [
            "https://auth.example.com",
            "https://auth.example.com/tenant-1",
            "https://auth.example.com:8443",
            "https://[2001:db8::1]:8443",
            "http://127.0.0.1:8080",
            "http://127.1.2.3",
            "http://localhost:8080",
            "http://auth.localhost",
            "http://[::1]:8080",
        ] {
            assert_eq!(check_issuer(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "auth.example.com",
            "https://",
            "https:///x",
            "https://auth.example.com/",
            "https://auth.example.com/x/",
            "https://auth.example.com?x=1",
            "https://auth.example.com#x",
            "http://auth.example.com",
            "http://10.0.0.1:8080",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://notlocalhost",
            "http://[2001:db8::1]",
            "HTTPS://auth.example.com",
            "https://Auth.example.com",
            "https://user:password@auth.example.com",
            "https://auth.example.com:443",
            "http://localhost:80",
            "https://auth.example.com:0",
            "https://auth.example.com:+1",
            "https://auth.example.com:08443",
            "https://auth.example.com:65536",
            "https://auth.example.com:",
            "https://[::1",
            "https://[::1]x",
            "https://auth example.com",
            "https://auth.example.com/\u{e4}",
            "https://auth.example.com/\r\nX: y",
            "ftp://auth.example.com",
        ] {
            assert!(check_issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_audience_has_names_without_spaces_and_none_twice() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(check_audience(&names(&["hallpass", "https://api.example.com"])), Ok(()));
        for bad in [&[][..], &[""], &["a", ""], &["a b"], &["a\n"], &["a", "b", "a"]] {
            assert!(check_audience(&names(bad)).is_err(), "{bad:?}");
        }
    }
}
