//! Sets of keys: what is taken is right by a slow and simple reading, makes tokens that it believes itself, and nothing of a key is told.
#![no_main]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass::token::{KeyRing, Verifier};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    let keys = match KeyRing::from_jwk_set(text) {
        Ok(keys) => keys,
        Err(reason) => {
            let reason = reason.to_string();
            // Fixed words and numbers: a key would be longer than the longest of them.
            assert!(text.split('"').filter(|part| part.len() >= 24).all(|part| !reason.contains(part)));
            return;
        }
    };
    let set: Value = serde_json::from_str(text).expect("JSON");
    let jwks = set["keys"].as_array().expect("an array of keys");
    assert!((1..=5).contains(&jwks.len()));
    let mut bytes = BTreeSet::new();
    for jwk in jwks {
        assert_eq!((jwk["kty"].as_str(), jwk["alg"].as_str()), (Some("oct"), Some("HS256")));
        assert!(jwk.get("use").is_none_or(|usage| usage.is_null() || usage == "sig"));
        let encoded = jwk["k"].as_str().expect("k");
        let key = BASE64URL.decode(encoded).expect("base64url");
        assert_eq!(BASE64URL.encode(&key), encoded, "one spelling only");
        assert!(key.len() >= 32 && key.iter().collect::<BTreeSet<_>>().len() >= 16);
        // HMAC fills a key up with zeros (RFC 2104 s2), so trailing ones make no other key of up to one block.
        let mut padded = key.clone();
        padded.resize(key.len().max(64), 0);
        assert!(bytes.insert(padded), "one key under two names");
        assert!(!format!("{keys:?}").contains(encoded));
    }
    let kids: Vec<&str> = jwks.iter().map(|jwk| jwk["kid"].as_str().expect("kid")).collect();
    assert!(keys.kids().eq(kids.iter().copied()), "in their order");
    assert_eq!(kids.iter().collect::<BTreeSet<_>>().len(), kids.len());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    assert!(kids.iter().all(|kid| (1..=64).contains(&kid.len()) && kid.bytes().all(is_name)));

    // Written anew with only what counts, it is the same set.
    let plain: Vec<Value> = jwks.iter().map(|jwk| json!({ "kty": "oct", "alg": "HS256", "kid": jwk["kid"], "k": jwk["k"] })).collect();
    let again = KeyRing::from_jwk_set(&json!({ "keys": plain }).to_string()).expect("the same set");
    assert!(again.kids().eq(keys.kids()));
    Verifier::new(keys, "https://auth.example.com", &["orders"]).expect("a verifier");
});
