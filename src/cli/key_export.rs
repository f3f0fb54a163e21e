//! `hallpass key export`: the keys in the words of whoever else verifies tokens.
//!
//! HS256 has one key for signing and verifying: whoever holds what is printed here can make tokens. So it goes to standard output only, for a
//! pipe or a file with a mode of its own, and both are warned about when others can read along.

use std::io::{self, IsTerminal as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::key_file::KeyFile;
use super::{Error, output};
use crate::config::{Config, check_audience};
use crate::serve as service;
use crate::token::KeyRing;

/// For whom the keys are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// A JWK Set (RFC 7517), as `keys.file` is one.
    Jwks,
    /// Variables for a shell or a container: `HALLPASS_KEY_1_KID` and `HALLPASS_KEY_1` as `base64url:…`, the key that signs first.
    Env,
    /// `local_jwks` for the filter `jwt_authn`.
    Envoy,
    /// A map file for `map_str`: the first segment of a token, and the key for `url_dec`.
    Haproxy,
}

/// Prints the keys of `keys.file` or `keys.secret`, or those that an audience has of them, the one that signs first.
pub(super) fn run(format: Format, audience: Option<&str>, config: &Config) -> Result<(), Error> {
    // Also says what is wrong with a key, or that there is none, in the words of `serve`.
    let ring = service::key_ring(config)?;
    let keys = match audience {
        Some(audience) => audience_keys(&ring, audience)?,
        None => keys(&ring, config)?,
    };
    output::whole(text(format, &keys)?.as_bytes())?;
    warn();
    if let Some(doubt) = doubt(audience, config) {
        output::message(format_args!("hallpass: {doubt}"));
    }
    Ok(())
}

/// Each key as a JWK with its four members and no others: what an operator noted beside them is nobody else's.
fn keys(ring: &KeyRing, config: &Config) -> Result<Vec<Value>, Error> {
    if let Some(file) = &config.keys.file {
        let file = KeyFile::open(file)?;
        return Ok(file.keys().map(|key| key.to_jwk()).map(|jwk| oct(&jwk["kid"], &jwk["k"])).collect());
    }
    let encoded = config.keys.secret.as_ref().and_then(|secret| secret.expose().strip_prefix("base64url:"));
    Ok(ring.kids().zip(encoded).map(|(kid, k)| oct(&kid.into(), &k.into())).collect())
}

fn audience_keys(ring: &KeyRing, audience: &str) -> Result<Vec<Value>, Error> {
    check_audience(&[audience.to_owned()]).map_err(|problem| Error::Usage(format!("--audience {problem}")))?;
    let jwk = |(kid, bytes): (&str, Zeroizing<[u8; 32]>)| oct(&kid.into(), &URL_SAFE_NO_PAD.encode(&bytes[..]).into());
    Ok(ring.audience_keys(audience).map(jwk).collect())
}

/// Keys that verify nothing would be found out only when the first token is refused.
fn doubt(audience: Option<&str>, config: &Config) -> Option<String> {
    let token = &config.token;
    match audience {
        None if token.per_audience_keys => Some(
            "token.per_audience_keys is on, so these keys verify no token but make those of every audience: add --audience NAME".to_owned(),
        ),
        Some(_) if !token.per_audience_keys => Some(
            "token.per_audience_keys is off here, so no token is signed with these keys: turn it on, or leave --audience out".to_owned(),
        ),
        Some(audience) if !token.audience.iter().any(|name| name == audience) => Some(
            "token.audience is another one here: these keys are for tokens of a hallpass with this audience and the same keys".to_owned(),
        ),
        _ => None,
    }
}

fn oct(kid: &Value, k: &Value) -> Value {
    json!({ "kty": "oct", "alg": "HS256", "kid": kid, "k": k })
}

fn text(format: Format, keys: &[Value]) -> Result<Zeroizing<String>, Error> {
    let set = || json!({ "keys": keys });
    let lines = |line: fn(usize, &Value) -> Result<String, Error>| -> Result<String, Error> {
        (1..).zip(keys).map(|(number, key)| line(number, key)).collect()
    };
    Ok(Zeroizing::new(match format {
        Format::Jwks => format!("{:#}\n", set()),
        // JSON of letters that need no escapes: it fits a quoted YAML string.
        Format::Envoy => format!("local_jwks:\n  inline_string: '{}'\n", set()),
        Format::Env => lines(variables)?,
        Format::Haproxy => lines(map_entry)?,
    }))
}

/// Letters that neither a shell nor a file of variables gives a meaning.
fn variables(number: usize, key: &Value) -> Result<String, Error> {
    let (kid, k) = names(key);
    Ok(format!("HALLPASS_KEY_{number}_KID={kid}\nHALLPASS_KEY_{number}=base64url:{k}\n"))
}

/// Percent-encoded, since what `b64dec` decodes ends for `jwt_verify` at the first zero byte.
fn map_entry(_: usize, key: &Value) -> Result<String, Error> {
    let (kid, k) = names(key);
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(k).map_err(|_| Error::failed("a key is not base64url without padding"))?);
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}"}}"#));
    let key: Zeroizing<String> = Zeroizing::new(bytes.iter().map(|byte| format!("%{byte:02X}")).collect());
    Ok(format!("{header} {}\n", *key))
}

fn names(key: &Value) -> (&str, &str) {
    (key["kid"].as_str().unwrap_or_default(), key["k"].as_str().unwrap_or_default())
}

fn warn() {
    if io::stdout().is_terminal() {
        output::message(
            "hallpass: these are the keys themselves, and whoever has them can make tokens: clear this screen, and write them to a file instead: (umask 077; hallpass key export … > FILE)",
        );
    }
    if let Some(mode) = output::readable_by_others() {
        output::message(format_args!("hallpass: the file this went to can be read by others (mode {mode:o}): chmod 600 it"));
    }
}
