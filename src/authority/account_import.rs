//! Accounts from elsewhere, with the hashes they have there.
//!
//! A row is taken whole or refused with a reason; one bad row never holds up the others. Rows come in batches, of which each is one
//! transaction. An account that exists is never touched: an import must not be able to take over somebody's login.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::Error;
use super::accounts::Accounts;
use super::password_hash::{StoredHash, UnusableHash};
use crate::secret::Secret;
use crate::store::account::NewAccount;
use crate::store::import::{self, Outcome};
use crate::store::{Email, InvalidEmail};
use crate::token::Scope;

/// One person as a file has them. Scopes and roles are space separated.
#[derive(Clone)]
pub struct ImportRow {
    /// The e-mail address.
    pub email: String,
    /// The bcrypt hash.
    pub password_hash: Secret,
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
    /// The address has an account, from before or from an earlier row of this file.
    #[error("there is an account with this address already, from before or from an earlier line")]
    Exists,
}

/// What became of each row, in their order.
pub type Outcomes = Vec<Result<Imported, RefusedRow>>;

/// Remembers the addresses of an import that only pretends: eight bytes for each, because that is all it costs to be right but for one in
/// many millions.
#[derive(Debug, Default)]
pub struct Rehearsal {
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

    /// What [`Accounts::import`] would answer, without writing anything.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn rehearse_import(&self, rows: Vec<ImportRow>, rehearsal: &mut Rehearsal) -> Result<Outcomes, Error> {
        let (mut outcomes, accounts) = checked(rows);
        let taken = import::taken(&self.database, accounts.iter().map(|account| &account.email)).await?;
        let exists = |account: &NewAccount| {
            let folded = account.email.folded();
            taken.contains(folded) || !rehearsal.seen.insert(rehearsal.key.hash_one(folded))
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
    let cost = StoredHash::parse(row.password_hash.expose())?.cost();
    let scope = Scope::parse(&row.scopes).map_err(|_| RefusedRow::Words)?.normalized();
    let roles = Scope::parse(&row.roles).map_err(|_| RefusedRow::Words)?.normalized();
    let roles = roles.split_terminator(' ').map(str::to_owned).collect();
    Ok((NewAccount { email, password_hash: Some(row.password_hash), scope, roles }, Imported { cost }))
}

/// `exists` speaks of the good rows only.
fn refuse_where(outcomes: &mut Outcomes, exists: impl Iterator<Item = bool>) {
    for (outcome, exists) in outcomes.iter_mut().filter(|outcome| outcome.is_ok()).zip(exists) {
        if exists {
            *outcome = Err(RefusedRow::Exists);
        }
    }
}
