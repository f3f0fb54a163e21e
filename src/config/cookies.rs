//! `[cookies]`: the cookies of those who log in with `"transport":"cookie"`.

use std::fmt;
use std::str::FromStr;

use super::{Error, layers::Settings, page::Page};

/// The cookies of those who log in with `"transport":"cookie"`.
#[derive(Clone, Debug, Default)]
pub struct Cookies {
    /// When browsers send them along with what other sites ask for.
    pub same_site: SameSite,
}

/// The cookie attribute of that name (RFC 6265bis s4.1.2.7). There is no `none`: it would leave everything to the check of origins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Never, not even when somebody follows a link.
    #[default]
    Strict,
    /// When somebody follows a link.
    Lax,
}

impl Cookies {
    pub(super) const NAMES: &[&str] = &["cookies.same_site"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { same_site: settings.parsed("cookies.same_site", "\"strict\" or \"lax\"")?.unwrap_or_default() })
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.text("same_site", self.same_site);
    }
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SameSite::Strict => "strict",
            SameSite::Lax => "lax",
        })
    }
}

impl FromStr for SameSite {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [SameSite::Strict, SameSite::Lax].into_iter().find(|same_site| same_site.to_string() == text).ok_or(())
    }
}
