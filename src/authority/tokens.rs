//! What tokens are made with and taken back by: everything that follows from the keys, and is replaced with them as one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::Addresses;
use crate::store::revocation_tail::Tail;
use crate::token::opaque::RefreshKeys;
use crate::token::sealing::SealingKeys;
use crate::token::{KeyRing, KeySummary, RevocationList, SharedKeyRing, Signer, UnusableKey, Verifier};

/// What tokens are made with, and taken back by; and what else follows from the keys. Clones share it.
#[derive(Clone, Debug)]
pub struct Tokens {
    keys: Arc<ArcSwap<Keyed>>,
    /// Those of the verifier, and of every other one of this process.
    access_keys: SharedKeyRing,
    /// Rung when the keys are others.
    replaced: Arc<Notify>,
    /// Believes access tokens of this service, for those who ask about them.
    pub verifier: Verifier,
    /// The deny list of this process: what is revoked here is refused here at once.
    pub revocations: RevocationList,
    /// What is new in it, for those who follow it from elsewhere.
    pub tail: Tail,
}

/// What follows from one ring. A use case takes it once and goes on with it, so that it never sees two rings.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// Signs access tokens.
    pub signer: Signer,
    /// Makes refresh tokens and knows them again.
    pub refresh: RefreshKeys,
    /// Seals the secrets of second factors.
    pub sealing: SealingKeys,
    /// Hides the addresses whose tries are counted.
    pub addresses: Addresses,
    /// What may be told of the ring.
    pub summary: KeySummary,
}

impl Tokens {
    /// Everything that follows from the keys of this ring, with the verifier of access tokens, its keys and its deny list.
    ///
    /// # Errors
    /// None for rings that were read from settings: they have a first key.
    pub fn new(ring: &KeyRing, access_keys: SharedKeyRing, verifier: Verifier) -> Result<Self, UnusableKey> {
        let keyed = Keyed::new(ring, &access_keys.current(), Addresses::new(ring)?, SealingKeys::new(ring))?;
        Ok(Self {
            keys: Arc::new(ArcSwap::from_pointee(keyed)),
            access_keys,
            replaced: Arc::default(),
            revocations: verifier.revocations().clone(),
            verifier,
            tail: Tail::default(),
        })
    }

    /// What follows from the ring as it is now.
    pub fn keys(&self) -> Arc<Keyed> {
        self.keys.load_full()
    }

    /// Goes on with these rings. From here on the tokens of keys that are in them no more are refused, whatever kind they are of. Second
    /// factors that such a key has sealed still open, so that they can be sealed anew.
    ///
    /// # Errors
    /// None for rings that were read from settings. Then nothing has changed.
    pub fn replace(&self, ring: &KeyRing, access_keys: KeyRing) -> Result<(), UnusableKey> {
        let before = self.keys();
        let keyed = Keyed::new(ring, &access_keys, before.addresses.under(ring)?, before.sealing.followed_by(ring))?;
        // In this order: what is signed can be verified at every moment.
        self.access_keys.replace(access_keys);
        self.keys.store(Arc::new(keyed));
        self.replaced.notify_one();
        Ok(())
    }

    /// Waits until the keys are others than at the last time that somebody waited. For one waiter.
    pub(super) async fn replaced(&self) {
        self.replaced.notified().await;
    }
}

impl Keyed {
    fn new(ring: &KeyRing, access_keys: &KeyRing, addresses: Addresses, sealing: SealingKeys) -> Result<Self, UnusableKey> {
        Ok(Self { signer: Signer::new(access_keys)?, refresh: RefreshKeys::new(ring), sealing, addresses, summary: ring.summary() })
    }
}
