//! Keys that an attacker would try first.
//!
//! 1,831 secrets of 32 bytes and more stand in public lists of JWT secrets: length alone does not make a key secret. They are
//! embedded as the first eight bytes of their SHA-256, sorted, so that the program does not carry the list itself around.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

const HASH_BYTES: usize = 8;
static KNOWN: &[u8] = include_bytes!("weak_secrets.bin");

/// Whether this key, or the text that it was decoded from, is on a public list. A listed text may have been put into the settings either way.
pub(crate) fn is_publicly_known(key: &[u8]) -> bool {
    let texts = [URL_SAFE_NO_PAD.encode(key), STANDARD.encode(key), STANDARD_NO_PAD.encode(key), hex(key)];
    is_listed(key) || texts.iter().any(|text| is_listed(text.as_bytes()))
}

/// Fewer than 16 distinct byte values: a word, a run or a repetition, not 256 random bits.
pub(crate) fn has_too_few_distinct_bytes(key: &[u8]) -> bool {
    let mut seen = [false; 256];
    key.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() < 16
}

/// Readable words with something between them, as people make up a passphrase: not 256 random bits. Words without anything between them
/// cannot be told from a random text.
pub(crate) fn is_made_of_words(key: &[u8]) -> bool {
    let is_word = |word: &[u8]| {
        let (first, rest) = word.split_first().unwrap_or((&b' ', &[]));
        let is_number = word.iter().all(u8::is_ascii_digit);
        is_number || first.is_ascii_alphabetic() && rest.iter().all(u8::is_ascii_lowercase) || word.iter().all(u8::is_ascii_uppercase)
    };
    let words: Vec<&[u8]> = key.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    // Random characters, between which one in three is a sign, have shorter pieces.
    let letters: usize = words.iter().map(|word| word.len()).sum();
    let is_text = key.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'));
    is_text && words.len() >= 4 && letters >= 3 * words.len() && words.into_iter().all(is_word)
}

fn is_listed(secret: &[u8]) -> bool {
    let digest = Sha256::digest(secret);
    let (listed, _) = KNOWN.as_chunks::<HASH_BYTES>();
    listed.binary_search_by(|known| known.as_slice().cmp(&digest[..HASH_BYTES])).is_ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn k3_words_are_told_from_what_a_generator_makes() {
        for words in [
            "Sphinx of black quartz, judge my vow 42",
            "correct-horse-battery-staple-correct",
            "THE QUICK BROWN FOX JUMPS OVER\n",
            "this_is_the_jwt_secret_of_production_2026",
        ] {
            assert!(is_made_of_words(words.as_bytes()), "{words}");
        }
        let generated: &[&[u8]] = &[
            b"",
            b"a b c d e f g h i j k l m n o p q r",
            b"550e8400-e29b-41d4-a716-446655440000",
            b"f3b1c6e2d9a04785f3b1c6e2d9a04785aa",
            b"Zk9-xT_4qLm-vR2pWn8_sHc3-dYb7Gf1JkQe",
            b"x#4kQ!p.R2v$mn:L7(e)w,Bs^y3Ht&u8Zc",
            b"\xffone two three four five six seven eight",
            b"qwkzjvxhpmtbgrlnscfydaeuioqwkzjvxhpm",
        ];
        for key in generated {
            assert!(!is_made_of_words(key), "{}", key.escape_ascii());
        }
    }

    #[test]
    fn the_embedded_list_is_sorted_and_whole() {
        let (listed, rest) = KNOWN.as_chunks::<HASH_BYTES>();
        assert!(rest.is_empty() && listed.is_sorted());
        assert_eq!(listed.len(), 1831);
    }

    #[test]
    fn k4_every_publicly_known_secret_is_recognised() {
        let Ok(text) = std::fs::read_to_string("../shared/vectors/weak_secrets_ge32.json") else {
            return eprintln!("left out: ../shared/vectors/weak_secrets_ge32.json is not here");
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let secrets = vectors["secrets"].as_array().unwrap();
        assert!(secrets.len() > 1800);
        for secret in secrets {
            assert!(is_publicly_known(secret.as_str().unwrap().as_bytes()), "{secret}");
        }
    }

    #[test]
    fn k4_a_known_secret_is_recognised_in_the_decoded_form_too() {
        // This text of the list is itself valid base64: a setting of `base64url:` would decode it.
        assert!(is_publicly_known(b"a-string-secret-at-least-256-bits-long"));
        let decoded = [0x5a_u8; 32];
        assert!(!is_publicly_known(&decoded));
    }

    #[test]
    fn distinct_bytes_are_counted() {
        assert!(has_too_few_distinct_bytes(&[7; 64]));
        assert!(has_too_few_distinct_bytes(b"0123456789abcde0123456789abcde0123456789abcde"));
        assert!(!has_too_few_distinct_bytes(b"0123456789abcdef0123456789abcdef"));
    }
}
