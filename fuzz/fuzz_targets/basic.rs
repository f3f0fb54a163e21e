//! How a client says who it is: `Authorization` headers, one a line, an empty line, and a form. Whoever is taken for a client said so in exactly
//! one way, to the byte.
#![no_main]

use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::test::TestRequest;
use hallpass::fuzzing;
use hallpass::http::PresentedClient;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let blank = text.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = blank.map_or((text, &b""[..]), |at| (&text[..at], &text[at + 2..]));
    let lines = head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines: Vec<HeaderValue> = lines.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let request = lines.iter().fold(TestRequest::default(), |request, line| request.append_header((AUTHORIZATION, line.clone())));
    let request = request.to_http_request();
    let form = fuzzing::form(body);
    let Ok(client) = PresentedClient::of(&request, &form) else { return };

    assert!(lines.len() < 2);
    let (id, secret) = (form.one("client_id").expect("once"), form.one("client_secret").expect("once"));
    let (id, secret) = (id.map(|id| id.expose()), secret.map(|secret| secret.expose()));
    let header = lines.first().map(HeaderValue::as_bytes);
    assert!(header.is_none() || secret.is_none(), "never both");
    let by_basic = header.filter(|header| header.to_ascii_lowercase().starts_with(b"basic") && header.get(5).is_none_or(|byte| *byte == b' '));
    let expected = match (header, by_basic, id, secret) {
        (Some(_), Some(header), id, _) => {
            let (said_id, said_secret) = read(&header[5..]).expect("a header that can be read");
            assert!(id.is_none_or(|id| id == said_id), "a contradiction");
            Some((said_id, said_secret))
        }
        (None, _, Some(id), Some(secret)) => Some((id.to_owned(), secret.to_owned())),
        _ => None,
    };
    let found = client.credentials().ok().map(|found| (found.id.clone(), found.secret.expose().to_owned()));
    assert_eq!(found, expected);
    assert_eq!(client.is_first_party(), header.is_none() && secret.is_none() && id == Some("hallpass"));
    if let Some((_, secret)) = found.filter(|(_, secret)| secret.len() > 8) {
        assert!(!format!("{client:?}").contains(&secret), "a secret in Debug");
    }
});

/// RFC 7617 s2 and RFC 6749 s2.3.1, slowly.
fn read(encoded: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8(base64(encoded.trim_ascii())?).ok()?;
    let colon = text.find(':')?;
    let part = |text: &str| (!text.contains(['=', '&'])).then(|| percent_decoded(text));
    Some((part(&text[..colon])?, part(&text[colon + 1..])?))
}

/// Canonical base64 with padding (RFC 4648 s4), bit by bit.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in &text[..text.len() - padding] {
        bits = (bits << 6) | u32::try_from(ALPHABET.iter().position(|letter| letter == byte)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    (bits & ((1 << count) - 1) == 0).then_some(bytes)
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).expect("two digits"));
                at += 2;
            }
            (b'+', ..) => decoded.push(b' '),
            (byte, ..) => decoded.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
