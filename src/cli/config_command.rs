//! `hallpass config`: the settings as they are, whether they can be used, and what there is to set.

use clap::Subcommand;

use super::{Error, SettingsFile, key_file, output};
use crate::config::{self, Section};
use crate::serve;
use crate::store::address;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the settings, the keys and the certificate as `serve` would, without starting it.
    #[command(
        after_help = "Example: hallpass config check --config hallpass.toml\n\nExit status: 78 when a setting, a key or the certificate cannot be used."
    )]
    Check,
    /// Print the settings in effect, with secrets as [redacted].
    ///
    /// Prints also what is incomplete or out of range; `config check` tells.
    #[command(after_help = "Example: HALLPASS__SERVER__LISTEN=0.0.0.0:8080 hallpass config print")]
    Print,
    /// Print every setting with its default and what it is for: a file to start from.
    #[command(after_help = "Example: hallpass config defaults > hallpass.toml")]
    Defaults,
}

pub(super) fn run(command: &ConfigCommand, settings: &SettingsFile) -> Result<(), Error> {
    match command {
        ConfigCommand::Check => check(settings),
        ConfigCommand::Print => output::whole(settings.load(&[], &[])?.print().as_bytes()),
        ConfigCommand::Defaults => output::whole(config::DEFAULTS.as_bytes()),
    }
}

fn check(settings: &SettingsFile) -> Result<(), Error> {
    let config = settings.load(&Section::ALL, &[])?;
    let keys = serve::key_ring(&config)?;
    address::check(config.database.url.expose())?;
    address::check_place(config.database.url.expose())?;
    serve::check_certificate(&config.server)?;
    if let Some(warning) = config.keys.file.as_deref().and_then(key_file::warning) {
        output::message(format_args!("hallpass: {warning}"));
    }
    output::line(format_args!("the configuration can be used; {}", serve::describe(&keys.summary())))
}
