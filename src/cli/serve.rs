//! `hallpass serve`: settings, log, service, run.

use std::net::SocketAddr;

use super::{Error, SettingsFile, dev, key_file, wait_for};
use crate::clock::Clock;
use crate::config::{Config, LogFormat, Section};
use crate::logging::{self, Format};
use crate::serve::{self as service, Service};

#[derive(Debug, clap::Args)]
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

pub(super) fn run(command: &Serve, settings: &SettingsFile) -> Result<(), Error> {
    let flags: Vec<(&str, String)> = command.listen.iter().map(|address| ("server.listen", address.to_string())).collect();
    if command.dev {
        let config = dev::settings(settings.load(&[Section::Server], &flags)?)?;
        start_log(&config);
        return wait_for(async {
            let service = service::service(&config, Clock::System)?;
            dev::welcome(&service).await?;
            run_service(service).await
        });
    }
    let config = settings.load(&Section::ALL, &flags)?;
    start_log(&config);
    if let Some(warning) = config.keys.file.as_deref().and_then(key_file::warning) {
        log::warn!("{warning}");
    }
    wait_for(async { run_service(service::service(&config, Clock::System)?).await })
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
