//! `hallpass session`: where people are logged in, and ending it.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::database::{self, Access};
use super::{Error, SettingsFile, output, wait_for};
use crate::authority::accounts::Accounts;
use crate::authority::admin::Behalf;
use crate::authority::sessions::Sessions;
use crate::authority::{self, SessionPolicy};
use crate::clock::Clock;
use crate::config::{Config, Section};
use crate::logging::Visible;
use crate::store::account::Account;
use crate::store::session::Session;

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List a person's live sessions, the newest first, at most a thousand.
    #[command(after_help = "Example: hallpass session list ada@example.com --json | jq -r .id")]
    List {
        /// The e-mail address.
        email: String,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// End one session, or all of a person's; running services refuse their access tokens within two seconds.
    #[command(after_help = "\
Examples:
  hallpass session revoke 01a207fb-5ab8-76ff-9093-ed951e39519b
  hallpass session revoke --all ada@example.com")]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Revoke {
    /// The session's id.
    id: Option<String>,
    /// All sessions of the person with this e-mail address.
    #[arg(long, value_name = "EMAIL")]
    all: Option<String>,
}

pub(super) fn run(command: SessionCommand, settings: &SettingsFile) -> Result<(), Error> {
    let config = settings.load(&[Section::Database, Section::Sessions], &[])?;
    let access = if let SessionCommand::List { .. } = command { Access::Reads } else { Access::Changes };
    with_store(&config, access, async |accounts, sessions| match command {
        SessionCommand::List { email, json } => list(sessions, &account(accounts, &email).await?, json).await,
        SessionCommand::Revoke(Revoke { all: Some(email), .. }) => {
            let account = account(accounts, &email).await?;
            sessions.end_all(&account.id).await?;
            output::line(format_args!("revoked all sessions of {}", account.email.as_typed()))
        }
        SessionCommand::Revoke(Revoke { id, all: None }) => revoke(sessions, &id.unwrap_or_default()).await,
    })
}

/// Opens the store and works with its accounts and sessions.
fn with_store(config: &Config, access: Access, work: impl AsyncFnOnce(&Accounts, &Sessions) -> Result<(), Error>) -> Result<(), Error> {
    wait_for(async {
        let database = database::open(config, access).await?;
        let sessions = Sessions::new(database.clone(), Clock::System, SessionPolicy::from(&config.sessions)).on_behalf_of(Behalf::Operator);
        let outcome = work(&Accounts::new(database.clone(), Clock::System), &sessions).await;
        database.close().await;
        outcome
    })
}

async fn account(accounts: &Accounts, email: &str) -> Result<Account, Error> {
    accounts.by_email(email).await.map_err(|error| match error {
        authority::Error::NotFound => Error::failed("there is no account with this address"),
        error => error.into(),
    })
}

async fn revoke(sessions: &Sessions, id: &str) -> Result<(), Error> {
    let session = sessions.by_id(id).await.map_err(|error| match error {
        authority::Error::NotFound => Error::failed("there is no session with this id"),
        error => error.into(),
    })?;
    sessions.end(&session).await?;
    output::line(format_args!("revoked {}", session.id))
}

/// JSON for programs, with the names that `GET /sessions` has.
#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    sub: &'a str,
    created_at: i64,
    last_used_at: i64,
    ip: Option<&'a str>,
    user_agent: Option<&'a str>,
}

impl<'a> Record<'a> {
    fn of(session: &'a Session) -> Self {
        Self {
            id: &session.id,
            sub: &session.account_id,
            created_at: session.created_at,
            last_used_at: session.rotated_at,
            ip: session.device.ip.as_deref(),
            user_agent: session.device.user_agent.as_deref(),
        }
    }
}

const WIDTHS: [usize; 5] = [36, 20, 20, 15, 8];

async fn list(sessions: &Sessions, account: &Account, json: bool) -> Result<(), Error> {
    if !json {
        output::line(output::row(WIDTHS, ["ID", "CREATED", "LAST USED", "ADDRESS", "PROGRAM"]))?;
    }
    for session in sessions.live_of(&account.id).await? {
        if json { output::json(&Record::of(&session))? } else { output::line(row(&session))? }
    }
    Ok(())
}

fn row(session: &Session) -> String {
    let device = &session.device;
    let (ip, user_agent) = (device.ip.as_deref().unwrap_or("-"), device.user_agent.as_deref().unwrap_or("-"));
    let cells = [
        &session.id,
        &output::utc(session.created_at),
        &output::utc(session.rotated_at),
        ip,
        // A stranger's text, and a terminal reads more into some characters than we do.
        &Visible(user_agent).to_string(),
    ];
    output::row(WIDTHS, cells)
}
