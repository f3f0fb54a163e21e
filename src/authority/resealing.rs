//! Second factors are brought under the key that seals, so that the keys before it can go.

use super::Error;
use crate::store::Database;
use crate::store::second_factor::{self, SecondFactor};
use crate::token::sealing::SealingKeys;

/// Seals what is not sealed under the first key anew, a few at a time. True: there may be more.
///
/// # Errors
/// [`Error::StoreUnavailable`].
pub async fn reseal(database: &Database, keys: &SealingKeys, limit: u32) -> Result<bool, Error> {
    let Some(kid) = keys.current() else { return Ok(false) };
    let others = second_factor::sealed_by_others(database, kid, limit).await?;
    let mut resealed = 0;
    for factor in &others {
        resealed += u32::from(reseal_one(database, keys, factor).await);
    }
    // What no key of the ring opens stays, and must not be tried for ever.
    Ok(resealed > 0 && resealed >= limit)
}

/// Upkeep that never fails a login.
pub(super) async fn reseal_one(database: &Database, keys: &SealingKeys, factor: &SecondFactor) -> bool {
    let about = &factor.account_id;
    let Some(secret) = keys.open(&factor.secret, about) else { return false };
    let Some(sealed) = keys.seal(&secret, about) else { return false };
    let resealed = second_factor::reseal(database, factor, &sealed).await;
    resealed.inspect_err(|error| log::warn!(sub = about.as_str(); "second factor not sealed anew: {error}")).is_ok()
}
