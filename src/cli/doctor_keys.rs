//! Of `hallpass doctor`: the keys, who may read them, and how old they are; and the certificate, where there is one.

use super::doctor_finding::Finding;
use super::key_file::{self, KeyFile};
use crate::config::Config;
use crate::serve;

const CHECK: &str = "keys";
const DAY: i64 = 86_400;
/// A key that signs for longer than this is overdue: whoever got at it once can still make tokens.
const OLD: i64 = 365 * DAY;

pub(super) fn findings(config: &Config, now: i64) -> Vec<Finding> {
    let ring = match serve::key_ring(config) {
        Ok(ring) => ring,
        Err(error) => {
            let remedy = "make a key with `(umask 077; hallpass key generate > keys.json)`, or restore the file that was in use";
            return vec![Finding::broken(CHECK, error.to_string(), remedy)];
        }
    };
    let signs = ring.kids().next().unwrap_or_default().to_owned();
    let count = ring.kids().count();
    let Some(path) = &config.keys.file else {
        let remedy = "put keys into a file and set keys.file: a file can hold the next key before it signs, so nobody notices a rotation";
        return vec![Finding::warning(CHECK, format!("{signs} signs, from keys.secret, and its age is unknown"), remedy)];
    };
    let fingerprint = ring.summary().fingerprint;
    let fine = Finding::fine(CHECK, format!("{signs} signs, and {count} of at most 5 keys verify; fingerprint {fingerprint}"));
    let mut findings = vec![fine.with("keys", count).with("fingerprint", fingerprint)];
    if let Some(warning) = key_file::warning(path) {
        let (finding, remedy) = warning.split_once(": ").unwrap_or((&warning, "chmod 600 it"));
        findings.push(Finding::warning(CHECK, finding, remedy));
    }
    match KeyFile::open(path) {
        Ok(file) => findings.extend(file.keys().enumerate().map(|(index, key)| age(config, index == 0, key.kid(), key.created_at(), now))),
        Err(error) => {
            findings.push(Finding::broken(CHECK, error.to_string(), "let the user that runs hallpass read the file and its folder"))
        }
    }
    findings
}

/// Of a service that ends TLS itself.
pub(super) fn certificate(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "tls";
    const REMEDY: &str = "let server.tls_cert_file and server.tls_key_file name a certificate and its private key, which the user that runs hallpass can read";
    let found = config.server.is_tls().then(|| match serve::check_certificate(&config.server) {
        Ok(()) => Finding::fine(CHECK, "the certificate can be read, and its key belongs to it"),
        Err(error) => Finding::broken(CHECK, error.to_string(), REMEDY),
    });
    found.into_iter().collect()
}

/// What the age of a key says: the one that signs should not be old, the others should not be there for longer than any session needs them.
fn age(config: &Config, signs: bool, kid: &str, created_at: Option<i64>, now: i64) -> Finding {
    let Some(created_at) = created_at else {
        let remedy = "run `hallpass key rotate` twice for a key that knows when it was made";
        return Finding::warning(CHECK, format!("the age of {kid} is unknown: it has no \"iat\""), remedy);
    };
    let age = now - created_at;
    let days = age / DAY;
    let finding = if age < -i64::try_from(config.token.leeway.as_secs()).unwrap_or_default() {
        Finding::broken(
            CHECK,
            format!("{kid} was made {} s in the future, by this machine's clock", -age),
            "set the clock of this machine, or of the one that made the key, right",
        )
    } else if signs && age > OLD {
        let remedy = "rotate: `hallpass key rotate` adds the next key, once more lets it sign, `hallpass key retire` removes this one";
        Finding::warning(CHECK, format!("{kid} has been there for {days} days, and still signs"), remedy)
    } else if !signs && age > OLD {
        let remedy = format!("remove it with `hallpass key retire {kid}` if nothing that it signed is in use any more");
        Finding::warning(CHECK, format!("{kid} has been there for {days} days, and only verifies"), remedy)
    } else {
        Finding::fine(CHECK, format!("{kid} is {days} days old, and {}", if signs { "signs" } else { "verifies" }))
    };
    finding.with("kid", kid).with("age_days", days)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_on_when_it_is_old_unknown_or_from_the_future() {
        let config = Config::load_for(&[], None, std::iter::empty(), &[]).unwrap();
        let now = 1_800_000_000;
        let level = |signs, created_at| serde_json::to_value(age(&config, signs, "k", created_at, now)).unwrap()["level"].clone();
        assert_eq!(level(true, Some(now - 364 * DAY)), "ok");
        assert_eq!(level(true, Some(now + 4)), "ok", "clocks differ a little");
        assert_eq!(level(true, Some(now - 366 * DAY)), "warning");
        assert_eq!(level(false, Some(now - 366 * DAY)), "warning");
        assert_eq!(level(true, None), "warning");
        assert_eq!(level(true, Some(now + 60)), "broken");
    }
}
