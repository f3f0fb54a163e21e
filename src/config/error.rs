//! The one error of the configuration: a sentence for the operator, without the value.

/// Why the settings cannot be used. The text never holds a value, only names, so that no secret can slip into it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is unknown, missing, malformed, out of range or at odds with another.
    #[error("{setting}{origin} {problem}")]
    Setting {
        /// `section.key`, or the name of the environment variable when it is none of ours.
        setting: String,
        /// Where the value came from, as ` (set by …)`; empty for a default.
        origin: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The configuration file itself cannot be used.
    #[error("the configuration file {path} {problem}")]
    File {
        /// The file as the operator named it.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl Error {
    pub(super) fn setting(setting: &str, problem: impl Into<String>) -> Self {
        Self::Setting { setting: setting.to_owned(), origin: String::new(), problem: problem.into() }
    }

    /// Names the variable, flag or file that the value came from.
    pub(super) fn set_by(self, origin: &str) -> Self {
        match self {
            Self::Setting { setting, problem, .. } => Self::Setting { setting, origin: format!(" (set by {origin})"), problem },
            Self::File { .. } => self,
        }
    }
}
