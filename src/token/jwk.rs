//! The form in which keys come: a JWK Set (RFC 7517) of symmetric keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::key::{Key, UnusableKey};

/// The keys of a set, in its order.
pub(super) fn keys(json: &str) -> Result<Vec<Key>, UnusableKey> {
    let set: JwkSet = serde_json::from_str(json).map_err(|_| UnusableKey::NotAJwkSet)?;
    set.keys.iter().zip(1..).map(|(jwk, number)| jwk.key(number)).collect()
}

/// `flatten` also keeps serde from taking a JSON array for the struct, member by member.
#[derive(Deserialize)]
struct JwkSet<'a> {
    #[serde(borrow)]
    keys: Vec<Jwk<'a>>,
    #[serde(flatten)]
    _not_understood: IgnoredAny,
}

/// RFC 7517 s4: members that are not understood are ignored, members that are understood twice are not.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    /// Borrowed, so that the key is copied nowhere on its way: only who read the file holds its text. A key has nothing to escape.
    #[serde(borrow)]
    k: Option<&'a str>,
    /// No member that RFC 7517 knows; ours is the time at which the key was made. What is no NumericDate is somebody else's and tells nothing.
    #[cfg(feature = "service")]
    iat: Option<serde_json::Value>,
    #[serde(flatten)]
    _not_understood: IgnoredAny,
}

impl Jwk<'_> {
    fn key(&self, number: usize) -> Result<Key, UnusableKey> {
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "sign" || op == "verify"));
        if self.kty.as_deref() != Some("oct") || self.alg.as_deref() != Some("HS256") || !signs {
            return Err(UnusableKey::NotHs256(number));
        }
        let kid = self.kid.as_deref().ok_or(UnusableKey::Kid(number))?;
        let encoded = self.k.ok_or(UnusableKey::Encoding(number))?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| UnusableKey::Encoding(number))?);
        let key = Key::new(kid, &bytes, number)?;
        #[cfg(feature = "service")]
        let key = key.made_at(self.iat.as_ref().and_then(serde_json::Value::as_i64));
        Ok(key)
    }
}
