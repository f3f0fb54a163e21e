//! `[keys]`: where the signing keys come from. Whether they are any good is decided where keys are parsed.

use std::path::PathBuf;

use super::{Error, layers::Settings, page::Page};
use crate::secret::Secret;

/// Where the signing keys come from: exactly one of the two is set.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// A file with a JWK Set (RFC 7517).
    pub file: Option<PathBuf>,
    /// A single key as `base64url:…`.
    pub secret: Option<Secret>,
}

impl Keys {
    pub(super) const NAMES: &[&str] = &["keys.file", "keys.secret"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { file: settings.path("keys.file")?, secret: settings.secret("keys.secret")? })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match (&self.file, &self.secret) {
            (None, None) => Err(Error::setting(
                "keys.file",
                "is not set, and there is no built-in key: make one with `hallpass key generate > keys.json` and set keys.file = \"keys.json\" (or keys.secret)",
            )),
            (Some(_), Some(_)) => Err(Error::setting("keys.file", "and keys.secret are both set: keep one of them")),
            _ => Ok(()),
        }
    }

    pub(super) fn print(&self, page: &mut Page) {
        match &self.file {
            Some(file) => page.text("file", file.display()),
            None => page.unset("file"),
        };
        page.secret("secret", self.secret.as_ref());
    }
}
