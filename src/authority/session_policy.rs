//! How long a session lives, and what a refresh token of this or that generation means. Pure: `now` is passed in.

use std::time::Duration;

use crate::config;
use crate::store::session::Session;

/// How long the strength of a step-up lasts: as long as routes that ask for one take it for recent.
const STEP_UP_LASTS: Duration = Duration::from_secs(300);

/// The rules by which sessions live and end.
#[derive(Clone, Copy, Debug)]
pub struct SessionPolicy {
    /// A session that is not refreshed for this long is over.
    pub idle_timeout: Duration,
    /// A session this old is over.
    pub absolute_timeout: Duration,
    /// How long after a rotation the token that was used may come again. Zero: not at all.
    pub refresh_grace: Duration,
}

/// What a refresh token that is certainly ours means for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The session was ended or has timed out, so that no token of it means anything; or this one is of a time that the store has forgotten.
    Over,
    /// The one token that is good.
    Current,
    /// The one before it, used a moment ago: an answer was lost, or two asked at once. The current one has not been used, or it would not be
    /// the current one any more.
    Predecessor,
    /// Anything else: two hold what one was given, and there is no telling which of them is the person.
    Reused,
}

impl From<&config::Sessions> for SessionPolicy {
    fn from(settings: &config::Sessions) -> Self {
        Self { idle_timeout: settings.idle_timeout, absolute_timeout: settings.absolute_timeout, refresh_grace: settings.refresh_grace }
    }
}

impl SessionPolicy {
    /// When the session is over unless it is refreshed before (NumericDate).
    pub fn expires_at(&self, session: &Session) -> i64 {
        later(session.rotated_at, self.idle_timeout).min(later(session.created_at, self.absolute_timeout))
    }

    /// Whether the session is neither ended nor timed out.
    pub fn is_live(&self, session: &Session, now: i64) -> bool {
        session.ended_at.is_none() && now < self.expires_at(session)
    }

    /// What a token of this generation means.
    pub fn standing(&self, session: &Session, generation: u32, now: i64) -> Standing {
        // A token of a later generation is ours too, but the row has not got there: it came out of a backup. Nobody stole anything.
        if !self.is_live(session, now) || generation > session.generation {
            return Standing::Over;
        }
        if generation == session.generation {
            return Standing::Current;
        }
        // Times are whole seconds. Whoever was promised so many must get all of them, so the last one counts too.
        let in_time = !self.refresh_grace.is_zero() && now <= later(session.rotated_at, self.refresh_grace);
        if in_time && generation.checked_add(1) == Some(session.generation) { Standing::Predecessor } else { Standing::Reused }
    }
}

/// By which means the person proved who they are, and how strong that was, as a token issued at `now` may say it.
///
/// A step-up counts for what it was while it is recent. Later the session is as strong as the weaker of it and the login: the one strong
/// moment is over, and the time of a weak one must never stand beside the strength of another.
pub fn proven(session: &Session, now: i64) -> (&[String], &str) {
    match &session.step_up {
        // Compared as text of one length, "1" < "2".
        Some(step_up) if now <= later(session.auth_time, STEP_UP_LASTS) || step_up.acr < session.acr => (&step_up.amr, &step_up.acr),
        _ => (&session.amr, &session.acr),
    }
}

fn later(moment: i64, by: Duration) -> i64 {
    moment.saturating_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::session::StepUp;

    const POLICY: SessionPolicy = SessionPolicy {
        idle_timeout: Duration::from_secs(100),
        absolute_timeout: Duration::from_secs(250),
        refresh_grace: Duration::from_secs(10),
    };

    fn session(generation: u32, rotated_at: i64) -> Session {
        Session {
            id: "s".into(),
            account_id: "usr_a".into(),
            seed: [0; 32],
            generation,
            scope: None,
            amr: vec![],
            acr: "1".into(),
            password_changed_at: None,
            created_at: 1000,
            auth_time: 1000,
            step_up: None,
            rotated_at,
            ended_at: None,
            device: Default::default(),
        }
    }

    #[test]
    fn d11_a_session_ends_when_idle_and_sliding_never_outlives_the_absolute_timeout() {
        for (rotated_at, live_at, over_at) in [(1000, 1099, 1100), (1090, 1189, 1190), (1240, 1249, 1250)] {
            let session = session(3, rotated_at);
            assert_eq!(POLICY.standing(&session, 3, live_at), Standing::Current, "{rotated_at}");
            assert_eq!(POLICY.standing(&session, 3, over_at), Standing::Over, "{rotated_at}");
        }
    }

    #[test]
    fn d3_d4_d5_only_the_direct_predecessor_is_excused_and_only_for_the_grace() {
        let session = session(3, 1050);
        assert_eq!(POLICY.standing(&session, 3, 1060), Standing::Current);
        assert_eq!(POLICY.standing(&session, 2, 1060), Standing::Predecessor);
        assert_eq!(POLICY.standing(&session, 2, 1061), Standing::Reused);
        for generation in [0, 1] {
            assert_eq!(POLICY.standing(&session, generation, 1050), Standing::Reused, "{generation}");
        }
        for generation in [4, u32::MAX] {
            assert_eq!(POLICY.standing(&session, generation, 1050), Standing::Over, "l24: {generation}");
        }
    }

    #[test]
    fn g6_the_strength_of_a_step_up_lasts_300_seconds_and_a_weak_one_never_borrows_that_of_the_login() {
        let proof = |acr: &str| (vec![format!("by {acr}")], acr.to_owned());
        let stepped_up = |login: &str, step_up: &str| {
            let ((amr, acr), (step_up_amr, step_up_acr)) = (proof(login), proof(step_up));
            Session { amr, acr, auth_time: 2000, step_up: Some(StepUp { amr: step_up_amr, acr: step_up_acr }), ..session(0, 1000) }
        };
        for (login, step_up, recent, later) in [("1", "2", "2", "1"), ("1", "1", "1", "1"), ("2", "2", "2", "2"), ("2", "1", "1", "1")] {
            let session = stepped_up(login, step_up);
            for (now, expected) in [(2000, recent), (2300, recent), (2301, later), (i64::MAX, later)] {
                let (amr, acr) = proof(expected);
                assert_eq!(proven(&session, now), (&amr[..], acr.as_str()), "{login} {step_up} {now}");
            }
        }
        assert_eq!(proven(&session(0, 1000), 5000).1, "1");
    }

    #[test]
    fn a_grace_of_zero_excuses_nobody() {
        let strict = SessionPolicy { refresh_grace: Duration::ZERO, ..POLICY };
        assert_eq!(strict.standing(&session(3, 1050), 2, 1050), Standing::Reused);
    }

    #[test]
    fn an_ended_session_is_over_for_every_token_of_it() {
        let ended = Session { ended_at: Some(1050), ..session(3, 1050) };
        for generation in [0, 2, 3, 4] {
            assert_eq!(POLICY.standing(&ended, generation, 1051), Standing::Over);
        }
    }

    #[test]
    fn d26_a_clock_that_steps_back_or_stands_at_the_end_of_time_panics_nobody() {
        let session = session(3, 1050);
        for now in [i64::MIN, 0, 400, i64::MAX] {
            for generation in [0, 2, 3] {
                POLICY.standing(&session, generation, now);
            }
        }
        assert_eq!(POLICY.standing(&session, 3, 400), Standing::Current);
        assert_eq!(POLICY.standing(&session, 1, 400), Standing::Reused);
    }
}
