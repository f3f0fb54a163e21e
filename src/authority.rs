//! The authorization server of RFC 6749, free of HTTP: one use case, one file.
//!
//! It decides who gets a token and what stands in it. It knows the store, the hashing threads and the signer; it knows nothing of requests,
//! cookies or status codes, so the command line works over the same use cases as the endpoints.

pub mod account_change;
pub mod account_import;
pub mod accounts;
pub mod admin;
pub mod administration;
pub mod audit;
pub mod client_credentials;
pub mod clients;
pub mod error;
pub mod follow;
pub mod grant;
pub mod hash_pool;
pub mod hasher;
pub mod id;
pub mod introspect;
mod known_clients;
pub mod limits;
pub mod login;
pub mod logout;
mod otp;
pub mod outcomes;
pub mod own_account;
pub mod password;
pub mod password_hash;
pub mod password_policy;
pub mod password_verifier;
mod rate;
pub mod refresh;
pub mod register;
pub mod revoke;
pub mod second_factor;
pub mod session_policy;
pub mod sessions;
pub mod step_up;
pub mod sweep;
pub mod throttle;

use std::time::Duration;

use crate::clock::Clock;
use crate::config;
use crate::store::Database;
use crate::store::revocation_tail::Tail;
use crate::token::opaque::RefreshKeys;
use crate::token::sealing::SealingKeys;
use crate::token::{KeyRing, RevocationList, Signer, UnusableKey, Verifier};

use known_clients::KnownClients;
use limits::{Limited, Limits};
use outcomes::Outcomes;

pub use error::Error;
pub use grant::Grant;
pub use hasher::{Hasher, HasherSettings};
pub use password::Password;
pub use session_policy::SessionPolicy;
pub use throttle::{Addresses, ThrottlePolicy};

pub use crate::store::Device;

/// Everything the use cases work with.
#[derive(Clone)]
pub struct Authority {
    pub(crate) database: Database,
    pub(crate) hasher: Hasher,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Clock,
    pub(crate) terms: Terms,
    limits: Limits,
    known_clients: KnownClients,
    outcomes: Outcomes,
}

/// What tokens are made with, and taken back by; and what else follows from the keys.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Signs access tokens.
    pub signer: Signer,
    /// Believes access tokens of this service, for those who ask about them.
    pub verifier: Verifier,
    /// Makes refresh tokens and knows them again.
    pub refresh: RefreshKeys,
    /// The deny list of this process: what is revoked here is refused here at once.
    pub revocations: RevocationList,
    /// What is new in it, for those who follow it from elsewhere.
    pub tail: Tail,
    /// Seals the secrets of second factors.
    pub sealing: SealingKeys,
    /// Hides the addresses whose tries are counted.
    pub addresses: Addresses,
}

/// What every token of this issuer says, and what passwords must be like.
#[derive(Clone, Debug)]
pub struct Terms {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: Vec<String>,
    /// How long an access token lives.
    pub access_ttl: Duration,
    /// How long sessions live.
    pub sessions: SessionPolicy,
    /// Whether a login ends the person's other sessions.
    pub single_active: bool,
    /// How guessing is slowed down.
    pub throttle: ThrottlePolicy,
    /// How often one may ask.
    pub limits: config::Limits,
    /// The shortest new password, in characters.
    pub min_password_length: usize,
}

impl Tokens {
    /// Everything that follows from the keys of this ring, with the signer and the verifier of access tokens and the deny list of that.
    ///
    /// # Errors
    /// None for a ring that was read from settings: it has a first key.
    pub fn new(keys: &KeyRing, signer: Signer, verifier: Verifier) -> Result<Self, UnusableKey> {
        Ok(Self {
            signer,
            refresh: RefreshKeys::new(keys),
            revocations: verifier.revocations().clone(),
            verifier,
            tail: Tail::default(),
            sealing: SealingKeys::new(keys),
            addresses: Addresses::new(keys)?,
        })
    }
}

impl Authority {
    /// An authority over this store.
    pub fn new(database: Database, hasher: Hasher, tokens: Tokens, clock: Clock, terms: Terms) -> Self {
        let limits = Limits::new(&terms.limits, &clock);
        let (known_clients, outcomes) = (KnownClients::default(), Outcomes::default());
        Self { database, hasher, tokens, clock, terms, limits, known_clients, outcomes }
    }

    /// How often something was refused for being asked too often: what tests and metrics compare.
    pub fn limited(&self) -> Limited {
        self.limits.limited()
    }

    /// How often which use case ended in which way: what metrics show.
    pub fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    /// The hashing threads, for those who only ask how much they have to do.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// The deny list of this process, for those who only ask how long it is.
    pub fn revocations(&self) -> &RevocationList {
        &self.tokens.revocations
    }

    /// `iss`, the address of this service.
    pub fn issuer(&self) -> &str {
        &self.terms.issuer
    }

    /// The store, for those who only ask whether it is there.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Rounds of bcrypt spent so far: what tests and metrics compare.
    pub fn hashed_rounds(&self) -> u64 {
        self.hasher.rounds()
    }

    /// How many callers wait for a hashing thread at this moment.
    pub fn waiting_for_hashes(&self) -> usize {
        self.hasher.load().waiting
    }
}
