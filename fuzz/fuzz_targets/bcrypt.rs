//! Stored hashes: one is taken if and only if it is a bcrypt hash to the last bit, not too dear to run, behind at most one mark.
#![no_main]

use hallpass::authority::password_hash::{MAX_COST, MIN_COST, StoredHash};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match StoredHash::parse(text) {
        Ok(hash) => {
            assert_eq!(Some(hash.cost()), cost(text));
            assert_eq!(hash.as_str(), text);
            assert!(StoredHash::parse(hash.as_str()) == Ok(hash.clone()));
            assert!(!format!("{hash:?}").contains(&text[text.len() - 31..]), "a digest in Debug");
        }
        Err(reason) => {
            assert_eq!(cost(text), None, "{reason}");
            // A reason may be shown, so it must not quote.
            assert!(!(text.starts_with("$2") && text.len() > 28) || !reason.to_string().contains(text));
        }
    }
});

/// `{truncated}`, `{digest}` or nothing, `$2[aby]$CC$` and bcrypt's own base64: 22 characters are 16 bytes of salt, 31 are 23 bytes of digest, and no bit is left over.
fn cost(text: &str) -> Option<u32> {
    const ALPHABET: &str = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let text = ["{truncated}", "{digest}"].iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text);
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| text.strip_prefix(version))?;
    let (cost, rest) = rest.split_once('$')?;
    if cost.len() != 2 || !cost.bytes().all(|digit| digit.is_ascii_digit()) || rest.chars().count() != 53 {
        return None;
    }
    let values: Vec<usize> = rest.chars().map(|char| ALPHABET.find(char)).collect::<Option<_>>()?;
    let (salt, digest) = values.split_at(22);
    let is_whole = salt[21] % 16 == 0 && digest[30] % 4 == 0;
    cost.parse().ok().filter(|cost| is_whole && (MIN_COST..=MAX_COST).contains(cost))
}
