//! Many accounts at once: one transaction, a few hundred rows a statement.
//!
//! Row by row, 100,000 accounts would be as many round trips. The transaction holds SQLite's only write lock, so whoever imports while
//! people log in gives a few thousand rows at a time.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::account::{Account, NewAccount};
use super::{Database, Email, Error, statement};
use crate::secret::Secret;

/// 500 rows of 8 parameters: far below SQLite's 32,766 and PostgreSQL's 65,535 parameters a statement.
const ROWS: usize = 500;
const COLUMNS: usize = 8;

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new account with this id.
    Created(String),
    /// There is an account with this address, from before or from an earlier row; it was not touched.
    Existed,
}

/// Inserts all rows whose address is free, or none at all on an error. The outcomes are in the order of the rows.
///
/// # Errors
/// [`Error::Invalid`]: scopes or roles of a row that could not be read back. [`Error::Unavailable`]: nothing was inserted, unless the
/// connection broke while the end was being confirmed.
pub async fn accounts(database: &Database, rows: Vec<NewAccount>, now: i64) -> Result<Vec<Outcome>, Error> {
    let accounts: Vec<Account> = rows.into_iter().map(|row| row.into_account(now)).collect::<Result<_, _>>()?;
    let begin = match database {
        Database::Sqlite(_) => "BEGIN IMMEDIATE",
        Database::Postgres(_) => "BEGIN",
    };
    let full: Arc<str> = insert_text(database, ROWS).into();
    let limit = statement::LIMIT + Duration::from_millis(accounts.len() as u64);
    let created: HashSet<String> = on_writer!(database, within limit, |pool| async {
        let mut created = HashSet::new();
        let mut transaction = pool.begin_with(begin).await?;
        for chunk in accounts.chunks(ROWS) {
            let text = if chunk.len() == ROWS { full.clone() } else { insert_text(database, chunk.len()).into() };
            let mut insert = sqlx::query_scalar(AssertSqlSafe(text));
            for account in chunk {
                insert = insert.bind(&account.id).bind(account.email.as_typed()).bind(account.email.folded());
                insert = insert.bind(account.password_hash.as_ref().map(Secret::expose)).bind(&account.scope);
                insert = insert.bind(account.roles.join(" ")).bind(account.created_at).bind(account.password_changed_at);
            }
            created.extend(insert.fetch_all(&mut *transaction).await?);
        }
        transaction.commit().await?;
        Ok(created)
    })?;
    let outcome = |account: Account| if created.contains(&account.id) { Outcome::Created(account.id) } else { Outcome::Existed };
    Ok(accounts.into_iter().map(outcome).collect())
}

/// Which of these addresses have an account, folded.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn taken(database: &Database, emails: impl Iterator<Item = &Email>) -> Result<HashSet<String>, Error> {
    let folded: Vec<&str> = emails.map(Email::folded).collect();
    let mut taken = HashSet::new();
    for chunk in folded.chunks(ROWS) {
        let parameters: Vec<String> = (1..=chunk.len()).map(|number| mark(database, number)).collect();
        let text: Arc<str> = format!("SELECT email_folded FROM account WHERE email_folded IN ({})", parameters.join(", ")).into();
        let found: Vec<String> = on!(database, |pool| {
            let query = sqlx::query_scalar(AssertSqlSafe(text.clone()));
            chunk.iter().fold(query, |query, folded| query.bind(*folded)).fetch_all(pool)
        })?;
        taken.extend(found);
    }
    Ok(taken)
}

/// The mark of a parameter. SQLite takes `$n` for a name and searches all names for each of them, which with thousands takes longer than
/// everything else together; its own mark has no name.
fn mark(database: &Database, number: usize) -> String {
    match database {
        Database::Sqlite(_) => "?".to_owned(),
        Database::Postgres(_) => format!("${number}"),
    }
}

/// The statement for so many rows, made of numbers only.
fn insert_text(database: &Database, rows: usize) -> String {
    let mut text = String::from(
        "INSERT INTO account (id, email, email_folded, password_hash, scopes, roles, created_at, password_changed_at) VALUES ",
    );
    for row in 0..rows {
        let marks: Vec<String> = (1..=COLUMNS).map(|column| mark(database, row * COLUMNS + column)).collect();
        let comma = if row == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}({})", marks.join(", "));
    }
    text + " ON CONFLICT (email_folded) DO NOTHING RETURNING id"
}
