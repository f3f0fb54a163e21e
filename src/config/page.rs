//! The text of `hallpass config print`: TOML that could be loaded again, were it not for the secrets.

use std::fmt::{Display, Write};
use std::time::Duration;

use super::units::{Rate, duration_text, rate_text};
use crate::secret::Secret;

#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn section(&mut self, name: &str) -> &mut Self {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.write(format_args!("{gap}[{name}]"))
    }

    pub(super) fn number(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.write(format_args!("{key} = {value}"))
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.write(format_args!("{key} = {value}"))
    }

    pub(super) fn text(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.write(format_args!("{key} = {}", quoted(&value.to_string())))
    }

    pub(super) fn duration(&mut self, key: &str, value: Duration) -> &mut Self {
        self.text(key, duration_text(value))
    }

    pub(super) fn rate(&mut self, key: &str, value: Option<Rate>) -> &mut Self {
        self.text(key, rate_text(value))
    }

    pub(super) fn list(&mut self, key: &str, values: &[String]) -> &mut Self {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.write(format_args!("{key} = [{}]", values.join(", ")))
    }

    pub(super) fn secret(&mut self, key: &str, value: Option<&Secret>) -> &mut Self {
        match value {
            Some(secret) => self.text(key, secret),
            None => self.unset(key),
        }
    }

    pub(super) fn unset(&mut self, key: &str) -> &mut Self {
        self.write(format_args!("# {key} is not set"))
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn write(&mut self, line: std::fmt::Arguments<'_>) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
        self
    }
}

/// A JSON string is a TOML basic string: every escape that JSON writers use is one of TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
