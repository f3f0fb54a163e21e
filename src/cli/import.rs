//! `hallpass user import`: streams a file into the store, a batch at a time, and says of every line that was refused why.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use super::database::Access;
use super::lines::Lines;
use super::rows::{Format, Rows};
use super::user::with_accounts;
use super::{Error, ended, output, wait_for};
use crate::authority::account_import::{ImportRow, Imported, Outcomes, Rehearsal};
use crate::authority::accounts::Accounts;
use crate::config::Config;
use crate::serve;
use crate::store::Database;

/// Rows that are one transaction: SQLite's write lock is held for some milliseconds, and logins pass in between.
const BATCH: usize = 1000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hallpass user import people.csv --dry-run
  hallpass user import people.csv
  hallpass user import /etc/apache2/.htpasswd --truncated

Forms (by suffix, or --format):
  .csv       a header line, then columns email,password_hash and optionally scopes,roles, in any order
  .jsonl     one object a line with these members
  .htpasswd  user:hash, where the user is an e-mail address

Hashes: bcrypt ($2a$, $2b$, $2y$) of cost 4 to 14. hallpass never cuts a password; nearly everything else does (htpasswd, PHP, bcryptjs, Python
before bcrypt 5), so people with more than 72 bytes can only come along by --truncated. Scopes and roles are space separated. Accounts that exist are never changed.
Second factors do not come along, not even from another hallpass: until somebody sets one up anew, the password is enough.
Refused lines are reported with number and reason on standard error, the others imported. Exit status: 1 if any was refused.")]
pub(super) struct Import {
    /// The file; `-` for standard input (with --format).
    file: PathBuf,
    /// Report what would happen, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// What made these hashes cut passwords at 72 bytes: a longer password is right once, and all of it counts from then on.
    #[arg(long)]
    truncated: bool,
    /// The form of the file, whatever its name.
    #[arg(long)]
    format: Option<Format>,
    /// The summary as a JSON object; each refused line as one on standard error.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, command: &Import) -> Result<(), Error> {
    let format = command.format.or_else(|| Format::of(&command.file));
    let format =
        format.ok_or_else(|| Error::Usage("the file's name does not tell its form: use --format csv, jsonl or htpasswd".to_owned()))?;
    let (reader, length) =
        open(&command.file).map_err(|error| Error::failed(format!("cannot read {}: {error}", command.file.display())))?;
    let mut progress = Progress { lines: Lines::of(reader), rows: Rows::of(format), truncated: command.truncated, bar: bar(length) };
    let mut report = Report {
        json: command.json,
        cost: config.password.bcrypt_cost,
        summary: Summary { dry_run: command.dry_run, ..Summary::default() },
    };
    let outcome = if command.dry_run {
        wait_for(async {
            let url = config.database.url.expose();
            let database = if Database::exists(url) { Some(serve::database(config)?) } else { None };
            progress.run(&mut Target::Rehearsal(Rehearsal::new(database)), &mut report).await
        })
    } else {
        with_accounts(config, Access::Adds, async |accounts| progress.run(&mut Target::Accounts(accounts), &mut report).await)
    };
    progress.bar.finish_and_clear();
    report.end(outcome)
}

fn open(path: &Path) -> io::Result<(Box<dyn BufRead>, Option<u64>)> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    }
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok((Box::new(BufReader::with_capacity(64 * 1024, file)), about.is_file().then_some(about.len())))
}

/// Bytes rather than lines, because nobody has counted the lines yet.
fn bar(length: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.enable_steady_tick(Duration::from_millis(200));
    // A template that cannot be read leaves the bar with its plain style.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {eta} left, {msg}") {
        bar.set_style(style);
    }
    bar
}

/// What rows are given to.
enum Target<'a> {
    Accounts(&'a Accounts),
    Rehearsal(Rehearsal),
}

impl Target<'_> {
    async fn import(&mut self, rows: Vec<ImportRow>) -> Result<Outcomes, Error> {
        match self {
            Self::Accounts(accounts) => Ok(accounts.import(rows).await?),
            Self::Rehearsal(rehearsal) => rehearsal.import(rows).await.map_err(|error| {
                let error = Error::from(error);
                Error::failed(format!("{error} (a dry run makes no tables: a new database needs `hallpass migrate` first)"))
            }),
        }
    }
}

/// The way through the file.
struct Progress {
    lines: Lines<Box<dyn BufRead>>,
    rows: Rows,
    truncated: bool,
    bar: ProgressBar,
}

/// So many lines that are no empty ones.
#[derive(Default)]
struct Batch {
    numbers: Vec<u64>,
    rows: Vec<ImportRow>,
    refused: Vec<(u64, String)>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.rows.len() + self.refused.len() >= BATCH
    }

    /// What became of each line, in their order.
    fn results(self, outcomes: Outcomes) -> Vec<(u64, Result<Imported, String>)> {
        let imported = self.numbers.into_iter().zip(outcomes.into_iter().map(|outcome| outcome.map_err(|reason| reason.to_string())));
        let mut results: Vec<_> = imported.chain(self.refused.into_iter().map(|(number, reason)| (number, Err(reason)))).collect();
        results.sort_unstable_by_key(|(number, _)| *number);
        results
    }
}

impl Progress {
    async fn run(&mut self, target: &mut Target<'_>, report: &mut Report) -> Result<(), Error> {
        loop {
            let mut batch = self.next_batch()?;
            let is_last = !batch.is_full();
            let outcomes = target.import(std::mem::take(&mut batch.rows)).await?;
            let results = batch.results(outcomes);
            self.bar.suspend(|| results.iter().try_for_each(|(number, result)| report.line(*number, result)))?;
            self.bar.set_position(self.lines.position);
            self.bar.set_message(format!("{} imported, {} refused", report.summary.imported, report.summary.refused));
            if is_last {
                return Ok(());
            }
        }
    }

    /// The next rows. A batch that is not full is the last one.
    fn next_batch(&mut self) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        while !batch.is_full() {
            let next = self.lines.next().map_err(|error| Error::failed(format!("the file cannot be read any further: {error}")))?;
            let Some((number, line)) = next else { break };
            match line.map(|line| self.rows.read(line)) {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(row))) => {
                    batch.numbers.push(number);
                    batch.rows.push(ImportRow { truncated: self.truncated, ..row });
                }
                Ok(Err(reason)) if self.rows.wants_header() => return Err(Error::failed(format!("line {number}: {reason}"))),
                Ok(Err(reason)) => batch.refused.push((number, reason.to_string())),
                Err(reason) if self.rows.wants_header() => return Err(Error::failed(format!("line {number}: {reason}"))),
                Err(reason) => batch.refused.push((number, reason.to_string())),
            }
        }
        Ok(batch)
    }
}

#[derive(Default, Serialize)]
struct Summary {
    imported: u64,
    refused: u64,
    /// Imported with a hash that is cheaper than the configured cost.
    cheap: u64,
    dry_run: bool,
    /// The file was read to its end.
    complete: bool,
}

/// What is told about it.
struct Report {
    json: bool,
    cost: u32,
    summary: Summary,
}

impl Report {
    fn line(&mut self, number: u64, result: &Result<Imported, String>) -> Result<(), Error> {
        match result {
            Ok(Imported { cost }) => {
                self.summary.imported += 1;
                self.summary.cheap += u64::from(*cost < self.cost);
            }
            Err(reason) => {
                self.summary.refused += 1;
                if self.json {
                    output::message(output::json_text(&json!({ "line": number, "reason": reason }))?);
                } else {
                    output::message(format_args!("line {number}: {reason}"));
                }
            }
        }
        Ok(())
    }

    fn end(mut self, outcome: Result<(), Error>) -> Result<(), Error> {
        self.summary.complete = outcome.is_ok();
        // When it failed at once the error says all there is to say.
        let is_silent = !self.summary.complete && self.summary.imported + self.summary.refused == 0;
        let printed = match self.json {
            _ if is_silent => Ok(()),
            true => output::json(&self.summary),
            false => self.print(),
        };
        let verdict = if self.summary.refused > 0 { Err(Error::Reported) } else { Ok(()) };
        ended(printed, outcome.and(verdict))
    }

    fn print(&self) -> Result<(), Error> {
        let Summary { imported, refused, cheap, dry_run, complete } = self.summary;
        let end = if complete { "" } else { " before it broke off" };
        let would = if dry_run { " (dry run: nothing was changed)" } else { "" };
        output::line(format_args!("{imported} imported, {refused} refused{end}{would}"))?;
        if cheap > 0 {
            output::line(format_args!(
                "{cheap} of them have a hash cheaper than cost {}, which is upgraded at their next login",
                self.cost
            ))?;
        }
        Ok(())
    }
}
