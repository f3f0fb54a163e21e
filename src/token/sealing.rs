//! Secrets that must be kept and read again, sealed (AES-256-GCM) under keys derived from those of the ring.
//!
//! The database holds what is sealed, and never the key. The first key of the ring seals, all of them open, and so do those that were in the
//! rings of this process before. What is sealed for one thing does not open as another's: the name of what it is about is authenticated with
//! it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::key::{KeyRing, MAX_KEYS};

/// How many keys of earlier rings still open: as many as one ring has at most.
const FORMER: usize = MAX_KEYS;

/// What seals and opens.
#[derive(Clone)]
pub struct SealingKeys(Arc<[SealingKey]>);

#[derive(Clone, PartialEq, Eq)]
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
        Self(derived(ring).collect())
    }

    /// Those of this ring, which takes the place of the one before it. The keys that go still open, and never seal.
    ///
    /// Replicas read a file at different moments. One that is late goes on sealing under a key that is already gone from the file: what it
    /// has sealed must not be lost, and whoever held that key can bring it under the first one of today. Only the latest few are kept.
    #[must_use]
    pub fn followed_by(&self, ring: &KeyRing) -> Self {
        let mut keys: Vec<SealingKey> = derived(ring).collect();
        let former: Vec<SealingKey> = self.0.iter().filter(|key| !keys.contains(key)).take(FORMER).cloned().collect();
        keys.extend(former);
        Self(keys.into())
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

    /// Opens what was sealed about the same thing, by whichever key it was.
    pub fn open(&self, sealed: &Sealed, about: &str) -> Option<Zeroizing<Vec<u8>>> {
        // A name that was given to another key since has two.
        self.0.iter().filter(|key| key.kid == sealed.kid).find_map(|key| key.open(sealed, about))
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

fn derived(ring: &KeyRing) -> impl Iterator<Item = SealingKey> {
    ring.keys().map(|key| SealingKey { kid: key.kid().to_owned(), bytes: key.derive_bytes("hallpass second factor") })
}

impl SealingKey {
    fn open(&self, sealed: &Sealed, about: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.text).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut opened = Zeroizing::new(ciphertext.to_vec());
        let length = self.cipher()?.open_in_place(Nonce::from(nonce), Aad::from(about), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }

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
        SealingKeys::new(&ring(of))
    }

    fn ring(of: &[u8]) -> KeyRing {
        let jwk = |first: &u8| {
            let bytes: Vec<u8> = (0..32).map(|index| first.wrapping_add(index * 7)).collect();
            format!(r#"{{"kty":"oct","alg":"HS256","kid":"k{first}","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes))
        };
        let set = format!(r#"{{"keys":[{}]}}"#, of.iter().map(jwk).collect::<Vec<_>>().join(","));
        KeyRing::from_jwk_set(&set).unwrap()
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
    fn a_key_that_has_left_the_ring_of_a_process_opens_what_others_seal_under_it_and_never_seals() {
        let replaced = keys(&[1, 2]).followed_by(&ring(&[2]));
        let late = keys(&[1, 2]).seal(b"the secret", "usr_a").unwrap();
        assert_eq!(open(&replaced, &late, "usr_a").unwrap(), b"the secret");
        assert_eq!(replaced.seal(b"x", "usr_a").unwrap().kid, "k2");
        assert!(replaced.is_current("k2") && !replaced.is_current("k1"));
    }

    #[test]
    fn of_earlier_rings_the_latest_keys_are_kept_each_once_and_few_of_them() {
        let mut replaced = keys(&[1]);
        for next in 2..=8 {
            replaced = replaced.followed_by(&ring(&[next, next - 1])).followed_by(&ring(&[next]));
        }
        assert_eq!(replaced.0.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["k8", "k7", "k6", "k5", "k4", "k3"]);
        // A key that comes back is one of the ring again.
        assert!(replaced.followed_by(&ring(&[7, 8])).is_current("k7"));
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
