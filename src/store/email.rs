//! An e-mail address as the key of an account.
//!
//! Two addresses are the same account when they differ only in the case of ASCII letters. There is no folding beyond ASCII, because it
//! makes strangers equal: U+212A (Kelvin) folds to `k`, U+0131 to `I`. Addresses outside ASCII are refused altogether, which keeps look-alikes
//! and invisible characters out; an international domain is written in its ASCII form (`xn--…`).

use std::fmt;

/// RFC 5321 s4.5.3.1.3: a path has 256 octets, two of them the angle brackets.
const LONGEST: usize = 254;

/// A plausible address: printable ASCII without spaces, one `@` with something on both sides, at most 254 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    as_typed: String,
    folded: String,
}

/// The text is not an address that an account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address: it needs one @ between two parts, at most 254 ASCII characters and no spaces")]
pub struct InvalidEmail;

impl Email {
    /// Reads an address; nothing is trimmed or repaired.
    ///
    /// # Errors
    /// [`InvalidEmail`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let is_plausible = match text.split_once('@') {
            Some((local, domain)) => !local.is_empty() && !domain.is_empty() && !domain.contains('@'),
            None => false,
        };
        if !is_plausible || text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidEmail);
        }
        Ok(Self { as_typed: text.to_owned(), folded: text.to_ascii_lowercase() })
    }

    /// As the person wrote it, to show it back.
    pub fn as_typed(&self) -> &str {
        &self.as_typed
    }

    /// In lower case, to compare and to look up.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

/// Personal data stays out of logs: Debug shows that there is an address, not which.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email([redacted])")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn c14_ascii_case_does_not_make_another_account() {
        let email = Email::parse("Ada.Lovelace@Example.ORG").unwrap();
        assert_eq!((email.as_typed(), email.folded()), ("Ada.Lovelace@Example.ORG", "ada.lovelace@example.org"));
    }

    #[test]
    fn c15_characters_that_unicode_folds_to_ascii_are_refused() {
        for text in ["\u{212a}@b.com", "\u{131}@b.com", "\u{130}@b.com", "stra\u{df}e@b.com", "a@\u{ff42}.com"] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text}");
        }
    }

    #[test]
    fn c16_addresses_with_controls_spaces_or_a_wrong_shape_are_refused() {
        let long = format!("{}@b.com", "a".repeat(249));
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a@@b",
            "a b@c",
            " a@b",
            "a@b ",
            "a@b\r\nBcc: c@d",
            "a\0@b",
            "a@b\u{7f}",
            "\u{430}dmin@b.com",
            "\u{202e}a@b.com",
            "a\u{200b}@b.com",
            "a@b\u{a0}",
            &long,
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text:?}");
        }
        for text in ["a@b", "a+b@c.d", "o'hara@b.com", "100%_off@b.com", "\"=1--@b", "a@[127.0.0.1]", "a@xn--bcher-kva.example", &long[1..]]
        {
            assert!(Email::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_not_shown_by_debug() {
        assert!(!format!("{:?}", Email::parse("ada@example.org")).contains("ada"));
    }
}
