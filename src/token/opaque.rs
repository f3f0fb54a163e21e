//! Refresh tokens: opaque to whoever holds them, and computed rather than stored.
//!
//! `hp_rt_` and base64url of 60 bytes: the session's id (16), the generation (4, big endian), the proof (32), the check (8).
//!
//! - The proof is a MAC over id, generation and the seed that only the session's row holds, under a key derived from the ring's. So neither
//!   the database nor the key makes a token by itself, and the successor of a token can be computed again when an answer was lost.
//! - The check is a MAC over everything before it: what is not ours is turned away without a look into the store.
//!
//! The first key of the ring makes tokens, all of them read. Retiring a key therefore ends the sessions that have not been refreshed since
//! the rotation. Which generation is the current one, and what another one means, is decided elsewhere.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use super::key::{Key, KeyRing};

const PREFIX: &str = "hp_rt_";
const PROVEN_BYTES: usize = 16 + 4;
const CHECKED_BYTES: usize = PROVEN_BYTES + 32;
const BYTES: usize = CHECKED_BYTES + 8;

/// What the row of a session adds to the key: 32 random bytes.
pub type Seed = [u8; 32];

/// What makes refresh tokens and knows them again.
#[derive(Clone)]
pub struct RefreshKeys(Vec<DerivedKeys>);

#[derive(Clone)]
struct DerivedKeys {
    proof: Hmac<Sha256>,
    check: Hmac<Sha256>,
}

/// A text that a key of the ring once made into a refresh token: of which session and which generation it says it is. It is believed only
/// when [`Presented::is_proven_by`] says so.
pub struct Presented {
    /// The session.
    pub session: Uuid,
    /// How often the session had been refreshed when the token was made.
    pub generation: u32,
    proof: [u8; 32],
    /// Those of the key that made it: the ring may be another one before the session's row is here.
    keys: DerivedKeys,
}

impl RefreshKeys {
    /// The keys derived from those of this ring, in its order.
    pub fn new(ring: &KeyRing) -> Self {
        Self(ring.keys().map(DerivedKeys::of).collect())
    }

    /// The token of this generation. Always the same one until the ring's first key is another. `None` for an empty ring, which settings
    /// cannot make.
    pub fn issue(&self, session: Uuid, generation: u32, seed: &Seed) -> Option<String> {
        let keys = self.0.first()?;
        let mut bytes = [0; BYTES];
        bytes[..PROVEN_BYTES].copy_from_slice(&proven(session, generation));
        let proof = keys.proof(session, generation, seed).finalize().into_bytes();
        bytes[PROVEN_BYTES..CHECKED_BYTES].copy_from_slice(&proof);
        let check = keys.check.clone().chain_update(&bytes[..CHECKED_BYTES]).finalize().into_bytes();
        bytes[CHECKED_BYTES..].copy_from_slice(&check[..BYTES - CHECKED_BYTES]);
        Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What the text says, if a key of the ring made it. A few microseconds at most, whatever is sent; constant time in the check.
    pub fn read(&self, text: &str) -> Option<Presented> {
        let mut bytes = [0; BYTES];
        let encoded = text.strip_prefix(PREFIX).filter(|encoded| encoded.len() == BYTES / 3 * 4)?;
        if URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes) != Ok(BYTES) {
            return None;
        }
        let (checked, check) = bytes.split_at(CHECKED_BYTES);
        let keys = self.0.iter().find(|keys| keys.check.clone().chain_update(checked).verify_truncated_left(check).is_ok())?;
        let (session, rest) = checked.split_first_chunk::<16>()?;
        let (generation, proof) = rest.split_first_chunk::<4>()?;
        let proof = proof.try_into().ok()?;
        Some(Presented { session: Uuid::from_bytes(*session), generation: u32::from_be_bytes(*generation), proof, keys: keys.clone() })
    }
}

impl Presented {
    /// Whether the token was made for a session with this seed. Constant time in the proof.
    pub fn is_proven_by(&self, seed: &Seed) -> bool {
        self.keys.proof(self.session, self.generation, seed).verify(&self.proof.into()).is_ok()
    }
}

impl DerivedKeys {
    fn of(key: &Key) -> Self {
        Self { proof: key.derive("hallpass refresh token proof"), check: key.derive("hallpass refresh token check") }
    }

    fn proof(&self, session: Uuid, generation: u32, seed: &Seed) -> Hmac<Sha256> {
        self.proof.clone().chain_update(proven(session, generation)).chain_update(seed)
    }
}

fn proven(session: Uuid, generation: u32) -> [u8; PROVEN_BYTES] {
    let mut bytes = [0; PROVEN_BYTES];
    bytes[..16].copy_from_slice(session.as_bytes());
    bytes[16..].copy_from_slice(&generation.to_be_bytes());
    bytes
}

impl fmt::Debug for RefreshKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshKeys").finish_non_exhaustive()
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("session", &self.session).field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(keys: &[u8]) -> KeyRing {
        let jwk = |first: &u8| {
            let bytes: Vec<u8> = (0..32).map(|index| first.wrapping_add(index * 7)).collect();
            format!(r#"{{"kty":"oct","alg":"HS256","kid":"k{first}","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes))
        };
        KeyRing::from_jwk_set(&format!(r#"{{"keys":[{}]}}"#, keys.iter().map(jwk).collect::<Vec<_>>().join(","))).unwrap()
    }

    fn keys(of: &[u8]) -> RefreshKeys {
        RefreshKeys::new(&ring(of))
    }

    const SESSION: Uuid = Uuid::from_bytes([7; 16]);
    const SEED: Seed = [9; 32];

    #[test]
    fn d25_a_token_of_an_older_key_is_read_as_long_as_the_ring_holds_it() {
        let old = keys(&[1]).issue(SESSION, 3, &SEED).unwrap();
        let rotated = keys(&[2, 1]);
        let presented = rotated.read(&old).unwrap();
        assert!(presented.is_proven_by(&SEED));
        assert_ne!(rotated.issue(SESSION, 3, &SEED).unwrap(), old, "the first key makes new ones");
        assert!(keys(&[2]).read(&old).is_none(), "retired");
    }

    #[test]
    fn d21_neither_the_row_nor_the_key_makes_a_token_by_itself() {
        let ours = keys(&[1]);
        // A thief of the database, with a key of their own.
        assert!(ours.read(&keys(&[3]).issue(SESSION, 0, &SEED).unwrap()).is_none());
        // A thief of the key, with a seed of their own.
        let forged = ours.read(&ours.issue(SESSION, 0, &[8; 32]).unwrap()).unwrap();
        assert!(!forged.is_proven_by(&SEED));
    }

    #[test]
    fn d9_d10_what_is_no_refresh_token_is_not_read() {
        let token = keys(&[1]).issue(SESSION, 0, &SEED).unwrap();
        let (padded, longer, shorter) = (format!("{token}="), format!("{token}A"), &token[..token.len() - 1]);
        let (upper, bare) = (token.replace("hp_rt_", "HP_RT_"), token.replace("hp_rt_", ""));
        for text in
            ["", "hp_rt_", "hp_cs_AAAA", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", &padded, &longer, shorter, &upper, &bare, &"A".repeat(16_000)]
        {
            assert!(keys(&[1]).read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn o3_debug_shows_nothing_that_helps() {
        let ours = keys(&[1]);
        let token = ours.issue(SESSION, 0, &SEED).unwrap();
        let shown = format!("{ours:?} {:?}", ours.read(&token).unwrap());
        assert!(!shown.contains("proof") && !shown.contains("key:"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_issued_is_read_back_and_proven(session: [u8; 16], generation: u32, seed: [u8; 32]) {
            let (ours, session) = (keys(&[1, 2]), Uuid::from_bytes(session));
            let token = ours.issue(session, generation, &seed).unwrap();
            prop_assert_eq!(token.len(), 86);
            prop_assert_eq!(&token, &ours.issue(session, generation, &seed).unwrap());
            let presented = ours.read(&token).unwrap();
            prop_assert_eq!((presented.session, presented.generation), (session, generation));
            prop_assert!(presented.is_proven_by(&seed));
        }

        #[test]
        fn d29_d30_no_changed_character_survives(at in 0_usize..86, to in "[A-Za-z0-9_=.-]") {
            let ours = keys(&[1]);
            let mut token = ours.issue(SESSION, 1, &SEED).unwrap();
            prop_assume!(!token[at..].starts_with(&to));
            token.replace_range(at..=at, &to);
            prop_assert!(ours.read(&token).is_none());
        }

        #[test]
        fn whatever_is_sent_nothing_panics(text in "(hp_rt_)?\\PC{0,100}", bytes in prop::collection::vec(any::<u8>(), 60)) {
            prop_assert!(keys(&[1]).read(&text).is_none());
            let random = format!("hp_rt_{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert!(keys(&[1]).read(&random).is_none());
        }
    }
}
