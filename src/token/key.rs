//! The key ring: the keys that tokens are signed and verified with, looked up by the one header that each of them writes.
//!
//! A key is usable or it does not exist: what is short, guessable, doubled or publicly known is refused when the ring is made.
//! The bytes of a key are kept only as a prepared HMAC state, which is wiped when the ring is dropped, and never printed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{jwk, weak};

/// The shortest key: as long as the MAC (RFC 7518 s3.2).
pub const MIN_KEY_BYTES: usize = 32;
/// One key that signs and four that only verify: more than a rotation needs.
pub const MAX_KEYS: usize = 5;

/// Keys in order: the first signs, all verify.
#[derive(Clone, Debug)]
pub struct KeyRing(Vec<Key>);

/// One HS256 key under its `kid`.
#[derive(Clone)]
pub(crate) struct Key {
    kid: String,
    /// The first segment of every token of this key, with the dot.
    header: String,
    mac: Hmac<Sha256>,
    /// When it was made, if the JWK says so.
    #[cfg(feature = "service")]
    created_at: Option<i64>,
    /// What HKDF extracts from the bytes, which are not kept (RFC 5869 s2.2).
    #[cfg(feature = "service")]
    extracted: Hmac<Sha256>,
}

/// Why a key or a set of keys is refused. No variant holds key material.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnusableKey {
    /// The text is not a JWK Set (RFC 7517 s5).
    #[error(
        "the keys are not a JWK Set: expected {{\"keys\":[{{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"…\",\"k\":\"…\"}}]}} (make one with `hallpass key generate`)"
    )]
    NotAJwkSet,
    /// A set without keys.
    #[error("the JWK Set is empty: at least one key is needed (make one with `hallpass key generate`)")]
    NoKeys,
    /// More than [`MAX_KEYS`].
    #[error("the JWK Set holds more than {MAX_KEYS} keys: retire the old ones (`hallpass key retire KID`)")]
    TooManyKeys,
    /// Not a key for signing with HS256.
    #[error(
        "key number {0} is not for HS256: it needs \"kty\":\"oct\" and \"alg\":\"HS256\", and no \"use\" or \"key_ops\" that forbids signatures"
    )]
    NotHs256(usize),
    /// `kid` outside `[A-Za-z0-9_-]{1,64}`.
    #[error("key number {0} has an unusable \"kid\": 1 to 64 characters of A-Z a-z 0-9 _ -")]
    Kid(usize),
    /// `kid` used twice.
    #[error("two keys have the same \"kid\" (number {0} repeats an earlier one)")]
    DuplicateKid(usize),
    /// The same bytes under two names.
    #[error("two keys are the same bytes (number {0} repeats an earlier one)")]
    DuplicateKey(usize),
    /// Not canonical base64url without padding.
    #[error("key number {0} is not base64url without padding")]
    Encoding(usize),
    /// Shorter than [`MIN_KEY_BYTES`].
    #[error("key number {0} is shorter than {MIN_KEY_BYTES} bytes: make a new one with `hallpass key generate`")]
    TooShort(usize),
    /// Fewer than 16 distinct bytes.
    #[error("key number {0} has fewer than 16 distinct bytes, so it is not random: make a new one with `hallpass key generate`")]
    Guessable(usize),
    /// Words that somebody made up.
    #[error("key number {0} is made of words, so it is not random: make a new one with `hallpass key generate`")]
    Words(usize),
    /// On a public list of JWT secrets.
    #[error("key number {0} is a publicly known secret: make a new one with `hallpass key generate`")]
    PubliclyKnown(usize),
    /// The single secret lacks the prefix that says how it is written.
    #[error("the secret must be written as base64url:… (make one with `hallpass key generate`)")]
    UnknownForm,
}

impl KeyRing {
    /// Reads a JWK Set (RFC 7517) of symmetric keys. Costs one HMAC set-up a key.
    ///
    /// # Errors
    /// [`UnusableKey`] names the first key that is refused, by its number in the set (from 1), and why.
    pub fn from_jwk_set(json: &str) -> Result<Self, UnusableKey> {
        Self::new(jwk::keys(json)?)
    }

    /// Reads one key written as `base64url:…`. Its `kid` is derived from it, so every replica with this secret has the same.
    ///
    /// # Errors
    /// [`UnusableKey`] when the form, the length or the quality is not right.
    pub fn from_secret(text: &str) -> Result<Self, UnusableKey> {
        let encoded = text.strip_prefix("base64url:").ok_or(UnusableKey::UnknownForm)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| UnusableKey::Encoding(1))?);
        let kid = URL_SAFE_NO_PAD.encode(&prepare(&bytes, 1)?.chain_update(b"hallpass kid").finalize().into_bytes()[..9]);
        Self::new(vec![Key::new(&kid, &bytes, 1)?])
    }

    pub(super) fn new(keys: Vec<Key>) -> Result<Self, UnusableKey> {
        if keys.is_empty() {
            return Err(UnusableKey::NoKeys);
        }
        if keys.len() > MAX_KEYS {
            return Err(UnusableKey::TooManyKeys);
        }
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|earlier| earlier.kid == key.kid) {
                return Err(UnusableKey::DuplicateKid(index + 1));
            }
            if keys[..index].iter().any(|earlier| earlier.fingerprint() == key.fingerprint()) {
                return Err(UnusableKey::DuplicateKey(index + 1));
            }
        }
        Ok(Self(keys))
    }

    /// The `kid`s, the signing key's first.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.kid.as_str())
    }

    /// The key whose header the signing input `header.payload` begins with, and where its payload begins.
    ///
    /// This pins `alg`, `typ` and `kid` without parsing anything that the sender wrote. At most [`MAX_KEYS`] comparisons of some 60 bytes.
    pub(crate) fn key_for(&self, signing_input: &[u8]) -> Option<(&Key, usize)> {
        self.0.iter().find(|key| signing_input.starts_with(key.header.as_bytes())).map(|key| (key, key.header.len()))
    }

    /// The keys in their order.
    #[cfg(feature = "service")]
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    #[cfg(any(feature = "service", feature = "testing"))]
    pub(crate) fn signing_key(&self) -> Option<&Key> {
        self.0.first()
    }
}

impl Key {
    pub(super) fn new(kid: &str, bytes: &[u8], number: usize) -> Result<Self, UnusableKey> {
        let well_named =
            (1..=64).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !well_named {
            return Err(UnusableKey::Kid(number));
        }
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}"}}"#)) + ".";
        Ok(Self {
            kid: kid.to_owned(),
            header,
            mac: prepare(bytes, number)?,
            #[cfg(feature = "service")]
            created_at: None,
            #[cfg(feature = "service")]
            extracted: prepare_block(&Zeroizing::new(
                Hmac::<Sha256>::new(&[0; 64].into()).chain_update(bytes).finalize().into_bytes().into(),
            )),
        })
    }

    /// Whether `signature` is this key's MAC over `signing_input`. Constant time in the signature.
    pub(crate) fn verify(&self, signing_input: &[u8], signature: &[u8; 32]) -> bool {
        let mut mac = self.mac.clone();
        mac.update(signing_input);
        mac.verify(signature.into()).is_ok()
    }

    #[cfg(any(feature = "service", feature = "testing"))]
    pub(crate) fn sign(&self, signing_input: &[u8]) -> [u8; 32] {
        self.mac.clone().chain_update(signing_input).finalize().into_bytes().into()
    }

    #[cfg(any(feature = "service", feature = "testing"))]
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// A key for another purpose, from which this one cannot be computed: the first block of HKDF-Expand (RFC 5869 s2.3). What is signed
    /// begins with a token's header, which no label does, so no signature is ever a derived key.
    #[cfg(feature = "service")]
    pub(crate) fn derive(&self, label: &'static str) -> Hmac<Sha256> {
        prepare_block(&self.derive_bytes(label))
    }

    /// The bytes of such a key, for what is no MAC. A label is used for one or the other.
    #[cfg(feature = "service")]
    pub(crate) fn derive_bytes(&self, label: &'static str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.mac.clone().chain_update(label).chain_update([1]).finalize().into_bytes().into())
    }

    /// From this the keys of audiences are expanded.
    #[cfg(feature = "service")]
    pub(super) fn extracted(&self) -> Hmac<Sha256> {
        self.extracted.clone()
    }

    /// The same key, made at this time.
    #[cfg(feature = "service")]
    pub(super) fn made_at(self, created_at: Option<i64>) -> Self {
        Self { created_at, ..self }
    }

    #[cfg(feature = "service")]
    pub(super) fn created_at(&self) -> Option<i64> {
        self.created_at
    }

    #[cfg(feature = "service")]
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Equal for equal keys, and of no use for anything else.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        self.mac.clone().chain_update(b"hallpass key fingerprint").finalize().into_bytes().into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Every check of a key's quality, then the prepared HMAC.
fn prepare(bytes: &[u8], number: usize) -> Result<Hmac<Sha256>, UnusableKey> {
    if bytes.len() < MIN_KEY_BYTES {
        return Err(UnusableKey::TooShort(number));
    }
    if weak::is_publicly_known(bytes) {
        return Err(UnusableKey::PubliclyKnown(number));
    }
    if weak::has_too_few_distinct_bytes(bytes) {
        return Err(UnusableKey::Guessable(number));
    }
    if weak::is_made_of_words(bytes) {
        return Err(UnusableKey::Words(number));
    }
    Hmac::new_from_slice(bytes).map_err(|_| UnusableKey::TooShort(number))
}

/// A key shorter than a block of the hash is filled up with zeros (RFC 2104 s2): done here, it cannot have a wrong length.
#[cfg(feature = "service")]
fn prepare_block(block: &Zeroizing<[u8; 32]>) -> Hmac<Sha256> {
    let mut padded = Zeroizing::new([0; 64]);
    padded[..32].copy_from_slice(&**block);
    Hmac::new((&*padded).into())
}

#[cfg(all(test, feature = "service"))]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn mac(key: &Hmac<Sha256>) -> [u8; 32] {
        key.clone().chain_update(b"x").finalize().into_bytes().into()
    }

    #[test]
    fn a_derived_key_is_the_first_block_of_hkdf_expand_and_no_other_key() {
        let bytes: Vec<u8> = (100..132).collect();
        let key = Key::new("k", &bytes, 1).unwrap();
        let block = Hmac::<Sha256>::new_from_slice(&bytes).unwrap().chain_update(b"one\x01").finalize().into_bytes();
        let one = key.derive("one");
        assert_eq!(mac(&one), mac(&Hmac::new_from_slice(&block).unwrap()));
        assert_ne!(mac(&one), mac(&key.derive("two")));
        assert_ne!(mac(&one), mac(&key.mac));
    }
}
