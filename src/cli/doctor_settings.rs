//! Of `hallpass doctor`: settings that are allowed one by one and wrong together, and files that others can read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::doctor_finding::Finding;
use crate::config::{self, Config};
use crate::store::inspection;

const PROXY: &str = "proxy";
const COOKIES: &str = "cookies";
const FILES: &str = "files";

pub(super) fn findings(config: &Config, settings_file: Option<&Path>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(proxy(config));
    findings.extend(cookies(config));
    findings.extend(origins(config));
    findings.extend(readable_by_others(&secret_files(config, settings_file)));
    for check in [PROXY, COOKIES, FILES] {
        if !findings.iter().any(|finding| finding.is_of(check)) {
            findings.push(Finding::fine(check, "nothing to complain about"));
        }
    }
    findings
}

fn is_public(config: &Config) -> bool {
    !config.server.listen.ip().is_loopback()
}

/// Settings refuse http for any host but a loopback one, so an issuer of http is on this machine.
fn is_local(config: &Config) -> bool {
    config.token.issuer.starts_with("http://")
}

fn proxy(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_public(config) && is_local(config) {
        findings.push(Finding::warning(
            PROXY,
            "server.listen lets other machines in, and token.issuer names this one over plain http",
            "set token.issuer to the https address by which people know the service",
        ));
    }
    if is_public(config) && config.registration.enabled {
        findings.push(Finding::warning(
            PROXY,
            "anybody who reaches server.listen can make accounts",
            "limit POST /register in the proxy in front, or set registration.enabled = false",
        ));
    }
    if !is_local(config) && !config.server.is_tls() && config.server.trusted_proxies.is_empty() {
        findings.push(Finding::warning(
            PROXY,
            "token.issuer is https and there is no TLS here, so a proxy stands in front: all people share its address, and the logins that one address may try",
            "list the address of the proxy in server.trusted_proxies",
        ));
    }
    findings
}

fn cookies(config: &Config) -> Option<Finding> {
    is_local(config).then(|| {
        Finding::warning(
            COOKIES,
            "cookies are `Secure`, and over plain http only some browsers keep those, and only from a loopback address",
            "set token.issuer to an https address where people log in with cookies",
        )
    })
}

/// Pages of these origins may do whatever the person may.
fn origins(config: &Config) -> Vec<Finding> {
    let issuer = &config.token.issuer;
    let own = |origin: &str| issuer.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let origins = &config.server.cors_origins;
    let mut findings = Vec::new();
    for (index, origin) in origins.iter().enumerate() {
        let (finding, remedy) = if own(origin) {
            ("is the issuer's own origin, which is allowed anyway", "leave it out")
        } else if origins[..index].contains(origin) {
            ("is listed twice", "leave one of them out")
        } else if origin.starts_with("http://") && !is_local(config) {
            (
                "is whatever runs on the machine of whoever opens it",
                "leave it out where people log in, and use `serve --dev` to develop against",
            )
        } else {
            continue;
        };
        findings.push(Finding::warning(COOKIES, format!("{origin} in server.cors_origins {finding}"), remedy));
    }
    findings
}

/// Files, besides that of the keys, in which there are secrets, with what they are.
fn secret_files(config: &Config, settings_file: Option<&Path>) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    if let Some(path) = settings_file.filter(|path| holds_a_secret(path)) {
        files.push((path.to_owned(), "the settings file holds a secret".to_owned()));
    }
    if let Some(path) = &config.server.tls_key_file {
        files.push((path.clone(), "server.tls_key_file holds the private key of the certificate".to_owned()));
    }
    files.extend(
        config::secret_files(config::environment()).map(|(variable, path)| (path, format!("{variable} names a file with a secret"))),
    );
    if let Some(path) = inspection::sqlite_file(config.database.url.expose()) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            files.push((name.into(), "the database file holds password hashes".to_owned()));
        }
    }
    files
}

/// By itself, without the environment.
fn holds_a_secret(path: &Path) -> bool {
    let config = Config::load_for(&[], Some(path), std::iter::empty(), &[]);
    config.is_ok_and(|config| config.keys.secret.is_some() || has_password(config.database.url.expose()))
}

fn has_password(url: &str) -> bool {
    let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(login, _)| login);
    login.is_some_and(|login| login.contains(':')) || url.contains("password=")
}

fn readable_by_others(files: &[(PathBuf, String)]) -> Vec<Finding> {
    let opened = files.iter().filter_map(|(path, what)| {
        let mode = fs::metadata(path).ok()?.mode();
        let shown = path.display();
        // The group may read: that is how orchestrators hand secrets to a user of their own.
        (mode & 0o027 != 0).then(|| {
            let finding = format!("{what}, and other users of this machine can read or change it: {shown} has mode {:o}", mode & 0o777);
            Finding::warning(FILES, finding, format!("chmod 600 {shown}"))
        })
    });
    opened.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn complaints(settings: &[(&str, &str)]) -> Vec<String> {
        let overrides: Vec<(&str, String)> = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let config = Config::load_for(&[], None, std::iter::empty(), &overrides).unwrap();
        let findings = serde_json::to_value(findings(&config, None)).unwrap();
        let warnings = findings.as_array().unwrap().iter().filter(|finding| finding["level"] == "warning");
        warnings.map(|finding| format!("{}: {}", finding["check"].as_str().unwrap(), finding["finding"].as_str().unwrap())).collect()
    }

    #[test]
    fn a_service_behind_a_proxy_with_an_https_issuer_is_fine() {
        let file = ("database.url", "sqlite:/nowhere/hallpass.db");
        for listen in ["127.0.0.1:8080", "0.0.0.0:8080"] {
            let settings = [
                ("token.issuer", "https://auth.example.com/x"),
                ("server.listen", listen),
                ("server.cors_origins", "https://app.example.com"),
                ("server.trusted_proxies", "127.0.0.1"),
                file,
            ];
            assert_eq!(complaints(&settings), [""; 0]);
        }
    }

    #[test]
    fn a_proxy_that_is_not_trusted_is_told_on_unless_the_service_ends_tls_itself() {
        let https = ("token.issuer", "https://auth.example.com");
        let found = complaints(&[https]);
        assert!(found.len() == 1 && found[0].starts_with("proxy: token.issuer is https and there is no TLS here"), "{found:?}");
        for settings in [
            &[https, ("server.trusted_proxies", "10.0.0.0/8")][..],
            &[https, ("server.tls_cert_file", "nowhere/cert.pem"), ("server.tls_key_file", "nowhere/key.pem")],
        ] {
            assert_eq!(complaints(settings), [""; 0]);
        }
    }

    #[test]
    fn an_issuer_of_plain_http_is_told_on_for_cookies_and_for_other_machines() {
        let found =
            complaints(&[("token.issuer", "http://127.0.0.1:8080"), ("server.listen", "0.0.0.0:8080"), ("registration.enabled", "true")]);
        let expected = ["proxy: server.listen lets other machines in", "proxy: anybody who reaches", "cookies: cookies are `Secure`"];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)), "{found:?}");
    }

    #[test]
    fn an_origin_that_is_needless_doubled_or_of_somebodys_own_machine_is_told_on() {
        let origins =
            "https://auth.example.com,https://app.example.com,https://app.example.com,http://localhost:3000,https://auth.example.co";
        let issuer = ("token.issuer", "https://auth.example.com/x");
        let found = complaints(&[issuer, ("server.trusted_proxies", "127.0.0.1"), ("server.cors_origins", origins)]);
        let expected = ["https://auth.example.com in", "https://app.example.com in", "http://localhost:3000 in"];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|(found, expected)| found.contains(expected)), "{found:?}");
    }

    #[test]
    fn a_password_in_an_address_is_seen() {
        for (url, has) in [
            ("postgres://u:p@db/x", true),
            ("postgres://db/x?user=u&password=p", true),
            ("postgres://u@db/x", false),
            ("postgres://db:5432/x", false),
            ("sqlite:hallpass.db", false),
        ] {
            assert_eq!(has_password(url), has, "{url}");
        }
    }
}
