//! A bcrypt hash as it lies in the store or in a file to be imported.
//!
//! The text comes from a database that others may write to, so it is parsed strictly before bcrypt sees it: a hostile cost would
//! hold a core for hours, and a hash of the wrong kind must be refused with a reason that an operator can act on. The only home of
//! `bcrypt::verify` and `bcrypt::hash`. It knows nothing of accounts, threads or how long anything may take.

use std::{fmt, hint};

use super::bcrypt_input::BcryptInput;
use super::password::Password;

/// The cheapest cost that bcrypt knows.
pub const MIN_COST: u32 = 4;
/// The dearest cost that is ever run: about a second of one core. Each step doubles it, and 31 would be days.
pub const MAX_COST: u32 = 14;

const LENGTH: usize = 60;
const ALPHABET: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A hash that can be verified: `$2a$`, `$2b$` or `$2y$`, cost [`MIN_COST`] to [`MAX_COST`], 22 characters of salt, 31 of digest. Before
/// that may stand `{truncated}` or `{digest}`, for people from elsewhere whose passwords are longer than bcrypt looks.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash {
    text: String,
    input: BcryptInput,
    cost: u32,
}

/// Why a text is not a [`StoredHash`]. The sentences name no part of the text, so they may be shown and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    /// Another scheme, or no hash at all.
    #[error("not a bcrypt hash: it does not begin with $2a$, $2b$ or $2y$")]
    NotBcrypt,
    /// `$2x$`: made by the sign-extension bug of early crypt_blowfish, under which different passwords share a hash.
    #[error("a $2x$ hash was made by a faulty bcrypt; a new password is needed")]
    SignExtended,
    /// Cut short, padded, or not ASCII.
    #[error("a bcrypt hash is exactly 60 ASCII characters")]
    WrongLength,
    /// The two places of the cost are not two digits and a `$`.
    #[error("the cost is not two digits")]
    MalformedCost,
    /// Below [`MIN_COST`].
    #[error("the cost is below 4, which bcrypt does not know")]
    TooCheap,
    /// Above [`MAX_COST`]: never run.
    #[error("the cost is above 14 and would hold up every other login")]
    TooCostly,
    /// A character outside bcrypt's own base64 alphabet, or unused bits set in the last character of salt or digest.
    #[error("the salt or the digest is not bcrypt's base64")]
    Malformed,
}

/// The operating system gave no random numbers for a salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random numbers for a salt")]
pub struct NoSalt;

impl StoredHash {
    /// Reads a stored hash. Runs no bcrypt, so it is quick for any input.
    ///
    /// # Errors
    /// The first reason found that the text cannot be used.
    pub fn parse(text: &str) -> Result<Self, UnusableHash> {
        let (input, hash) = BcryptInput::of_stored(text);
        Ok(Self { text: text.to_owned(), input, cost: cost_of(hash)? })
    }

    /// The same hash, made by something that cut longer passwords at 72 octets.
    #[must_use]
    pub fn by_a_truncating_library(self) -> Self {
        match self.input {
            BcryptInput::Whole => {
                Self { text: format!("{}{}", BcryptInput::Truncated.mark(), self.text), input: BcryptInput::Truncated, ..self }
            }
            // Says already how it was made.
            BcryptInput::Truncated | BcryptInput::Digest => self,
        }
    }

    /// Hashes a password under a fresh salt. Takes 2^`cost` rounds on the calling thread: never on one that serves requests.
    ///
    /// The cost must be one that [`StoredHash::parse`] accepts; callers inside this room see to it. Nothing of a password is ever cut off: what
    /// is longer than 72 octets is digested first.
    ///
    /// # Errors
    /// [`NoSalt`].
    #[allow(clippy::disallowed_methods, reason = "this is the one place that hashes a password")]
    pub fn make(password: &Password, cost: u32) -> Result<Self, NoSalt> {
        let input = BcryptInput::of_new(password);
        let hash = bcrypt::hash(&*input.octets(password.expose().as_bytes()), cost).map_err(|_| NoSalt)?;
        Ok(Self { text: format!("{}{hash}", input.mark()), input, cost })
    }

    /// Whether the password has this hash, compared in constant time. Takes 2^cost rounds on the calling thread.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that verifies a password")]
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        // The answer is made opaque because a comparison whose outcome nobody reads is dead code to an optimizer,
        // and then the time it was made for would be gone.
        hint::black_box(bcrypt::verify(&*self.input.octets(password), self.bcrypt()).unwrap_or(false))
    }

    /// The same salt and digest under another cost: verifying it takes that cost's time and no known password has it.
    pub(super) fn at_cost(&self, cost: u32) -> Self {
        let (version, salt_and_digest) = (&self.bcrypt()[..4], &self.bcrypt()[6..]);
        Self { text: format!("{}{version}{cost:02}{salt_and_digest}", self.input.mark()), cost, ..*self }
    }

    /// Whether this can be a hash of the password: not if the password is longer than what made the hash looked at.
    pub(super) fn can_be_of(&self, password: &Password) -> bool {
        self.input.can_be_of(password)
    }

    /// Whether a hash of the same password at this cost should take its place.
    pub(super) fn is_outdated(&self, cost: u32) -> bool {
        self.cost < cost || self.is_truncated()
    }

    /// Whether what made it looked at no more than 72 octets of the password.
    pub fn is_truncated(&self) -> bool {
        self.input == BcryptInput::Truncated
    }

    fn bcrypt(&self) -> &str {
        &self.text[self.input.mark().len()..]
    }

    /// log2 of the rounds.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// The text to be stored.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Of a bcrypt hash without a mark, once all of it is found to be one.
fn cost_of(hash: &str) -> Result<u32, UnusableHash> {
    match hash.as_bytes().get(..4) {
        Some(b"$2a$" | b"$2b$" | b"$2y$") => {}
        Some(b"$2x$") => return Err(UnusableHash::SignExtended),
        _ => return Err(UnusableHash::NotBcrypt),
    }
    if hash.len() != LENGTH || !hash.is_ascii() {
        return Err(UnusableHash::WrongLength);
    }
    let cost = match hash.as_bytes()[4..7] {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', b'$'] => u32::from(tens - b'0') * 10 + u32::from(ones - b'0'),
        _ => return Err(UnusableHash::MalformedCost),
    };
    match cost {
        ..MIN_COST => return Err(UnusableHash::TooCheap),
        MIN_COST..=MAX_COST => {}
        _ => return Err(UnusableHash::TooCostly),
    }
    // bcrypt's own parser has the last word: what it refuses it would refuse to verify, and at once instead of after the hashing.
    if !hash.bytes().skip(7).all(|byte| ALPHABET.contains(&byte)) || hash.parse::<bcrypt::HashParts>().is_err() {
        return Err(UnusableHash::Malformed);
    }
    Ok(cost)
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredHash").field("cost", &self.cost).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, clippy::disallowed_methods)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const SALT_AND_DIGEST: &str = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    fn published() -> Option<Value> {
        let read = std::fs::read_to_string("../shared/vectors/bcrypt_published.json");
        if read.is_err() {
            eprintln!("left out: the published bcrypt tables are not beside the project");
        }
        Some(serde_json::from_str(&read.ok()?).unwrap())
    }

    fn bytes(hex: &Value) -> Vec<u8> {
        let digits = hex.as_str().unwrap().as_bytes();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn c36_every_published_vector_verifies_or_is_refused_as_sign_extended() {
        let Some(published) = published() else { return };
        let vectors = published["vectors"].as_array().unwrap();
        assert!(!vectors.is_empty());
        for vector in vectors {
            let text = vector["hash"].as_str().unwrap();
            let password = bytes(&vector["password_hex"]);
            if text.starts_with("$2x$") {
                assert_eq!(StoredHash::parse(text), Err(UnusableHash::SignExtended), "{vector}");
                continue;
            }
            let hash = StoredHash::parse(text).unwrap();
            assert!(hash.matches(&password), "{vector}");
            assert!(!hash.matches(b"something else"), "{vector}");
        }
    }

    #[test]
    fn h7_every_published_malformed_hash_is_refused_with_a_reason() {
        let Some(published) = published() else { return };
        let malformed = published["malformed"].as_array().unwrap();
        assert_eq!(malformed.len(), 20);
        for text in malformed {
            let reason = StoredHash::parse(text.as_str().unwrap()).unwrap_err();
            assert!(!reason.to_string().is_empty(), "{text}");
        }
    }

    #[test]
    fn c9_every_published_equivalence_is_kept_out_by_the_rule_on_passwords() {
        let Some(published) = published() else { return };
        for pair in published["equivalences"].as_array().unwrap() {
            let (a, b) = (bytes(&pair["a_hex"]), bytes(&pair["b_hex"]));
            assert_ne!(a, b);
            let fits = |octets: &[u8]| Password::new(String::from_utf8(octets.to_vec()).unwrap()).fits();
            assert!(!(fits(&a) && fits(&b)), "{pair}");
            // And it is a real equivalence: a hash of the one is a hash of the other, which is why the rule is there.
            let hash = StoredHash::parse(&bcrypt::hash(&a, MIN_COST).unwrap()).unwrap();
            assert!(hash.matches(&b), "{pair}");
        }
    }

    #[test]
    fn each_fault_has_its_own_reason() {
        let cases = [
            ("", UnusableHash::NotBcrypt),
            ("$2", UnusableHash::NotBcrypt),
            ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA", UnusableHash::NotBcrypt),
            ("$2c$05$", UnusableHash::NotBcrypt),
            ("$2B$05$", UnusableHash::NotBcrypt),
            (" $2b$05$", UnusableHash::NotBcrypt),
            ("$2x$05$", UnusableHash::SignExtended),
            ("$2b$04$", UnusableHash::WrongLength),
        ];
        for (text, reason) in cases {
            assert_eq!(StoredHash::parse(text), Err(reason), "{text}");
        }
        let costs = [
            ("+4", UnusableHash::MalformedCost),
            (" 4", UnusableHash::MalformedCost),
            ("4$", UnusableHash::MalformedCost),
            ("00", UnusableHash::TooCheap),
            ("03", UnusableHash::TooCheap),
            ("15", UnusableHash::TooCostly),
            ("31", UnusableHash::TooCostly),
            ("99", UnusableHash::TooCostly),
        ];
        for (cost, reason) in costs {
            assert_eq!(StoredHash::parse(&format!("$2b${cost}${SALT_AND_DIGEST}")), Err(reason), "{cost}");
        }
    }

    #[test]
    fn c34_costs_from_4_to_14_are_read_and_no_other() {
        for cost in 0..100 {
            let parsed = StoredHash::parse(&format!("$2b${cost:02}${SALT_AND_DIGEST}"));
            assert_eq!(parsed.as_ref().map(StoredHash::cost).ok(), (4..=14).contains(&cost).then_some(cost), "{cost}");
        }
    }

    #[test]
    fn c35_a_non_ascii_hash_of_60_bytes_is_refused_without_a_panic() {
        for at in 4..58 {
            let mut text = format!("$2b$05${SALT_AND_DIGEST}");
            text.replace_range(at..at + 2, "é");
            assert_eq!(text.len(), 60);
            assert_eq!(StoredHash::parse(&text), Err(UnusableHash::WrongLength), "{at}");
        }
    }

    #[test]
    fn characters_outside_the_alphabet_and_stray_bits_are_refused() {
        for (at, character) in [(7, "+"), (7, "="), (59, "\n"), (59, " "), (30, "\0"), (30, "$"), (28, "A"), (59, "X")] {
            let mut text = format!("$2b$05${SALT_AND_DIGEST}");
            text.replace_range(at..=at, character);
            assert_eq!(StoredHash::parse(&text), Err(UnusableHash::Malformed), "{at} {character:?}");
        }
    }

    #[test]
    fn a_hash_made_here_can_be_parsed_and_verified() {
        let hash = StoredHash::make(&Password::new("correct horse".into()), MIN_COST).unwrap();
        let parsed = StoredHash::parse(hash.as_str()).unwrap();
        assert_eq!(parsed, hash);
        assert!(parsed.matches(b"correct horse"));
        assert!(!parsed.matches(b"correct hors"));
    }

    #[test]
    fn the_same_digest_under_another_cost_is_well_formed_and_matches_nothing() {
        let hash = StoredHash::make(&Password::new("correct horse".into()), MIN_COST).unwrap();
        let other = hash.at_cost(5);
        assert_eq!(StoredHash::parse(other.as_str()).unwrap(), other);
        assert_eq!(other.cost(), 5);
        assert!(!other.matches(b"correct horse"));
    }

    #[test]
    fn o3_debug_and_reasons_show_nothing_of_a_hash() {
        let hash = StoredHash::parse(&format!("$2b$05${SALT_AND_DIGEST}")).unwrap();
        assert_eq!(format!("{hash:?}"), "StoredHash { cost: 5, .. }");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            let _ = StoredHash::parse(&text);
        }

        #[test]
        fn what_is_accepted_is_what_bcrypt_reads(text in r"\$2[abxy]\$(0[0-9]|1[0-9])\$[./A-Za-z0-9]{52,53}[.OeuAX=]?") {
            if let Ok(hash) = StoredHash::parse(&text) {
                let parts: bcrypt::HashParts = text.parse().unwrap();
                prop_assert_eq!(parts.get_cost(), hash.cost());
            }
        }
    }
}
