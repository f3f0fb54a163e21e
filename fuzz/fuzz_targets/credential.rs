//! `Authorization` headers, one a line: a token is taken from exactly one `Bearer` header, to the byte.
#![no_main]

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hallpass::guard::credential::bearer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut headers = HeaderMap::new();
    let values: Vec<HeaderValue> = text.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    for value in &values {
        headers.append(AUTHORIZATION, value.clone());
    }
    let Ok(Some(token)) = bearer(&headers) else { return };
    assert_eq!(values.len(), 1);
    let value = values[0].as_bytes();
    assert!(!token.is_empty() && token[0] != b' ' && value.ends_with(token));
    let before = &value[..value.len() - token.len()];
    assert!(before[..6].eq_ignore_ascii_case(b"bearer"));
    assert!(before.len() > 6 && before[6..].iter().all(|byte| *byte == b' '));
});
