//! What verification costs in memory. The counter counts the allocations of its own thread only, so other tests do not disturb it.

use allocation_counter::measure;
use hallpass::token::{Revocation, Verifier};
use serde_json::json;

use crate::forge::{K0, NOW, b64, claims, forge, good, mac, ours, verifier, with};

fn allocations(verifier: &Verifier, token: &str) -> u64 {
    let mut verdict = None;
    let info = measure(|| verdict = Some(verifier.verify(token, NOW)));
    assert!(verdict.unwrap().is_ok());
    info.count_total
}

#[test]
fn a_typical_token_costs_one_allocation() {
    let verifier = verifier();
    let entries = |kind: fn(String) -> Revocation| (0..1000).map(move |number| kind(format!("other-{number}")));
    let sessions = entries(|id| Revocation::Session { id, until: NOW + 400 });
    let tokens = entries(|id| Revocation::Token { id, until: NOW + 400 });
    let subjects = entries(|id| Revocation::Subject { id, issued_before: NOW, until: NOW + 400 });
    verifier.revocations().add(&sessions.chain(tokens).chain(subjects).collect::<Vec<_>>(), NOW);

    assert_eq!(allocations(&verifier, &good()), 1);
    assert_eq!(allocations(&verifier, &with("aud", json!(["other", "api"]))), 1);
    assert_eq!(allocations(&verifier, &with("roles", json!(["a", "b", "c", "d"]))), 1);
    assert_eq!(allocations(&verifier, &with("tenant", json!({ "id": 7, "plan": ["x", "y"] }))), 1);
}

#[test]
fn a48_refusing_a_hundred_thousand_unknown_kids_allocates_nothing() {
    let verifier = verifier();
    let header = |number: usize| b64(format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"unknown-{number:06}"}}"#));
    let mut token = forge(r#"{"typ":"at+jwt","alg":"HS256","kid":"unknown-000000"}"#, claims().to_string(), &K0).into_bytes();
    let headers: Vec<String> = (0..100_000).map(header).collect();
    let info = measure(|| {
        for header in &headers {
            token[..header.len()].copy_from_slice(header.as_bytes());
            assert!(verifier.verify(&token, NOW).is_err());
        }
    });
    assert_eq!((info.count_total, info.bytes_total), (0, 0));
}

#[test]
fn m3_a_forged_or_malformed_token_allocates_nothing() {
    let verifier = verifier();
    let good = good();
    let (input, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}", b64(mac(b"another key", input.as_bytes())));
    for token in [forged.as_str(), input, "", "...", &"x".repeat(8192), &"x".repeat(100_000), &format!("{input}.!")] {
        let info = measure(|| assert!(verifier.verify(token, NOW).is_err()));
        assert_eq!(info.count_total, 0, "{token}");
    }
    assert!(verifier.verify(ours(claims().to_string()), NOW).is_ok());
}
