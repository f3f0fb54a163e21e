//! `hallpass key retire`: a key goes, and everything that depends on it but what is meant to.
//!
//! Tokens of the key are to die. The secrets of second factors are not: the service seals them anew as soon as another key signs, but a key
//! that has leaked goes at once, so whatever it has sealed is sealed anew here, before it is gone.

use serde_json::Value;

use super::key::{self, Outcome};
use super::key_file::Entry;
use super::{Error, output, wait_for};
use crate::authority::resealing;
use crate::config::Config;
use crate::serve as service;
use crate::store::{Database, second_factor};
use crate::token::KeyRing;
use crate::token::sealing::SealingKeys;

/// How many second factors are sealed anew between two looks.
const BATCH: u32 = 100;

pub(super) fn run(config: &Config, kid: &str, force: bool, now: i64) -> Result<Outcome, Error> {
    let file = key::open(config)?;
    let mut keys: Vec<Value> = file.keys().map(Entry::to_jwk).collect();
    let Some(index) = file.keys().position(|key| key.kid() == kid) else {
        return Err(Error::failed("there is no such key: `hallpass key list` shows their names"));
    };
    if keys.len() == 1 {
        return Err(Error::failed("this is the only key: run `hallpass key rotate` twice first"));
    }
    if index == 0 && !force {
        return Err(Error::failed(
            "this is the key that signs: run `hallpass key rotate` until another one does, or use --force if it has leaked",
        ));
    }
    let since = file.keys().next().and_then(|key| key.signs_at());
    let retired = keys.remove(index);
    // In this order: the next key seals, and the one that goes still opens.
    let ring = ring_of(keys.iter().chain([&retired]))?;
    keep_second_factors(config, &ring, kid, force)?;
    let signs = key::kid_at(&keys, 0);
    let fingerprint = file.save(keys)?;
    // What a service that has not read the file yet has sealed meanwhile. That it could be done a moment ago is known.
    let _ = seal_anew(config, &ring, kid);
    if !force {
        warn_if_early(config, since, now);
    }
    let next = (index == 0).then(|| {
        format!(
            "its tokens are refused, and people log in again, as soon as every replica has read the file (each logs \"keys.file read again\" with fingerprint {fingerprint}); SIGHUP makes one read at once, and a restart before that loses the second factors that it has sealed under {kid} meanwhile"
        )
    });
    Ok(Outcome { action: "retired", kid: kid.to_owned(), signs, fingerprint, next })
}

fn ring_of<'a>(keys: impl Iterator<Item = &'a Value>) -> Result<KeyRing, Error> {
    let set = zeroize::Zeroizing::new(serde_json::json!({ "keys": keys.collect::<Vec<_>>() }).to_string());
    KeyRing::from_jwk_set(&set).map_err(|error| Error::failed(error.to_string()))
}

/// Without the key nobody opens what it has sealed, ever.
fn keep_second_factors(config: &Config, ring: &KeyRing, kid: &str, force: bool) -> Result<(), Error> {
    let lost = match look_and_seal(config, ring, kid) {
        Ok(0) => return Ok(()),
        Ok(left) => format!("{left} second factors are sealed under it and cannot be sealed anew"),
        Err(reason) => format!("second factors that it has sealed cannot be sealed anew: {reason}"),
    };
    if !force {
        return Err(Error::failed(format!(
            "the key stays: {lost} (with --force it goes all the same, and their owners need a recovery code)"
        )));
    }
    output::message(format_args!("hallpass: {lost}: their owners need a recovery code"));
    Ok(())
}

/// [`seal_anew`], or why it cannot be done. A database that is elsewhere must not pass for one that holds no second factors.
fn look_and_seal(config: &Config, ring: &KeyRing, kid: &str) -> Result<i64, String> {
    if !Database::exists(config.database.url.expose()) {
        let reason = "there is no database where database.url says: set HALLPASS__DATABASE__URL to the address that the service has";
        return Err(reason.to_owned());
    }
    seal_anew(config, ring, kid).map_err(|error| error.sentence().unwrap_or("no reason given").to_owned())
}

/// Seals anew whatever the first key of the ring has not sealed, and counts what is still sealed under the one that goes.
fn seal_anew(config: &Config, ring: &KeyRing, kid: &str) -> Result<i64, Error> {
    wait_for(async {
        let (database, keys) = (service::database(config)?, SealingKeys::new(ring));
        while resealing::reseal(&database, &keys, BATCH).await? {}
        let counts = second_factor::count_by_key(&database).await?;
        Ok(counts.into_iter().filter(|(by, _)| by == kid).map(|(_, count)| count).sum())
    })
}

fn warn_if_early(config: &Config, since: Option<i64>, now: i64) {
    let wait = i64::try_from(key::wait_before_retiring(config)).unwrap_or(i64::MAX);
    let early = since.map_or(0, |since| since.saturating_add(wait).saturating_sub(now));
    if early > 0 {
        output::message(format_args!(
            "hallpass: {early} s earlier than `key rotate` said: tokens that it signed and that are still in use are refused from now on"
        ));
    }
}
