//! `hallpass user export`: everybody, in a form that `user import` can read. Hashes only when asked for, and a file that holds them is its
//! owner's alone.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::private_file::PrivateFile;
use super::record::Record;
use super::user::PAGE;
use super::{Error, output};
use crate::authority::accounts::Accounts;
use crate::store::account::Account;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hallpass user export > people.csv
  hallpass user export --with-hashes --json --output people.jsonl

What is exported with hashes can be imported into another hallpass; people get new ids there.
Second factors are not exported: who has one sets it up anew. Standard error says how many these are.")]
pub(super) struct Export {
    /// JSON Lines instead of CSV.
    #[arg(long)]
    json: bool,
    /// Include the password hashes. Whoever has them can guess passwords undisturbed.
    #[arg(long)]
    with_hashes: bool,
    /// Write to this file, readable by its owner only (mode 0600).
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(accounts: &Accounts, command: &Export) -> Result<(), Error> {
    let with_second_factor = write(accounts, command).await?;
    if with_second_factor > 0 {
        output::message(format_args!(
            "hallpass: second factors are not exported, and people with one: {with_second_factor}. Until they set it up anew, their password is enough there"
        ));
    }
    Ok(())
}

/// Tells how many of those that were written have a second factor.
async fn write(accounts: &Accounts, command: &Export) -> Result<usize, Error> {
    match &command.output {
        None => {
            if let Some(mode) = output::readable_by_others().filter(|_| command.with_hashes) {
                output::message(format_args!("hallpass: the file this goes to can be read by others (mode {mode:o}): better use --output"));
            }
            write_all(accounts, command, &mut io::stdout().lock(), Error::from).await
        }
        Some(path) => {
            let refused = |error: io::Error| refused(path, &error);
            // Before there is a file: what a signal leaves behind would be full of hashes.
            let mut stop = Stop::listen().map_err(|error| Error::failed(format!("cannot listen for signals: {error}")))?;
            let mut file = PrivateFile::create(path).map_err(refused)?;
            let with_second_factor = tokio::select! {
                biased;
                () = stop.asked() => return Err(Error::failed(format!("interrupted: {} was not written", path.display()))),
                written = write_all(accounts, command, &mut file, refused) => written?,
            };
            file.finish().map_err(refused)?;
            Ok(with_second_factor)
        }
    }
}

/// What asks a process to end, and would end it at once if nobody listened.
struct Stop([Signal; 3]);

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?]))
    }

    async fn asked(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

fn refused(path: &Path, error: &io::Error) -> Error {
    Error::failed(format!("cannot write {}: {error}", path.display()))
}

async fn write_all(
    accounts: &Accounts,
    command: &Export,
    out: &mut impl Write,
    refused: impl Fn(io::Error) -> Error,
) -> Result<usize, Error> {
    if !command.json {
        write_csv(out, Record::CSV_HEADER.map(str::to_owned), command.with_hashes).map_err(&refused)?;
    }
    let mut with_second_factor = 0;
    let mut page = accounts.page(None, PAGE).await?;
    while let Some(last) = page.last().map(|account| account.id.clone()) {
        page.iter().try_for_each(|account| write_one(out, account, command)).map_err(&refused)?;
        with_second_factor += accounts.with_second_factor(&page).await?;
        page = accounts.page(Some(&last), PAGE).await?;
    }
    out.flush().map_err(refused)?;
    Ok(with_second_factor)
}

fn write_one(out: &mut impl Write, account: &Account, command: &Export) -> io::Result<()> {
    let record = if command.with_hashes { Record::with_hash(account) } else { Record::of(account) };
    if !command.json {
        return write_csv(out, record.csv(), command.with_hashes);
    }
    serde_json::to_writer(&mut *out, &record)?;
    out.write_all(b"\n")
}

fn write_csv(out: &mut impl Write, cells: [String; 8], with_hashes: bool) -> io::Result<()> {
    let shown = cells.iter().enumerate().filter(|(column, _)| with_hashes || *column != Record::CSV_HASH).map(|(_, cell)| cell);
    let mut row = csv::WriterBuilder::new().buffer_capacity(512).from_writer(out);
    row.write_record(shown)?;
    row.flush()
}
