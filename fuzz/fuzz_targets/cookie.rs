//! `Cookie` headers, one a line: a slow and simple reading finds the same cookie, or the same two.
#![no_main]

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};
use hallpass::guard::cookie::{ACCESS_COOKIE, cookie};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut headers = HeaderMap::new();
    let lines: Vec<HeaderValue> = text.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    for line in &lines {
        headers.append(COOKIE, line.clone());
    }
    // Latin-1: every byte is one character.
    let letters = |line: &HeaderValue| line.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>();
    let mut ours = Vec::new();
    for line in lines.iter().map(letters) {
        for pair in line.split(';') {
            if let Some((name, value)) = pair.trim_matches([' ', '\t']).split_once('=')
                && name == ACCESS_COOKIE
            {
                ours.push(value.chars().map(|char| u8::try_from(char).expect("Latin-1")).collect::<Vec<u8>>());
            }
        }
    }
    match cookie(&headers, ACCESS_COOKIE) {
        Ok(found) => assert!(ours.len() < 2 && found == ours.first().map(Vec::as_slice)),
        Err(_) => assert!(ours.len() > 1),
    }
});
