//! (to be written)

pub mod hash_pool;
pub mod hasher;
pub mod password;
pub mod password_hash;
pub mod password_policy;
mod password_verifier;
