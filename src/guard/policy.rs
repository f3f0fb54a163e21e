//! What a route asks of a token beyond being valid, said in a type.

use std::borrow::Cow;
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
    let needs =
        Requirements { scope: Scope::trusted(P::SCOPE), role: P::ROLE, person: P::PERSON, max_age: P::MAX_AGE.map(seconds), acr: P::ACR };
    needs.check(token, now).map_err(|lack| lack.refusal(Cow::Borrowed(P::SCOPE), P::MAX_AGE.map(seconds), P::ACR))
}

/// What a [`Policy`] says, as values: for whoever learns only from a request what a route needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requirements<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) role: Option<&'a str>,
    pub(super) person: bool,
    pub(super) max_age: Option<u64>,
    pub(super) acr: Option<&'a str>,
}

/// The first requirement that is not met.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lack {
    Person,
    Scope,
    Role,
    Login,
}

impl Requirements<'_> {
    /// What a new login cannot mend comes first, so that nobody is sent to log in for nothing.
    pub(super) fn check(&self, token: &AccessToken, now: i64) -> Result<(), Lack> {
        if self.person && !token.is_person() {
            return Err(Lack::Person);
        }
        if !token.scope().covers(&self.scope) {
            return Err(Lack::Scope);
        }
        if self.role.is_some_and(|role| !token.has_role(role)) {
            return Err(Lack::Role);
        }
        let age = token.auth_time().map(|auth_time| now.saturating_sub(auth_time));
        let most = self.max_age.map(|max_age| i64::try_from(max_age).unwrap_or(i64::MAX));
        let too_old = most.is_some_and(|most| age.is_none_or(|age| age > most));
        // `acr` values are compared as text of one length, "1" < "2"; any other length is weaker than what is asked for.
        let too_weak = self.acr.is_some_and(|needed| token.acr().is_none_or(|acr| acr.len() != needed.len() || acr < needed));
        if too_old || too_weak { Err(Lack::Login) } else { Ok(()) }
    }
}

impl Lack {
    /// How it is said, naming what was asked for.
    pub(super) fn refusal(self, scope: Cow<'static, str>, max_age: Option<u64>, acr: Option<&'static str>) -> Refusal {
        match self {
            Lack::Person => Refusal::UserTokenRequired,
            Lack::Scope => Refusal::InsufficientScope { scope },
            Lack::Role => Refusal::InsufficientRole,
            Lack::Login => Refusal::InsufficientUserAuthentication { max_age, acr },
        }
    }
}

fn seconds(age: Duration) -> u64 {
    age.as_secs()
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
