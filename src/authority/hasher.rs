//! Passwords are verified and hashed here and nowhere else: in equal time, on threads of their own, a bounded number at once.
//!
//! It joins `PasswordVerifier` (what a look at a password costs) to [`HashPool`] (where and when that is spent). Every verification
//! is exactly one job, also for an account that does not exist, so that a flood of unknown names waits in the same queue.
//! It knows nothing of accounts: whether a right password is enough is for others to say.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::hash_pool::{HashPool, PoolError, PoolLoad, PoolSettings, PoolTotals};
use super::password::Password;
use super::password_hash::{NoSalt, StoredHash};
use super::password_policy::{self, Violation};
use super::password_verifier::PasswordVerifier;

pub use super::password_verifier::Verdict;

/// How dear hashes are, and how many are worked on.
#[derive(Clone, Copy, Debug)]
pub struct HasherSettings {
    /// log2 of the rounds of new hashes, 4 to 14.
    pub cost: u32,
    /// Hashes that are worked on at the same time: as many as there are cores, since the threads have the lowest priority.
    pub threads: usize,
    /// Callers that may wait while all threads are busy.
    pub queue: usize,
    /// How long a caller waits for its turn.
    pub queue_timeout: Duration,
}

/// Why hashing cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configured cost is one that is never run.
    #[error("the bcrypt cost must be between 4 and 14")]
    Cost,
    /// The operating system gave no random numbers.
    #[error(transparent)]
    NoSalt(#[from] NoSalt),
    /// bcrypt does not find a password equal to its own hash.
    #[error("bcrypt failed its self-test")]
    SelfTest,
    /// The operating system refused a thread.
    #[error("a hashing thread could not be started: {0}")]
    Thread(#[from] io::Error),
}

/// Why there is no answer about a password. None of these says anything about the password or the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Too many others are before this one: try again in a few seconds. Nothing has been run.
    #[error("all hashing threads are busy")]
    Busy,
    /// bcrypt cannot take this password ([`Password::fits`]); it should have been refused before. Only when hashing.
    #[error("the password does not fit bcrypt")]
    DoesNotFit,
    /// Our own fault: no random numbers, or a panic.
    #[error("hashing failed")]
    Failed,
}

/// Why a new password has not been hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordError {
    /// The rules for new passwords forbid it; these are all the reasons.
    #[error("the new password is refused")]
    Refused(Vec<Violation>),
    /// It has not been looked at.
    #[error(transparent)]
    Hashing(#[from] HashingError),
}

/// A handle to the hashing threads. Clones share them; they end with the last clone.
#[derive(Clone)]
pub struct Hasher {
    verifier: Arc<PasswordVerifier>,
    pool: HashPool,
    places: Arc<Semaphore>,
}

/// One of those who were let in, until it is dropped.
#[derive(Debug)]
pub struct Entered(#[expect(dead_code, reason = "held for its end")] OwnedSemaphorePermit);

impl Hasher {
    /// Proves that the dummy hash is worked on like a real one, then starts the threads.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(settings: HasherSettings) -> Result<Self, StartError> {
        let HasherSettings { cost, threads, queue, queue_timeout } = settings;
        let verifier = Arc::new(PasswordVerifier::new(cost)?);
        let pool = HashPool::start(PoolSettings { threads, queue, queue_timeout })?;
        let places = Arc::new(Semaphore::new(pool.capacity()));
        Ok(Self { verifier, pool, places })
    }

    /// Whether this is the password of the stored hash.
    ///
    /// To be called for an unknown or disabled account too, with `None`: then it takes the time of a wrong password and is `Wrong`.
    /// A stored text that is no usable hash is reported in the log and counts as none. Dropping the future before its turn
    /// costs nothing.
    ///
    /// # Errors
    /// [`HashingError::Busy`] or [`HashingError::Failed`].
    pub async fn verify(&self, password: Password, stored: Option<&str>) -> Result<Verdict, HashingError> {
        let stored = stored.and_then(|text| {
            let parsed = StoredHash::parse(text);
            parsed.inspect_err(|reason| log::error!("a stored password hash is unusable, nobody can log in with it: {reason}")).ok()
        });
        let verifier = Arc::clone(&self.verifier);
        Ok(self.pool.run(move || verifier.verify(&password, stored.as_ref())).await?)
    }

    /// Lets in as many at once as the threads and their queue have places for and can expect their turn in time, for those who have to ask the
    /// store before they come with a password: in a flood, the store would otherwise work for hundreds who are then told that it is busy.
    ///
    /// # Errors
    /// [`HashingError::Busy`].
    pub fn enter(&self) -> Result<Entered, HashingError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashingError::Busy)?;
        let others = self.pool.capacity().saturating_sub(self.places.available_permits() + 1);
        self.pool.is_in_time(others).then_some(Entered(place)).ok_or(HashingError::Busy)
    }

    /// A new hash of a password, at the configured cost.
    ///
    /// # Errors
    /// [`HashingError`].
    pub async fn hash(&self, password: Password) -> Result<StoredHash, HashingError> {
        if !password.fits() {
            return Err(HashingError::DoesNotFit);
        }
        let verifier = Arc::clone(&self.verifier);
        self.pool.run(move || verifier.hash(&password)).await?.map_err(|NoSalt| HashingError::Failed)
    }

    /// Checks a new password ([`password_policy::check`]) and hashes it, in one job: the estimate alone can take half a second.
    ///
    /// # Errors
    /// [`NewPasswordError`].
    pub async fn hash_new(&self, password: Password, context: &[&str], min_length: usize) -> Result<StoredHash, NewPasswordError> {
        let context: Vec<String> = context.iter().map(|words| (*words).to_owned()).collect();
        let verifier = Arc::clone(&self.verifier);
        let job = move || {
            let context: Vec<&str> = context.iter().map(String::as_str).collect();
            password_policy::check(&password, &context, min_length).map_err(NewPasswordError::Refused)?;
            if !password.fits() {
                return Err(HashingError::DoesNotFit.into());
            }
            verifier.hash(&password).map_err(|NoSalt| HashingError::Failed.into())
        };
        self.pool.run(job).await.map_err(HashingError::from)?
    }

    /// How many are being hashed and how many wait, at this moment.
    pub fn load(&self) -> PoolLoad {
        self.pool.load()
    }

    /// How long hashing took, and waiting for it, since the start.
    pub fn totals(&self) -> PoolTotals {
        self.pool.totals()
    }

    /// Rounds of bcrypt spent since the start: the sum of 2^cost over all hashes and dummies. Only ever grows.
    pub fn rounds(&self) -> u64 {
        self.verifier.rounds()
    }
}

impl From<PoolError> for HashingError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Busy => Self::Busy,
            PoolError::Panicked => Self::Failed,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::authority::password_hash::MIN_COST;
    use futures_util::FutureExt;

    const LONG: Duration = Duration::from_secs(60);

    fn hasher(cost: u32, threads: usize, queue: usize) -> Hasher {
        Hasher::start(HasherSettings { cost, threads, queue, queue_timeout: LONG }).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    fn stored(text: &str) -> String {
        StoredHash::make(&password(text), MIN_COST).unwrap().as_str().to_owned()
    }

    #[tokio::test]
    async fn a_hashed_password_is_right_and_another_is_wrong() {
        let hasher = hasher(MIN_COST, 2, 8);
        let hash = hasher.hash(password("right")).await.unwrap();
        assert_eq!(hash.cost(), MIN_COST);
        assert_eq!(hasher.verify(password("right"), Some(hash.as_str())).await, Ok(Verdict::Right { upgrade: None }));
        assert_eq!(hasher.verify(password("wrong"), Some(hash.as_str())).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn c2_unknown_wrong_cheap_unusable_and_unfit_take_the_same_number_of_rounds() {
        let hasher = hasher(6, 1, 0);
        let configured = hasher.hash(password("right")).await.unwrap();
        let cheap = stored("right");
        let tail = &cheap[7..];
        let (too_costly, malformed_cost) = (format!("$2b$31${tail}"), format!("$2b$+4${tail}"));
        let non_ascii = format!("$2b$06$é{}", &tail[2..]);
        let too_long = "a".repeat(73);
        let cases = [
            ("unknown", "right", None),
            ("wrong", "wrong", Some(configured.as_str())),
            ("cheap", "wrong", Some(&cheap)),
            ("c34: cost 31", "right", Some(&too_costly)),
            ("c35: malformed cost", "right", Some(&malformed_cost)),
            ("c35: 60 bytes, not ASCII", "right", Some(&non_ascii)),
            ("c35: another scheme", "right", Some("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA")),
            ("no hash at all", "right", Some("")),
            ("unfit: 73 bytes", &too_long, Some(configured.as_str())),
            ("unfit: NUL", "right\0right", Some(configured.as_str())),
        ];
        for (what, given, stored) in cases {
            let before = hasher.rounds();
            assert_eq!(hasher.verify(password(given), stored).await, Ok(Verdict::Wrong), "{what}");
            assert_eq!(hasher.rounds() - before, 1 << 6, "{what}");
        }
    }

    #[tokio::test]
    async fn c7_what_does_not_fit_is_never_hashed() {
        let hasher = hasher(MIN_COST, 1, 0);
        let before = hasher.rounds();
        for text in ["".to_owned(), "a".repeat(73), "🦀".repeat(19), "a\0a".to_owned()] {
            assert_eq!(hasher.hash(password(&text)).await, Err(HashingError::DoesNotFit));
        }
        assert_eq!(hasher.rounds(), before);
    }

    #[tokio::test]
    async fn c27_a_new_password_is_hashed_only_when_the_rules_allow_it() {
        let hasher = hasher(MIN_COST, 1, 0);
        let before = hasher.rounds();
        let Err(NewPasswordError::Refused(violations)) = hasher.hash_new(password("hallpass"), &["hallpass"], 15).await else {
            panic!("not refused");
        };
        let codes: Vec<_> = violations.iter().map(|violation| violation.code).collect();
        assert_eq!(codes, ["password_too_short", "password_context"]);
        assert_eq!(hasher.rounds(), before);
        let hash = hasher.hash_new(password("plum kettle orbit seven"), &["hallpass"], 15).await.unwrap();
        assert!(hash.matches(b"plum kettle orbit seven"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn m1_m8_of_300_at_once_each_is_answered_or_busy_and_afterwards_everything_works_again() {
        let hasher = hasher(MIN_COST, 2, 8);
        let stored: Arc<str> = stored("right").into();
        for _round in 0..3 {
            let before = hasher.rounds();
            let callers: Vec<_> = (0..300)
                .map(|n| {
                    let (hasher, stored) = (hasher.clone(), Arc::clone(&stored));
                    // M4: every third one asks for an account that does not exist, and waits like the others.
                    let stored = (n % 3 != 0).then_some(stored);
                    tokio::spawn(async move { (n % 3 != 0, hasher.verify(password("right"), stored.as_deref()).await) })
                })
                .collect();
            let mut answered = 0;
            for caller in callers {
                match caller.await.unwrap() {
                    (known, Ok(verdict)) => {
                        answered += 1;
                        assert_eq!(verdict, if known { Verdict::Right { upgrade: None } } else { Verdict::Wrong });
                    }
                    (_, Err(error)) => assert_eq!(error, HashingError::Busy),
                }
            }
            assert!((10..=300).contains(&answered), "{answered}");
            assert_eq!(hasher.rounds() - before, answered << MIN_COST, "work was spent on callers who were told busy");
            assert_eq!(hasher.load(), PoolLoad { running: 0, waiting: 0 });
        }
        for _ in 0..20 {
            assert_eq!(hasher.verify(password("right"), Some(&stored)).await, Ok(Verdict::Right { upgrade: None }));
        }
    }

    #[tokio::test]
    async fn c33_a_client_that_leaves_the_queue_is_not_hashed() {
        let hasher = hasher(MIN_COST, 1, 8);
        let before = hasher.rounds();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let mut held = Box::pin(hasher.pool.run(move || released.recv().is_ok()));
        assert_eq!(held.as_mut().now_or_never(), None);
        while hasher.load().running == 0 {
            tokio::task::yield_now().await;
        }
        let mut leaving: Vec<_> = (0..8).map(|_| Box::pin(hasher.verify(password("wrong"), None))).collect();
        for caller in &mut leaving {
            assert_eq!(caller.as_mut().now_or_never(), None);
        }
        assert_eq!(hasher.load().waiting, 8);
        assert_eq!(hasher.verify(password("wrong"), None).await, Err(HashingError::Busy));
        drop(leaving);
        assert_eq!(hasher.load().waiting, 0);
        drop(release);
        held.await.unwrap();
        assert_eq!(hasher.verify(password("wrong"), None).await, Ok(Verdict::Wrong));
        assert_eq!(hasher.rounds() - before, 1 << MIN_COST);
    }
}
