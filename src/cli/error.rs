//! How a command can end, other than well: one sentence and an exit status.

use std::error::Error as _;
use std::io;
use std::process::ExitCode;

use crate::authority;
use crate::config;
use crate::serve;
use crate::store;

/// sysexits.h's EX_CONFIG.
const EX_CONFIG: u8 = 78;

/// Why a command ends early. The text is for the operator and holds no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The settings are to be mended. Exit 78.
    #[error("{0}")]
    Configuration(String),
    /// The command line is to be mended. Exit 2.
    #[error("{0}")]
    Usage(String),
    /// Anything else. Exit 1.
    #[error("{0}")]
    Failed(String),
    /// It failed, and everything about it has been printed. Exit 1.
    #[error("failed")]
    Reported,
    /// Nobody reads the output any more, as in `… | head -1`, and there was nothing but output. Exit 0.
    #[error("nobody reads the output any more")]
    ClosedPipe,
}

impl Error {
    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Error::Configuration(_) => ExitCode::from(EX_CONFIG),
            Error::Usage(_) => ExitCode::from(2),
            Error::Failed(_) | Error::Reported => ExitCode::FAILURE,
            Error::ClosedPipe => ExitCode::SUCCESS,
        }
    }

    /// What is to be printed, if anything is left to say.
    pub(super) fn sentence(&self) -> Option<&str> {
        match self {
            Error::Configuration(text) | Error::Usage(text) | Error::Failed(text) => Some(text),
            Error::Reported | Error::ClosedPipe => None,
        }
    }
}

/// The end of a command that looks at something, and has printed or could not print what it found: a verdict holds whether or not anybody
/// reads all of it, or a script that looks at a line only would take what is broken for good.
pub(super) fn ended(printed: Result<(), Error>, verdict: Result<(), Error>) -> Result<(), Error> {
    match (&printed, &verdict) {
        // It has not been reported, then.
        (Err(Error::Failed(_)), Err(Error::Reported)) => printed,
        _ => verdict.and(printed),
    }
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<serve::Error> for Error {
    fn from(error: serve::Error) -> Self {
        if error.is_configuration() { Self::Configuration(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Address { .. } => Self::Configuration(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<authority::Error> for Error {
    fn from(error: authority::Error) -> Self {
        match error {
            authority::Error::StoreUnavailable(cause) => cause.into(),
            error => Self::Failed(error.source().map_or_else(|| error.to_string(), ToString::to_string)),
        }
    }
}

/// Of standard output only: other I/O says itself which file it was about.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}
