//! `hallpass client`: the machines that get tokens in their own name, named by id or name.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::database::{self, Access};
use super::{Error, SettingsFile, output, wait_for};
use crate::authority;
use crate::authority::clients::{Clients, Issued};
use crate::clock::Clock;
use crate::config::{Config, Section};
use crate::store::client::Client;

/// Clients that are read at once.
const PAGE: u32 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Add a client, and print its id and its secret, once.
    #[command(after_help = "\
Examples:
  hallpass client add billing-worker --scope orders:read --scope orders:write
  hallpass client add resource-server --scope hallpass:introspect --json > client.json")]
    Add {
        /// What to call it: letters, digits, dots, hyphens and underscores.
        name: String,
        /// A scope that it may ask for; may be given more than once.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// As a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// List all clients, the oldest first.
    #[command(after_help = "Example: hallpass client list --json | jq -r .client_id")]
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Give a client a new secret, and print it, once.
    ///
    /// The secret until now stays good beside it until the next rotation: run it again once the new one is in use, to end the old one.
    #[command(after_help = "Example: hallpass client rotate-secret billing-worker")]
    RotateSecret {
        #[command(flatten)]
        client: Named,
        /// As a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Delete a client for good; running services refuse its tokens within two seconds.
    #[command(after_help = "Example: hallpass client remove billing-worker")]
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The client's id or name.
    client: String,
}

pub(super) fn run(command: ClientCommand, settings: &SettingsFile) -> Result<(), Error> {
    let config = settings.load(&[Section::Database], &[])?;
    let access = match command {
        ClientCommand::List { .. } => Access::Reads,
        ClientCommand::RotateSecret { .. } | ClientCommand::Remove(_) => Access::Changes,
        ClientCommand::Add { .. } => Access::Adds,
    };
    with_clients(&config, access, async |clients| match command {
        ClientCommand::Add { name, scopes, json } => {
            let issued = clients.add(&name, &scopes).await.map_err(refusal)?;
            let remedy = "`hallpass client rotate-secret` gives it another one";
            tell(&issued, json).map_err(|error| not_shown("the client was added, but its secret could not be shown", &error, remedy))
        }
        ClientCommand::List { json } => list(clients, json).await,
        ClientCommand::RotateSecret { client, json } => {
            let client = clients.by_id_or_name(&client.client).await.map_err(refusal)?;
            let issued = clients.rotate_secret(client).await.map_err(not_rotated)?;
            let remedy = "the one before stays good until `hallpass client rotate-secret` is run again, which shows another one";
            tell(&issued, json).map_err(|error| not_shown("the secret was changed, but the new one could not be shown", &error, remedy))
        }
        ClientCommand::Remove(client) => {
            let client = clients.by_id_or_name(&client.client).await.map_err(refusal)?;
            clients.remove(&client).await.map_err(refusal)?;
            output::line(format_args!("removed {} ({})", client.name, client.id))
        }
    })
}

/// Opens the store and works with its clients.
fn with_clients(config: &Config, access: Access, work: impl AsyncFnOnce(&Clients) -> Result<(), Error>) -> Result<(), Error> {
    wait_for(async {
        let database = database::open(config, access).await?;
        let outcome = work(&Clients::new(database.clone(), Clock::System)).await;
        database.close().await;
        outcome
    })
}

/// A new secret, for programs.
#[derive(Serialize)]
struct IssuedRecord<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    name: &'a str,
    scopes: Vec<&'a str>,
}

fn tell(issued: &Issued, json: bool) -> Result<(), Error> {
    let Issued { client, secret } = issued;
    if json {
        let scopes = client.scope.split_terminator(' ').collect();
        output::json(&IssuedRecord { client_id: &client.id, client_secret: secret.expose(), name: &client.name, scopes })?;
    } else {
        output::line(format_args!("client_id      {}\nclient_secret  {}", client.id, secret.expose()))?;
    }
    output::message("hallpass: keep the secret now, it is not shown again");
    if let Some(mode) = output::readable_by_others() {
        output::message(format_args!("hallpass: the file this went to can be read by others (mode {mode:o}): chmod 600 it"));
    }
    Ok(())
}

/// A secret that nobody has seen is a failure, also where somebody stopped reading: it cannot be shown again.
fn not_shown(what: &str, error: &Error, remedy: &str) -> Error {
    Error::failed(format!("{what} ({error}): {remedy}"))
}

/// A client, for programs. Nothing of its secrets.
#[derive(Serialize)]
struct Record<'a> {
    client_id: &'a str,
    name: &'a str,
    scopes: Vec<&'a str>,
    created_at: i64,
    secret_rotated_at: Option<i64>,
    secrets: u8,
    disabled_at: Option<i64>,
}

impl<'a> Record<'a> {
    fn of(client: &'a Client) -> Self {
        Self {
            client_id: &client.id,
            name: &client.name,
            scopes: client.scope.split_terminator(' ').collect(),
            created_at: client.created_at,
            secret_rotated_at: client.secret_rotated_at,
            secrets: 1 + u8::from(client.previous_secret_hash.is_some()),
            disabled_at: client.disabled_at,
        }
    }
}

const WIDTHS: [usize; 5] = [40, 24, 24, 7, 8];

async fn list(clients: &Clients, json: bool) -> Result<(), Error> {
    if !json {
        output::line(output::row(WIDTHS, ["CLIENT ID", "NAME", "SCOPES", "SECRETS", "STATE"]))?;
    }
    let mut page = clients.page(None, PAGE).await?;
    while let Some(last) = page.last().map(|client| client.id.clone()) {
        for client in &page {
            if json { output::json(&Record::of(client))? } else { output::line(row(client))? }
        }
        page = clients.page(Some(&last), PAGE).await?;
    }
    Ok(())
}

fn row(client: &Client) -> String {
    let scope = if client.scope.is_empty() { "-" } else { &client.scope };
    let secrets = if client.previous_secret_hash.is_some() { "2" } else { "1" };
    let state = if client.disabled_at.is_some() { "disabled" } else { "active" };
    output::row(WIDTHS, [&client.id, &client.name, scope, secrets, state])
}

/// The refusals of the authority in the words of this command.
fn not_rotated(error: authority::Error) -> Error {
    match error {
        authority::Error::Conflict => Error::failed("somebody else gave it another secret just now: nothing was changed"),
        error => refusal(error),
    }
}

fn refusal(error: authority::Error) -> Error {
    match error {
        authority::Error::NotFound => Error::failed("there is no client with this id or name"),
        authority::Error::Conflict => Error::failed("there is a client with this name already"),
        error => error.into(),
    }
}
