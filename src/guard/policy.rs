//! What a route asks of a token beyond being valid, said in a type.

use std::time::Duration;

use super::Refusal;
use crate::token::{AccessToken, Scope, scope};

/// Requirements of a route. The type is the policy; every constant has a default that asks for nothing.
///
/// ```
/// use std::time::Duration;
/// use hallpass::guard::{Policy, Require};
///
/// struct RefundOrders;
/// impl Policy for RefundOrders {
///     const SCOPE: &'static str = "orders:refund";
///     const MAX_AGE: Option<Duration> = Some(Duration::from_secs(300));
/// }
///
/// async fn refund(token: Require<RefundOrders>) -> String {
///     format!("{} proved who they are in the last five minutes", token.subject())
/// }
/// ```
///
/// A scope that cannot stand in a challenge does not compile:
///
/// ```compile_fail
/// use hallpass::guard::{Policy, Require};
///
/// struct Broken;
/// impl Policy for Broken {
///     const SCOPE: &'static str = "a \"quoted\" scope";
/// }
///
/// # fn main() {
/// let app = actix_web::App::new().route("/", actix_web::web::get().to(|_: Require<Broken>| async { "" }));
/// # }
/// ```
pub trait Policy: 'static {
    /// Scope tokens that must all be granted, space separated. Else 403 `insufficient_scope` naming them (RFC 6750 s3.1).
    const SCOPE: &'static str = "";
    /// A role that the token must have. Else 403 `insufficient_scope` without naming it.
    const ROLE: Option<&'static str> = None;
    /// Whether only people may pass. Else a client that speaks for itself gets 403 `user_token_required` (RFC 9700 s4.15).
    const PERSON: bool = false;
    /// How long ago the person may have proved who they are, in whole seconds. Else, or without `auth_time`, 401 `insufficient_user_authentication` (RFC 9470 s3).
    const MAX_AGE: Option<Duration> = None;
    /// The authentication context that `acr` must at least be: `"1"` one factor, `"2"` two. Else 401 as above.
    const ACR: Option<&'static str> = None;
}

/// The policy that any valid token satisfies.
#[derive(Debug)]
pub struct Anyone;

impl Policy for Anyone {}

/// Whether the token satisfies the policy at `now`. No allocation.
///
/// # Errors
/// The first requirement that is not met. What a new login cannot mend comes first, so that nobody is sent to log in for nothing.
pub fn authorize<P: Policy>(token: &AccessToken, now: i64) -> Result<(), Refusal> {
    const {
        assert!(
            can_stand_in_a_challenge(P::SCOPE) && can_stand_in_a_challenge_if(P::ACR),
            "SCOPE and ACR: printable ASCII, no quotes, no backslashes"
        )
    };
    if P::PERSON && !token.is_person() {
        return Err(Refusal::UserTokenRequired);
    }
    if !token.scope().covers(&Scope::trusted(P::SCOPE)) {
        return Err(Refusal::InsufficientScope { scope: P::SCOPE });
    }
    if P::ROLE.is_some_and(|role| !token.has_role(role)) {
        return Err(Refusal::InsufficientRole);
    }
    let age = token.auth_time().map(|auth_time| now.saturating_sub(auth_time));
    let too_old = P::MAX_AGE.is_some_and(|max_age| age.is_none_or(|age| age > max_age.as_secs() as i64));
    // `acr` values are compared as text of one length, "1" < "2"; any other length is weaker than what is asked for.
    let too_weak = P::ACR.is_some_and(|needed| token.acr().is_none_or(|acr| acr.len() != needed.len() || acr < needed));
    if too_old || too_weak {
        return Err(Refusal::InsufficientUserAuthentication { max_age: P::MAX_AGE.map(|age| age.as_secs()), acr: P::ACR });
    }
    Ok(())
}

const fn can_stand_in_a_challenge_if(text: Option<&str>) -> bool {
    match text {
        Some(text) => can_stand_in_a_challenge(text),
        None => true,
    }
}

const fn can_stand_in_a_challenge(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index] != b' ' && !scope::is_scope_byte(bytes[index]) {
            return false;
        }
        index += 1;
    }
    true
}
