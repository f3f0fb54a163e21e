//! Published vectors: RFC 7515, RFC 7520 and Wycheproof. Their MACs are right and they are no access tokens of ours, so all must be refused.
//!
//! The vectors lie beside the project and not in it. Without them these tests say so and pass.
//! Wycheproof's raw HMAC table is left out: no public path of this crate signs bytes of the caller's choice, and testing `hmac` itself is not ours.

use hallpass::token::{InvalidToken, KeyRing, UnusableKey, Verifier};
use serde_json::{Value, json};

use crate::forge::{NOW, b64};

/// Wycheproof's tests that contradict their own key or comment.
const SELF_CONTRADICTORY: [u64; 4] = [367, 370, 372, 373];

pub(crate) fn read(name: &str) -> Option<Value> {
    match std::fs::read_to_string(format!("../shared/vectors/{name}")) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            eprintln!("left out: ../shared/vectors/{name} is not here");
            None
        }
    }
}

fn ring(key: &Value) -> Result<KeyRing, UnusableKey> {
    let keys = if key["keys"].is_array() { key.clone() } else { json!({ "keys": [key] }) };
    KeyRing::from_jwk_set(&keys.to_string())
}

/// The reason for which a verifier with this ring refuses the token.
fn refused(ring: KeyRing, token: &str) -> InvalidToken {
    Verifier::new(ring, "joe", &["api"]).unwrap().verify(token, NOW).expect_err(token)
}

#[test]
fn rfc7515_a1_is_refused_and_its_published_key_is_no_key() {
    let Some(vector) = read("rfc7515_a1.json") else { return };
    let key = json!({ "kty": "oct", "alg": "HS256", "kid": "a1", "k": vector["k"] });
    // The key stands in the RFC itself; that it is refused is what an operator who copies it needs.
    assert_eq!(ring(&key).unwrap_err(), UnusableKey::PubliclyKnown(1));
    assert_eq!(refused(crate::forge::ring(), vector["compact"].as_str().unwrap()), InvalidToken::UnknownHeader);
}

#[test]
fn rfc7520_4_4_is_refused_though_its_mac_is_right_under_its_kid() {
    let Some(vector) = read("rfc7520_4_4_hs256.json") else { return };
    let Some(key) = read("rfc7520_3_5_oct_jwk.json") else { return };
    assert_eq!(vector["input"]["key"]["k"], key["k"]);
    let compact = vector["output"]["compact"].as_str().unwrap();
    assert_eq!(refused(ring(&key).unwrap(), compact), InvalidToken::UnknownHeader);
    for form in ["json", "json_flat"] {
        let text = vector["output"][form].to_string();
        assert!(matches!(refused(ring(&key).unwrap(), &text), InvalidToken::NotThreeSegments | InvalidToken::UnknownHeader));
    }
}

#[test]
fn wycheproof_signatures_are_refused_valid_or_not() {
    for (file, fewest) in [("wycheproof_json_web_signature_test.json", 19), ("wycheproof_json_web_crypto_test.json", 17)] {
        let Some(vectors) = read(file) else { continue };
        let (mut tried, mut left_out) = (0, 0);
        for group in vectors["testGroups"].as_array().unwrap() {
            let ring = if group["private"].is_object() { ring(&group["private"]) } else { Err(UnusableKey::NoKeys) };
            for test in group["tests"].as_array().unwrap() {
                let token = test["jws"].as_str().or(test["jwe"].as_str()).map_or_else(|| test["jws"].to_string(), str::to_owned);
                match &ring {
                    Ok(ring) if !SELF_CONTRADICTORY.contains(&test["tcId"].as_u64().unwrap()) => {
                        refused(ring.clone(), &token);
                        tried += 1;
                    }
                    // The base64 group's key is 32 zero bytes: what it signs can never be tried, since the key itself is no key.
                    Err(reason) => {
                        assert!(group["comment"] != "base64" || *reason == UnusableKey::Guessable(1), "{reason}");
                        left_out += 1;
                    }
                    Ok(_) => left_out += 1,
                }
            }
        }
        eprintln!("{file}: {tried} tried, {left_out} left out (their keys are refused: not for HS256 signatures, or 32 zero bytes)");
        assert!(tried >= fewest, "{file}: {tried}");
    }
}

/// Wycheproof's valid and invalid MACs, checked for what they say: each payload and MAC is put under our own header, whose MAC is another, so
/// that a verifier which trusted the signature of another header would show here.
#[test]
fn wycheproof_macs_do_not_carry_over_to_our_header() {
    let Some(vectors) = read("wycheproof_json_web_signature_test.json") else { return };
    let mut tried = 0;
    for group in vectors["testGroups"].as_array().unwrap().iter().filter(|group| group["private"]["alg"] == "HS256") {
        let Ok(ring) = ring(&group["private"]) else { continue };
        let kid = ring.kids().next().unwrap().to_owned();
        for test in group["tests"].as_array().unwrap() {
            let Some([_, payload, tag]) =
                test["jws"].as_str().and_then(|jws| <[&str; 3]>::try_from(jws.split('.').collect::<Vec<_>>()).ok())
            else {
                continue;
            };
            let header = b64(crate::forge::header(&kid));
            let reason = refused(ring.clone(), &format!("{header}.{payload}.{tag}"));
            assert!(
                matches!(reason, InvalidToken::Signature | InvalidToken::SignatureEncoding | InvalidToken::NotThreeSegments),
                "{}: {reason}",
                test["tcId"]
            );
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn wycheproof_keys_make_a_ring_exactly_when_they_are_sound_hs256_keys() {
    let Some(vectors) = read("wycheproof_json_web_key_test.json") else { return };
    let mut made = 0;
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = &group["private"];
        let test = &group["tests"][0];
        let expected = match (test["comment"].as_str().unwrap(), key["keys"][0]["alg"].as_str()) {
            ("acceptsValid" | "long_key", Some("HS256")) => None,
            // Two keys under one name, and the second is not even canonical base64url: that is what is said.
            ("rejectsDuplicateKid", _) => Some(UnusableKey::Encoding(2)),
            ("key_too_short" | "empty_key", Some("HS256")) => Some(UnusableKey::TooShort(1)),
            ("rejectsValid", Some("HS256")) => Some(UnusableKey::NotHs256(2)),
            _ => Some(UnusableKey::NotHs256(1)),
        };
        let ring = ring(key);
        assert_eq!(ring.as_ref().err(), expected.as_ref(), "tcId {}", test["tcId"]);
        made += usize::from(ring.is_ok());
    }
    assert_eq!(made, 2);
}

#[test]
fn published_json_that_must_be_refused_is_refused_as_a_claim() {
    let Ok(folder) = std::fs::read_dir("../shared/vectors/json_parsing") else {
        return eprintln!("left out: ../shared/vectors/json_parsing is not here");
    };
    let verifier = crate::forge::verifier();
    let claims = crate::forge::claims().to_string();
    let rest = claims.strip_suffix('}').unwrap().as_bytes();
    let (mut refused, mut accepted) = (0, 0);
    for file in folder.map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        let text = std::fs::read(file.path()).unwrap();
        let verdict = verifier.verify(crate::forge::ours([rest, b",\"x\":", &text, b"}"].concat()), NOW);
        match name.as_bytes()[0] {
            // Some are wrong only as a whole document, and harmless or another claim in the place of a value.
            b'n' if verdict.is_ok() => {
                assert!(serde_json::from_slice::<Value>(&[rest, b",\"x\":", &text, b"}"].concat()).is_ok(), "{name}")
            }
            b'n' => refused += 1,
            b'y' => {
                assert!(verdict.is_ok(), "{name}: {verdict:?}");
                accepted += 1;
            }
            _ => {}
        }
    }
    assert!(refused > 150 && accepted > 80, "{refused} refused, {accepted} accepted");
}
