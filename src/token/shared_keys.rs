//! A key ring that can be replaced while it is in use.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::key::KeyRing;

/// A ring that verifiers share, and that is replaced for all of them at once. Clones share it.
///
/// A guarded service that holds a file of keys follows a rotation without a restart: read the file again when it changes, and replace.
///
/// ```
/// use hallpass::token::{KeyRing, SharedKeyRing, Verifier};
/// # fn follow(old: &str, new: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let keys = SharedKeyRing::new(KeyRing::from_jwk_set(old)?);
/// let verifier = Verifier::new(&keys, "https://auth.example.com", &["orders"])?;
/// // Later, wherever the file is watched. A file that cannot be used is an error here, and the ring stays as it is.
/// keys.replace(KeyRing::from_jwk_set(new)?);
/// # Ok(()) }
/// ```
///
/// Reading costs one atomic load: no lock, no allocation. A verification that is under way ends with the ring that it began with; every
/// later one uses the new ring, so the tokens of a key that is not in it die at once.
#[derive(Clone, Debug)]
pub struct SharedKeyRing(Arc<ArcSwap<KeyRing>>);

impl SharedKeyRing {
    /// Begins with this ring.
    pub fn new(ring: KeyRing) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(ring)))
    }

    /// Puts this ring in the place of the one there is.
    pub fn replace(&self, ring: KeyRing) {
        self.0.store(Arc::new(ring));
    }

    /// The ring as it is now.
    pub fn current(&self) -> Arc<KeyRing> {
        self.0.load_full()
    }
}

/// What a verifier finds its keys in: a ring of its own, or one that is replaced from elsewhere.
#[derive(Clone, Debug)]
pub struct Keys(Source);

#[derive(Clone, Debug)]
enum Source {
    Own(KeyRing),
    Shared(SharedKeyRing),
}

impl From<KeyRing> for Keys {
    fn from(ring: KeyRing) -> Self {
        Self(Source::Own(ring))
    }
}

impl From<&SharedKeyRing> for Keys {
    fn from(ring: &SharedKeyRing) -> Self {
        Self(Source::Shared(ring.clone()))
    }
}

impl Keys {
    /// The ring as it is now. One that is nobody else's costs nothing to reach.
    pub(crate) fn ring(&self) -> Ring<'_> {
        match &self.0 {
            Source::Own(ring) => Ring::Own(ring),
            Source::Shared(ring) => Ring::Shared(ring.0.load()),
        }
    }
}

/// A ring for as long as one token is looked at.
pub(crate) enum Ring<'a> {
    Own(&'a KeyRing),
    Shared(Guard<Arc<KeyRing>>),
}

impl Deref for Ring<'_> {
    type Target = KeyRing;

    fn deref(&self) -> &KeyRing {
        match self {
            Ring::Own(ring) => ring,
            Ring::Shared(ring) => ring,
        }
    }
}

#[cfg(all(test, feature = "service"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::token::claims::Claims;
    use crate::token::{InvalidToken, Signer, Verifier};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use std::sync::atomic::{AtomicBool, Ordering};

    const NOW: i64 = 1_800_000_000;

    fn ring(keys: &[u8]) -> KeyRing {
        let jwk = |from: &u8| {
            let bytes: Vec<u8> = (*from..*from + 32).collect();
            format!(r#"{{"kty":"oct","alg":"HS256","kid":"k{from}","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes))
        };
        KeyRing::from_jwk_set(&format!(r#"{{"keys":[{}]}}"#, keys.iter().map(jwk).collect::<Vec<_>>().join(","))).unwrap()
    }

    fn signed(key: u8) -> String {
        let claims = Claims {
            iss: "https://auth.example.com",
            sub: "cli_a",
            aud: &["orders".to_owned()],
            exp: NOW + 60,
            iat: NOW,
            jti: "1",
            client_id: "cli_a",
            scope: "",
            login: None,
        };
        Signer::new(&ring(&[key])).unwrap().sign(&claims).unwrap()
    }

    fn verifier(keys: impl Into<Keys>) -> Verifier {
        Verifier::new(keys, "https://auth.example.com", &["orders"]).unwrap()
    }

    #[test]
    fn a_ring_is_replaced_for_every_verifier_that_shares_it_and_for_no_other() {
        let shared = SharedKeyRing::new(ring(&[1]));
        let (one, two, own) = (verifier(&shared), verifier(&shared.clone()).clone(), verifier(ring(&[1])));
        shared.replace(ring(&[2, 1]));
        for verifier in [&one, &two] {
            assert!(verifier.verify(signed(1), NOW).is_ok() && verifier.verify(signed(2), NOW).is_ok());
        }
        shared.replace(ring(&[2]));
        for verifier in [&one, &two] {
            assert_eq!(verifier.verify(signed(1), NOW).unwrap_err(), InvalidToken::UnknownHeader);
            assert!(verifier.verify(signed(2), NOW).is_ok());
        }
        assert!(own.verify(signed(1), NOW).is_ok() && own.verify(signed(2), NOW).is_err());
        assert_eq!(shared.current().kids().collect::<Vec<_>>(), ["k2"]);
    }

    #[test]
    fn what_is_in_each_of_the_rings_is_believed_while_they_take_turns() {
        let shared = SharedKeyRing::new(ring(&[1, 2]));
        let (verifier, token, done) = (verifier(&shared), signed(2), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        while !done.load(Ordering::Relaxed) {
                            verifier.verify(&token, NOW).unwrap();
                        }
                    })
                })
                .collect();
            for turn in 0..2_000 {
                shared.replace(if turn % 2 == 0 { ring(&[2]) } else { ring(&[3, 2]) });
            }
            done.store(true, Ordering::Relaxed);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
    }
}
