//! What an operator can set, checked before anything starts.
//!
//! A value comes from the built-in defaults, a TOML file, the environment or a flag, each overriding the one before. One file a section:
//! its struct, its defaults, its check. A setting that is not read here does not exist, and an unknown one is refused: a typo must never
//! become an insecure default. This module decides nothing about keys or passwords themselves; it never logs, and reads the environment
//! only when asked to.

use std::path::{Path, PathBuf};

mod bounds;
mod cookies;
mod database;
mod error;
mod keys;
mod layers;
mod limits;
mod log;
mod origin;
mod page;
mod password;
mod registration;
mod server;
mod sessions;
mod token;
mod units;

pub use bounds::Bounds;
pub use cookies::{Cookies, SameSite};
pub use database::Database;
pub use error::Error;
pub use keys::Keys;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use password::Password;
pub use registration::Registration;
pub use server::Server;
pub use sessions::Sessions;
pub use token::Token;
pub(crate) use token::check_audience;
pub use units::Rate;

use layers::Settings;
use page::Page;

/// `config/default.toml`: every setting with its default and its reason.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// The effective settings. The fields are public: `--dev` and tests adjust them after loading.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the service listens.
    pub server: Server,
    /// Where accounts and sessions live.
    pub database: Database,
    /// Where the signing keys come from.
    pub keys: Keys,
    /// What the tokens say and how long they live.
    pub token: Token,
    /// How long logins last.
    pub sessions: Sessions,
    /// How passwords are hashed, and which are too short.
    pub password: Password,
    /// Whether strangers may make accounts of their own.
    pub registration: Registration,
    /// The cookies of those who ask for them.
    pub cookies: Cookies,
    /// How often a password may be tried, and how often one may ask.
    pub limits: Limits,
    /// How log lines look.
    pub log: Log,
}

/// A section that a piece of work may need. `[registration]`, `[cookies]` and `[log]` are not among them: what can be read of them can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `[server]`
    Server,
    /// `[database]`
    Database,
    /// `[keys]`
    Keys,
    /// `[token]`
    Token,
    /// `[sessions]`
    Sessions,
    /// `[password]`
    Password,
    /// `[limits]`
    Limits,
}

impl Section {
    /// All of them.
    pub const ALL: [Section; 7] =
        [Section::Server, Section::Database, Section::Keys, Section::Token, Section::Sessions, Section::Password, Section::Limits];
}

impl Config {
    /// Reads, layers and checks the settings: defaults < `file` < `env` < `overrides` (pairs like `("server.listen", "127.0.0.1:0")`).
    ///
    /// The environment is an argument so that tests need no process state; the program passes [`environment`].
    ///
    /// # Errors
    /// One sentence that names the setting, what is wrong and what to do; never the value of a secret.
    pub fn load(file: Option<&Path>, env: impl Iterator<Item = (String, String)>, overrides: &[(&str, String)]) -> Result<Self, Error> {
        Self::load_for(&Section::ALL, file, env, overrides)
    }

    /// Like [`Config::load`], for work that needs only some sections: the others may be incomplete or out of range. What is unknown or
    /// cannot be read is refused all the same, wherever it is.
    ///
    /// # Errors
    /// Those of [`Config::load`].
    pub fn load_for(
        sections: &[Section],
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: &[(&str, String)],
    ) -> Result<Self, Error> {
        let settings = Settings::gather(file, env, overrides)?;
        let checked = Self::read(&settings).and_then(|config| {
            sections.iter().try_for_each(|section| config.check_section(*section))?;
            Ok(config)
        });
        checked.map_err(|error| settings.blame(error))
    }

    /// Checks ranges and combinations. [`Config::load`] has done it already.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<(), Error> {
        Section::ALL.into_iter().try_for_each(|section| self.check_section(section))
    }

    fn check_section(&self, section: Section) -> Result<(), Error> {
        match section {
            Section::Server => self.server.check(),
            Section::Database => self.database.check(),
            Section::Keys => self.keys.check(),
            Section::Token => self.token.check(),
            Section::Sessions => self.sessions.check(),
            Section::Password => self.password.check(),
            Section::Limits => self.limits.check(),
        }
    }

    /// The effective settings as TOML text, with secrets as `[redacted]`.
    pub fn print(&self) -> String {
        let mut page = Page::default();
        self.server.print(page.section("server"));
        self.database.print(page.section("database"));
        self.keys.print(page.section("keys"));
        self.token.print(page.section("token"));
        self.sessions.print(page.section("sessions"));
        self.password.print(page.section("password"));
        self.registration.print(page.section("registration"));
        self.cookies.print(page.section("cookies"));
        self.limits.print(page.section("limits"));
        self.log.print(page.section("log"));
        page.into_text()
    }

    fn read(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            server: Server::read(settings)?,
            database: Database::read(settings)?,
            keys: Keys::read(settings)?,
            token: Token::read(settings)?,
            sessions: Sessions::read(settings)?,
            password: Password::read(settings)?,
            registration: Registration::read(settings)?,
            cookies: Cookies::read(settings)?,
            limits: Limits::read(settings)?,
            log: Log::read(settings)?,
        })
    }
}

/// The names of all settings, as `section.key`.
pub fn names() -> impl Iterator<Item = &'static str> {
    let sections = [
        Server::NAMES,
        Database::NAMES,
        Keys::NAMES,
        Token::NAMES,
        Sessions::NAMES,
        Password::NAMES,
        Registration::NAMES,
        Cookies::NAMES,
        Limits::NAMES,
        Log::NAMES,
    ];
    sections.into_iter().flatten().copied()
}

/// The environment of this process. Names or values that are not Unicode come with replacement characters instead of a panic.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// The files of secrets that the environment names, as `HALLPASS__KEYS__SECRET_FILE` does, with the variables.
pub fn secret_files(env: impl Iterator<Item = (String, String)>) -> impl Iterator<Item = (String, PathBuf)> {
    layers::secret_files(env)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
