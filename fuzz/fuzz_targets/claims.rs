//! Whatever a holder of the key could sign: what is believed must also be right by a slow and simple reading of the contract.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass::token::{KeyRing, Verifier};
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use sha2::Sha256;

const NOW: i64 = 1_800_000_000;
const LEEWAY: i64 = 5;
const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "orders";
const KEY: &str = "MVbAapCCwfLkEREk523QkHHKc2q1EAIQS3OQ6a6y-ZA";

struct Fixture {
    verifier: Verifier,
    header: String,
    mac: Hmac<Sha256>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let keys = KeyRing::from_secret(&format!("base64url:{KEY}")).expect("a usable key");
    let kid = keys.kids().next().expect("one key").to_owned();
    Fixture {
        verifier: Verifier::new(keys, ISSUER, &[AUDIENCE]).expect("a safe verifier"),
        header: BASE64URL.encode(format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}"}}"#)),
        mac: Hmac::new_from_slice(&BASE64URL.decode(KEY).expect("base64url")).expect("any length will do"),
    }
});

fuzz_target!(|payload: &[u8]| {
    let Fixture { verifier, header, mac } = &*FIXTURE;
    let input = format!("{header}.{}", BASE64URL.encode(payload));
    let mac = mac.clone().chain_update(&input).finalize().into_bytes();
    let token = format!("{input}.{}", BASE64URL.encode(mac));

    let Ok(believed) = verifier.verify(&token, NOW) else { return };
    assert!(token.len() <= 8192);
    let claims: Map<String, Value> = serde_json::from_slice(payload).expect("one JSON object");
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (iat, exp) = (number("iat").expect("iat"), number("exp").expect("exp"));

    assert_eq!(text("iss"), Some(ISSUER));
    assert!(match &claims["aud"] {
        Value::String(one) => one == AUDIENCE,
        Value::Array(many) => many.iter().all(Value::is_string) && many.iter().any(|one| one == AUDIENCE),
        _ => false,
    });
    assert!(exp > NOW - LEEWAY && iat <= NOW + LEEWAY && exp - iat <= 3600);
    assert!(claims.get("nbf").is_none_or(|nbf| nbf.as_i64().is_some_and(|nbf| nbf <= NOW + LEEWAY)));
    assert_eq!((believed.issued_at(), believed.expires_at()), (iat, exp));
    assert_eq!(
        (text("sub"), text("jti"), text("client_id"), text("scope")),
        (Some(believed.subject()), Some(believed.id()), Some(believed.client_id()), Some(believed.scope().as_str())),
    );
    assert_eq!(claims.get("sid").and_then(Value::as_str), believed.session_id());
    assert_eq!(claims.get("auth_time").and_then(Value::as_i64), believed.auth_time());
    assert!(!believed.is_person() || believed.session_id().is_some());
    assert!(claims.get("roles").is_none_or(|roles| roles.as_array().is_some_and(|roles| roles.iter().all(Value::is_string))));
    let roles = claims.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    assert!(believed.roles().eq(roles));
});
