//! `[limits]`: how often a password or a code may be tried, and how often one may ask.

use std::time::Duration;

use super::units::{Rate, check_number, check_rate};
use super::{Error, layers::Settings, page::Page};

const MINUTE: Duration = Duration::from_secs(60);

/// How often a password or a code may be tried, and how often one may ask. No rate: as often as they like.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Logins and registrations from one IPv4 address or one IPv6 network of 64 bits.
    pub login_per_ip: Option<Rate>,
    /// Failures in a row for one address before the next try has to wait.
    pub account_free_failures: u32,
    /// Refreshes of one session.
    pub refresh_per_session: Option<Rate>,
    /// Requests of one client, of each kind.
    pub client: Option<Rate>,
}

impl Default for Limits {
    fn default() -> Self {
        let per_minute = |count| Some(Rate { count, per: MINUTE });
        Self { login_per_ip: per_minute(10), account_free_failures: 5, refresh_per_session: per_minute(120), client: per_minute(600) }
    }
}

impl Limits {
    pub(super) const NAMES: &[&str] =
        &["limits.login_per_ip", "limits.account_free_failures", "limits.refresh_per_session", "limits.client"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let default = Self::default();
        Ok(Self {
            login_per_ip: settings.rate("limits.login_per_ip")?.unwrap_or(default.login_per_ip),
            account_free_failures: settings.number("limits.account_free_failures")?.unwrap_or(default.account_free_failures),
            refresh_per_session: settings.rate("limits.refresh_per_session")?.unwrap_or(default.refresh_per_session),
            client: settings.rate("limits.client")?.unwrap_or(default.client),
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        check_rate("limits.login_per_ip", self.login_per_ip)?;
        check_number("limits.account_free_failures", self.account_free_failures, 0..=1000)?;
        check_rate("limits.refresh_per_session", self.refresh_per_session)?;
        check_rate("limits.client", self.client)
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.rate("login_per_ip", self.login_per_ip).number("account_free_failures", self.account_free_failures);
        page.rate("refresh_per_session", self.refresh_per_session).rate("client", self.client);
    }
}
