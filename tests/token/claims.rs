//! Rows A32 to A47: what an authentic payload may say. All of these tokens carry a right MAC.

use hallpass::token::InvalidToken::{
    self, Audience, AuthenticatedInFuture, ClaimForm, ClaimMissing, DuplicateClaim, Expired, IssuedInFuture, Issuer, Lifetime, NotAnObject,
    NotYetValid, PayloadEncoding, SessionMissing, UnknownHeader,
};
use hallpass::token::Verifier;
use serde_json::{Value, json};

use crate::forge::{
    AUDIENCE, ISSUER, K0, NOW, accepted, claims, forge, good, header, ours, refused, ring, verifier, with, with_raw, without,
};

/// A token with these times.
fn timed(iat: i64, exp: i64) -> String {
    let mut claims = claims();
    claims["iat"] = json!(iat);
    claims["exp"] = json!(exp);
    claims["auth_time"] = json!(iat);
    ours(claims.to_string())
}

/// A claim that must be there, written in every way of this list, is refused as malformed.
fn malformed(claim: &'static str, values: impl IntoIterator<Item = Value>) {
    for value in values {
        assert_eq!(refused(with(claim, value.clone())), ClaimForm(claim), "{claim}: {value}");
    }
}

fn missing(claim: &'static str) {
    assert_eq!(refused(without(claim)), ClaimMissing(claim));
}

#[test]
fn a32_an_expired_token_is_refused_from_the_end_of_the_leeway_on() {
    for exp in [NOW - 3600, NOW - 59, NOW - 6, NOW - 5] {
        assert_eq!(refused(timed(exp - 300, exp)), Expired, "{exp}");
    }
}

#[test]
fn a33_the_leeway_is_five_seconds() {
    for exp in [NOW + 1, NOW, NOW - 4] {
        assert_eq!(accepted(timed(exp - 300, exp)).expires_at(), exp);
    }
    for at in [NOW + 4, NOW + 5] {
        accepted(with("nbf", json!(at)));
        assert_eq!(accepted(timed(at, at + 300)).issued_at(), at);
    }
    assert_eq!(refused(with("nbf", json!(NOW + 6))), NotYetValid);
    assert_eq!(refused(timed(NOW + 6, NOW + 300)), IssuedInFuture);
}

#[test]
fn a34_an_exp_that_is_not_a_whole_number_of_seconds_is_refused() {
    missing("exp");
    malformed(
        "exp",
        [Value::Null, json!(true), json!(""), json!("1800000290"), json!("never"), json!([]), json!({}), json!(-1), json!(1.5)],
    );
    for raw in ["1e30", "1800000290.0", "18000002.9e2", "18446744073709551616", "-0", "-0.0"] {
        assert_eq!(refused(with_raw("exp", raw)), ClaimForm("exp"), "{raw}");
    }
    for raw in ["1e400", "NaN", "Infinity", "-Infinity", "0x6b49d322", "01800000290", "+1", "1_800_000_290", "1800000290n"] {
        assert_eq!(refused(with_raw("exp", raw)), NotAnObject, "{raw}");
    }
    assert_eq!(refused(with_raw("exp", "0")), Expired);
}

#[test]
fn a35_a_life_longer_than_an_hour_is_refused_however_long() {
    assert_eq!(refused(with_raw("exp", &u64::MAX.to_string())), ClaimForm("exp"));
    for exp in [i64::MAX, 253_402_300_799, 1_000_000_000_000, NOW + 86_400, NOW + 3601] {
        assert_eq!(refused(with("exp", json!(exp))), Lifetime, "{exp}");
    }
    assert_eq!(accepted(with("exp", json!(NOW + 3600))).expires_at(), NOW + 3600);
    assert_eq!(refused(timed(0, i64::MAX)), Lifetime);
}

#[test]
fn a36_an_nbf_is_honoured_and_must_have_its_form() {
    assert_eq!(refused(with("nbf", json!(NOW + 3600))), NotYetValid);
    assert_eq!(refused(with("nbf", json!(i64::MAX))), NotYetValid);
    accepted(with("nbf", json!(0)));
    malformed("nbf", [Value::Null, json!("1800000000"), json!({}), json!([]), json!(true), json!(-5), json!(1e30), json!(u64::MAX)]);
}

#[test]
fn a37_g2_iat_is_required_and_lies_in_the_past_and_before_exp() {
    missing("iat");
    malformed("iat", [Value::Null, json!("1800000000"), json!({}), json!(-1)]);
    assert_eq!(refused(timed(NOW + 3600, NOW + 3900)), IssuedInFuture);
    assert_eq!(refused(timed(NOW, NOW - 1)), Lifetime);
    assert_eq!(refused(with("auth_time", json!(NOW + 6))), AuthenticatedInFuture);
}

#[test]
fn a38_a_repeated_member_is_refused_whether_known_or_not() {
    let text = claims().to_string();
    let rest = text.strip_suffix('}').unwrap();
    let repeats = [
        r#""exp":1800000300"#,
        r#""exp":9999999999"#,
        r#""sub":"usr_1""#,
        r#""sub":"usr_2""#,
        r#""scope":"admin""#,
        r#""s\u0075b":"usr_2""#,
        r#""roles":["admin"]"#,
        r#""nbf":1,"nbf":1"#,
        r#""x":1,"x":2"#,
        r#""x":1,"\u0078":2"#,
        r#""a":1,"b":2,"c":3,"a":4"#,
        r#""":1,"":1"#,
    ];
    for repeat in repeats {
        assert_eq!(refused(ours(format!("{rest},{repeat}}}"))), DuplicateClaim, "{repeat}");
    }
    let many: String = (0..200).map(|number| format!(r#","x{number}":{number}"#)).collect();
    accepted(ours(format!("{rest}{many}}}")));
    assert_eq!(refused(ours(format!(r#"{rest}{many},"x0":0}}"#))), DuplicateClaim);
}

#[test]
fn a39_the_issuer_is_one_exact_string() {
    missing("iss");
    let others = [
        "https://evil.example",
        "https://auth.example.com/",
        "http://auth.example.com",
        "HTTPS://AUTH.EXAMPLE.COM",
        "https://auth.example.com.evil.example",
        "auth.example.com",
        " https://auth.example.com",
        "https://auth.example.co",
        "",
    ];
    for iss in others {
        assert_eq!(refused(with("iss", json!(iss))), Issuer, "{iss:?}");
    }
    malformed("iss", [json!([ISSUER]), json!(1), Value::Null, json!({})]);
}

#[test]
fn a40_the_audience_must_contain_ours() {
    missing("aud");
    for aud in
        [json!("other"), json!("API"), json!("api "), json!("api2"), json!("ap"), json!(""), json!("*"), json!([]), json!(["a", "b"])]
    {
        assert_eq!(refused(with("aud", aud.clone())), Audience, "{aud}");
    }
    malformed(
        "aud",
        [json!([["api"]]), json!(["api", 1]), json!([null, "api"]), json!(1), Value::Null, json!({}), json!({ "api": 1 }), json!(true)],
    );
}

#[test]
fn a41_one_of_several_audiences_is_enough_and_escapes_mean_what_they_say() {
    accepted(with("aud", json!(["other", AUDIENCE])));
    accepted(with_raw("aud", r#""\u0061pi""#));
    accepted(with_raw("aud", r#"["other","\u0061p\u0069"]"#));
    accepted(with_raw("iss", r#""https:\/\/auth.example.com""#));
}

#[test]
fn a42_a_subject_is_a_short_text_without_controls() {
    missing("sub");
    malformed(
        "sub",
        [json!(""), json!(1), Value::Null, json!([]), json!({ "$gt": "" }), json!("a\0b"), json!("a\nb"), json!("x".repeat(300))],
    );
    for surrogate in [r#""\ud800""#, r#""\udc00x""#, r#""\ud800\u0041""#] {
        assert_eq!(refused(with_raw("sub", surrogate)), NotAnObject);
    }
    assert_eq!(accepted(with("sub", json!("x".repeat(255)))).subject().len(), 255);
    assert_eq!(accepted(with_raw("sub", r#""usr_\ud83d\ude00\u0041""#)).subject(), "usr_\u{1f600}A");
}

#[test]
fn a43_jti_scope_and_the_other_claims_have_their_forms() {
    ["jti", "scope", "client_id"].into_iter().for_each(missing);
    malformed("jti", [json!(1), json!(""), Value::Null, json!(["t1"]), json!("a\u{7f}")]);
    malformed("scope", [json!(1), json!(["a"]), json!({}), Value::Null, json!("a  b"), json!(" a"), json!("a\"b"), json!("ä")]);
    malformed("client_id", [json!(1), json!(""), Value::Null]);
    malformed("sid", [json!(1), json!(""), Value::Null, json!([])]);
    malformed("acr", [json!(1), json!(""), Value::Null]);
    malformed("amr", [json!("pwd"), json!([1]), Value::Null, json!({}), json!([["pwd"]])]);
    malformed("roles", [json!("admin"), json!(["admin", 1]), Value::Null, json!({ "admin": true }), json!([["admin"]])]);
    malformed("auth_time", [json!("1800000000"), json!(-1), Value::Null, json!(1.5)]);
    assert!(accepted(with("scope", json!(""))).scope().is_empty());
}

#[test]
fn a44_a_payload_that_is_not_one_json_object_is_refused() {
    let claims = claims().to_string();
    let positional = json!([ISSUER, "usr_1", AUDIENCE, NOW + 300, NOW]).to_string();
    let texts = [
        positional,
        format!("[{claims}]"),
        json!(claims).to_string(),
        "1".into(),
        "null".into(),
        "true".into(),
        " ".into(),
        "{".into(),
        format!("{claims}{claims}"),
        format!("{claims},"),
        format!("{claims} x"),
        format!("/**/{claims}"),
        format!("{claims}//"),
        claims.replace("}", ",}"),
        claims.replace('"', "'"),
        format!("\u{feff}{claims}"),
        "[".repeat(300),
        format!("{}{}", "[".repeat(300), "]".repeat(300)),
        r#"{"a":"#.repeat(300),
    ];
    for text in texts {
        assert_eq!(refused(ours(&text)), NotAnObject, "{text}");
    }
    assert_eq!(refused(ours("{}")), ClaimMissing("iss"));
    assert_eq!(refused(ours(" ".repeat(100_000))), InvalidToken::TooLong);
    let utf16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused(ours(&utf16)), NotAnObject);
    accepted(ours(format!(" \t\r\n{claims} \n")));
}

#[test]
fn a44_invalid_utf8_is_refused_even_in_a_member_nobody_reads() {
    let claims = claims().to_string();
    let rest = claims.strip_suffix('}').unwrap().as_bytes();
    for bad in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"] {
        let payload = [rest, b",\"x\":\"", bad, b"\"}"].concat();
        assert_eq!(refused(ours(payload)), PayloadEncoding);
    }
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused(ours(utf16)), PayloadEncoding);
}

#[test]
fn a44_a_member_nobody_reads_is_json_all_the_same() {
    for raw in
        ["1e400", "-", "01", r#""\ud800""#, r#"["\udfff"]"#, r#"{"y":"\ud800"}"#, r#"{"\ud800":1}"#, "[1,]", "{\"y\":}", "\"\t\"", "nul"]
    {
        assert_eq!(refused(with_raw("x", raw)), NotAnObject, "{raw}");
    }
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(refused(with_raw("x", &nested(300))), NotAnObject);
    accepted(with_raw("x", &nested(100)));
    accepted(with_raw("x", r#"{"a":[1,-2,3.5,null,true,"\u00e9\ud83d\ude00",{"b":{}}]}"#));
}

#[test]
fn a45_a_client_is_told_from_a_person_and_a_person_has_a_session() {
    let client = json!({ "iss": ISSUER, "sub": "cli_1", "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW, "jti": "t2", "client_id": "cli_1", "scope": "" });
    let token = accepted(ours(client.to_string()));
    assert!(!token.is_person() && token.session_id().is_none() && token.auth_time().is_none() && token.roles().next().is_none());
    assert!(accepted(good()).is_person());
    assert_eq!(refused(without("sid")), SessionMissing);
}

#[test]
fn a46_a_token_for_another_audience_of_the_same_issuer_is_refused() {
    let orders = Verifier::new(ring(), ISSUER, &["orders"]).unwrap();
    assert_eq!(orders.verify(good(), NOW).unwrap_err(), Audience);
    let both = Verifier::new(ring(), ISSUER, &["orders", AUDIENCE]).unwrap();
    assert_eq!(both.verify(good(), NOW).unwrap().subject(), "usr_1");
}

#[test]
fn a47_other_kinds_of_token_are_no_access_tokens() {
    for opaque in ["hp_rt_AAAAAAAAAAAAAAAAAAAAAAAA", "hp_cs_AAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(refused(opaque), InvalidToken::NotThreeSegments);
    }
    for typ in ["refresh+jwt", "csrf+jwt", "step-up+jwt", "JWT"] {
        let header = format!(r#"{{"typ":"{typ}","alg":"HS256","kid":"k0"}}"#);
        assert_eq!(refused(forge(header, claims().to_string(), &K0)), UnknownHeader, "{typ}");
    }
    assert_eq!(forge(header("k0"), claims().to_string(), &K0), good());
}

#[test]
fn every_claim_is_read_as_it_was_written() {
    let token = accepted(ours(
        json!({
            "iss": ISSUER, "sub": "usr_\u{e9}", "aud": [AUDIENCE], "exp": NOW + 300, "iat": NOW - 2, "jti": "t\"1", "client_id": "hall\\pass",
            "scope": "b a", "sid": "s\u{1f600}", "auth_time": NOW - 100, "amr": ["pwd", "otp"], "acr": "2",
            "roles": ["a", "b\"", "c", "d\\", "e", ""], "tenant": { "id": 7 },
        })
        .to_string(),
    ));
    assert_eq!(
        (token.subject(), token.id(), token.client_id(), token.session_id()),
        ("usr_\u{e9}", "t\"1", "hall\\pass", Some("s\u{1f600}"))
    );
    assert_eq!((token.expires_at(), token.issued_at(), token.auth_time(), token.acr()), (NOW + 300, NOW - 2, Some(NOW - 100), Some("2")));
    assert_eq!(token.scope().as_str(), "b a");
    assert_eq!(token.amr().collect::<Vec<_>>(), ["pwd", "otp"]);
    assert_eq!(token.roles().collect::<Vec<_>>(), ["a", "b\"", "c", "d\\", "e", ""]);
    assert!(token.has_role("d\\") && !token.has_role("A"));

    #[derive(serde::Deserialize)]
    struct Tenant {
        tenant: Value,
    }
    assert_eq!(token.custom::<Tenant>().unwrap().tenant["id"], 7);
    assert_eq!(token.custom::<Value>().unwrap()["jti"], "t\"1");
    let debug = format!("{token:?}");
    assert!(debug.contains("usr_") && !debug.contains("t\\\"1") && !debug.contains("tenant"));
}

#[test]
fn n9_no_time_overflows_and_an_absurd_clock_believes_nothing_it_should_not() {
    for now in [i64::MIN, i64::MIN + 1, -1, 0] {
        assert_eq!(verifier().verify(good(), now).unwrap_err(), IssuedInFuture);
    }
    for now in [i64::MAX, i64::MAX - 1] {
        assert_eq!(verifier().verify(good(), now).unwrap_err(), Expired);
    }
}
