//! Rows K2, K3, K4, K8, K9, K15: which keys a ring takes. What it refuses, no setting can bring in.

use hallpass::token::verify::UnsafeVerifier;
use hallpass::token::{InvalidToken, KeyRing, Signer, UnusableKey, Verifier};
use serde_json::{Value, json};
use std::time::Duration;

use crate::forge::{ISSUER, K0, K1, NOW, b64, claims, forge, header, ring, verifier};

fn jwk(kid: &str, bytes: &[u8]) -> Value {
    json!({ "kty": "oct", "alg": "HS256", "kid": kid, "k": b64(bytes) })
}

fn set(keys: impl IntoIterator<Item = Value>) -> Result<KeyRing, UnusableKey> {
    KeyRing::from_jwk_set(&json!({ "keys": keys.into_iter().collect::<Vec<_>>() }).to_string())
}

/// The second key of a set, with one member changed, and why it is refused.
fn second(member: &str, value: Value) -> UnusableKey {
    let mut key = jwk("k1", &K1);
    key[member] = value;
    set([jwk("k0", &K0), key]).unwrap_err()
}

#[test]
fn k2_a_key_shorter_than_32_bytes_is_refused() {
    for length in [0, 1, 16, 31] {
        assert_eq!(set([jwk("k0", &K0[..length])]).unwrap_err(), UnusableKey::TooShort(1), "{length}");
        assert_eq!(KeyRing::from_secret(&format!("base64url:{}", b64(&K0[..length]))).unwrap_err(), UnusableKey::TooShort(1));
    }
    set([jwk("k0", &K0[..])]).unwrap();
}

#[test]
fn k3_a_key_of_few_distinct_bytes_is_refused() {
    for bytes in [vec![7; 48], vec![0xfe; 64], b"0123456789abcde".repeat(4)] {
        assert_eq!(set([jwk("k0", &bytes)]).unwrap_err(), UnusableKey::Guessable(1));
    }
    for bytes in [vec![0; 32], vec![b'a'; 32], vec![b'1'; 64]] {
        assert!(matches!(set([jwk("k0", &bytes)]), Err(UnusableKey::Guessable(1) | UnusableKey::PubliclyKnown(1))));
    }
}

#[test]
fn k3_a_key_made_of_words_is_refused() {
    let words = "Sphinx of black quartz, judge my vow 42";
    assert_eq!(set([jwk("k0", &K0), jwk("k1", words.as_bytes())]).unwrap_err(), UnusableKey::Words(2));
    assert_eq!(KeyRing::from_secret(&format!("base64url:{}", b64(words))).unwrap_err(), UnusableKey::Words(1));
}

#[test]
fn k4_a_publicly_known_secret_is_refused() {
    for known in
        ["a-string-secret-at-least-256-bits-long", "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"]
    {
        assert!(matches!(set([jwk("k0", known.as_bytes())]), Err(UnusableKey::PubliclyKnown(1))), "{known}");
    }
}

#[test]
fn k4_every_publicly_known_secret_is_refused_as_a_key_of_a_set_and_as_the_secret() {
    let Some(vectors) = crate::vectors::read("weak_secrets_ge32.json") else { return };
    for secret in vectors["secrets"].as_array().unwrap() {
        let secret = secret.as_str().unwrap();
        let refused = [
            set([jwk("k0", &K0), jwk("k1", secret.as_bytes())]).map(drop),
            KeyRing::from_secret(&format!("base64url:{}", b64(secret))).map(drop),
        ];
        assert!(refused.iter().all(Result::is_err), "{secret}");
    }
}

#[test]
fn k8_an_empty_or_overfull_set_and_a_doubled_or_odd_kid_are_refused() {
    assert_eq!(set([]).unwrap_err(), UnusableKey::NoKeys);
    let many = (0..6_u8).map(|number| jwk(&format!("k{number}"), &[&K0[..], &[number]].concat()));
    assert_eq!(set(many.clone()).unwrap_err(), UnusableKey::TooManyKeys);
    assert_eq!(set(many.take(5)).unwrap().kids().collect::<Vec<_>>(), ["k0", "k1", "k2", "k3", "k4"]);
    assert_eq!(set([jwk("k0", &K0), jwk("k0", &K1)]).unwrap_err(), UnusableKey::DuplicateKid(2));
    let long = "k".repeat(65);
    for kid in ["", "k 0", "k\"0", "k\n0", "k/0", "ключ", &long] {
        assert_eq!(set([jwk(kid, &K0)]).unwrap_err(), UnusableKey::Kid(1), "{kid:?}");
    }
    set([jwk(&long[..64], &K0)]).unwrap();
}

#[test]
fn k9_the_same_bytes_under_two_names_are_refused() {
    assert_eq!(set([jwk("k0", &K0), jwk("k1", &K1), jwk("k2", &K0)]).unwrap_err(), UnusableKey::DuplicateKey(3));
    // HMAC pads a short key with zeros (RFC 2104 s2), so these bytes differ and the key does not.
    assert_eq!(set([jwk("k0", &K0), jwk("k1", &[&K0[..], b"\0"].concat())]).unwrap_err(), UnusableKey::DuplicateKey(2));
}

#[test]
fn a_key_of_another_form_is_refused_by_its_number() {
    for (member, value) in [
        ("kty", json!("RSA")),
        ("kty", Value::Null),
        ("alg", json!("HS512")),
        ("alg", json!("none")),
        ("alg", Value::Null),
        ("use", json!("enc")),
        ("key_ops", json!(["encrypt"])),
        ("key_ops", json!([])),
    ] {
        assert_eq!(second(member, value.clone()), UnusableKey::NotHs256(2), "{member}: {value}");
    }
    assert_eq!(second("kid", Value::Null), UnusableKey::Kid(2));
    for k in [json!(null), json!(b64(K1) + "="), json!("not base64url!"), json!("++//".repeat(16)), json!(format!(" {}", b64(K1)))] {
        assert_eq!(second("k", k), UnusableKey::Encoding(2));
    }
    for (member, value) in
        [("use", json!("sig")), ("key_ops", json!(["sign", "verify"])), ("key_ops", json!(["verify"])), ("ext", json!(true))]
    {
        let mut key = jwk("k0", &K0);
        key[member] = value;
        set([key]).unwrap();
    }
}

#[test]
fn what_is_not_a_jwk_set_is_refused_as_a_whole() {
    let key = jwk("k0", &K0).to_string();
    let texts = [
        String::new(),
        "{}".into(),
        "[]".into(),
        key.clone(),
        format!("[{key}]"),
        format!("[[{key}]]"),
        r#"{"keys":{}}"#.into(),
        r#"{"keys":[1]}"#.into(),
        format!(r#"{{"keys":[{key}]}}x"#),
        format!(r#"{{"keys":[],"keys":[{key}]}}"#),
        format!(r#"{{"keys":[{}]}}"#, key.replace('}', r#","k":"x"}"#)),
        format!(r#"{{"keys":[["oct","HS256","k0",null,null,"{}"]]}}"#, b64(K0)),
    ];
    for text in texts {
        assert_eq!(KeyRing::from_jwk_set(&text).unwrap_err(), UnusableKey::NotAJwkSet, "{text}");
    }
}

#[test]
fn k5_a_secret_says_how_it_is_written() {
    for text in [String::new(), b64(K0), format!("hex:{}", b64(K0)), format!(" base64url:{}", b64(K0)), format!("BASE64URL:{}", b64(K0))] {
        assert_eq!(KeyRing::from_secret(&text).unwrap_err(), UnusableKey::UnknownForm, "{text}");
    }
    for text in [format!("base64url:{}\n", b64(K0)), format!("base64url:{}=", b64(K0)), format!("base64url: {}", b64(K0))] {
        assert_eq!(KeyRing::from_secret(&text).unwrap_err(), UnusableKey::Encoding(1), "{text:?}");
    }
    let (one, again) = (
        KeyRing::from_secret(&format!("base64url:{}", b64(K0))).unwrap(),
        KeyRing::from_secret(&format!("base64url:{}", b64(K0))).unwrap(),
    );
    assert_eq!(one.kids().collect::<Vec<_>>(), again.kids().collect::<Vec<_>>());
}

#[test]
fn k15_debug_and_errors_never_show_a_key() {
    let secret = b64(K0);
    let ring = ring();
    let shown = [format!("{ring:?}"), format!("{:?}", Signer::new(&ring).unwrap()), format!("{:?}", verifier())].concat();
    assert!(shown.contains("k0") && shown.contains(ISSUER));
    let bytes = format!("{:?}", &K0[..4]);
    assert!(!shown.contains(&secret[..8]) && !shown.contains(bytes.trim_matches(['[', ']'])));

    let short = b64(&K0[..31]);
    for error in [second("k", json!(short)), second("kid", json!(format!("{secret}="))), second("k", json!(format!("{secret}=")))] {
        assert!(!format!("{error:?}{error}").contains(&secret[..8]));
    }
}

#[test]
fn k16_a_rotation_never_refuses_a_live_token_and_ends_the_old_key_with_its_ring() {
    let verifier_of = |keys: [Value; 2]| Verifier::new(set(keys).unwrap(), ISSUER, &["api"]).unwrap();
    let (old, new) = (forge(header("k0"), claims().to_string(), &K0), forge(header("k1"), claims().to_string(), &K1));
    for ring in [[jwk("k0", &K0), jwk("k1", &K1)], [jwk("k1", &K1), jwk("k0", &K0)]] {
        let verifier = verifier_of(ring);
        assert!(verifier.verify(&old, NOW).is_ok() && verifier.verify(&new, NOW).is_ok());
    }
    let after = Verifier::new(set([jwk("k1", &K1)]).unwrap(), ISSUER, &["api"]).unwrap();
    assert_eq!(after.verify(&old, NOW).unwrap_err(), InvalidToken::UnknownHeader);
    assert!(after.verify(&new, NOW).is_ok());
}

#[test]
fn q6_a_verifier_without_issuer_or_audience_or_with_an_hour_of_leeway_cannot_be_made() {
    let none: [&str; 0] = [];
    assert_eq!(Verifier::new(ring(), "", &["api"]).unwrap_err(), UnsafeVerifier::NoIssuer);
    assert_eq!(Verifier::new(ring(), ISSUER, &none).unwrap_err(), UnsafeVerifier::NoAudience);
    assert_eq!(Verifier::new(ring(), ISSUER, &["api", ""]).unwrap_err(), UnsafeVerifier::NoAudience);
    for leeway in [Duration::from_secs(61), Duration::from_secs(3600), Duration::from_millis(60_001), Duration::MAX] {
        assert_eq!(verifier().with_leeway(leeway).unwrap_err(), UnsafeVerifier::Leeway);
    }
    assert_eq!(verifier().with_leeway(Duration::from_secs(60)).unwrap().leeway(), 60);
}
