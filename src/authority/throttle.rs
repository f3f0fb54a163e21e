//! Guessing is slowed down, account by account: so many failures in a row are free, then every one doubles the wait for the next try.
//!
//! A try is counted before the password is looked at, so those who try at once share the free ones; what came of it is told afterwards. An
//! address is counted whether it has an account or not, by a MAC of it. Nobody is locked out for good, and refreshing is never slowed down:
//! whoever is in stays in, whatever others try.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::hasher::Entered;
use super::{Authority, Error};
use crate::store::throttle::{self, Admission, LONGEST_TRY, Tries};
use crate::token::{KeyRing, UnusableKey};

/// The longest wait for the next try, in seconds.
const LONGEST_DELAY: i64 = 900;
/// How long somebody waits for those who try at the same moment and were admitted first.
const PATIENCE: Duration = Duration::from_secs(2);
/// After so long a look at the store: those who are waited for may be at another replica.
const PAUSE: Duration = Duration::from_millis(200);

/// How many failures in a row are free. Zero is like one: a first try cannot wait.
#[derive(Clone, Copy, Debug)]
pub struct ThrottlePolicy {
    /// That many.
    pub free_failures: u32,
}

/// What holds for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is admitted, if nobody else was before it is counted.
    Admitted(Admission),
    /// It depends on those that are under way: if one of them is right, so may be this one.
    Undecided,
    /// It has to wait.
    Delayed {
        /// Seconds.
        retry_after: i64,
    },
}

impl ThrottlePolicy {
    /// What holds for the next try at `now`, after these.
    pub fn standing(&self, tries: Option<&Tries>, now: i64) -> Standing {
        let free = i64::from(self.free_failures.max(1));
        let Some(tries) = tries else {
            return Standing::Admitted(self.admission(free, 0, now));
        };
        let retry_after = tries.retry_at.saturating_sub(now);
        // A clock that was stepped back must not make anybody wait for as long as that.
        if tries.failures < free || !(1..=LONGEST_DELAY).contains(&retry_after) {
            return Standing::Admitted(self.admission(free, tries.failures, now));
        }
        let is_under_way = tries.pending > 0 && now.saturating_sub(tries.tried_at) <= LONGEST_TRY;
        if is_under_way && tries.failures.saturating_sub(tries.pending) < free {
            return Standing::Undecided;
        }
        Standing::Delayed { retry_after }
    }

    fn admission(&self, free: i64, seen: i64, now: i64) -> Admission {
        // 2^10 is above the longest delay already.
        let doublings = seen.saturating_add(1).saturating_sub(free).clamp(0, 10);
        Admission { free, seen, retry_at: now.saturating_add((1 << doublings).min(LONGEST_DELAY)) }
    }
}

/// Turns addresses into what the store may hold of them, and wakes those who wait for others to be done with one. Clones share who waits.
#[derive(Clone)]
pub struct Addresses {
    key: Hmac<Sha256>,
    /// Several addresses share one: then somebody is woken for nothing, and looks again later.
    settled: Arc<[Notify; 64]>,
}

impl Addresses {
    /// Hidden under a key derived from the first one of the ring: after a rotation all addresses start anew.
    ///
    /// # Errors
    /// None for a ring that was read from settings: it has a first key.
    pub fn new(ring: &KeyRing) -> Result<Self, UnusableKey> {
        let key = ring.keys().next().ok_or(UnusableKey::NoKeys)?.derive("hallpass throttle address");
        Ok(Self { key, settled: Arc::new(std::array::from_fn(|_| Notify::new())) })
    }

    /// The same ones, who wait as before, hidden under a key of this ring.
    pub(super) fn under(&self, ring: &KeyRing) -> Result<Self, UnusableKey> {
        Ok(Self { settled: Arc::clone(&self.settled), ..Self::new(ring)? })
    }

    /// The same for an address whatever its case, and for any text that is none.
    fn mac(&self, email: &str) -> String {
        let folded = email.to_ascii_lowercase();
        URL_SAFE_NO_PAD.encode(self.key.clone().chain_update(folded).finalize().into_bytes())
    }

    fn settled(&self, address_mac: &str) -> Option<&Notify> {
        let first = usize::from(*address_mac.as_bytes().first()?);
        self.settled.get(first % self.settled.len())
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").finish_non_exhaustive()
    }
}

/// A try that was admitted and counted. One that is never settled stays a failure.
#[must_use]
pub(super) struct Try {
    address_mac: String,
    _entered: Entered,
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// Everything that the account asks for was proven: what failed before is forgotten.
    Passed,
    /// It was wrong.
    Failed,
    /// It proved only a part, or could not be looked at. A part must not reset the count, or whoever has one factor could guess the other
    /// for as long as they like.
    Withdrawn,
}

impl Settlement {
    /// Of a use case that ended so; `whole` says what a success is.
    pub(super) fn of<T>(outcome: &Result<T, Error>, whole: impl FnOnce(&T) -> bool) -> Self {
        match outcome {
            Ok(done) if whole(done) => Self::Passed,
            Err(Error::InvalidCredentials) => Self::Failed,
            Ok(_) | Err(_) => Self::Withdrawn,
        }
    }
}

impl Authority {
    /// Admits and counts one try of a password or a code for this address, which may be any text.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`]; [`Error::Busy`]: too many try at this moment, or too many to tell; [`Error::StoreUnavailable`]: what cannot
    /// be counted is not tried.
    pub(super) async fn admit_try(&self, email: &str) -> Result<Try, Error> {
        let entered = self.hasher.enter()?;
        let keys = self.tokens.keys();
        let address_mac = keys.addresses.mac(email);
        let patient_until = Instant::now() + PATIENCE;
        loop {
            let now = self.clock.now();
            let tries = throttle::by_address(&self.database, &address_mac).await?;
            match self.terms.throttle.standing(tries.as_ref(), now) {
                Standing::Admitted(admission) => {
                    if throttle::admit(&self.database, &address_mac, &admission, now).await? {
                        return Ok(Try { address_mac, _entered: entered });
                    }
                }
                Standing::Undecided if Instant::now() < patient_until => {
                    if let Some(settled) = keys.addresses.settled(&address_mac) {
                        let _woken_or_not = timeout(PAUSE, settled.notified()).await;
                    }
                }
                Standing::Undecided => return Err(Error::Busy),
                Standing::Delayed { retry_after } => {
                    self.limits.count_delayed();
                    return Err(Error::TooManyRequests { retry_after: retry_after.unsigned_abs() });
                }
            }
        }
    }

    /// Says what came of a try. A store that fails just now changes nothing for whoever tried: the try stays counted.
    pub(super) async fn settle_try(&self, tried: Try, settlement: Settlement) {
        let settled = match settlement {
            Settlement::Passed => throttle::pass(&self.database, &tried.address_mac).await,
            Settlement::Failed => throttle::fail(&self.database, &tried.address_mac).await,
            Settlement::Withdrawn => throttle::withdraw(&self.database, &tried.address_mac).await,
        };
        if let Err(error) = settled {
            log::warn!("what came of a try was not counted: {error}");
        }
        if let Some(waiting) = self.tokens.keys().addresses.settled(&tried.address_mac) {
            match settlement {
                // One place is free for one more.
                Settlement::Passed | Settlement::Withdrawn => waiting.notify_one(),
                Settlement::Failed => waiting.notify_waiters(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: ThrottlePolicy = ThrottlePolicy { free_failures: 5 };
    const NOW: i64 = 1000;

    fn tries(failures: i64, pending: i64, retry_at: i64) -> Tries {
        Tries { failures, pending, retry_at, tried_at: NOW }
    }

    /// The delay that a failure after so many has.
    fn delay(policy: ThrottlePolicy, seen: i64) -> i64 {
        match policy.standing(Some(&tries(seen, 0, 0)), NOW) {
            Standing::Admitted(admission) => admission.retry_at - NOW,
            standing => panic!("{standing:?}"),
        }
    }

    #[test]
    fn j2_the_delay_doubles_from_a_second_to_a_quarter_of_an_hour() {
        let delays: Vec<i64> = (4..18).map(|seen| delay(POLICY, seen)).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
        assert_eq!(delay(POLICY, i64::MAX), 900);
        for free_failures in [0, 1] {
            let strict = ThrottlePolicy { free_failures };
            assert!(matches!(strict.standing(None, NOW), Standing::Admitted(_)), "a first try never waits");
            assert_eq!((0..4).map(|seen| delay(strict, seen)).collect::<Vec<_>>(), [1, 2, 4, 8]);
        }
    }

    #[test]
    fn who_has_free_tries_left_or_has_waited_is_admitted() {
        for (failures, retry_at) in [(0, 0), (4, NOW + 1), (5, NOW), (9, NOW), (9, 0)] {
            assert!(matches!(POLICY.standing(Some(&tries(failures, 0, retry_at)), NOW), Standing::Admitted(_)), "{failures}");
        }
        assert_eq!(POLICY.standing(Some(&tries(5, 0, NOW + 1)), NOW), Standing::Delayed { retry_after: 1 });
        assert_eq!(POLICY.standing(Some(&tries(20, 0, NOW + 900)), NOW), Standing::Delayed { retry_after: 900 });
    }

    #[test]
    fn j5_who_comes_while_others_are_under_way_waits_for_them_only_if_they_could_be_right_in_time() {
        assert_eq!(POLICY.standing(Some(&tries(5, 1, NOW + 1)), NOW), Standing::Undecided);
        assert_eq!(POLICY.standing(Some(&tries(6, 1, NOW + 2)), NOW), Standing::Delayed { retry_after: 2 });
        let left_alone = Tries { tried_at: NOW - LONGEST_TRY - 1, ..tries(5, 5, NOW + 1) };
        assert_eq!(POLICY.standing(Some(&left_alone), NOW), Standing::Delayed { retry_after: 1 });
    }

    #[test]
    fn n9_a_clock_that_was_stepped_back_locks_nobody_out() {
        assert!(matches!(POLICY.standing(Some(&tries(9, 0, NOW + 901)), NOW), Standing::Admitted(_)));
        for now in [i64::MIN, 0, i64::MAX] {
            POLICY.standing(Some(&tries(9, 2, NOW)), now);
            POLICY.standing(None, now);
        }
    }

    #[test]
    fn j13_an_address_is_one_key_whatever_its_case_and_does_not_show() {
        let ring = |first: u8| {
            let bytes: Vec<u8> = (0..32).map(|index| first + index).collect();
            KeyRing::from_secret(&format!("base64url:{}", URL_SAFE_NO_PAD.encode(bytes))).unwrap()
        };
        let key = Addresses::new(&ring(100)).unwrap();
        assert_eq!(key.mac("Alice@Example.com"), key.mac("alice@example.com"));
        assert_ne!(key.mac("alice@example.com"), key.mac("alice@example.org"));
        assert_ne!(key.mac("alice@example.com"), Addresses::new(&ring(101)).unwrap().mac("alice@example.com"));
        assert!(!key.mac("alice@example.com").contains("alice") && format!("{key:?}") == "Addresses { .. }");
    }
}
