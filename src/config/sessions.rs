//! `[sessions]`: how long a login lasts without the password being asked for again.

use std::time::Duration;

use super::units::check_duration;
use super::{Error, layers::Settings, page::Page};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const LONGEST: Duration = Duration::from_secs(90 * 86_400);

/// How long a login lasts without the password being asked for again.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// A session that is not refreshed for this long is over.
    pub idle_timeout: Duration,
    /// A session this old is over, however often it is refreshed.
    pub absolute_timeout: Duration,
    /// How long after a refresh the token that was used may be sent once more.
    pub refresh_grace: Duration,
    /// Whether a login ends the person's other sessions.
    pub single_active: bool,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { idle_timeout: 7 * DAY, absolute_timeout: 30 * DAY, refresh_grace: 10 * SECOND, single_active: false }
    }
}

impl Sessions {
    pub(super) const NAMES: &[&str] =
        &["sessions.idle_timeout", "sessions.absolute_timeout", "sessions.refresh_grace", "sessions.single_active"];

    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let default = Self::default();
        let absolute_timeout = settings.duration("sessions.absolute_timeout")?.unwrap_or(default.absolute_timeout);
        Ok(Self {
            // Whoever shortens only the one does not have to know of the other.
            idle_timeout: settings.duration("sessions.idle_timeout")?.unwrap_or(default.idle_timeout.min(absolute_timeout)),
            absolute_timeout,
            refresh_grace: settings.duration("sessions.refresh_grace")?.unwrap_or(default.refresh_grace),
            single_active: settings.flag("sessions.single_active")?.unwrap_or(default.single_active),
        })
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        // First, since the other follows it where it is not set.
        check_duration("sessions.absolute_timeout", self.absolute_timeout, SECOND..=LONGEST)?;
        check_duration("sessions.idle_timeout", self.idle_timeout, SECOND..=LONGEST)?;
        if self.idle_timeout > self.absolute_timeout {
            let problem = "is longer than sessions.absolute_timeout, which ends every session before: shorten it, or leave it out";
            return Err(Error::setting("sessions.idle_timeout", problem));
        }
        check_duration("sessions.refresh_grace", self.refresh_grace, Duration::ZERO..=60 * SECOND)
    }

    pub(super) fn print(&self, page: &mut Page) {
        page.duration("idle_timeout", self.idle_timeout).duration("absolute_timeout", self.absolute_timeout);
        page.duration("refresh_grace", self.refresh_grace).flag("single_active", self.single_active);
    }
}
