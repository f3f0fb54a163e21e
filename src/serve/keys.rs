//! The keys of a process: read where the settings say, and proven before they are used.

use super::Error;
use super::reload::Reload;
use crate::authority::Tokens;
use crate::clock::Clock;
use crate::config::Config;
use crate::token::{KeyRing, KeySummary, SharedKeyRing, Signer, UnusableKey, Verifier, claims};

/// Everything that follows from the configured keys, proven.
pub(super) fn tokens(config: &Config, now: i64) -> Result<Tokens, Error> {
    let ring = key_ring(config)?;
    let access_keys = SharedKeyRing::new(access_keys(config, &ring)?);
    let verifier = Verifier::new(&access_keys, &config.token.issuer, &config.token.audience)?.with_leeway(config.token.leeway)?;
    let tokens = Tokens::new(&ring, access_keys, verifier).map_err(|error| unusable(config, &error))?;
    self_test(config, &tokens.keys().signer, &tokens.verifier, now)?;
    Ok(tokens)
}

/// Reads `keys.file` again while the process runs. A single secret is a setting, and stays until the next start.
pub(super) fn watch(reload: &mut Reload, config: &Config, tokens: &Tokens, clock: &Clock) {
    let Some(file) = &config.keys.file else { return };
    let (files, config, tokens, clock) = (vec![file.clone()], config.clone(), tokens.clone(), clock.clone());
    reload.add("keys.file", files, move || read_again(&config, &tokens, clock.now()).map_err(|error| error.to_string()));
}

fn read_again(config: &Config, tokens: &Tokens, now: i64) -> Result<Option<String>, Error> {
    let ring = key_ring(config)?;
    let summary = ring.summary();
    if summary == tokens.keys().summary {
        return Ok(None);
    }
    let access_keys = access_keys(config, &ring)?;
    let signer = Signer::new(&access_keys).map_err(|error| unusable(config, &error))?;
    let verifier = Verifier::new(access_keys.clone(), &config.token.issuer, &config.token.audience)?;
    self_test(config, &signer, &verifier, now)?;
    tokens.replace(&ring, access_keys).map_err(|error| unusable(config, &error))?;
    Ok(Some(describe(&summary)))
}

/// One line that is the same on replicas with the same keys, and says which differ. Nothing in it is secret.
pub fn describe(keys: &KeySummary) -> String {
    let KeySummary { signs, keys, fingerprint, .. } = keys;
    let count = if *keys == 1 { "1 key verifies".to_owned() } else { format!("{keys} keys verify") };
    format!("{signs} signs, {count}, fingerprint {fingerprint}")
}

/// The keys of `keys.file` or `keys.secret`.
///
/// # Errors
/// [`Error::Keys`].
pub fn key_ring(config: &Config) -> Result<KeyRing, Error> {
    let ring = match (&config.keys.file, &config.keys.secret) {
        (Some(path), _) => {
            let json = crate::secret::Secret::read(path)
                .map_err(|error| Error::Keys { setting: "keys.file", reason: format!("cannot read {}: {error}", path.display()) })?;
            KeyRing::from_jwk_set(json.expose())
        }
        (None, Some(secret)) => KeyRing::from_secret(secret.expose()),
        (None, None) => Err(UnusableKey::NoKeys),
    };
    ring.map_err(|error| unusable(config, &error))
}

pub(super) fn unusable(config: &Config, error: &UnusableKey) -> Error {
    Error::Keys { setting: if config.keys.file.is_some() { "keys.file" } else { "keys.secret" }, reason: error.to_string() }
}

/// The keys that access tokens are signed and verified with: those of this ring, or with `token.per_audience_keys` those of the audience.
///
/// # Errors
/// [`Error::Keys`]; the settings have been checked for having exactly one audience.
pub fn access_keys(config: &Config, ring: &KeyRing) -> Result<KeyRing, Error> {
    match (config.token.per_audience_keys, config.token.audience.as_slice()) {
        (false, _) => Ok(ring.clone()),
        (true, [audience]) => ring.for_audience(audience).map_err(|error| unusable(config, &error)),
        (true, _) => Err(Error::Keys { setting: "token.per_audience_keys", reason: "needs exactly one name in token.audience".to_owned() }),
    }
}

/// Signs and verifies once, so that a broken build or setting fails here and not at the first login.
pub(super) fn self_test(config: &Config, signer: &Signer, verifier: &Verifier, now: i64) -> Result<(), Error> {
    let claims = claims::Claims {
        iss: &config.token.issuer,
        sub: "cli_self-test",
        aud: &config.token.audience,
        exp: now + 60,
        iat: now,
        jti: "self-test",
        client_id: "cli_self-test",
        scope: "",
        login: None,
    };
    let token = signer.sign(&claims).map_err(|error| Error::SelfTest(error.to_string()))?;
    verifier.verify(token, now).map(|_| ()).map_err(|error| Error::SelfTest(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn config() -> Config {
        let settings = [
            ("keys.secret", "base64url:ERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzA".to_owned()),
            ("token.issuer", "https://auth.example.com".to_owned()),
        ];
        Config::load(None, std::iter::empty(), &settings).unwrap()
    }

    #[test]
    fn k20_a_signature_that_cannot_be_verified_is_found_before_anybody_is_served() {
        let config = config();
        let tokens = tokens(&config, NOW).unwrap();
        let signer = |secret: &str| Signer::new(&KeyRing::from_secret(secret).unwrap()).unwrap();
        assert!(self_test(&config, &tokens.keys().signer, &tokens.verifier, NOW).is_ok());
        let other = signer("base64url:gYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6A");
        let error = self_test(&config, &other, &tokens.verifier, NOW).unwrap_err();
        assert!(matches!(error, Error::SelfTest(_)) && error.source().is_none(), "{error}");
        // A setting that makes every token one that is not ours.
        let elsewhere = Config {
            token: crate::config::Token { issuer: "https://elsewhere.example".to_owned(), ..config.token.clone() },
            ..config.clone()
        };
        assert!(matches!(self_test(&elsewhere, &tokens.keys().signer, &tokens.verifier, NOW), Err(Error::SelfTest(_))));
    }
}
