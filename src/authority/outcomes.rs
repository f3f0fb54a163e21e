//! How often the use cases that make tokens end in which way, for an operator to see. It decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseCase {
    /// A person logs in.
    Login,
    /// A session goes on.
    Refresh,
    /// A client gets a token.
    ClientCredentials,
    /// A person proves once more who they are.
    StepUp,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    InvalidCredentials,
    OtpRequired,
    InvalidRefreshToken,
    InvalidClient,
    SessionOver,
    InvalidScope,
    TooManyRequests,
    Busy,
    StoreUnavailable,
    /// What these use cases do not say, and our own faults.
    Error,
}

/// The counts of one process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Outcomes(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    login: [AtomicU64; Outcome::ALL.len()],
    refresh: [AtomicU64; Outcome::ALL.len()],
    client_credentials: [AtomicU64; Outcome::ALL.len()],
    step_up: [AtomicU64; Outcome::ALL.len()],
    /// Refresh tokens that two had.
    reuses: AtomicU64,
}

impl Outcomes {
    /// How often this use case ended in which way. Those that it knows are there from the start, so that a first time can be seen as one.
    pub fn of(&self, use_case: UseCase) -> Vec<(&'static str, u64)> {
        let counts = Outcome::ALL.iter().zip(self.0.of(use_case));
        let counts = counts.map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)));
        counts
            .filter(|(outcome, count)| *count > 0 || outcome.is_known_to(use_case))
            .map(|(outcome, count)| (outcome.name(), count))
            .collect()
    }

    /// How often a session ended because two had its refresh token.
    pub fn reuses(&self) -> u64 {
        self.0.reuses.load(Ordering::Relaxed)
    }

    pub(super) fn count<T>(&self, use_case: UseCase, outcome: &Result<T, Error>) {
        let outcome = Outcome::of(outcome);
        if let Some((_, count)) = Outcome::ALL.iter().zip(self.0.of(use_case)).find(|(known, _)| **known == outcome) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_reuse(&self) {
        self.0.reuses.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counts {
    fn of(&self, use_case: UseCase) -> &[AtomicU64] {
        match use_case {
            UseCase::Login => &self.login,
            UseCase::Refresh => &self.refresh,
            UseCase::ClientCredentials => &self.client_credentials,
            UseCase::StepUp => &self.step_up,
        }
    }
}

impl Outcome {
    const ALL: [Outcome; 11] = [
        Self::Ok,
        Self::InvalidCredentials,
        Self::OtpRequired,
        Self::InvalidRefreshToken,
        Self::InvalidClient,
        Self::SessionOver,
        Self::InvalidScope,
        Self::TooManyRequests,
        Self::Busy,
        Self::StoreUnavailable,
        Self::Error,
    ];

    fn of<T>(outcome: &Result<T, Error>) -> Self {
        match outcome {
            Ok(_) => Self::Ok,
            Err(Error::InvalidCredentials) => Self::InvalidCredentials,
            Err(Error::OtpRequired) => Self::OtpRequired,
            Err(Error::InvalidRefreshToken | Error::InvalidGrant) => Self::InvalidRefreshToken,
            Err(Error::InvalidClient) => Self::InvalidClient,
            Err(Error::SessionOver) => Self::SessionOver,
            Err(Error::InvalidScope) => Self::InvalidScope,
            Err(Error::TooManyRequests { .. }) => Self::TooManyRequests,
            Err(Error::Busy) => Self::Busy,
            Err(Error::StoreUnavailable(_)) => Self::StoreUnavailable,
            Err(_) => Self::Error,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::InvalidCredentials => "invalid_credentials",
            Self::OtpRequired => "otp_required",
            Self::InvalidRefreshToken => "invalid_refresh_token",
            Self::InvalidClient => "invalid_client",
            Self::SessionOver => "session_over",
            Self::InvalidScope => "invalid_scope",
            Self::TooManyRequests => "too_many_requests",
            Self::Busy => "busy",
            Self::StoreUnavailable => "store_unavailable",
            Self::Error => "error",
        }
    }

    fn is_known_to(self, use_case: UseCase) -> bool {
        match self {
            Self::Ok | Self::TooManyRequests | Self::StoreUnavailable | Self::Error => true,
            Self::InvalidCredentials | Self::Busy => matches!(use_case, UseCase::Login | UseCase::StepUp),
            Self::OtpRequired => use_case == UseCase::Login,
            Self::InvalidRefreshToken => use_case == UseCase::Refresh,
            Self::InvalidClient => use_case == UseCase::ClientCredentials,
            Self::SessionOver => use_case == UseCase::StepUp,
            Self::InvalidScope => matches!(use_case, UseCase::Login | UseCase::Refresh | UseCase::ClientCredentials),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_happen_is_there_before_it_does_and_what_cannot_only_after() {
        let outcomes = Outcomes::default();
        let names = |use_case| outcomes.of(use_case).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert!(!names(UseCase::StepUp).contains(&"invalid_scope"));
        outcomes.count::<()>(UseCase::StepUp, &Err(Error::InvalidScope));
        outcomes.count(UseCase::StepUp, &Ok(()));
        assert!(outcomes.of(UseCase::StepUp).contains(&("invalid_scope", 1)) && outcomes.of(UseCase::StepUp).contains(&("ok", 1)));
        assert!(outcomes.of(UseCase::Login).iter().all(|(_, count)| *count == 0), "each use case has counts of its own");
    }
}
