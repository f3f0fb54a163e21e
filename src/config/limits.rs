//! `[limits]`: how often a password or a code may be tried.

use super::units::check_number;
use super::{Error, layers::Settings, page::Page};

/// How often a password or a code may be tried.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Failures in a row for one address before the next try has to wait.
    pub account_free_failures: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { account_free_failures: 5 }
    }
}

impl Limits {
    pub(super) const NAMES: &[&str] = &["limits.account_free_failures"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let default = Self::default();
        Ok(Self { account_free_failures: settings.number("limits.account_free_failures")?.unwrap_or(default.account_free_failures) })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        check_number("limits.account_free_failures", self.account_free_failures, 0..=1000)
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.number("account_free_failures", self.account_free_failures);
    }
}
