//! Keys of audiences: what a service that only verifies is given, so that it cannot make tokens for anybody else.
//!
//! HS256 has one key for both, so whoever holds a ring makes tokens of every kind. The key of an audience is HKDF-SHA256 (RFC 5869) of a key of
//! the ring, without salt, and of 32 bytes; `info` is `hallpass access token`, a zero byte, the `kid`, a zero byte, the audience. It keeps the
//! name of the key that it comes from, and neither that key nor the one of another audience can be computed from it.

use hmac::Mac as _;
use zeroize::Zeroizing;

use super::key::{Key, KeyRing, UnusableKey};

const LABEL: &[u8] = b"hallpass access token";

impl KeyRing {
    /// The ring for one audience: a key for each of this ring's, under the same names and in the same order.
    ///
    /// The ring as it is verifies none of the tokens that the derived one signs, and the other way around.
    ///
    /// # Errors
    /// [`UnusableKey`], if a derived key did not look random; nobody has such a key.
    pub fn for_audience(&self, audience: &str) -> Result<Self, UnusableKey> {
        let keys = (1..).zip(self.audience_keys(audience)).map(|(number, (kid, bytes))| Key::new(kid, &*bytes, number));
        Self::new(keys.collect::<Result<_, _>>()?)
    }

    /// The bytes of the keys of [`KeyRing::for_audience`], under their names, to be handed to whoever verifies for that audience.
    pub(crate) fn audience_keys(&self, audience: &str) -> impl Iterator<Item = (&str, Zeroizing<[u8; 32]>)> {
        self.keys().map(move |key| (key.kid(), key.audience_key(audience)))
    }
}

impl Key {
    /// Neither `kid` nor audience holds a zero byte, so no two of them make the same `info`.
    fn audience_key(&self, audience: &str) -> Zeroizing<[u8; 32]> {
        let info = [LABEL, self.kid().as_bytes(), audience.as_bytes()].join(&0);
        Zeroizing::new(self.extracted().chain_update(info).chain_update([1]).finalize().into_bytes().into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    fn ring(keys: &[(&str, &[u8])]) -> KeyRing {
        let jwk = |(kid, bytes): &(&str, &[u8])| {
            format!(r#"{{"kty":"oct","alg":"HS256","kid":"{kid}","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes))
        };
        KeyRing::from_jwk_set(&format!(r#"{{"keys":[{}]}}"#, keys.iter().map(jwk).collect::<Vec<_>>().join(","))).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn keys(ring: &KeyRing, audience: &str) -> Vec<String> {
        ring.audience_keys(audience).map(|(_, bytes)| hex(&*bytes)).collect()
    }

    #[test]
    fn a_known_key_has_known_keys_of_audiences() {
        // Computed with Python's hmac: prk = HMAC(32 zero bytes, key), then HMAC(prk, info + b"\x01").
        let ring = ring(&[("k", &(100..132).collect::<Vec<u8>>())]);
        assert_eq!(keys(&ring, "orders"), ["ebcb2f05d7a6b2bcfc698e2d77f61de01690f8075e821590bf77796340f89df3"]);
        assert_eq!(keys(&ring, "billing"), ["26b2fe75bd91a496edff1e6c9649b9e00a77630f53e54c7b45191ea0bffc89e3"]);
    }

    #[test]
    fn each_key_has_its_own_and_the_same_bytes_under_another_name_have_another() {
        let (first, second): (Vec<u8>, Vec<u8>) = ((0..32).collect(), (1..33).collect());
        let both = ring(&[("a", &first), ("b", &second)]);
        let derived = both.for_audience("orders").unwrap();
        assert_eq!(derived.kids().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(keys(&both, "orders")[0], keys(&ring(&[("a", &first)]), "orders")[0]);
        assert_ne!(keys(&both, "orders")[0], keys(&ring(&[("b", &first)]), "orders")[0]);
        assert_ne!(keys(&derived, "orders"), keys(&both, "orders"), "it is not derived twice by mistake");
    }

    proptest! {
        #[test]
        fn it_is_the_hkdf_of_another_library_whatever_the_key_and_the_audience(
            bytes in prop::collection::vec(any::<u8>(), 64..200),
            kid in "[A-Za-z0-9_-]{1,64}",
            audience in "[!-~]{1,80}",
        ) {
            prop_assume!(bytes.iter().collect::<std::collections::HashSet<_>>().len() >= 16);
            let mut peer = [0; 32];
            let info = [&b"hallpass access token\0"[..], kid.as_bytes(), b"\0", audience.as_bytes()];
            Salt::new(HKDF_SHA256, &[]).extract(&bytes).expand(&info, HKDF_SHA256).unwrap().fill(&mut peer).unwrap();
            let ring = ring(&[(&kid, &bytes)]);
            prop_assert_eq!(keys(&ring, &audience), [hex(&peer)]);
            prop_assert_ne!(keys(&ring, &audience), keys(&ring, &format!("{audience}x")));
        }
    }
}
