//! The one way out: results to standard output, messages to standard error.

use std::fmt;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use serde::Serialize;

use super::Error;
use crate::logging::escaped_json;

/// One line of the result.
pub(super) fn line(text: impl fmt::Display) -> Result<(), Error> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}

/// One record of the result, as a line of JSON.
pub(super) fn json(record: &impl Serialize) -> Result<(), Error> {
    line(json_text(record)?)
}

/// JSON in one line, in which nothing can break the line or confuse a terminal.
pub(super) fn json_text(record: &impl Serialize) -> Result<String, Error> {
    Ok(escaped_json(&serde_json::to_string(record).map_err(io::Error::from)?))
}

/// The result in one piece.
pub(super) fn whole(text: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    Ok(stdout.flush()?)
}

/// Something for the person at the keyboard. When standard error is closed there is nobody to tell.
pub(super) fn message(text: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A row of a table: every cell but the last is padded to its column's width.
pub(super) fn row<const N: usize>(widths: [usize; N], cells: [&str; N]) -> String {
    let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}

/// A NumericDate for people: RFC 3339 in UTC.
pub(super) fn utc(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp(at, 0);
    time.map_or_else(|| "beyond the calendar".to_owned(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// Seconds for people, in the unit that fits: `119 s`, `5 min`, `3 h`, `12 d`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The mode of the file that standard output goes to, if that is a file which more than its owner can read.
pub(super) fn readable_by_others() -> Option<u32> {
    let stdout = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
    Some(stdout.mode() & 0o777).filter(|mode| stdout.is_file() && mode & 0o077 != 0)
}
