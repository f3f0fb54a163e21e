//! A password as the person sent it.
//!
//! It is verified octet for octet: no trimming, no Unicode normalization, so the same keys give the same octets on every path
//! (OWASP ASVS 6.2.8). Whoever types it in two normalization forms has two passwords. It knows what bcrypt can take, and nothing
//! of accounts, rules for new passwords or HTTP.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// The most octets that bcrypt looks at. What is longer would be cut without a word, so it is never handed over.
pub const MAX_BYTES: usize = 72;

/// A password in the clear. Wiped when dropped, never printed.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the text over without copying it, so that no second copy stays behind unwiped.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether bcrypt tells this password from every other: at least one octet, at most [`MAX_BYTES`], no NUL.
    ///
    /// bcrypt repeats the password and a closing NUL until 72 octets are filled. Past 72 it sees nothing, and `"a"` and `"a\0a"`
    /// fill them alike, as do `""` and `"\0"`.
    pub fn fits(&self) -> bool {
        !self.is_empty() && self.0.len() <= MAX_BYTES && !self.has_nul()
    }

    /// Whether it would fit, were it shorter.
    pub(super) fn is_only_too_long(&self) -> bool {
        self.0.len() > MAX_BYTES && !self.has_nul()
    }

    pub(super) fn has_nul(&self) -> bool {
        self.0.as_bytes().contains(&0)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([REDACTED])")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn fits(text: &str) -> bool {
        Password::new(text.to_owned()).fits()
    }

    #[test]
    fn c5_72_bytes_fit_and_73_do_not() {
        assert!(fits(&"a".repeat(71)));
        assert!(fits(&"a".repeat(72)));
        assert!(!fits(&"a".repeat(73)));
    }

    #[test]
    fn c7_the_limit_counts_bytes_not_characters() {
        assert!(fits(&"🦀".repeat(18)));
        assert!(!fits(&"🦀".repeat(19)));
    }

    #[test]
    fn c9_a_nul_never_fits() {
        for text in ["\0", "a\0a", "a\0", "\0a"] {
            assert!(!fits(text), "{text:?}");
        }
    }

    #[test]
    fn c10_an_empty_password_does_not_fit() {
        assert!(!fits(""));
        assert!(Password::new(String::new()).is_empty());
    }

    #[test]
    fn c12_spaces_around_it_belong_to_it() {
        let password: Password = serde_json::from_str(r#""  a b  ""#).unwrap();
        assert_eq!(password.expose(), "  a b  ");
    }

    #[test]
    fn c13_normalization_forms_stay_as_received() {
        let composed: Password = serde_json::from_str(r#""\u00e9""#).unwrap();
        let decomposed: Password = serde_json::from_str(r#""e\u0301""#).unwrap();
        assert_eq!(composed.expose().as_bytes(), [0xc3, 0xa9]);
        assert_eq!(decomposed.expose().as_bytes(), [b'e', 0xcc, 0x81]);
    }

    #[test]
    fn c10_only_a_json_string_is_a_password() {
        for json in ["null", "1", "[]", r#"["a"]"#, r#"{"$ne":""}"#, "true"] {
            assert!(serde_json::from_str::<Password>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn o3_debug_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Password::new("hunter2".into())), "Password([REDACTED])");
    }
}
