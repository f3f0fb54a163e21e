//! An account as the command line shows it: a line of JSON, a row of a table, or a row of CSV. The hash only where it is asked for.

use serde::Serialize;

use super::{Error, output};
use crate::authority::password_hash::StoredHash;
use crate::secret::Secret;
use crate::store::account::Account;

/// JSON for programs. The names are those that `user import` reads.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<&'a str>,
    scopes: Vec<&'a str>,
    roles: &'a [String],
    sub: &'a str,
    created_at: i64,
    disabled_at: Option<i64>,
    password_changed_at: Option<i64>,
}

impl<'a> Record<'a> {
    pub(super) fn of(account: &'a Account) -> Self {
        Self {
            email: account.email.as_typed(),
            password_hash: None,
            scopes: account.scope.split_terminator(' ').collect(),
            roles: &account.roles,
            sub: &account.id,
            created_at: account.created_at,
            disabled_at: account.disabled_at,
            password_changed_at: account.password_changed_at,
        }
    }

    /// An account without a password has an empty hash.
    pub(super) fn with_hash(account: &'a Account) -> Self {
        let hash = account.password_hash.as_ref().map_or("", Secret::expose);
        Self { password_hash: Some(hash), ..Self::of(account) }
    }

    pub(super) const CSV_HEADER: [&'static str; 8] =
        ["email", "password_hash", "scopes", "roles", "sub", "created_at", "disabled_at", "password_changed_at"];

    /// Where the hash stands in it.
    pub(super) const CSV_HASH: usize = 1;

    /// The values in the order of [`Record::CSV_HEADER`].
    pub(super) fn csv(&self) -> [String; 8] {
        let number = |at: Option<i64>| at.map(|at| at.to_string()).unwrap_or_default();
        [
            self.email.to_owned(),
            self.password_hash.unwrap_or_default().to_owned(),
            self.scopes.join(" "),
            self.roles.join(" "),
            self.sub.to_owned(),
            self.created_at.to_string(),
            number(self.disabled_at),
            number(self.password_changed_at),
        ]
    }
}

const WIDTHS: [usize; 5] = [32, 40, 20, 20, 8];

/// The head of the table.
pub(super) fn table_head() -> String {
    output::row(WIDTHS, ["EMAIL", "SUB", "SCOPES", "ROLES", "STATE"])
}

/// A row of the table.
pub(super) fn table_row(account: &Account) -> String {
    let state = if account.disabled_at.is_some() { "disabled" } else { "active" };
    output::row(WIDTHS, [account.email.as_typed(), &account.id, or_dash(&account.scope), or_dash(&account.roles.join(" ")), state])
}

/// One account, a line for each thing there is to know.
pub(super) fn print_in_full(account: &Account) -> Result<(), Error> {
    let at = |at: Option<i64>, none: &str| at.map_or_else(|| none.to_owned(), output::utc);
    for (name, value) in [
        ("e-mail", account.email.as_typed()),
        ("sub", &account.id),
        ("scopes", or_dash(&account.scope)),
        ("roles", or_dash(&account.roles.join(" "))),
        ("created", &output::utc(account.created_at)),
        ("disabled", &at(account.disabled_at, "no")),
        ("password", &password_state(account)),
        ("changed", &at(account.password_changed_at, "never")),
    ] {
        output::line(format_args!("{name:<9} {value}"))?;
    }
    Ok(())
}

fn password_state(account: &Account) -> String {
    match account.password_hash.as_ref().map(|hash| StoredHash::parse(hash.expose())) {
        None => "none: nobody can log in".to_owned(),
        Some(Ok(hash)) if hash.is_truncated() => format!("bcrypt, cost {}, cut at 72 bytes until the next login", hash.cost()),
        Some(Ok(hash)) => format!("bcrypt, cost {}", hash.cost()),
        Some(Err(reason)) => format!("unusable, nobody can log in: {reason}"),
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
