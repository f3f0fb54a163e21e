//! `hallpass serve`: settings, log, service, run.

use std::ffi::OsString;
use std::net::SocketAddr;

use super::{CONFIG_VARIABLE, Error, SettingsFile, dev, key_file, wait_for};
use crate::clock::Clock;
use crate::config::{Config, LogFormat, Section};
use crate::logging::{self, Format};
use crate::serve::{self as service, Service};

#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  hallpass serve --dev
  hallpass serve --config hallpass.toml
  RUST_LOG=warn,hallpass::audit=info hallpass serve --config hallpass.toml

SIGTERM and SIGINT stop it: requests in flight end first. SIGHUP makes it read its keys again, which it also does when they change.")]
pub(super) struct Serve {
    /// Run a throw-away service for development, on loopback only.
    ///
    /// Keeps a key and an SQLite file in ./hallpass-dev/, makes a demo account with a fresh password, and prints how to log in with curl.
    #[arg(long)]
    dev: bool,
    /// Address and port to listen on (`server.listen`).
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// The command line of a service as it is usually written. It is read without building the tree of all commands, whose code and memory a
/// service would keep and never use again. `None`: not such a line; the whole tree understands it, or says what is wrong with it.
pub(super) fn plain(mut words: impl Iterator<Item = OsString>) -> Option<(Serve, SettingsFile)> {
    words.next().filter(|name| name == "serve")?;
    let (mut command, mut config) = (Serve::default(), None);
    while let Some(word) = words.next() {
        match word.to_str()? {
            "--dev" if !command.dev => command.dev = true,
            "--config" if config.is_none() => config = Some(value(&mut words)?),
            "--listen" if command.listen.is_none() => command.listen = Some(value(&mut words)?.to_str()?.parse().ok()?),
            _ => return None,
        }
    }
    Some((command, SettingsFile { config: config.or_else(|| std::env::var_os(CONFIG_VARIABLE)) }))
}

/// What follows a flag. What looks like another flag is none.
fn value(words: &mut impl Iterator<Item = OsString>) -> Option<OsString> {
    words.next().filter(|word| !word.as_encoded_bytes().starts_with(b"-"))
}

pub(super) fn run(command: &Serve, settings: &SettingsFile) -> Result<(), Error> {
    let flags: Vec<(&str, String)> = command.listen.iter().map(|address| ("server.listen", address.to_string())).collect();
    if command.dev {
        return run_dev(settings, &flags);
    }
    let config = settings.load(&Section::ALL, &flags)?;
    start_log(&config);
    if let Some(warning) = config.keys.file.as_deref().and_then(key_file::warning) {
        log::warn!("{warning}");
    }
    // Boxed, since what waits for it would take its room on the stack several times over, and keep it.
    wait_for(Box::pin(async { run_service(service::service(&config, Clock::System)?).await }))
}

/// Not part of [`run`], whose frame lasts as long as the service.
#[inline(never)]
fn run_dev(settings: &SettingsFile, flags: &[(&str, String)]) -> Result<(), Error> {
    let config = dev::settings(settings.load(&[Section::Server], flags)?)?;
    start_log(&config);
    wait_for(async {
        let service = service::service(&config, Clock::System)?;
        dev::welcome(&service).await?;
        run_service(service).await
    })
}

fn start_log(config: &Config) {
    let format = match config.log.format {
        LogFormat::Auto => Format::of_terminal(),
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    // What the HTTP library tells of its start and its end, we tell better.
    logging::start(format, "info,actix_server=warn");
    logging::report_panics();
}

async fn run_service(service: Service) -> Result<(), Error> {
    let (address, scheme) = (service.address.to_string(), if service.is_tls { "https" } else { "http" });
    let (issuer, audience) = (service.authority.issuer(), service.authority.audience().join(", "));
    // Replicas belong together when these lines are the same.
    log::info!("tokens of {issuer} for {audience}; {}", service::describe(&service.authority.key_summary()));
    log::info!(address = address.as_str(), version = env!("CARGO_PKG_VERSION"); "listening on {scheme}://{address}");
    if let Some(ops) = &service.ops {
        let ops = ops.address.to_string();
        log::info!(ops_address = ops.as_str(); "listening for operators on http://{ops}");
    }
    service.run().await?;
    log::info!("stopped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};
    use super::*;

    fn by_the_tree(words: &[&str]) -> Option<String> {
        match Cli::try_parse_from(["hallpass"].iter().chain(words)).ok()? {
            Cli { settings, command: Command::Serve(command) } => Some(format!("{command:?} {settings:?}")),
            _ => None,
        }
    }

    #[test]
    fn a_plain_line_means_what_the_whole_tree_reads_in_it_and_whatever_else_is_left_to_the_tree() {
        let plainly = |words: &[&str]| {
            let (command, settings) = plain(words.iter().map(OsString::from))?;
            Some(format!("{command:?} {settings:?}"))
        };
        for line in
            ["serve", "serve --dev", "serve --config a.toml", "serve --listen 127.0.0.1:80 --dev --config b", "serve --listen [::1]:0"]
        {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(plainly(&words).is_some(), "{line}");
            assert_eq!(plainly(&words), by_the_tree(&words), "{line}");
        }
        for line in [
            "",
            "Serve",
            "user list",
            "--config a serve",
            "serve --config=a",
            "serve --config",
            "serve --config --dev",
            "serve --config a --config b",
            "serve --dev --dev",
            "serve --listen",
            "serve --listen here",
            "serve --help",
            "serve -h",
            "serve more",
            "serve --",
        ] {
            assert_eq!(plainly(&line.split(' ').collect::<Vec<_>>()), None, "{line}");
        }
    }
}
