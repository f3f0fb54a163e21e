//! Whatever is sent as a token by somebody without the key: never believed, never a panic.
#![no_main]

use std::sync::LazyLock;

use hallpass::token::{KeyRing, Verifier};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_800_000_000;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let keys = KeyRing::from_secret("base64url:MVbAapCCwfLkEREk523QkHHKc2q1EAIQS3OQ6a6y-ZA").expect("a usable key");
    Verifier::new(keys, "https://auth.example.com", &["orders"]).expect("a safe verifier")
});

fuzz_target!(|token: &[u8]| {
    assert!(VERIFIER.verify(token, NOW).is_err());
});
