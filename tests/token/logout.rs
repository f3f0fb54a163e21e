//! The one thing that an old token is still good for: naming the session that is to end.

use hallpass::token::{InvalidToken, Revocation};
use serde_json::json;

use crate::forge::{K1, NOW, claims, forge, good, header, ours, verifier, with, without};

#[test]
fn d18_an_expired_token_names_its_session_however_old_it_is() {
    for now in [NOW, NOW + 306, NOW + 86_400 * 365, i64::MAX] {
        let session = verifier().verify_for_logout(good(), now).unwrap().unwrap();
        assert_eq!((session.id.as_str(), session.subject.as_str(), session.is_revoked), ("s1", "usr_1", false), "{now}");
    }
    assert_eq!(verifier().verify(good(), NOW + 306).unwrap_err(), InvalidToken::Expired, "and opens nothing");
}

#[test]
fn d17_a_revoked_token_names_its_session_and_says_that_it_was_revoked() {
    let verifier = verifier();
    verifier.revocations().add(&[Revocation::Session { id: "s1".into(), until: NOW + 400 }], NOW);
    assert!(verifier.verify_for_logout(good(), NOW).unwrap().unwrap().is_revoked);
    assert_eq!(verifier.verify(good(), NOW).unwrap_err(), InvalidToken::Revoked);
}

#[test]
fn every_other_rule_holds_for_logging_out_as_well() {
    let forged = forge(header("k0"), claims().to_string(), &K1);
    for (token, reason) in [
        (forged, InvalidToken::Signature),
        (format!("{}x", good()), InvalidToken::SignatureEncoding),
        ("x.y.z".to_owned(), InvalidToken::UnknownHeader),
        (String::new(), InvalidToken::NotThreeSegments),
        (with("iss", json!("https://other.example.com")), InvalidToken::Issuer),
        (with("aud", json!("other")), InvalidToken::Audience),
        (with("iat", json!(NOW + 60)), InvalidToken::IssuedInFuture),
        (with("nbf", json!(NOW + 60)), InvalidToken::NotYetValid),
        (with("exp", json!(NOW + 3601)), InvalidToken::Lifetime),
        (without("sid"), InvalidToken::SessionMissing),
        (without("exp"), InvalidToken::ClaimMissing("exp")),
        (ours("[]"), InvalidToken::NotAnObject),
    ] {
        assert_eq!(verifier().verify_for_logout(&token, NOW).unwrap_err(), reason, "{token}");
    }
}

#[test]
fn a_client_has_no_session_to_end() {
    let mut client = claims();
    for claim in ["sid", "auth_time", "amr", "acr", "roles"] {
        client.as_object_mut().unwrap().remove(claim);
    }
    (client["sub"], client["client_id"]) = (json!("cli_1"), json!("cli_1"));
    assert!(verifier().verify_for_logout(ours(client.to_string()), NOW).unwrap().is_none());
}
