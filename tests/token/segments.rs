//! Rows A25 to A31: the outer form of a token, its encoding and its signature.

use hallpass::token::InvalidToken::{NotThreeSegments, PayloadEncoding, Signature, SignatureEncoding, TooLong, UnknownHeader};
use hallpass::token::MAX_TOKEN_BYTES;
use serde_json::json;

use crate::forge::{K0, accepted, b64, claims, good, header, mac, ours, refused, sign, with};

/// The three segments of the good token.
fn segments() -> [String; 3] {
    let good = good();
    let parts: Vec<String> = good.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

#[test]
fn a25_anything_but_three_filled_segments_is_refused() {
    let [h, p, s] = segments();
    let tokens = [
        String::new(),
        h.clone(),
        format!("{h}.{p}"),
        format!("{h}.{p}.{s}.{s}"),
        format!("{h}.{p}.{s}.{s}.{s}"),
        format!(".{p}.{s}"),
        format!("{h}..{s}"),
        format!("{h}.{p}."),
        ".".into(),
        "..".into(),
        "...".into(),
        format!(".{h}.{p}.{s}"),
        format!("{h}.{p}.{s}."),
        format!("{h}.{p}.{s}.."),
    ];
    for token in tokens {
        assert_eq!(refused(&token), NotThreeSegments, "{token}");
    }
}

#[test]
fn a26_stray_characters_anywhere_are_refused() {
    let [h, p, s] = segments();
    for stray in [" ", "\n", "\r\n", "\t", "\0", "\"", "%2E", "\u{ff0e}"] {
        let tokens = [
            format!("{stray}{h}.{p}.{s}"),
            format!("{h}{stray}.{p}.{s}"),
            format!("{h}.{stray}{p}.{s}"),
            format!("{h}.{p}{stray}.{s}"),
            format!("{h}.{p}.{stray}{s}"),
            format!("{h}.{p}.{s}{stray}"),
            format!("{stray}{h}.{p}.{s}{stray}"),
        ];
        for token in tokens {
            assert!(matches!(refused(&token), UnknownHeader | SignatureEncoding | Signature), "{token:?}");
        }
        assert_eq!(refused(sign(&format!("{h}.{p}{stray}"), &K0)), PayloadEncoding, "{stray:?} under a right MAC");
        assert!(matches!(refused(format!("{h}{stray}{p}{stray}{s}")), NotThreeSegments), "{stray:?} for the dots");
    }
}

#[test]
fn a27_padding_is_refused_on_every_segment_even_under_a_right_mac() {
    let [h, p, s] = segments();
    for padding in ["=", "==", "==="] {
        assert_eq!(refused(format!("{h}{padding}.{p}.{s}")), UnknownHeader);
        assert_eq!(refused(format!("{h}.{p}{padding}.{s}")), Signature);
        assert_eq!(refused(format!("{h}.{p}.{s}{padding}")), SignatureEncoding);
        assert_eq!(refused(sign(&format!("{h}{padding}.{p}"), &K0)), UnknownHeader);
        assert_eq!(refused(sign(&format!("{h}.{p}{padding}"), &K0)), PayloadEncoding);
    }
}

#[test]
fn a28_there_is_one_spelling_of_every_byte() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let good = good();
    // 43 characters hold 258 bits: the last character of the signature has two that must be zero.
    let last = ALPHABET.iter().position(|byte| *byte == good.as_bytes()[good.len() - 1]).unwrap();
    assert_eq!(last % 4, 0);
    for same_bytes in &ALPHABET[last + 1..last + 4] {
        let token = format!("{}{}", &good[..good.len() - 1], char::from(*same_bytes));
        assert_eq!(refused(token), SignatureEncoding);
    }

    // A payload with bits to spare, respelled under a right MAC.
    let text = (0..3).map(|spaces| claims().to_string() + &" ".repeat(spaces)).find(|text| text.len() % 3 == 1).unwrap();
    let mut payload = b64(&text);
    assert_eq!(accepted(ours(&text)).subject(), "usr_1");
    let last = ALPHABET.iter().position(|byte| payload.ends_with(char::from(*byte))).unwrap();
    payload.pop();
    payload.push(char::from(ALPHABET[last + 1]));
    assert_eq!(refused(sign(&format!("{}.{payload}", b64(header("k0"))), &K0)), PayloadEncoding);

    // The standard alphabet, in the signature and in a payload.
    let (signing_input, signature) = (0..)
        .map(|number| ours(json!({ "iss": number }).to_string()))
        .map(|token| token.rsplit_once('.').map(|(input, tag)| (input.to_owned(), tag.to_owned())).unwrap())
        .find(|(_, tag)| tag.contains(['-', '_']))
        .unwrap();
    assert_eq!(refused(format!("{signing_input}.{}", signature.replace('-', "+").replace('_', "/"))), SignatureEncoding);
    let payload = b64("{\"iss\":\"???>>>\"}");
    assert!(payload.contains(['-', '_']));
    assert_eq!(refused(sign(&format!("{}.{}", b64(header("k0")), payload.replace('-', "+").replace('_', "/")), &K0)), PayloadEncoding);
}

#[test]
fn a29_json_serialization_is_refused() {
    let [h, p, s] = segments();
    let flattened = json!({ "protected": h, "payload": p, "signature": s });
    let general = json!({ "payload": p, "signatures": [{ "protected": h, "signature": s }] });
    for token in [flattened.to_string(), general.to_string(), json!(format!("{h}.{p}.{s}")).to_string(), json!([h, p, s]).to_string()] {
        assert!(matches!(refused(&token), NotThreeSegments | UnknownHeader), "{token}");
    }
    let hybrid = format!(r#"{{"protected":"{h}","payload":"{p}","x":".","signature":"{s}"}}.{p}.{s}"#);
    assert!(matches!(refused(hybrid), NotThreeSegments | UnknownHeader));
}

#[test]
fn a30_a_signature_that_is_not_whole_and_exact_is_refused() {
    let token = good();
    let (input, _) = token.rsplit_once('.').unwrap();
    let tag = mac(&K0, input.as_bytes());
    let signed = |tag: &[u8]| format!("{input}.{}", b64(tag));
    for length in 1..32 {
        assert_eq!(refused(signed(&tag[..length])), SignatureEncoding, "{length} bytes");
        assert_eq!(refused(signed(&tag[32 - length..])), SignatureEncoding, "the last {length} bytes");
    }
    for extended in [[&tag[..], b"\0"].concat(), [tag, tag].concat(), [&[0; 1], &tag[..]].concat(), vec![0; 4096]] {
        assert_eq!(refused(signed(&extended)), SignatureEncoding);
    }
    let reversed: Vec<u8> = tag.iter().rev().copied().collect();
    let other = mac(&K0, ours(json!({}).to_string()).as_bytes());
    for tag in [&[0; 32][..], &[0xff; 32], &reversed, &other] {
        assert_eq!(refused(signed(tag)), Signature);
    }
    for bit in 0..256 {
        let mut flipped = tag;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(refused(signed(&flipped)), Signature, "bit {bit}");
    }
}

#[test]
fn a31_the_signature_covers_the_octets_of_header_and_payload() {
    let [h, _, s] = segments();
    let mut raised = claims();
    raised["roles"] = json!(["admin"]);
    assert_eq!(refused(format!("{h}.{}.{s}", b64(raised.to_string()))), Signature);
    let same_json = serde_json::to_string_pretty(&claims()).unwrap();
    assert_eq!(refused(format!("{h}.{}.{s}", b64(same_json))), Signature);
    assert_eq!(refused(format!("{}.{}.{s}", b64(header("k1")), b64(claims().to_string()))), Signature);
}

#[test]
fn b17_m5_a_token_may_have_8192_bytes_and_not_one_more() {
    let of_length = |length: usize| {
        let filled = |filler: usize| with("x", json!("x".repeat(filler)));
        (length / 2..length).map(filled).find(|token| token.len() == length).unwrap()
    };
    let (longest, too_long) = (of_length(MAX_TOKEN_BYTES), of_length(MAX_TOKEN_BYTES + 2));
    assert_eq!(accepted(longest).subject(), "usr_1");
    assert_eq!(refused(too_long), TooLong);
    assert_eq!(refused("x".repeat(MAX_TOKEN_BYTES + 1)), TooLong);
    assert_eq!(refused("x".repeat(MAX_TOKEN_BYTES)), NotThreeSegments);
}

#[test]
fn a49_after_every_change_of_a_byte_the_good_token_passes() {
    let token = good();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        refused(changed);
    }
}

/// Structure, and no clock, shows that it takes the same time; see `main.rs`.
#[test]
fn a50_whichever_byte_of_the_mac_is_wrong_the_refusal_is_the_same() {
    let [h, p, s] = segments();
    let input = format!("{h}.{p}");
    let right = mac(&K0, input.as_bytes());
    assert_eq!(b64(right), s);
    for at in 0..32 {
        let mut wrong = right;
        wrong[at] ^= 1;
        assert_eq!(refused(format!("{input}.{}", b64(wrong))), Signature, "{at}");
    }
}

/// The other ways, writing one's fields and changing them, are `compile_fail` examples of `AccessToken`.
#[test]
fn q5_what_nobody_verified_cannot_be_deserialised_into_a_token() {
    use std::marker::PhantomData;
    struct Is<T>(PhantomData<T>);
    trait Otherwise {
        const DESERIALISED: bool = false;
    }
    impl<T> Otherwise for Is<T> {}
    // Of two of one name, the one without a trait counts where its condition holds.
    impl<T: serde::de::DeserializeOwned> Is<T> {
        const DESERIALISED: bool = true;
    }
    const { assert!(Is::<String>::DESERIALISED && !Is::<hallpass::guard::AccessToken>::DESERIALISED) };
}
