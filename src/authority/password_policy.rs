//! Which new passwords are taken: long enough, short enough for bcrypt, not easily guessed, not made of the owner's own name.
//!
//! There are no rules about digits, capitals or symbols (NIST SP 800-63B-4 s3.1.1.2, OWASP ASVS 6.2.5): all that counts is how
//! soon somebody who guesses would come to it, as zxcvbn estimates. So fifteen different emoji are a password and fifteen spaces are
//! not: not for being spaces, but because one character repeated is among the first things tried. Existing passwords are never
//! checked. It knows no accounts; the caller says which words belong to one.

use super::password::{MAX_BYTES, Password};

/// The words of the context that are shorter than this appear in any sentence.
const SHORTEST_WORD: usize = 3;

/// One reason why a new password is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// For programs, e.g. `password_too_short`.
    pub code: &'static str,
    /// For people. Holds nothing of the password or the context.
    pub message: String,
}

/// The words that a person's password must not be made of: the address and this service's name.
pub fn context_of(email: &str) -> [&str; 2] {
    [email, "hallpass"]
}

/// Checks a new password. `context` are words or addresses around the account, `min_length` is in code points.
///
/// # Errors
/// Every reason that applies. What is too long, or holds a NUL, is not looked at any further.
///
/// A usual password takes less than a millisecond, but 72 characters chosen to have many readings (`4@8({[<…`) take half a second of
/// one core: to be called where hashing is done, not on a thread that serves requests.
pub fn check(password: &Password, context: &[&str], min_length: usize) -> Result<(), Vec<Violation>> {
    let text = password.expose();
    if password.has_nul() {
        return Err(vec![violation("password_invalid", "A password cannot contain the NUL character.")]);
    }
    if text.len() > MAX_BYTES {
        let message = "A password can be at most 72 bytes long; letters outside ASCII and emoji take 2 to 4 bytes each.";
        return Err(vec![violation("password_too_long", message)]);
    }
    let mut violations = Vec::new();
    if text.chars().count() < min_length {
        violations.push(violation("password_too_short", format!("A password needs at least {min_length} characters.")));
    }
    let words = words_of(context);
    if mostly_made_of(&words, text) {
        violations.push(violation("password_context", "A password cannot be made of your address or this service's name."));
    } else if easily_guessed(text, &words) {
        violations.push(violation("password_common", "This password is too easily guessed."));
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

fn violation(code: &'static str, message: impl Into<String>) -> Violation {
    Violation { code, message: message.into() }
}

/// The context in lower case, taken apart at everything that is no letter or digit.
fn words_of(context: &[&str]) -> Vec<String> {
    let lower = context.iter().map(|words| words.to_lowercase());
    let words = lower.flat_map(|words| words.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>());
    words.filter(|word| word.chars().count() >= SHORTEST_WORD).collect()
}

/// Whether at least half of the characters belong to some word of the context.
fn mostly_made_of(words: &[String], text: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let mut covered = vec![false; text.len()];
    for word in words {
        let word: Vec<char> = word.chars().collect();
        for (start, window) in text.windows(word.len()).enumerate() {
            if window == word {
                covered[start..start + word.len()].fill(true);
            }
        }
    }
    let count = covered.iter().filter(|covered| **covered).count();
    count > 0 && count * 2 >= text.len()
}

/// zxcvbn's scores 0 to 2: fewer than 10^8 guesses.
fn easily_guessed(text: &str, words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    zxcvbn::zxcvbn(text, &words).score() < zxcvbn::Score::Three
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codes(text: &str) -> Vec<&'static str> {
        let violations = check(&Password::new(text.to_owned()), &context_of("alice.liddell@wonderland.example"), 15);
        violations.err().into_iter().flatten().map(|violation| violation.code).collect()
    }

    #[test]
    fn c27_a_password_needs_15_characters_and_emoji_count_one_each() {
        assert_eq!(codes("vJ8#kq2!mZ0pXw"), ["password_too_short"]);
        assert_eq!(codes("vJ8#kq2!mZ0pXwR"), [""; 0]);
        assert_eq!(codes("🦀🎷🌵🚲🪐🧊🎻🦉🍜🧵🛶🎲🧭🪁"), ["password_too_short"]);
        assert_eq!(codes("🦀🎷🌵🚲🪐🧊🎻🦉🍜🧵🛶🎲🧭🪁🐙"), [""; 0]);
        assert!(codes("").contains(&"password_too_short"));
    }

    #[test]
    fn c7_more_than_72_bytes_are_refused_and_the_text_names_bytes() {
        let fits = "🦀🎷🌵🚲🪐🧊🎻🦉🍜🧵🛶🎲🧭🪁🐙🎈🧩🍉";
        assert_eq!((fits.len(), codes(fits).len()), (72, 0));
        for too_long in [format!("{fits}!"), "🦀".repeat(64), "a".repeat(1 << 20)] {
            let violations = check(&Password::new(too_long), &[], 15).unwrap_err();
            assert_eq!(violations.len(), 1);
            assert_eq!(violations[0].code, "password_too_long");
            assert!(violations[0].message.contains("72 bytes"));
        }
    }

    #[test]
    fn c9_a_nul_is_refused_whatever_the_rest() {
        assert_eq!(codes("vJ8#kq2!mZ0pXwR\0"), ["password_invalid"]);
        assert_eq!(codes("\0"), ["password_invalid"]);
    }

    #[test]
    fn c27_what_is_guessed_early_is_common() {
        for text in [
            "passwordpassword",
            "123456789012345678",
            "qwertyuiopasdfghjkl",
            "abcdefghijklmnopqrst",
            "P@ssw0rdP@ssw0rd",
            "iloveyouiloveyou",
        ] {
            assert_eq!(codes(text), ["password_common"], "{text}");
        }
    }

    #[test]
    fn c27_what_is_mostly_the_address_or_the_service_is_context() {
        for text in
            ["alice.liddell@wonderland.example", "Alice.Liddell2026", "WONDERLAND-wonderland-1", "hallpass-hallpass", "my-HallPass-alice"]
        {
            assert_eq!(codes(text), ["password_context"], "{text}");
        }
    }

    #[test]
    fn a_word_of_the_context_inside_a_long_phrase_is_fine() {
        assert_eq!(codes("alice never counted seventeen geese"), [""; 0]);
    }

    #[test]
    fn short_words_of_the_context_do_not_count() {
        let violations = check(&Password::new("ababababab vJ8#kq2!mZ0p".into()), &["ab@ab.example"], 15);
        assert_eq!(violations, Ok(()));
    }

    #[test]
    fn c28_one_character_repeated_is_common_and_composition_does_not_matter() {
        assert_eq!(codes(&" ".repeat(15)), ["password_common"]);
        assert_eq!(codes(&"🦀".repeat(15)), ["password_common"]);
        assert_eq!(codes("   plum   kettle   orbit"), [""; 0]);
        assert_eq!(codes("nodigitsorcapitalsbutrather long"), [""; 0]);
    }

    #[test]
    fn every_reason_is_told_at_once() {
        assert_eq!(codes("alice"), ["password_too_short", "password_context"]);
        assert_eq!(codes("letmein"), ["password_too_short", "password_common"]);
    }

    #[test]
    fn o3_no_message_holds_the_password_or_the_context() {
        for text in ["alice", "letmein", "\0letmein"] {
            for violation in check(&Password::new(text.into()), &context_of("alice@a.example"), 15).unwrap_err() {
                assert!(!violation.message.contains("alice") && !violation.message.contains("letmein"));
            }
        }
    }

    proptest! {
        #[test]
        fn checking_never_panics(text in ".{0,80}", email in ".{0,40}") {
            let _ = check(&Password::new(text), &context_of(&email), 15);
        }
    }
}
