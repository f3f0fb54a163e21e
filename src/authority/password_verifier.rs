//! What one look at a password costs: the same, whatever there is to find out.
//!
//! An account that does not exist, a wrong password, a cheap imported hash, a broken hash and a password that bcrypt cannot take
//! must not be told apart by time. Time here is the number of bcrypt rounds, which this file counts: every one of those
//! spends 2^cost. It runs on the calling thread and knows nothing of threads, queues or accounts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::hasher::StartError;
use super::password::Password;
use super::password_hash::{MAX_COST, MIN_COST, NoSalt, StoredHash};

/// What was found out about a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right {
        /// The same password hashed anew at the configured cost, to be stored in place of a cheaper hash.
        upgrade: Option<StoredHash>,
    },
    /// It is not, or there is nothing to compare it with.
    Wrong,
}

/// Verifies passwords in equal time, and makes hashes.
pub(super) struct PasswordVerifier {
    cost: u32,
    /// A hash of nobody's password, to be verified where there is no hash or a cheap one.
    dummy: StoredHash,
    /// Rounds of bcrypt spent so far.
    rounds: AtomicU64,
}

impl PasswordVerifier {
    /// Makes the dummy hash and proves that it is worked on like a real one. Takes a millisecond.
    ///
    /// The proof: the dummy is a hash of a password known here for this one moment, and the function that real logins go through
    /// finds the two equal. Nothing can find that but bcrypt run over that very text, so the text is not malformed, and verifying it is not
    /// cut short. It is made at the lowest cost, for the start not to take as long as two logins; at the configured one it is the same text
    /// but for the number that says how many rounds there are, which is read back.
    pub(super) fn new(cost: u32) -> Result<Self, StartError> {
        if !(MIN_COST..=MAX_COST).contains(&cost) {
            return Err(StartError::Cost);
        }
        let nobodys = nobodys_password()?;
        let cheap = StoredHash::make(&nobodys, MIN_COST)?;
        let verifier = Self { cost, dummy: cheap.at_cost(cost), rounds: AtomicU64::new(0) };
        let parse = |text: &str| StoredHash::parse(text).map_err(|_| StartError::SelfTest);
        let proved = parse(verifier.dummy.as_str())?.cost() == cost && verifier.compare(&nobodys, &parse(cheap.as_str())?);
        proved.then_some(verifier).ok_or(StartError::SelfTest)
    }

    /// Verifies a password against what is stored, if anything usable is.
    ///
    /// Rounds spent on anything but the right password: 2^C for the configured cost C. A stored cost c below it takes 2^c for itself
    /// and 2^c + 2^(c+1) + … + 2^(C-1) for dummies, which is 2^C. Only a stored cost above C takes longer, 2^c.
    pub(super) fn verify(&self, password: &Password, stored: Option<&StoredHash>) -> Verdict {
        match stored.filter(|stored| stored.can_be_of(password)) {
            None => {
                self.spend(password, self.cost);
                Verdict::Wrong
            }
            Some(stored) if self.compare(password, stored) => Verdict::Right { upgrade: self.upgrade(password, stored) },
            Some(stored) => {
                for cost in stored.cost()..self.cost {
                    self.spend(password, cost);
                }
                Verdict::Wrong
            }
        }
    }

    /// A new hash at the configured cost.
    pub(super) fn hash(&self, password: &Password) -> Result<StoredHash, NoSalt> {
        self.hash_at(password, self.cost)
    }

    fn hash_at(&self, password: &Password, cost: u32) -> Result<StoredHash, NoSalt> {
        self.count(cost);
        StoredHash::make(password, cost)
    }

    /// Rounds of bcrypt spent so far: the sum of 2^cost over all runs.
    pub(super) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// The one door to bcrypt for real hashes and dummies alike.
    fn compare(&self, password: &Password, hash: &StoredHash) -> bool {
        self.count(hash.cost());
        hash.matches(password.expose().as_bytes())
    }

    /// Takes the time of one comparison at this cost. What it finds is of no account, so nobody can log in by a dummy.
    fn spend(&self, password: &Password, cost: u32) {
        self.compare(password, &self.dummy.at_cost(cost));
    }

    /// Keeping hashes up to date never fails a login: without a salt the old one simply stays.
    fn upgrade(&self, password: &Password, stored: &StoredHash) -> Option<StoredHash> {
        if !stored.is_outdated(self.cost) {
            return None;
        }
        // A dear hash that is replaced for another reason than its cost does not become a cheap one.
        let cost = self.cost.max(stored.cost());
        self.hash_at(password, cost).inspect_err(|error| log::warn!("an outdated password hash could not be renewed: {error}")).ok()
    }

    fn count(&self, cost: u32) {
        self.rounds.fetch_add(1 << cost, Ordering::Relaxed);
    }
}

/// 64 random characters.
fn nobodys_password() -> Result<Password, NoSalt> {
    let mut random = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut random[..]).map_err(|_| NoSalt)?;
    let mut text = String::with_capacity(64);
    for byte in random.iter() {
        text.extend([byte >> 4, byte & 15].map(|nibble| char::from(b'a' + nibble)));
    }
    Ok(Password::new(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::authority::bcrypt_input::BcryptInput;

    const COST: u32 = 6;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    fn hash_of(text: &str, cost: u32) -> StoredHash {
        StoredHash::make(&password(text), cost).unwrap()
    }

    /// The verdict and the rounds it took.
    fn look(verifier: &PasswordVerifier, given: &str, stored: Option<&StoredHash>) -> (Verdict, u64) {
        let before = verifier.rounds();
        let verdict = verifier.verify(&password(given), stored);
        (verdict, verifier.rounds() - before)
    }

    #[test]
    fn c2_every_way_to_be_wrong_takes_the_same_number_of_rounds() {
        let verifier = PasswordVerifier::new(COST).unwrap();
        let stored = hash_of("right", COST);
        let too_long = "a".repeat(73);
        let cases = [
            ("unknown account, or no usable hash", "right", None),
            ("wrong password", "wrong", Some(&stored)),
            ("empty password", "", Some(&stored)),
            ("password with a NUL", "right\0right", Some(&stored)),
            ("password of 73 bytes", &too_long, Some(&stored)),
            ("a password that does not fit, and no account", "\0", None),
        ];
        for (what, given, stored) in cases {
            assert_eq!(look(&verifier, given, stored), (Verdict::Wrong, 1 << COST), "{what}");
        }
    }

    #[test]
    fn c4_a_wrong_password_on_a_cheap_hash_is_topped_up_to_the_same_number_of_rounds() {
        let verifier = PasswordVerifier::new(COST).unwrap();
        for cost in MIN_COST..=COST {
            let stored = hash_of("right", cost);
            assert_eq!(look(&verifier, "wrong", Some(&stored)), (Verdict::Wrong, 1 << COST), "{cost}");
        }
    }

    #[test]
    fn c3_the_dummy_costs_what_it_says() {
        for cost in [MIN_COST, COST] {
            let verifier = PasswordVerifier::new(cost).unwrap();
            // Starting compared the dummy with its own password once, through the door that logins take.
            assert_eq!(verifier.rounds(), 1 << MIN_COST);
            assert_eq!(look(&verifier, "whatever", None), (Verdict::Wrong, 1 << cost));
            assert_eq!(StoredHash::parse(verifier.dummy.as_str()).unwrap().cost(), cost);
            for cheaper in MIN_COST..=cost {
                assert_eq!(StoredHash::parse(verifier.dummy.at_cost(cheaper).as_str()).unwrap().cost(), cheaper);
            }
        }
    }

    #[test]
    fn a_cost_that_is_never_run_is_refused_at_the_start() {
        for cost in [0, 3, 15, 31, u32::MAX] {
            assert!(matches!(PasswordVerifier::new(cost), Err(StartError::Cost)), "{cost}");
        }
    }

    #[test]
    fn the_right_password_at_the_configured_cost_needs_no_upgrade() {
        let verifier = PasswordVerifier::new(COST).unwrap();
        let stored = hash_of("right", COST);
        assert_eq!(look(&verifier, "right", Some(&stored)), (Verdict::Right { upgrade: None }, 1 << COST));
    }

    #[test]
    fn the_right_password_on_a_cheap_hash_comes_with_a_hash_at_the_configured_cost() {
        let verifier = PasswordVerifier::new(COST).unwrap();
        let stored = hash_of("right", MIN_COST);
        let (verdict, rounds) = look(&verifier, "right", Some(&stored));
        let Verdict::Right { upgrade: Some(upgrade) } = verdict else { panic!("{verdict:?}") };
        assert_eq!(rounds, (1 << MIN_COST) + (1 << COST));
        assert_eq!(look(&verifier, "right", Some(&upgrade)), (Verdict::Right { upgrade: None }, 1 << COST));
    }

    #[test]
    fn a_dearer_hash_takes_its_own_time_and_stays() {
        let verifier = PasswordVerifier::new(MIN_COST).unwrap();
        let stored = hash_of("right", COST);
        assert_eq!(look(&verifier, "wrong", Some(&stored)), (Verdict::Wrong, 1 << COST));
        assert_eq!(look(&verifier, "right", Some(&stored)), (Verdict::Right { upgrade: None }, 1 << COST));
    }

    #[test]
    fn c6_the_right_72_bytes_and_one_more_are_wrong() {
        let verifier = PasswordVerifier::new(MIN_COST).unwrap();
        let right = "é".repeat(36);
        let stored = hash_of(&right, MIN_COST);
        assert!(matches!(look(&verifier, &right, Some(&stored)).0, Verdict::Right { .. }));
        assert_eq!(look(&verifier, &format!("{right}x"), Some(&stored)).0, Verdict::Wrong);
    }

    #[test]
    fn c8_of_a_hash_made_by_cutting_the_password_is_right_once_and_from_then_on_all_of_it_counts() {
        let verifier = PasswordVerifier::new(COST).unwrap();
        let long = "ab".repeat(40);
        let stored = StoredHash::parse(hash_of(&long[..72], COST).as_str()).unwrap().by_a_truncating_library();
        assert_eq!(StoredHash::parse(stored.as_str()).unwrap(), stored);
        let (verdict, rounds) = look(&verifier, &long, Some(&stored));
        let Verdict::Right { upgrade: Some(upgrade) } = verdict else { panic!("{verdict:?}") };
        assert_eq!(rounds, 2 << COST);
        assert_eq!(look(&verifier, &long, Some(&upgrade)), (Verdict::Right { upgrade: None }, 1 << COST));
        for cut in [&long[..72], &long[..79], &format!("{long}a")] {
            assert_eq!(look(&verifier, cut, Some(&upgrade)), (Verdict::Wrong, 1 << COST), "{}", cut.len());
        }
        let digested = BcryptInput::Digest.octets(long.as_bytes());
        assert_eq!(look(&verifier, std::str::from_utf8(&digested).unwrap(), Some(&upgrade)).0, Verdict::Wrong);

        let short = hash_of("short", COST).by_a_truncating_library();
        let (verdict, _) = look(&verifier, "short", Some(&short));
        let Verdict::Right { upgrade: Some(upgrade) } = verdict else { panic!("{verdict:?}") };
        assert!(upgrade.as_str().starts_with("$2b$") && look(&verifier, "wrong", Some(&short)) == (Verdict::Wrong, 1 << COST));
    }

    #[test]
    fn c9_a_password_that_collides_by_a_nul_is_wrong() {
        let verifier = PasswordVerifier::new(MIN_COST).unwrap();
        let stored = hash_of("a", MIN_COST);
        assert!(stored.matches(b"a\0a"));
        assert_eq!(look(&verifier, "a\0a", Some(&stored)).0, Verdict::Wrong);
    }

    #[test]
    fn o3_a_verdict_shows_nothing_of_the_new_hash() {
        let verdict = Verdict::Right { upgrade: Some(hash_of("right", MIN_COST)) };
        assert!(!format!("{verdict:?}").contains('$'));
    }
}
