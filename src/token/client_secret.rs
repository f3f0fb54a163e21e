//! Secrets of clients: `hp_cs_` and base64url of 32 random bytes, shown once and kept as SHA-256.
//!
//! 256 random bits cannot be found by trying, so a fast hash keeps them as safe as a slow one would: bcrypt has no place here. Two types, so
//! that a secret cannot be stored where its hash belongs.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const PREFIX: &str = "hp_cs_";

/// How many random bytes make a secret.
pub const BYTES: usize = 32;

/// The text of the secret that these bytes make.
pub fn client_secret(random: &[u8; BYTES]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 43));
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(random, &mut text);
    text
}

/// What is kept of a secret. There is no `==` on purpose.
#[derive(Clone)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of any text, be it a secret or not.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Reads what [`SecretHash::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// base64url, for the store.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Whether both are of one text. Constant time.
    pub fn matches(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_its_own_hash_and_no_other() {
        let secret = client_secret(&[7; BYTES]);
        assert_eq!((secret.len(), &secret[..6]), (49, "hp_cs_"));
        let kept = SecretHash::parse(&SecretHash::of(&secret).to_text()).unwrap();
        assert!(kept.matches(&SecretHash::of(&secret)));
        for other in ["", "hp_cs_", &secret[..48], &format!("{}A", *secret), &secret.to_uppercase(), &client_secret(&[8; BYTES])] {
            assert!(!kept.matches(&SecretHash::of(other)));
        }
    }

    #[test]
    fn what_is_no_hash_is_not_read() {
        let text = SecretHash::of("x").to_text();
        for bad in ["", "x", &text[1..], &format!("{text}A"), &format!("{text}=")] {
            assert!(SecretHash::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{:?}", SecretHash::of("x")), "SecretHash(..)");
    }
}
