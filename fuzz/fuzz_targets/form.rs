//! Forms: every parameter is what a slow and simple decoding gives, comes once, and an empty one is as good as none.
#![no_main]

use std::collections::BTreeSet;

use hallpass::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let form = fuzzing::form(body);
    let pairs: Vec<(String, String)> = body
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = at.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
            (decoded(name), decoded(value))
        })
        .collect();
    let names: BTreeSet<&str> = pairs.iter().map(|(name, _)| name.as_str()).chain(["grant_type", "token", ""]).collect();
    for name in names {
        let values: Vec<&str> = pairs.iter().filter(|(sent, _)| sent == name).map(|(_, value)| value.as_str()).collect();
        match form.one(name) {
            Ok(found) => {
                assert!(values.len() < 2);
                assert_eq!(found.map(|value| value.expose()), values.first().copied().filter(|value| !value.is_empty()));
                assert_eq!(form.required(name).is_ok(), found.is_some());
            }
            Err(_) => assert!(values.len() > 1 && form.required(name).is_err()),
        }
    }
    assert!(!format!("{form:?}").contains("s3cret-canary") || pairs.iter().any(|(name, _)| name.contains("s3cret-canary")));
});

/// `application/x-www-form-urlencoded` (WHATWG URL s5.1): `+` is a space, `%XX` a byte, and what is no UTF-8 is replaced.
fn decoded(text: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).filter(|digits| {
            // `from_str_radix` would take a sign.
            digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        match (first, escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
