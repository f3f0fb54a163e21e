//! The command line: the second adapter over the authority, for operators.
//!
//! This file is the tree of commands; each branch has its own file. Results go to standard output and messages to standard error; the exit
//! status is 0, 1 for a failure, 2 for a command line and 78 for a configuration that cannot be used. Nothing secret is ever an argument,
//! because arguments can be read by every process of the machine.

use std::ffi::OsString;
use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use clap::builder::OsStringValueParser;
use clap::{Parser, Subcommand};

use crate::config::{self, Config, Section};
use crate::logging;
use crate::serve as service;

mod calibrate;
mod client;
mod config_command;
mod database;
mod dev;
mod doctor;
mod doctor_finding;
mod doctor_hashing;
mod doctor_keys;
mod doctor_settings;
mod doctor_store;
mod error;
mod exchange;
mod export;
mod healthcheck;
mod import;
mod key;
mod key_export;
mod key_file;
mod key_retire;
mod lines;
mod output;
mod private_file;
mod prompt;
mod record;
mod rows;
mod serve;
mod session;
mod token;
mod user;

use error::{Error, ended};

/// Stateless JWT authentication: passwords in, short-lived signed tokens out.
#[derive(Debug, Parser)]
#[command(
    name = "hallpass",
    version,
    max_term_width = 100,
    after_help = "\
Try it:          hallpass serve --dev
Set it up:       hallpass config defaults > hallpass.toml
                 (umask 077; hallpass key generate > keys.json)
                 in hallpass.toml, set token.issuer, and keys.file = \"keys.json\"
                 hallpass serve --config hallpass.toml

Exit status: 0 success, 1 failure, 2 wrong usage, 78 unusable configuration."
)]
struct Cli {
    #[command(flatten)]
    settings: SettingsFile,
    #[command(subcommand)]
    command: Command,
}

/// Names the settings file where no flag does.
const CONFIG_VARIABLE: &str = "HALLPASS_CONFIG";

/// Where the settings come from, besides the environment.
#[derive(Debug, clap::Args)]
struct SettingsFile {
    /// Settings file (TOML); `HALLPASS__SECTION__KEY` variables override it.
    #[arg(long, global = true, env = CONFIG_VARIABLE, value_name = "FILE", value_parser = OsStringValueParser::new())]
    config: Option<OsString>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(serve::Serve),
    /// Ask a running service whether it is alive; for container health checks.
    Healthcheck(healthcheck::Healthcheck),
    /// Look for what is wrong with settings, keys, database, clocks and this machine, and say what to do about it.
    Doctor(doctor::Doctor),
    /// Check, show or explain the settings.
    #[command(subcommand)]
    Config(config_command::ConfigCommand),
    /// Bring the database's schema up to date.
    ///
    /// `serve` does it too, and so do the commands that change people, sessions or clients; those that only show them never do. Only those that add some make a database that is not there. By itself it is for deployments where only one job may change the schema.
    #[command(after_help = "Example: hallpass migrate --config hallpass.toml")]
    Migrate,
    /// Add, change, list, import and export the people who can log in.
    #[command(subcommand)]
    User(user::UserCommand),
    /// List and end people's sessions.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Add, list and remove the machines that get tokens in their own name.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Make and change signing keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Look into access tokens.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Measure which bcrypt cost this machine can afford.
    Calibrate(calibrate::Calibrate),
    /// Print the OpenAPI document of all routes, as JSON.
    #[command(after_help = "Example: hallpass openapi > openapi.json")]
    Openapi,
    /// Print a completion script for a shell.
    #[command(after_help = "Example: hallpass completions bash > /etc/bash_completion.d/hallpass")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl SettingsFile {
    /// The file, if one is named. An empty variable names none: that is how compose files leave one out.
    fn file(&self) -> Option<&Path> {
        self.config.as_deref().filter(|name| !name.is_empty()).map(Path::new)
    }

    /// The settings, of which these sections must be usable. The environment counts; flags come on top.
    fn load(&self, sections: &[Section], flags: &[(&str, String)]) -> Result<Config, Error> {
        Ok(Config::load_for(sections, self.file(), config::environment(), flags)?)
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    if let Some((command, settings)) = serve::plain(std::env::args_os().skip(1)) {
        return status(serve::run(&command, &settings));
    }
    match Cli::try_parse() {
        Ok(cli) => status(run(cli)),
        Err(answer) => {
            // Help and version come this way too. When nobody reads them there is nobody to tell.
            let _ = answer.print();
            ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(1))
        }
    }
}

fn status(outcome: Result<(), Error>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if let Some(sentence) = error.sentence() {
        output::message(format_args!("hallpass: {}", logging::Visible(sentence)));
    }
    error.exit_code()
}

/// Not part of `main`: the room that all these commands take on the stack would stay resident beneath a service.
#[inline(never)]
fn run(Cli { settings, command }: Cli) -> Result<(), Error> {
    if !matches!(command, Command::Serve(_)) {
        logging::start(logging::Format::Text, "warn");
    }
    match command {
        Command::Serve(command) => serve::run(&command, &settings),
        Command::Healthcheck(command) => healthcheck::run(&command, &settings),
        Command::Doctor(command) => doctor::run(&command, &settings),
        Command::Config(command) => config_command::run(&command, &settings),
        Command::Migrate => migrate(&settings),
        Command::User(command) => user::run(command, &settings),
        Command::Session(command) => session::run(command, &settings),
        Command::Client(command) => client::run(command, &settings),
        Command::Key(command) => key::run(command, &settings),
        Command::Token(command) => token::run(&command, &settings),
        Command::Calibrate(command) => calibrate::run(&command),
        Command::Openapi => output::whole(service::openapi().as_bytes()),
        Command::Completions { shell } => completions(shell),
    }
}

fn migrate(settings: &SettingsFile) -> Result<(), Error> {
    let config = settings.load(&[Section::Database], &[])?;
    wait_for(async { service::database(&config)?.migrate().await.map_err(Error::from) })?;
    output::line("the schema is up to date")
}

fn completions(shell: clap_complete::Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "hallpass", &mut script);
    output::whole(&script)
}

/// Runs asynchronous work to its end.
fn wait_for<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    service::block_on(work).map_err(|error| Error::failed(format!("the runtime does not start: {error}")))?
}
