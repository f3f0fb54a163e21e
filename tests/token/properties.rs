//! Properties: what holds for every token, not only for those that somebody thought of.

use hallpass::token::claims::Login;
use hallpass::token::sign::Unmintable;
use hallpass::token::{Claims, Signer};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::forge::{AUDIENCE, ISSUER, K0, NOW, accepted, b64, claims, forge, good, header, ours, refused, ring, verifier};

/// Text as it may stand in an id: no controls, 1 to 60 characters.
fn id() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9_-]{1,40}", "[^\\p{Cc}]{1,60}", r#"[\\"/\u{e9}\u{1f600}a]{1,20}"#]
}

#[derive(Clone, Debug)]
struct Minted {
    sub: String,
    jti: String,
    sid: String,
    scope: Vec<String>,
    amr: Vec<String>,
    roles: Vec<String>,
    age: i64,
    life: i64,
}

fn minted() -> impl Strategy<Value = Minted> {
    let lists = (
        prop::collection::vec("[!#-\\[\\]-~]{1,12}", 0..6),
        prop::collection::vec("[a-z]{3}", 0..3),
        prop::collection::vec("\\PC{0,12}|[\\x00-\\x1f\"\\\\]{0,4}", 0..7),
    );
    (id(), id(), id(), lists, 0..3000_i64, 1..600_i64).prop_map(|(sub, jti, sid, (scope, amr, roles), age, life)| Minted {
        sub,
        jti,
        sid,
        scope,
        amr,
        roles,
        age,
        life,
    })
}

proptest! {
    #[test]
    fn what_was_signed_is_what_is_read(person in minted(), second_audience in any::<bool>()) {
        let aud = if second_audience { vec!["other".to_owned(), AUDIENCE.to_owned()] } else { vec![AUDIENCE.to_owned()] };
        let amr: Vec<&str> = person.amr.iter().map(String::as_str).collect();
        let scope = person.scope.join(" ");
        let login = Login { sid: &person.sid, auth_time: NOW - person.age, amr: &amr, acr: "1", roles: &person.roles };
        let claims = Claims {
            iss: ISSUER, sub: &person.sub, aud: &aud, exp: NOW - person.age + 3000 + person.life, iat: NOW - person.age, jti: &person.jti, client_id: "hallpass",
            scope: &scope, login: Some(login),
        };
        prop_assume!(person.sub != "hallpass");
        let token = match Signer::new(&ring()).unwrap().sign(&claims) {
            Err(reason) => return { prop_assert_eq!(reason, Unmintable::TooLong); Ok(()) },
            Ok(token) => accepted(token),
        };
        prop_assert_eq!(token.subject(), &person.sub);
        prop_assert_eq!(token.id(), &person.jti);
        prop_assert_eq!(token.session_id(), Some(person.sid.as_str()));
        prop_assert_eq!(token.scope().as_str(), &scope);
        prop_assert_eq!(token.amr().collect::<Vec<_>>(), amr.clone());
        prop_assert_eq!(token.roles().collect::<Vec<_>>(), person.roles.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!((token.issued_at(), token.expires_at(), token.auth_time()), (claims.iat, claims.exp, Some(NOW - person.age)));
        prop_assert_eq!((token.is_person(), token.acr(), token.client_id()), (true, Some("1"), "hallpass"));
    }

    #[test]
    fn any_other_byte_anywhere_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut token = good().into_bytes();
        let at = at.index(token.len());
        prop_assume!(token[at] != byte);
        token[at] = byte;
        refused(token);
    }

    #[test]
    fn any_cut_or_insertion_is_refused(at in any::<prop::sample::Index>(), inserted in prop::collection::vec(any::<u8>(), 1..5), length in 1_usize..20) {
        let good = good().into_bytes();
        let at = at.index(good.len());
        refused([&good[..at], &inserted, &good[at..]].concat());
        refused([&good[..at], &good[(at + length).min(good.len())..]].concat());
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        refused(bytes);
    }

    #[test]
    fn arbitrary_segments_of_base64url_are_refused_without_a_panic(h in "[A-Za-z0-9_-]{0,80}", p in "[A-Za-z0-9_-]{0,300}", s in "[A-Za-z0-9_-]{43}") {
        refused(format!("{h}.{p}.{s}"));
        refused(format!("{}.{p}.{s}", b64(header("k0"))));
    }

    #[test]
    fn arbitrary_authentic_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 1..400)) {
        refused(ours(payload));
    }

    #[test]
    fn an_authentic_object_is_read_as_a_json_library_reads_it(value in json_text(), claim in prop::sample::select(&CLAIMS)) {
        let mut object = claims();
        object[claim] = value.clone();
        if let Ok(token) = verifier().verify(ours(object.to_string()), NOW) {
            prop_assert_eq!(token.custom::<Value>().unwrap(), object);
            match claim {
                "sub" => prop_assert_eq!(Some(token.subject()), value.as_str()),
                "exp" => prop_assert_eq!(Some(token.expires_at()), value.as_i64()),
                "roles" => prop_assert_eq!(json!(token.roles().collect::<Vec<_>>()), value),
                "acr" => prop_assert_eq!(token.acr(), value.as_str()),
                _ => {}
            }
        }
    }

    #[test]
    fn a_peer_library_and_ours_believe_each_other(person in minted()) {
        jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default().ok();
        let mut header: Header = serde_json::from_value(json!({ "typ": "at+jwt", "alg": "HS256" })).unwrap();
        header.kid = Some("k0".to_owned());
        let mut claims = claims();
        claims["sub"] = json!(person.sub);
        claims["roles"] = json!(person.roles);

        let theirs = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&K0)).unwrap();
        let believed = accepted(&theirs);
        prop_assert_eq!(believed.subject(), &person.sub);

        let ours = forge(crate::forge::header("k0"), claims.to_string(), &K0);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let read = jsonwebtoken::decode::<Value>(&ours, &DecodingKey::from_secret(&K0), &validation).unwrap();
        prop_assert_eq!(read.claims, claims.clone());
        let signed = Signer::new(&ring()).unwrap().sign(&claims);
        if let Ok(signed) = signed {
            prop_assert_eq!(jsonwebtoken::decode::<Value>(&signed, &DecodingKey::from_secret(&K0), &validation).unwrap().claims, claims);
        }
    }
}

static CLAIMS: [&str; 15] =
    ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "sid", "auth_time", "amr", "acr", "roles", "x"];

/// Any JSON value, a few levels deep.
fn json_text() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (NOW - 10..NOW + 400).prop_map(Value::from),
        "\\PC{0,10}|api|admin".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{0,4}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn a_token_that_does_not_fit_a_cookie_is_not_minted() {
    let signer = Signer::new(&ring()).unwrap();
    let sized = |length: usize| signer.sign(&json!({ "x": "x".repeat(length) }));
    let longest = (2000..4096).take_while(|length| sized(*length).is_ok()).last().unwrap();
    let token = sized(longest).unwrap();
    assert!(format!("__Host-hallpass-access={token}").len() <= 4096);
    assert_eq!(sized(longest + 1).unwrap_err(), Unmintable::TooLong);
}
