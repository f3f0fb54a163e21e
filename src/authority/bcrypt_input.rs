//! What bcrypt is given of a password.
//!
//! It looks at 72 octets and no more. A password is handed over whole, and a longer one is wrong; but people from elsewhere may have a longer
//! one, of which what made their hash cut the rest off without a word. They must neither be locked out nor go on with a password of which
//! the end does not count. So a hash may say, in braces before it as directories name their schemes (RFC 2307 s5.3), what is done first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::password::{MAX_BYTES, Password};

/// How a password becomes the octets that bcrypt is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BcryptInput {
    /// As it is. What does not fit is not the password.
    Whole,
    /// `{truncated}`: cut at 72 octets. Good until the password is found right: then all of it is known, and a hash of all of it is stored.
    Truncated,
    /// `{digest}`: HMAC-SHA-256 in base64url, so that each octet of a long password counts.
    Digest,
}

impl BcryptInput {
    /// For a password that is hashed anew.
    pub(super) fn of_new(password: &Password) -> Self {
        if password.fits() { Self::Whole } else { Self::Digest }
    }

    /// What a stored text says, and the bcrypt hash behind it.
    pub(super) fn of_stored(text: &str) -> (Self, &str) {
        let marked = |input: Self| text.strip_prefix(input.mark()).map(|hash| (input, hash));
        marked(Self::Truncated).or_else(|| marked(Self::Digest)).unwrap_or((Self::Whole, text))
    }

    /// What stands before the hash.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Truncated => "{truncated}",
            Self::Digest => "{digest}",
        }
    }

    /// Whether such a hash can be of this password.
    pub(super) fn can_be_of(self, password: &Password) -> bool {
        password.fits() || (self != Self::Whole && password.is_only_too_long())
    }

    /// The octets, wiped when dropped.
    pub(super) fn octets(self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Whole => Zeroizing::new(password.to_vec()),
            Self::Truncated => Zeroizing::new(password[..password.len().min(MAX_BYTES)].to_vec()),
            Self::Digest => digest(password),
        }
    }
}

/// Under a label of its own: a table of plain SHA-256 digests that leaked elsewhere is no list of guesses here. 43 characters, none of them NUL.
fn digest(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mac = Hmac::<Sha256>::new(&[0; 64].into()).chain_update(b"hallpass password of more than 72 octets\x01").chain_update(password);
    let bytes = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
    Zeroizing::new(URL_SAFE_NO_PAD.encode(&bytes[..]).into_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn c8_a_mark_is_read_as_it_is_written_and_nothing_else_is_one() {
        for input in [BcryptInput::Whole, BcryptInput::Truncated, BcryptInput::Digest] {
            assert_eq!(BcryptInput::of_stored(&format!("{}$2b$", input.mark())), (input, "$2b$"));
        }
        for text in ["{Truncated}$2b$", " {digest}$2b$", "{bcrypt}$2b$", "{}$2b$", "truncated$2b$"] {
            assert_eq!(BcryptInput::of_stored(text), (BcryptInput::Whole, text));
        }
    }

    #[test]
    fn c8_what_is_cut_is_cut_at_72_octets_and_what_is_digested_is_short_and_depends_on_each() {
        let long = [b'a'; 80];
        assert_eq!(BcryptInput::Truncated.octets(&long).len(), 72);
        assert_eq!(&**BcryptInput::Truncated.octets(b"short"), b"short");
        assert_eq!(BcryptInput::Whole.octets(&long).len(), 80);
        let digested = BcryptInput::Digest.octets(&long);
        assert_eq!(digested.len(), 43);
        assert!(!digested.contains(&0) && digested != BcryptInput::Digest.octets(&long[..79]));
    }

    #[test]
    fn c9_a_nul_or_nothing_at_all_is_of_no_hash() {
        let long = "a".repeat(80);
        for input in [BcryptInput::Whole, BcryptInput::Truncated, BcryptInput::Digest] {
            let can = |text: &str| input.can_be_of(&Password::new(text.to_owned()));
            assert!(can(&long[..72]) && !can("") && !can("a\0") && !can(&format!("{long}\0")));
            assert_eq!(can(&long), input != BcryptInput::Whole);
        }
    }
}
