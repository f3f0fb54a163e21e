//! `[log]`: how log lines look. Their level is `RUST_LOG`'s.

use std::fmt;
use std::str::FromStr;

use super::{Error, layers::Settings, page::Page};

/// How log lines look.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Text or JSON.
    pub format: LogFormat,
}

/// The look of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Log {
    pub(super) const NAMES: &[&str] = &["log.format"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { format: settings.parsed("log.format", "\"auto\", \"text\" or \"json\"")?.unwrap_or_default() })
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.text("format", self.format);
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Auto => "auto",
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [LogFormat::Auto, LogFormat::Text, LogFormat::Json].into_iter().find(|format| format.to_string() == text).ok_or(())
    }
}
