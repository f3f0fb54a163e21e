//! Secrets that must be kept and read again, sealed (AES-256-GCM) under keys derived from those of the ring.
//!
//! The database holds what is sealed, and never the key. The first key of the ring seals, all of them open. What is sealed for one thing does
//! not open as another's: the name of what it is about is authenticated with it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::key::KeyRing;

/// What seals and opens.
#[derive(Clone)]
pub struct SealingKeys(Arc<[SealingKey]>);

struct SealingKey {
    kid: String,
    bytes: Zeroizing<[u8; 32]>,
}

/// A sealed secret. Without the key it is of no use to anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which key of the ring sealed it.
    pub kid: String,
    /// base64url of nonce, ciphertext and tag.
    pub text: String,
}

impl SealingKeys {
    /// The keys derived from those of this ring, in its order.
    pub fn new(ring: &KeyRing) -> Self {
        let derived = ring.keys().map(|key| SealingKey { kid: key.kid().to_owned(), bytes: key.derive_bytes("hallpass second factor") });
        Self(derived.collect())
    }

    /// Seals under the first key. `about` is what the secret belongs to. `None` without a key or random numbers.
    pub fn seal(&self, secret: &[u8], about: &str) -> Option<Sealed> {
        let key = self.0.first()?;
        // With room for the tag, so that the text in the clear is overwritten where it stands and leaves no copy behind.
        let mut bytes = Vec::with_capacity(secret.len() + AES_256_GCM.tag_len());
        bytes.extend_from_slice(secret);
        let nonce = key.cipher()?.seal_in_place_append_tag(Aad::from(about), &mut bytes).ok()?;
        let text = URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), bytes.as_slice()].concat());
        Some(Sealed { kid: key.kid.clone(), text })
    }

    /// Opens what was sealed about the same thing, by whichever key of the ring it was.
    pub fn open(&self, sealed: &Sealed, about: &str) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.0.iter().find(|key| key.kid == sealed.kid)?;
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.text).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut opened = Zeroizing::new(ciphertext.to_vec());
        let length = key.cipher()?.open_in_place(Nonce::from(nonce), Aad::from(about), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }

    /// The `kid` of the key that seals.
    pub fn current(&self) -> Option<&str> {
        self.0.first().map(|key| key.kid.as_str())
    }

    /// Whether this key is the one that seals, so that sealing anew would change nothing.
    pub fn is_current(&self, kid: &str) -> bool {
        self.current() == Some(kid)
    }
}

impl SealingKey {
    /// Made for each use: a second factor is asked for rarely, and a service that has none never touches the cipher.
    fn cipher(&self) -> Option<RandomizedNonceKey> {
        // Refuses only a key of another length.
        RandomizedNonceKey::new(&AES_256_GCM, &*self.bytes).ok()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn keys(of: &[u8]) -> SealingKeys {
        let jwk = |first: &u8| {
            let bytes: Vec<u8> = (0..32).map(|index| first.wrapping_add(index * 7)).collect();
            format!(r#"{{"kty":"oct","alg":"HS256","kid":"k{first}","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes))
        };
        let set = format!(r#"{{"keys":[{}]}}"#, of.iter().map(jwk).collect::<Vec<_>>().join(","));
        SealingKeys::new(&KeyRing::from_jwk_set(&set).unwrap())
    }

    fn open(keys: &SealingKeys, sealed: &Sealed, about: &str) -> Option<Vec<u8>> {
        keys.open(sealed, about).map(|secret| secret.to_vec())
    }

    #[test]
    fn g16_what_is_sealed_opens_for_the_same_account_only_and_never_looks_the_same_twice() {
        let keys = keys(&[1]);
        let sealed = keys.seal(b"the secret", "usr_a").unwrap();
        assert_eq!(open(&keys, &sealed, "usr_a").unwrap(), b"the secret");
        assert_eq!(open(&keys, &sealed, "usr_b"), None);
        assert_ne!(keys.seal(b"the secret", "usr_a").unwrap(), sealed);
    }

    #[test]
    fn a_key_that_is_not_the_first_any_more_opens_and_one_that_is_gone_does_not() {
        let sealed = keys(&[1]).seal(b"the secret", "usr_a").unwrap();
        let rotated = keys(&[2, 1]);
        assert_eq!(open(&rotated, &sealed, "usr_a").unwrap(), b"the secret");
        assert!(!rotated.is_current(&sealed.kid) && rotated.is_current(&rotated.seal(b"x", "usr_a").unwrap().kid));
        assert_eq!(open(&keys(&[2]), &sealed, "usr_a"), None);
        // The same name over other bytes.
        assert_eq!(open(&keys(&[3]), &Sealed { kid: "k3".into(), ..sealed }, "usr_a"), None);
    }

    #[test]
    fn whatever_stands_in_the_column_nothing_panics_and_no_changed_byte_survives() {
        let keys = keys(&[1]);
        let sealed = keys.seal(b"the secret", "usr_a").unwrap();
        for text in ["", "A", "AAAA", "!", "AAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(open(&keys, &Sealed { text: text.into(), ..sealed.clone() }, "usr_a"), None, "{text:?}");
        }
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.text).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(open(&keys, &Sealed { text: URL_SAFE_NO_PAD.encode(changed), ..sealed.clone() }, "usr_a"), None, "{at}");
        }
    }
}
