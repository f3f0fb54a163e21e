//! `hallpass calibrate`: what a bcrypt cost means on this machine, measured through the same threads as real logins.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde::Serialize;

use super::{Error, output, wait_for};
use crate::authority::password_hash::MAX_COST;
use crate::authority::{Hasher, HasherSettings, Password};
use crate::config;

/// The cheapest cost that the settings allow.
const LOWEST: u32 = 10;
/// What a login may take on an idle machine.
const TARGET_MS: f64 = 250.0;
const ROUNDS: usize = 2;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: hallpass calibrate

Takes about 15 seconds of all cores. Run it on the machine, and within the limits, that the service will have.")]
pub(super) struct Calibrate {
    /// The dearest cost to measure; each takes twice the time of the one before.
    #[arg(long, value_name = "COST", default_value_t = MAX_COST, value_parser = clap::value_parser!(u32).range(i64::from(LOWEST)..=i64::from(MAX_COST)))]
    up_to: u32,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// One cost, measured through the hashing threads.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) cost: u32,
    /// One login on an idle machine.
    pub(super) single_ms: f64,
    /// All cores at work.
    pub(super) logins_per_second: f64,
    pub(super) threads: usize,
    pub(super) recommended: bool,
}

pub(super) fn run(command: &Calibrate) -> Result<(), Error> {
    let threads = config::Password::default().hash_threads;
    output::message(format_args!("hallpass: measuring on {threads} threads"));
    let mut rows = wait_for(async {
        let mut rows = Vec::new();
        for cost in LOWEST..=command.up_to {
            rows.push(measure(cost, threads).await?);
        }
        Ok(rows)
    })?;
    let best = rows.iter().rposition(|row| row.single_ms <= TARGET_MS).unwrap_or_default();
    if let Some(row) = rows.get_mut(best) {
        row.recommended = true;
    }
    print(&rows, command.json)
}

pub(super) async fn measure(cost: u32, threads: usize) -> Result<Row, Error> {
    let settings = HasherSettings { cost, threads, queue: threads, queue_timeout: Duration::from_secs(60) };
    let hasher = Hasher::start(settings).map_err(|error| Error::failed(error.to_string()))?;
    let login =
        || async { hasher.verify(Password::new("calibrate".to_owned()), None).await.map_err(|error| Error::failed(error.to_string())) };
    let mut single = Duration::MAX;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        login().await?;
        single = single.min(started.elapsed());
    }
    let started = Instant::now();
    try_join_all((0..threads).map(|_| async {
        for _ in 0..ROUNDS {
            login().await?;
        }
        Ok::<_, Error>(())
    }))
    .await?;
    let logins_per_second = (threads * ROUNDS) as f64 / started.elapsed().as_secs_f64();
    Ok(Row {
        cost,
        single_ms: rounded(single.as_secs_f64() * 1000.0),
        logins_per_second: rounded(logins_per_second),
        threads,
        recommended: false,
    })
}

fn print(rows: &[Row], json: bool) -> Result<(), Error> {
    const WIDTHS: [usize; 4] = [4, 12, 17, 0];
    if json {
        return rows.iter().try_for_each(output::json);
    }
    output::line(output::row(WIDTHS, ["COST", "ONE LOGIN", "LOGINS A SECOND", ""]))?;
    for row in rows {
        let cells = [row.cost.to_string(), format!("{} ms", row.single_ms), row.logins_per_second.to_string()];
        let note = if row.recommended { "recommended" } else { "" };
        output::line(output::row(WIDTHS, [&cells[0], &cells[1], &cells[2], note]))?;
    }
    let Some(row) = rows.iter().find(|row| row.recommended) else { return Ok(()) };
    output::line(format_args!("\n[password]\nbcrypt_cost = {}\nhash_threads = {}", row.cost, row.threads))
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
