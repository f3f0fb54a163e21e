//! The one extractor that waits: for routes that must not be served out of a session that ended a moment ago.
//!
//! Everywhere else a token is believed until it expires or the deny list names it. A route that takes a [`LiveSession`] asks besides, for
//! every request, whoever keeps the sessions; the type in the signature shows the cost. It knows no store: the service brings the look-up.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{Error, FromRequest, HttpRequest};
use futures_util::future::{FutureExt as _, LocalBoxFuture};

use super::policy::{self, Anyone, Policy};
use super::{AccessToken, Guard, Refusal, extract};
use crate::token::InvalidToken;

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// It goes on.
    Live,
    /// It has ended or timed out, or there is none: 401 `invalid_token`.
    Over,
}

/// Knows whether sessions are live. Put a [`SessionLookup`] of it into the application's data.
///
/// It is asked once for each request to a route that takes a [`LiveSession`], after the token was verified and the policy satisfied, and the
/// request waits for the answer: one look-up by primary key is what it should cost. It must end by itself, so give it a time limit.
///
/// ```
/// use hallpass::guard::{AccessToken, SessionState, SessionStatus};
/// # struct Pool;
/// # impl Pool { async fn exists(&self, _: &str, _: &str, _: &str) -> Result<bool, std::io::Error> { Ok(true) } }
///
/// struct Sessions {
///     pool: Pool,
/// }
///
/// impl SessionStatus for Sessions {
///     type Error = std::io::Error;
///
///     async fn session_state(&self, token: &AccessToken) -> Result<SessionState, Self::Error> {
///         let sid = token.session_id().unwrap_or_default();
///         let select = "SELECT 1 FROM session WHERE id = $1 AND subject = $2 AND ended_at IS NULL";
///         let is_live = self.pool.exists(select, sid, token.subject()).await?;
///         Ok(if is_live { SessionState::Live } else { SessionState::Over })
///     }
/// }
/// ```
pub trait SessionStatus: Send + Sync + 'static {
    /// Why it is not known. Goes to the log, never to the client.
    type Error: Into<Box<dyn StdError + Send + Sync>>;

    /// The state of the session that this token is of ([`AccessToken::session_id`], always there when this is called).
    ///
    /// # Errors
    /// It could not be found out: the request is answered 503 `temporarily_unavailable` with `Retry-After`, and is never let through.
    fn session_state(&self, token: &AccessToken) -> impl Future<Output = Result<SessionState, Self::Error>>;
}

/// A [`SessionStatus`] for the application's data. Clones share it.
///
/// ```
/// use actix_web::{App, web};
/// use hallpass::guard::{Guard, LiveSession, SessionLookup, SessionStatus};
///
/// fn app(guard: Guard, sessions: impl SessionStatus) {
///     let lookup = SessionLookup::new(sessions);
///     App::new().app_data(guard).app_data(lookup).route("/keys", web::delete().to(delete_keys));
/// }
///
/// async fn delete_keys(session: LiveSession) -> String {
///     format!("{} is still logged in", session.subject())
/// }
/// ```
#[derive(Clone)]
pub struct SessionLookup(Arc<dyn Lookup>);

impl SessionLookup {
    /// Asks this one.
    pub fn new(sessions: impl SessionStatus) -> Self {
        Self(Arc::new(sessions))
    }

    fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        let found = request.app_data::<Self>().or_else(|| request.app_data::<Data<Self>>().map(|data| data.get_ref()));
        found.cloned().ok_or_else(|| {
            log::error!("a route that takes a LiveSession has no hallpass SessionLookup: add `.app_data(lookup.clone())` to the App or scope around it; until then it answers 500");
            Refusal::Misconfigured
        })
    }
}

impl fmt::Debug for SessionLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionLookup")
    }
}

/// [`SessionStatus`] without its types, so that it can be found in the application's data.
trait Lookup: Send + Sync {
    fn require_live<'a>(&'a self, token: &'a AccessToken) -> LocalBoxFuture<'a, Result<(), Refusal>>;
}

impl<S: SessionStatus> Lookup for S {
    fn require_live<'a>(&'a self, token: &'a AccessToken) -> LocalBoxFuture<'a, Result<(), Refusal>> {
        let state = self.session_state(token);
        state.map(|state| state.map_err(|error| unknown(error.into().as_ref())).and_then(SessionState::require_live)).boxed_local()
    }
}

impl SessionState {
    fn require_live(self) -> Result<(), Refusal> {
        match self {
            SessionState::Live => Ok(()),
            // A token is as good as its session.
            SessionState::Over => Err(Refusal::InvalidToken(InvalidToken::Revoked)),
        }
    }
}

fn unknown(error: &(dyn StdError + 'static)) -> Refusal {
    let (mut causes, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        causes = format!("{causes}: {cause}");
        source = cause.source();
    }
    log::error!("a session could not be looked up, so its request is answered 503: {causes}");
    Refusal::Unavailable
}

/// A person's token that satisfies the policy `P`, of a session that was live when the request came. Reads like the token itself.
///
/// | | |
/// |---|---|
/// | no token, a bad one, or the policy is not satisfied | as with [`Require<P>`](super::Require), and nothing is looked up |
/// | a client's token, which has no session | 403 `user_token_required` |
/// | the session is over | 401 `invalid_token` |
/// | nobody knows | 503 `temporarily_unavailable` |
/// | the application's data has no [`SessionLookup`] | 500, and a log line that says how to mend it |
#[derive(Debug)]
pub struct LiveSession<P = Anyone> {
    token: AccessToken,
    policy: PhantomData<fn() -> P>,
}

impl<P> LiveSession<P> {
    /// The session's id.
    pub fn id(&self) -> &str {
        self.token.session_id().unwrap_or_default()
    }

    /// The token.
    pub fn into_inner(self) -> AccessToken {
        self.token
    }
}

impl<P> Deref for LiveSession<P> {
    type Target = AccessToken;

    fn deref(&self) -> &AccessToken {
        &self.token
    }
}

impl<P: Policy> FromRequest for LiveSession<P> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let token = live_token::<P>(&request).await.map_err(|refusal| extract::answer(refusal, &request))?;
            Ok(Self { token, policy: PhantomData })
        }
        .boxed_local()
    }
}

async fn live_token<P: Policy>(request: &HttpRequest) -> Result<AccessToken, Refusal> {
    let (guard, lookup) = (Guard::of(request)?, SessionLookup::of(request)?);
    let token = guard.authenticate(request)?;
    if !token.is_person() {
        return Err(Refusal::UserTokenRequired);
    }
    policy::authorize::<P>(&token, guard.now())?;
    lookup.0.require_live(&token).await?;
    Ok(token)
}
