//! `hallpass user`: the people who can log in, named by their e-mail address.

use clap::{Args, Subcommand};

use super::database::{self, Access};
use super::export::{self, Export};
use super::import::{self, Import};
use super::prompt::PasswordSource;
use super::record::{self, Record};
use super::{Error, SettingsFile, output, wait_for};
use crate::authority;
use crate::authority::accounts::{Accounts, NewPasswords, NewPerson};
use crate::authority::admin::Behalf;
use crate::clock::Clock;
use crate::config::{Config, Section};
use crate::serve;
use crate::store::account::Account;

/// Accounts that are read at once.
pub(super) const PAGE: u32 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a person; asks for the password.
    #[command(after_help = "\
Examples:
  hallpass user add ada@example.com --scope orders:read --scope orders:write --role support
  printf %s \"$PASSWORD\" | hallpass user add ada@example.com --password-stdin")]
    Add(Add),
    /// List all people, the oldest account first.
    #[command(after_help = "Example: hallpass user list --json | jq -r 'select(.disabled_at) | .email'")]
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one person.
    #[command(after_help = "Example: hallpass user show ada@example.com")]
    Show {
        #[command(flatten)]
        person: Person,
        /// As a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Refuse a person's logins from now on, and end their sessions; running services learn of it within two seconds.
    #[command(after_help = "Example: hallpass user disable ada@example.com")]
    Disable(Person),
    /// Allow a person's logins again.
    #[command(after_help = "Example: hallpass user enable ada@example.com")]
    Enable(Person),
    /// Delete a person for good, and end their sessions; running services learn of it within two seconds.
    #[command(after_help = "Example: hallpass user delete ada@example.com")]
    Delete(Person),
    /// Give a person a new password, and end the sessions of the old one; asks for it.
    #[command(after_help = "\
Examples:
  hallpass user set-password ada@example.com
  printf %s \"$PASSWORD\" | hallpass user set-password ada@example.com --password-stdin")]
    SetPassword {
        #[command(flatten)]
        person: Person,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Import people and their bcrypt hashes from CSV, JSON Lines or an htpasswd file.
    Import(Import),
    /// Write all people out, as CSV or JSON Lines.
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    person: Person,
    /// A role; may be given more than once.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A scope that the person may ask for; may be given more than once.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    #[command(flatten)]
    password: PasswordSource,
    /// The new account as a JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Person {
    /// The e-mail address.
    email: String,
}

pub(super) fn run(command: UserCommand, settings: &SettingsFile) -> Result<(), Error> {
    let config = settings.load(&[Section::Database, Section::Password], &[])?;
    match command {
        UserCommand::Add(command) => add(&config, command),
        UserCommand::List { json } => with_accounts(&config, Access::Reads, async |accounts| list(accounts, json).await),
        UserCommand::Show { person, json } => with_person(&config, Access::Reads, &person, async |_, account| show(account, json)),
        UserCommand::Disable(person) => with_person(&config, Access::Changes, &person, async |accounts, account| {
            warn_of_last_admin(accounts, account).await?;
            let is_news = accounts.disable(account).await.map_err(refusal)?;
            tell(if is_news { "disabled" } else { "already disabled:" }, account)
        }),
        UserCommand::Enable(person) => with_person(&config, Access::Changes, &person, async |accounts, account| {
            let is_news = accounts.enable(account).await.map_err(refusal)?;
            tell(if is_news { "enabled" } else { "not disabled:" }, account)
        }),
        UserCommand::Delete(person) => with_person(&config, Access::Changes, &person, async |accounts, account| {
            warn_of_last_admin(accounts, account).await?;
            accounts.delete(account).await.map_err(refusal)?;
            tell("deleted", account)
        }),
        UserCommand::SetPassword { person, password } => with_person(&config, Access::Changes, &person, async |accounts, account| {
            let password = password.read(account.email.as_typed())?;
            accounts.set_password(account, password, &new_passwords(&config)?).await.map_err(refusal)?;
            tell("new password for", account)
        }),
        UserCommand::Import(command) => import::run(&config, &command),
        UserCommand::Export(command) => with_accounts(&config, Access::Reads, async |accounts| export::run(accounts, &command).await),
    }
}

/// Opens the store and works with its accounts.
pub(super) fn with_accounts(config: &Config, access: Access, work: impl AsyncFnOnce(&Accounts) -> Result<(), Error>) -> Result<(), Error> {
    wait_for(async {
        let database = database::open(config, access).await?;
        let accounts = Accounts::new(database.clone(), Clock::System).on_behalf_of(Behalf::Operator);
        let outcome = work(&accounts).await;
        database.close().await;
        outcome
    })
}

fn with_person(
    config: &Config,
    access: Access,
    person: &Person,
    work: impl AsyncFnOnce(&Accounts, &Account) -> Result<(), Error>,
) -> Result<(), Error> {
    with_accounts(config, access, async |accounts| {
        let account = accounts.by_email(&person.email).await.map_err(refusal)?;
        work(accounts, &account).await
    })
}

/// Over HTTP this would be refused. Whoever has the database at hand can make another one.
async fn warn_of_last_admin(accounts: &Accounts, account: &Account) -> Result<(), Error> {
    if accounts.is_last_admin(account).await? {
        output::message("hallpass: nobody else can administrate: add somebody with --scope hallpass:admin");
    }
    Ok(())
}

fn add(config: &Config, command: Add) -> Result<(), Error> {
    let Add { person, roles, scopes, password, json } = command;
    with_accounts(config, Access::Adds, async |accounts| {
        // Asking for a password that nobody needs would be rude.
        if accounts.by_email(&person.email).await.is_ok() {
            return Err(refusal(authority::Error::Conflict));
        }
        let password = password.read(&person.email)?;
        let person = NewPerson { email: person.email, scopes, roles, disabled: false };
        let account = accounts.add(&person, Some(password), &new_passwords(config)?).await.map_err(refusal)?;
        if json { output::json(&Record::of(&account)) } else { output::line(format_args!("added {} as {}", person.email, account.id)) }
    })
}

async fn list(accounts: &Accounts, json: bool) -> Result<(), Error> {
    if !json {
        output::line(record::table_head())?;
    }
    let mut page = accounts.page(None, PAGE).await?;
    while let Some(last) = page.last().map(|account| account.id.clone()) {
        for account in &page {
            if json { output::json(&Record::of(account))? } else { output::line(record::table_row(account))? }
        }
        page = accounts.page(Some(&last), PAGE).await?;
    }
    Ok(())
}

fn show(account: &Account, json: bool) -> Result<(), Error> {
    if json { output::json(&Record::of(account)) } else { record::print_in_full(account) }
}

fn tell(what: &str, account: &Account) -> Result<(), Error> {
    output::line(format_args!("{what} {}", account.email.as_typed()))
}

fn new_passwords(config: &Config) -> Result<NewPasswords, Error> {
    Ok(NewPasswords { hasher: serve::hasher(config)?, min_length: config.password.min_length })
}

/// The refusals of the authority in the words of this command.
fn refusal(error: authority::Error) -> Error {
    match error {
        authority::Error::NotFound => Error::failed("there is no account with this address"),
        authority::Error::Conflict => Error::failed("there is an account with this address already"),
        error => error.into(),
    }
}
