//! What an attacker has: any bytes, and MACs under any key but ours. Tests may use ours as well, to get past the MAC.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::token::{AccessToken, InvalidToken, KeyRing, Verifier};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

pub(crate) const K0: [u8; 32] = key(7, 37);
pub(crate) const K1: [u8; 32] = key(91, 53);
pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "api";
pub(crate) const NOW: i64 = 1_800_000_000;

/// 32 distinct bytes.
const fn key(first: u8, step: u8) -> [u8; 32] {
    let mut bytes = [first; 32];
    let mut at = 1;
    while at < bytes.len() {
        bytes[at] = bytes[at - 1].wrapping_add(step);
        at += 1;
    }
    bytes
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn ring() -> KeyRing {
    let key = |kid: &str, bytes: &[u8]| json!({ "kty": "oct", "alg": "HS256", "kid": kid, "k": b64(bytes) });
    KeyRing::from_jwk_set(&json!({ "keys": [key("k0", &K0), key("k1", &K1)] }).to_string()).unwrap()
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new(ring(), ISSUER, &[AUDIENCE]).unwrap()
}

/// The claims of a person who logged in just now.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "usr_1", "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW, "jti": "t1", "client_id": "hallpass",
        "scope": "orders:read orders:write", "sid": "s1", "auth_time": NOW, "amr": ["pwd"], "acr": "1", "roles": ["clerk"],
    })
}

/// The header this service writes for a `kid`.
pub(crate) fn header(kid: &str) -> String {
    format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}"}}"#)
}

pub(crate) fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes().into()
}

/// A token of any header and payload with the right HS256 MAC of any key.
pub(crate) fn forge(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, key: &[u8]) -> String {
    sign(&format!("{}.{}", b64(header), b64(payload)), key)
}

/// Any signing input with the right MAC of any key.
pub(crate) fn sign(signing_input: &str, key: &[u8]) -> String {
    format!("{signing_input}.{}", b64(mac(key, signing_input.as_bytes())))
}

/// A payload as our own service would sign it.
pub(crate) fn ours(payload: impl AsRef<[u8]>) -> String {
    forge(header("k0"), payload, &K0)
}

/// Our own token with one claim changed.
pub(crate) fn with(claim: &str, value: Value) -> String {
    let mut claims = claims();
    claims[claim] = value;
    ours(claims.to_string())
}

/// Our own token with one claim left out.
pub(crate) fn without(claim: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(claim);
    ours(claims.to_string())
}

/// Our own token with one claim written as this JSON text, which need not be one that a JSON library would write.
pub(crate) fn with_raw(claim: &str, value: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(claim);
    let rest = claims.to_string();
    ours(format!(r#"{},"{claim}":{value}}}"#, rest.strip_suffix('}').unwrap()))
}

pub(crate) fn good() -> String {
    ours(claims().to_string())
}

pub(crate) fn accepted(token: impl AsRef<[u8]>) -> AccessToken {
    verifier().verify(token, NOW).unwrap()
}

/// Why the token is refused. Afterwards, and by the same verifier, the good one is still accepted (A49).
#[track_caller]
pub(crate) fn refused(token: impl AsRef<[u8]>) -> InvalidToken {
    let verifier = verifier();
    let token = token.as_ref();
    let reason = verifier.verify(token, NOW).map(drop).expect_err(&String::from_utf8_lossy(token));
    assert_eq!(verifier.verify(good(), NOW).unwrap().subject(), "usr_1");
    reason
}
