//! Accounts from elsewhere, with the hashes they have there.
//!
//! A row is taken whole or refused with a reason; one bad row never holds up the others. Rows come in batches, of which each is one
//! transaction. An account that exists is never touched: an import must not be able to take over somebody's login.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::Error;
use super::accounts::{Accounts, LONGEST_ROLES, LONGEST_SCOPE, Unfit, words};
use super::password_hash::{StoredHash, UnusableHash};
use crate::secret::Secret;
use crate::store::account::NewAccount;
use crate::store::import::{self, Outcome};
use crate::store::{Database, Email, InvalidEmail};

/// One person as a file has them. Scopes and roles are space separated.
#[derive(Clone, Debug)]
pub struct ImportRow {
    /// The e-mail address.
    pub email: String,
    /// The bcrypt hash.
    pub password_hash: Secret,
    /// Whether what made the hash cut longer passwords at 72 octets.
    pub truncated: bool,
    /// Scopes; empty for none.
    pub scopes: String,
    /// Roles; empty for none.
    pub roles: String,
}

/// A row that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The cost of its hash. One below the configured cost is replaced at the next login.
    pub cost: u32,
}

/// Why a row was not. No text holds anything of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedRow {
    /// `email` is no address.
    #[error(transparent)]
    Email(#[from] InvalidEmail),
    /// `password_hash` is no hash that can be verified.
    #[error(transparent)]
    Hash(#[from] UnusableHash),
    /// `scopes` or `roles` hold something else than words.
    #[error("scopes and roles are words of printable ASCII with one space between two of them")]
    Words,
    /// All scopes together are longer than any other way in allows.
    #[error("all scopes of a person together have at most {} characters: leave some out", LONGEST_SCOPE)]
    LongScopes,
    /// All roles together, likewise.
    #[error("all roles of a person together have at most {} characters: leave some out", LONGEST_ROLES)]
    LongRoles,
    /// The address has an account, from before or from an earlier row of this file.
    #[error("there is an account with this address already, from before or from an earlier line")]
    Exists,
}

/// What became of each row, in their order.
pub type Outcomes = Vec<Result<Imported, RefusedRow>>;

/// An import that only pretends. It remembers the addresses by eight bytes each, because that is all it costs to be right but for one in
/// many millions.
#[derive(Debug)]
pub struct Rehearsal {
    database: Option<Database>,
    key: RandomState,
    seen: HashSet<u64>,
}

impl Accounts {
    /// Imports a batch in one transaction: on an error, none of it. At most a few thousand rows, which hold SQLite's write lock together.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn import(&self, rows: Vec<ImportRow>) -> Result<Outcomes, Error> {
        let (mut outcomes, accounts) = checked(rows);
        let stored = import::accounts(&self.database, accounts, self.clock.now()).await?;
        refuse_where(&mut outcomes, stored.iter().map(|outcome| *outcome == Outcome::Existed));
        Ok(outcomes)
    }
}

impl Rehearsal {
    /// A rehearsal of an import into this store, or into one that does not exist yet.
    pub fn new(database: Option<Database>) -> Self {
        Self { database, key: RandomState::new(), seen: HashSet::new() }
    }

    /// What [`Accounts::import`] would answer; nothing is written.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn import(&mut self, rows: Vec<ImportRow>) -> Result<Outcomes, Error> {
        let (mut outcomes, accounts) = checked(rows);
        let taken = match &self.database {
            Some(database) => import::taken(database, accounts.iter().map(|account| &account.email)).await?,
            None => HashSet::new(),
        };
        let exists = |account: &NewAccount| {
            let folded = account.email.folded();
            taken.contains(folded) || !self.seen.insert(self.key.hash_one(folded))
        };
        refuse_where(&mut outcomes, accounts.iter().map(exists));
        Ok(outcomes)
    }
}

/// The verdict on each row by itself, and the accounts that the good ones would become.
fn checked(rows: Vec<ImportRow>) -> (Outcomes, Vec<NewAccount>) {
    let mut accounts = Vec::with_capacity(rows.len());
    let outcomes = rows.into_iter().map(|row| {
        let (account, imported) = check(row)?;
        accounts.push(account);
        Ok(imported)
    });
    (outcomes.collect(), accounts)
}

fn check(row: ImportRow) -> Result<(NewAccount, Imported), RefusedRow> {
    let email = Email::parse(&row.email)?;
    let hash = StoredHash::parse(row.password_hash.expose())?;
    let hash = if row.truncated { hash.by_a_truncating_library() } else { hash };
    let refused = |unfit, too_long| if unfit == Unfit::TooLong { too_long } else { RefusedRow::Words };
    let scope = words(&row.scopes, LONGEST_SCOPE).map_err(|unfit| refused(unfit, RefusedRow::LongScopes))?;
    let roles = words(&row.roles, LONGEST_ROLES).map_err(|unfit| refused(unfit, RefusedRow::LongRoles))?;
    let roles = roles.split_terminator(' ').map(str::to_owned).collect();
    Ok((NewAccount { email, password_hash: Some(hash.as_str().into()), scope, roles }, Imported { cost: hash.cost() }))
}

/// `exists` speaks of the good rows only.
fn refuse_where(outcomes: &mut Outcomes, exists: impl Iterator<Item = bool>) {
    for (outcome, exists) in outcomes.iter_mut().filter(|outcome| outcome.is_ok()).zip(exists) {
        if exists {
            *outcome = Err(RefusedRow::Exists);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    fn row(email: &str, hash: &str, words: &str) -> ImportRow {
        ImportRow {
            email: email.to_owned(),
            password_hash: hash.into(),
            truncated: false,
            scopes: words.to_owned(),
            roles: words.to_owned(),
        }
    }

    fn refused(row: ImportRow) -> RefusedRow {
        check(row).unwrap_err()
    }

    #[test]
    fn h8_a_cost_above_14_is_refused_and_one_below_10_is_told() {
        let at_cost = |cost: u32| row("a@b", &HASH.replace("$04$", &format!("${cost:02}$")), "");
        assert_eq!(refused(at_cost(31)), RefusedRow::Hash(UnusableHash::TooCostly));
        assert_eq!(refused(at_cost(15)), RefusedRow::Hash(UnusableHash::TooCostly));
        assert_eq!(refused(at_cost(3)), RefusedRow::Hash(UnusableHash::TooCheap));
        for cost in [4, 9, 10, 14] {
            assert_eq!(check(at_cost(cost)).unwrap().1, Imported { cost });
        }
    }

    #[test]
    fn h9_a_sign_extended_hash_is_refused() {
        assert_eq!(refused(row("a@b", &HASH.replace("$2b$", "$2x$"), "")), RefusedRow::Hash(UnusableHash::SignExtended));
    }

    #[test]
    fn scopes_and_roles_must_be_words_and_each_is_kept_once() {
        let (account, _) = check(row("a@b", HASH, "x y x")).unwrap();
        assert_eq!((account.scope.as_str(), account.roles), ("x y", vec!["x".to_owned(), "y".to_owned()]));
        for words in [" x", "x  y", "x\"", "\u{e4}", "x\ty"] {
            assert_eq!(refused(row("a@b", HASH, words)), RefusedRow::Words, "{words:?}");
        }
    }

    #[test]
    fn scopes_and_roles_are_as_long_as_a_token_can_hold_and_no_longer() {
        let of = |scopes: usize, roles: usize| ImportRow { scopes: "s".repeat(scopes), roles: "r".repeat(roles), ..row("a@b", HASH, "") };
        assert!(check(of(1024, 512)).is_ok());
        assert_eq!(refused(of(1025, 512)), RefusedRow::LongScopes);
        assert_eq!(refused(of(1024, 513)), RefusedRow::LongRoles);
        let repeated = ImportRow { scopes: vec!["orders:read"; 200].join(" "), ..row("a@b", HASH, "") };
        assert_eq!(check(repeated).unwrap().0.scope, "orders:read", "each counts once");
    }

    #[tokio::test]
    async fn a_rehearsal_without_a_store_finds_repeated_addresses_whatever_their_case() {
        let mut rehearsal = Rehearsal::new(None);
        let rows = vec![row("a@b", HASH, ""), row("no address", HASH, ""), row("A@B", HASH, ""), row("c@d", HASH, "")];
        let first = rehearsal.import(rows).await.unwrap();
        assert_eq!(
            first,
            [Ok(Imported { cost: 4 }), Err(RefusedRow::Email(InvalidEmail)), Err(RefusedRow::Exists), Ok(Imported { cost: 4 })]
        );
        assert_eq!(rehearsal.import(vec![row("C@d", HASH, "")]).await.unwrap(), [Err(RefusedRow::Exists)]);
    }

    #[test]
    fn h11_what_the_store_had_already_is_refused_at_its_own_place() {
        let imported = Ok(Imported { cost: 4 });
        let mut outcomes = vec![imported, Err(RefusedRow::Words), imported, imported];
        refuse_where(&mut outcomes, [false, true, false].into_iter());
        assert_eq!(outcomes, [imported, Err(RefusedRow::Words), Err(RefusedRow::Exists), imported]);
    }

    #[test]
    fn o3_no_reason_holds_anything_of_the_row() {
        for row in [row("mallory", HASH, ""), row("a@b", "$2b$04$mallory", ""), row("a@b", HASH, "mallory\\")] {
            assert!(!refused(row).to_string().contains("mallory"));
        }
    }
}
