//! What it means on the wire that a use case said no.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::StatusCode;

use super::error::{NOT_ADMIN, Problem, SESSION_OVER, TOO_WEAK, internal, invalid_client, malformed};
use crate::authority;

pub(super) fn authority_problem(error: &authority::Error) -> Problem {
    use authority::Error as Authority;
    let new = Problem::new;
    match error {
        Authority::InvalidCredentials => {
            new(StatusCode::UNAUTHORIZED, "invalid_credentials", "The e-mail address, the password or the code is wrong.")
        }
        Authority::OtpRequired => new(StatusCode::UNAUTHORIZED, "otp_required", "This account also needs a one-time code."),
        Authority::WeakLogin => Problem::refused(&TOO_WEAK),
        Authority::TooManyRequests { retry_after } => {
            let problem = new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests. Wait before the next one.");
            Problem { retry_after: Some(*retry_after), ..problem }
        }
        Authority::InvalidRefreshToken => {
            new(StatusCode::UNAUTHORIZED, "invalid_refresh_token", "The refresh token is not valid any more. Log in again.")
        }
        Authority::InvalidClient => invalid_client(),
        Authority::InvalidGrant => new(StatusCode::BAD_REQUEST, "invalid_grant", "The refresh token is not valid any more. Log in again."),
        Authority::UnauthorizedClient => new(StatusCode::BAD_REQUEST, "unauthorized_client", "The client is not allowed to do this."),
        Authority::UnsupportedGrantType => new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "This grant type is not given here: use client_credentials or refresh_token.",
        ),
        Authority::SessionOver => Problem::refused(&SESSION_OVER),
        Authority::TwoSessions => malformed(),
        Authority::InvalidScope => new(StatusCode::BAD_REQUEST, "invalid_scope", "The requested scope is malformed or not held."),
        Authority::Busy => Problem::unavailable(staggered()),
        Authority::StoreUnavailable(_) => Problem::unavailable(3),
        Authority::Conflict => new(StatusCode::CONFLICT, "conflict", "This exists already, or somebody else changed it just now."),
        Authority::NotAdmin => Problem::refused(&NOT_ADMIN),
        Authority::ScopeNotHeld => new(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "This takes every scope that is handed out, or that the account or client holds.",
        ),
        Authority::OwnRights => new(StatusCode::CONFLICT, "conflict", "Nobody does this to themselves: another administrator has to."),
        Authority::LastAdmin => new(StatusCode::CONFLICT, "conflict", "This is the last administrator who can log in."),
        Authority::NotFound => new(StatusCode::NOT_FOUND, "not_found", "There is nothing here."),
        Authority::Invalid { field, violations } => {
            let problem = new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "Some values are not acceptable.");
            Problem { violations: Some((field, violations.clone())), ..problem }
        }
        Authority::Internal(_) => internal(),
    }
}

/// 1, 2 or 3 seconds in turn, so that those who are refused together do not come back together.
fn staggered() -> u64 {
    static TURN: AtomicU64 = AtomicU64::new(0);
    1 + TURN.fetch_add(1, Ordering::Relaxed) % 3
}
