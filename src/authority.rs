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
mod bcrypt_input;
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
mod recent_clients;
pub mod refresh;
pub mod register;
pub mod resealing;
pub mod revoke;
pub mod second_factor;
pub mod session_policy;
pub mod sessions;
pub mod step_up;
pub mod sweep;
pub mod throttle;
pub mod tokens;

use std::time::Duration;

use crate::clock::Clock;
use crate::config;
use crate::store::Database;
use crate::token::{KeySummary, RevocationList};

use known_clients::KnownClients;
use limits::{Limited, Limits};
use outcomes::Outcomes;
use recent_clients::RecentClients;

pub use error::Error;
pub use grant::Grant;
pub use hasher::{Hasher, HasherSettings};
pub use password::Password;
pub use session_policy::SessionPolicy;
pub use throttle::{Addresses, ThrottlePolicy};
pub use tokens::Tokens;

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
    recent_clients: RecentClients,
    outcomes: Outcomes,
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

impl Authority {
    /// An authority over this store.
    pub fn new(database: Database, hasher: Hasher, tokens: Tokens, clock: Clock, terms: Terms) -> Self {
        let limits = Limits::new(&terms.limits, &clock);
        let (known_clients, recent_clients, outcomes) = (KnownClients::default(), RecentClients::default(), Outcomes::default());
        Self { database, hasher, tokens, clock, terms, limits, known_clients, recent_clients, outcomes }
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

    /// `aud`, for whom the tokens are.
    pub fn audience(&self) -> &[String] {
        &self.terms.audience
    }

    /// The store, for those who only ask whether it is there.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// What may be told of the keys in use: which one signs, how old it is, and by what replicas are compared.
    pub fn key_summary(&self) -> KeySummary {
        self.tokens.keys().summary.clone()
    }

    /// How long ago the key that signs was made; not known of keys that were made elsewhere.
    pub fn signing_key_age(&self) -> Option<Duration> {
        let made_at = self.tokens.keys().summary.created_at?;
        u64::try_from(self.clock.now() - made_at).ok().map(Duration::from_secs)
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
