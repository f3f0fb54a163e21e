//! What `hallpass doctor` finds, as a line for people or an object for programs.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Error, ended, output};
use crate::logging::Visible;

/// One thing that was looked at.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    level: Level,
    finding: String,
    /// What to do about it, in one sentence; only of what is fine there is none.
    remedy: Option<String>,
    /// Numbers that were measured, by name.
    #[serde(skip_serializing_if = "Map::is_empty")]
    measured: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warning,
    Broken,
}

impl Finding {
    /// It is as it should be.
    pub(super) fn fine(check: &'static str, finding: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, finding: finding.into(), remedy: None, measured: Map::new() }
    }

    /// The service runs, and somebody should know.
    pub(super) fn warning(check: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, remedy: Some(remedy.into()), ..Self::fine(check, finding) }
    }

    /// The service does not start, or does not do its work.
    pub(super) fn broken(check: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Broken, ..Self::warning(check, finding, remedy) }
    }

    /// Adds a number for programs.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.measured.insert(name.to_owned(), value.into());
        self
    }

    /// Whether it belongs to this check.
    pub(super) fn is_of(&self, check: &str) -> bool {
        self.check == check
    }

    fn print(&self) -> Result<(), Error> {
        const WIDTHS: [usize; 3] = [7, 8, 0];
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Broken => "BROKEN",
        };
        output::line(output::row(WIDTHS, [level, self.check, &Visible(&self.finding).to_string()]))?;
        let remedy = self.remedy.iter().map(|remedy| format!("-> {}", Visible(remedy)));
        remedy.map(|remedy| output::row(WIDTHS, ["", "", &remedy])).try_for_each(output::line)
    }
}

/// Prints findings as they come, and counts them, also those that nobody reads any more.
pub(super) struct Report {
    json: bool,
    warnings: usize,
    broken: usize,
    printed: Result<(), Error>,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self { json, warnings: 0, broken: 0, printed: Ok(()) }
    }

    pub(super) fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            match finding.level {
                Level::Ok => {}
                Level::Warning => self.warnings += 1,
                Level::Broken => self.broken += 1,
            }
            if self.printed.is_ok() {
                self.printed = if self.json { output::json(&finding) } else { finding.print() };
            }
        }
    }

    /// The closing line, and the failure if anything is broken.
    pub(super) fn end(self) -> Result<(), Error> {
        let summary = || output::line(format_args!("{} broken, {} to look at", self.broken, self.warnings));
        let printed = self.printed.and_then(|()| if self.json { Ok(()) } else { summary() });
        ended(printed, if self.broken > 0 { Err(Error::Reported) } else { Ok(()) })
    }
}
