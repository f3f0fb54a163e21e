//! `[registration]`: whether strangers may make accounts of their own.

use super::{Error, layers::Settings, page::Page};

/// Whether strangers may make accounts of their own.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// Whether there is a `POST /register`. Those who register hold no scope and no role until they are given some.
    pub enabled: bool,
}

impl Registration {
    pub(super) const NAMES: &[&str] = &["registration.enabled"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { enabled: settings.flag("registration.enabled")?.unwrap_or_default() })
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.flag("enabled", self.enabled);
    }
}
