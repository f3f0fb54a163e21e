//! What may be told of a ring: for logs, for those who compare replicas, and for whoever asks how old the key is that signs.

use sha2::{Digest as _, Sha256};

use super::key::KeyRing;

/// What may be told of a ring. Nothing in it helps to make a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySummary {
    /// The `kid` of the key that signs.
    pub signs: String,
    /// When that key was made, as a NumericDate; not known of keys that were made elsewhere.
    pub created_at: Option<i64>,
    /// How many keys there are.
    pub keys: usize,
    /// The same for the same keys under the same names in the same order, and for no others: 16 hexadecimal digits, by which replicas and files
    /// are compared.
    pub fingerprint: String,
}

impl KeyRing {
    /// What may be told of this ring.
    pub fn summary(&self) -> KeySummary {
        let mut digest = Sha256::default();
        for key in self.keys() {
            digest.update(key.header());
            digest.update(key.fingerprint());
        }
        let signing = self.signing_key();
        KeySummary {
            signs: signing.map(|key| key.kid().to_owned()).unwrap_or_default(),
            created_at: signing.and_then(|key| key.created_at()),
            keys: self.keys().count(),
            fingerprint: digest.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    /// Each key as its name, its bytes, and what else its JWK says.
    fn summary(keys: &[(&str, u8, &str)]) -> KeySummary {
        let jwk = |(kid, from, more): &(&str, u8, &str)| {
            let bytes: Vec<u8> = (*from..*from + 32).collect();
            format!(r#"{{"kty":"oct","alg":"HS256","kid":"{kid}"{more},"k":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes))
        };
        let keys: Vec<String> = keys.iter().map(jwk).collect();
        KeyRing::from_jwk_set(&format!(r#"{{"keys":[{}]}}"#, keys.join(","))).unwrap().summary()
    }

    #[test]
    fn a_fingerprint_is_of_names_bytes_and_order_and_of_nothing_else() {
        let fingerprint = |keys: &[(&str, u8, &str)]| summary(keys).fingerprint;
        let ours = fingerprint(&[("a", 1, ""), ("b", 2, "")]);
        assert_eq!(ours.len(), 16);
        assert_eq!(ours, fingerprint(&[("a", 1, r#","iat":7,"use":"sig""#), ("b", 2, "")]));
        for other in [
            [("b", 2, ""), ("a", 1, "")].as_slice(),
            &[("a", 1, "")],
            &[("a", 1, ""), ("c", 2, "")],
            &[("a", 1, ""), ("b", 3, "")],
            &[("a", 2, ""), ("b", 1, "")],
        ] {
            assert_ne!(ours, fingerprint(other), "{other:?}");
        }
    }

    #[test]
    fn a_summary_tells_which_key_signs_and_since_when_there_is_one() {
        let told = summary(&[("a", 1, r#","iat":1800000000"#), ("b", 2, r#","iat":7"#)]);
        assert_eq!((told.signs.as_str(), told.keys, told.created_at), ("a", 2, Some(1_800_000_000)));
        for unknown in ["", r#","iat":"yesterday""#, r#","iat":1.5"#, r#","iat":null"#, r#","iat":[1]"#] {
            assert_eq!(summary(&[("a", 1, unknown)]).created_at, None, "{unknown}");
        }
    }
}
