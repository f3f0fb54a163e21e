//! Rows A1 to A24: what the header may say. Only one text is right for each key, so every other is refused before anything is parsed,
//! even under a right MAC of our own keys.

use hallpass::token::InvalidToken::{NotThreeSegments, Signature, SignatureEncoding, TooLong, UnknownHeader};
use serde_json::{Value, json};
use sha2::{Sha384, Sha512};

use crate::forge::{K0, K1, accepted, b64, claims, forge, good, header, ours, refused};
use hmac::Hmac;

/// A header under the right MAC of k0.
fn headed(header: impl AsRef<[u8]>) -> String {
    forge(header, claims().to_string(), &K0)
}

/// Our header with one member changed, under the right MAC of k0.
fn with_member(name: &str, value: Value) -> String {
    let mut header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": "k0" });
    header[name] = value;
    headed(header.to_string())
}

#[test]
fn a1_alg_none_in_any_case_is_refused_without_and_with_the_old_signature() {
    for alg in ["none", "None", "NONE", "nOnE", "noNE", "NonE"] {
        let unsigned = format!("{}.{}.", b64(json!({ "typ": "at+jwt", "alg": alg, "kid": "k0" }).to_string()), b64(claims().to_string()));
        assert_eq!(refused(&unsigned), NotThreeSegments, "{alg}");
        assert_eq!(refused(unsigned + good().rsplit('.').next().unwrap()), UnknownHeader, "{alg}");
        assert_eq!(refused(with_member("alg", json!(alg))), UnknownHeader, "{alg}");
    }
}

#[test]
fn a2_alg_none_in_two_segments_is_refused() {
    let token = format!("{}.{}", b64(r#"{"alg":"none"}"#), b64(claims().to_string()));
    assert_eq!(refused(token), NotThreeSegments);
}

#[test]
fn a3_alg_is_compared_exactly() {
    for alg in ["hs256", "Hs256", "HS256 ", " HS256", "HS256\0", "HS-256", "HS2560", ""] {
        assert_eq!(refused(with_member("alg", json!(alg))), UnknownHeader, "{alg:?}");
    }
}

#[test]
fn a4_our_key_signs_with_no_other_hash() {
    fn token<M: hmac::Mac + hmac::KeyInit>(alg: &str) -> (String, String) {
        let sign = |header: String| {
            let input = format!("{}.{}", b64(header), b64(claims().to_string()));
            let tag = <M as hmac::KeyInit>::new_from_slice(&K0).unwrap().chain_update(&input).finalize().into_bytes();
            format!("{input}.{}", b64(tag))
        };
        (sign(json!({ "typ": "at+jwt", "alg": alg, "kid": "k0" }).to_string()), sign(header("k0")))
    }
    for (honest, disguised) in [token::<Hmac<Sha384>>("HS384"), token::<Hmac<Sha512>>("HS512")] {
        assert_eq!(refused(honest), UnknownHeader);
        assert_eq!(refused(disguised), SignatureEncoding);
    }
}

#[test]
fn a5_other_algorithms_are_refused_whatever_their_signature() {
    let signatures = [vec![0; 64], vec![0xa5; 64], vec![7; 256], vec![0; 32]];
    for alg in ["HS1", "RS256", "PS256", "ES256", "ES512", "EdDSA", "ES256K"] {
        for signature in &signatures {
            let header = json!({ "typ": "at+jwt", "alg": alg, "kid": "k0" }).to_string();
            assert_eq!(refused(format!("{}.{}.{}", b64(header), b64(claims().to_string()), b64(signature))), UnknownHeader, "{alg}");
        }
    }
}

#[test]
fn a6_a_mac_under_a_header_that_names_a_signature_is_refused() {
    assert_eq!(refused(with_member("alg", json!("RS256"))), UnknownHeader);
}

#[test]
fn a7_alg_missing_or_of_another_type_is_refused() {
    assert_eq!(refused(headed(r#"{"typ":"at+jwt","kid":"k0"}"#)), UnknownHeader);
    for alg in [Value::Null, json!(256), json!(["HS256"])] {
        assert_eq!(refused(with_member("alg", alg)), UnknownHeader);
    }
}

#[test]
fn a8_an_alg_that_is_an_object_is_refused() {
    assert_eq!(refused(with_member("alg", json!({ "HS256": null }))), UnknownHeader);
}

#[test]
fn a9_a_repeated_alg_is_refused_in_either_order() {
    for algs in [r#""alg":"none","alg":"HS256""#, r#""alg":"HS256","alg":"none""#, r#""alg":"HS256","alg":"HS256""#] {
        assert_eq!(refused(headed(format!(r#"{{"typ":"at+jwt",{algs},"kid":"k0"}}"#))), UnknownHeader);
    }
}

#[test]
fn a10_the_kid_selects_exactly_one_key() {
    let payload = claims().to_string();
    assert_eq!(refused(forge(header("k0"), &payload, b"an attacker's key of 32 bytes ok")), Signature);
    assert_eq!(refused(forge(header("k1"), &payload, &K0)), Signature);
    assert_eq!(refused(forge(header("k0"), &payload, &K1)), Signature);
    assert_eq!(accepted(forge(header("k1"), &payload, &K1)).subject(), "usr_1");
}

#[test]
fn a11_an_empty_or_zero_key_signs_nothing() {
    for key in [&b""[..], b"\0", &[0; 32], &[0; 64]] {
        assert_eq!(refused(forge(header("k0"), claims().to_string(), key)), Signature);
    }
}

#[test]
fn a12_famous_secrets_sign_nothing() {
    let famous = [
        "thisshouldbeasecret",
        "a-string-secret-at-least-256-bits-long",
        "your-256-bit-secret",
        "secret",
        "password",
        "changeme",
        "jwt_secret",
        "supersecret",
        "mysecretkey",
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        "123456",
    ];
    for secret in famous {
        assert_eq!(refused(forge(header("k0"), claims().to_string(), secret.as_bytes())), Signature, "{secret}");
    }
}

#[test]
fn a13_the_text_of_the_key_is_not_the_key() {
    let hex: String = K0.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in [b64(K0), format!("base64url:{}", b64(K0)), hex] {
        assert_eq!(refused(forge(header("k0"), claims().to_string(), text.as_bytes())), Signature);
    }
}

#[test]
fn a14_a_kid_that_is_missing_or_not_exactly_one_of_ours_is_refused() {
    assert_eq!(refused(headed(r#"{"typ":"at+jwt","alg":"HS256"}"#)), UnknownHeader);
    let kids = [
        json!(""),
        json!("k2"),
        json!("K0"),
        json!("k0 "),
        json!("k0\0"),
        json!(0),
        Value::Null,
        json!(["k0"]),
        json!({ "k0": 1 }),
        json!(true),
    ];
    for kid in kids {
        assert_eq!(refused(with_member("kid", kid)), UnknownHeader);
    }
}

#[test]
fn a15_a_kid_that_is_a_path_reads_no_file() {
    for kid in ["../../../../dev/null", "/dev/null", "/proc/sys/kernel/randomize_va_space"] {
        for key in [&K1[..], b""] {
            let header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": kid }).to_string();
            assert_eq!(refused(forge(header, claims().to_string(), key)), UnknownHeader, "{kid}");
        }
    }
}

#[test]
fn a16_a_hostile_kid_is_refused_and_never_in_the_reason() {
    let long = "k".repeat(4096);
    let kids = [
        "x' UNION SELECT '1';--",
        "k1' OR '1'='1",
        "k1|sleep 10",
        "`sleep 10`",
        "http://127.0.0.1:1/k",
        "${jndi:ldap://127.0.0.1/a}",
        "__proto__",
        "k0\0",
        "k0\r\nX-Admin: 1",
        "\u{043a}0",
        &long,
    ];
    for kid in kids {
        let reason = refused(with_member("kid", json!(kid)));
        assert_eq!(reason, UnknownHeader, "{kid}");
        assert!(!reason.to_string().contains(kid) && !format!("{reason:?}").contains(kid));
    }
}

#[test]
fn a17_a_repeated_kid_is_refused() {
    for kids in [r#""kid":"k0","kid":"k0""#, r#""kid":"k1","kid":"k0""#, r#""kid":"k0","kid":"k1""#] {
        assert_eq!(refused(headed(format!(r#"{{"typ":"at+jwt","alg":"HS256",{kids}}}"#))), UnknownHeader);
    }
}

#[test]
fn a18_crit_is_refused_whatever_it_lists() {
    let lists = [
        json!(["exp"]),
        json!(["b64"]),
        json!(["unknown"]),
        json!(["alg"]),
        json!(["absent"]),
        json!(["exp", "exp"]),
        json!([]),
        json!("exp"),
        Value::Null,
    ];
    for crit in lists {
        let header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": "k0", "crit": crit, "exp": 1, "b64": false, "unknown": 1 });
        assert_eq!(refused(headed(header.to_string())), UnknownHeader, "{crit}");
    }
}

#[test]
fn a19_a20_keys_and_addresses_in_the_header_are_never_used() {
    let key = b"an attacker's key of 32 bytes ok";
    let jwk = json!({ "kty": "oct", "alg": "HS256", "kid": "k0", "k": b64(key) });
    let members =
        [("jku", json!("http://127.0.0.1:1/keys")), ("x5u", json!("http://127.0.0.1:1/cert")), ("x5c", json!(["MIIB"])), ("jwk", jwk)];
    for (name, value) in members {
        let mut header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": "k0" });
        header[name] = value;
        assert_eq!(refused(forge(header.to_string(), claims().to_string(), key)), UnknownHeader, "{name}");
        assert_eq!(refused(headed(header.to_string())), UnknownHeader, "{name}, signed by us");
    }
}

#[test]
fn a21_nothing_is_inflated_decrypted_or_nested() {
    for (name, value) in [("zip", "DEF"), ("enc", "A128GCM"), ("cty", "JWT")] {
        assert_eq!(refused(with_member(name, json!(value))), UnknownHeader, "{name}");
    }
}

#[test]
fn a22_a23_typ_is_at_jwt_and_nothing_like_it() {
    assert_eq!(refused(headed(r#"{"alg":"HS256","kid":"k0"}"#)), UnknownHeader);
    let types = [
        json!("JWT"),
        json!("refresh+jwt"),
        json!("id_token"),
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("at+jwt "),
        json!("AT+JWT"),
        json!("application/at+jwt"),
        json!("application/application/at+jwt"),
        json!("at+jwt; charset=utf-8"),
        json!(1),
        Value::Null,
        json!([]),
        json!(""),
    ];
    for typ in types {
        assert_eq!(refused(with_member("typ", typ)), UnknownHeader);
    }
}

#[test]
fn a24_a_header_that_is_not_the_text_we_write_is_refused() {
    let written = header("k0");
    let utf16: Vec<u8> = written.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"k0","x":{}1{}}}"#, "[".repeat(300), "]".repeat(300));
    let texts = [
        r#"["at+jwt","HS256","k0"]"#.to_owned(),
        "{}".to_owned(),
        format!("{written}x"),
        format!("{written}{{}}"),
        format!("{written}\n"),
        format!("\u{feff}{written}"),
        deep,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k0"}"#.to_owned(),
        r#"{ "typ":"at+jwt","alg":"HS256","kid":"k0"}"#.to_owned(),
        written.replace("HS256", "HS\\u003256"),
    ];
    let headers = texts.into_iter().map(String::into_bytes).chain([utf16, b"{\"alg\":\"HS256\xff\"}".to_vec()]);
    for header in headers {
        assert_eq!(refused(headed(&header)), UnknownHeader, "{}", String::from_utf8_lossy(&header));
    }
    assert_eq!(refused(headed(format!("{written}{}", " ".repeat(20_000)))), TooLong);
    assert_eq!(refused(forge("", claims().to_string(), &K0)), NotThreeSegments);
    assert_eq!(accepted(ours(claims().to_string())).subject(), "usr_1");
}

#[test]
fn a48_unknown_kids_are_refused_without_touching_the_ring() {
    for number in 0..1000 {
        assert_eq!(refused(with_member("kid", json!(format!("unknown-{number}")))), UnknownHeader);
    }
    assert_eq!(accepted(ours(claims().to_string())).id(), "t1");
}
