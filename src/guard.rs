//! Guards the routes of any actix-web service with access tokens: no store, no lock, no waiting.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use hallpass::guard::{Guard, AccessToken};
//! use hallpass::token::{KeyRing, Verifier};
//!
//! # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = KeyRing::from_jwk_set(&std::fs::read_to_string("keys.json")?)?;
//! let guard = Guard::new(Verifier::new(keys, "https://auth.example.com", &["orders"])?);
//! HttpServer::new(move || App::new().app_data(guard.clone()).route("/orders", web::get().to(orders)))
//!     .bind("127.0.0.1:9000")?.run().await?;
//! # Ok(()) }
//!
//! async fn orders(token: AccessToken) -> String {
//!     format!("the orders of {}", token.subject())
//! }
//! ```
//!
//! A handler says what it needs by the type of its argument:
//!
//! | argument | no token | bad token | good token that lacks something |
//! |---|---|---|---|
//! | [`AccessToken`] | 401 | 401 | |
//! | [`MaybeAccessToken`] | `None` | 401 | |
//! | [`Require<P>`](Require) | 401 | 401 | 403, or 401 asking for a fresh login, as its [`Policy`] says |
//! | [`LiveSession<P>`](LiveSession) | 401 | 401 | the same, 403 for a client, 401 when the session is over, 503 when nobody knows: it waits for your look-up |
//!
//! A whole scope is guarded by [`Protect<P>`](Protect), as `web::scope("/admin").wrap(Protect::<Admin>::new())`.
//! A route whose application data has no [`Guard`] answers 500 and logs how to mend it: forgetting never means allowing.
//!
//! What hallpass revokes before it expires is refused here too where the verifier's deny list is fed: `Follower` of the feature `feed` does that
//! in the background, and [`Guard::with_freshness`] says what happens while it cannot.
//!
//! Browsers may send the token in a cookie where [`Guard::with_cookies`] says so; then 403 `csrf_failed` is what other sites' pages get.
//!
//! Refusals are the challenges of RFC 6750 s3 and RFC 9470 s3 with a problem document (RFC 9457) as body; [`Guard::render_with`] replaces
//! the body's format. `Option<AccessToken>` is not an optional login, since actix turns *any* error into `None`: use [`MaybeAccessToken`].

pub mod challenge;
pub mod cookie;
pub mod credential;
pub mod csrf;
mod extract;
#[cfg(feature = "service")]
#[doc(hidden)]
pub mod forwarded;
pub mod freshness;
pub mod live_session;
mod middleware;
pub mod policy;
#[cfg(feature = "testing")]
pub mod testing;

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "service")]
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

use crate::clock::Clock;
#[cfg(feature = "service")]
use crate::token::verify::SessionToEnd;
use crate::token::{InvalidToken, Verifier};

pub use crate::token::AccessToken;
pub use challenge::Refusal;
pub use csrf::{NotAnOrigin, TrustedOrigins};
#[cfg(feature = "service")]
#[doc(hidden)]
pub use extract::MaybeSessionToEnd;
pub use extract::{MaybeAccessToken, Require};
pub use freshness::{Freshness, WhenStale};
pub use live_session::{LiveSession, SessionLookup, SessionState, SessionStatus};
pub use middleware::Protect;
pub use policy::{Anyone, Policy};

/// Renders a refusal in the format of the guarded service. The status and the challenge are set after it, whatever it returns.
type Render = dyn Fn(&Refusal, &HttpRequest) -> HttpResponse + Send + Sync;
type Observe = dyn Fn(&HttpRequest, Result<&str, InvalidToken>) + Send + Sync;

/// What the extractors and the middleware work with. Put a clone into the application data: `App::new().app_data(guard.clone())`.
/// The innermost scope that has one counts. Put all of them there as they are: one that is there so hides any in a `web::Data`, inner ones too.
///
/// Clones share everything.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    verifier: Verifier,
    clock: Clock,
    render: Option<Arc<Render>>,
    observe: Option<Arc<Observe>>,
    /// Whose pages may use the cookie. None: there is no cookie.
    cookies: Option<TrustedOrigins>,
    /// Whether the deny list can be relied on. None: nobody feeds it.
    freshness: Option<Freshness>,
}

/// A request's token, kept with the request so that it is verified once; and by which guard, so that another guard does not believe it unseen.
struct Authenticated {
    guard: Guard,
    token: AccessToken,
}

impl Guard {
    /// A guard that believes what this verifier believes.
    pub fn new(verifier: Verifier) -> Self {
        Self(Arc::new(Inner { verifier, clock: Clock::System, render: None, observe: None, cookies: None, freshness: None }))
    }

    /// The same guard with another clock, for tests.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same guard with refusals in a format of your own. `WWW-Authenticate`, `Cache-Control` and the status are set for you.
    ///
    /// ```
    /// # use actix_web::HttpResponse;
    /// # fn with(guard: hallpass::guard::Guard) -> hallpass::guard::Guard {
    /// guard.render_with(|refusal, _request| HttpResponse::build(refusal.status()).body(refusal.code()))
    /// # }
    /// ```
    pub fn render_with(self, render: impl Fn(&Refusal, &HttpRequest) -> HttpResponse + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { render: Some(Arc::new(render)), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same guard, which tells of every token that it looks at: its subject, or why it is not believed. For counting, and for lines of a
    /// log; requests without a token are not told of. It is called before the request's handler, on its thread.
    ///
    /// ```
    /// # fn with(guard: hallpass::guard::Guard) -> hallpass::guard::Guard {
    /// guard.observe_with(|_request, verified| match verified {
    ///     Ok(subject) => log::debug!("a request of {subject}"),
    ///     Err(reason) => log::debug!("a bad token: {reason}"),
    /// })
    /// # }
    /// ```
    pub fn observe_with(self, observe: impl Fn(&HttpRequest, Result<&str, InvalidToken>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { observe: Some(Arc::new(observe)), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same guard that also takes the token from the cookie [`ACCESS_COOKIE`](cookie::ACCESS_COOKIE), which `/login` of hallpass sets when it is
    /// asked for `"transport":"cookie"`. For services that browsers reach on the same host as hallpass, since they send it nowhere else.
    ///
    /// A request that changes something, which is every one but GET, HEAD and OPTIONS, must then come from a page of the issuer's origin or of
    /// one of `allowed_origins`, or it gets 403 [`Refusal::CsrfFailed`]; so GET must change nothing. `Sec-Fetch-Site` or else `Origin` says so,
    /// and a proxy in front must pass both on. A request with a cookie and an `Authorization: Bearer` gets 400.
    ///
    /// An allowed origin may do everything that the person may: name only origins that are trusted as much as your own. What they may read
    /// is for your CORS settings to say. Answers of yours that a cache may keep need `Vary: Origin, Sec-Fetch-Site`.
    ///
    /// ```
    /// # use hallpass::guard::{Guard, NotAnOrigin};
    /// # fn with(guard: Guard) -> Result<Guard, NotAnOrigin> {
    /// let guard = guard.with_cookies(&[])?;
    /// # Ok(guard) }
    /// # fn and_with(guard: Guard) -> Result<Guard, NotAnOrigin> {
    /// // Or, for a single-page application on another origin of the same site:
    /// let guard = guard.with_cookies(&["https://app.example.com"])?;
    /// # Ok(guard) }
    /// ```
    ///
    /// # Errors
    /// [`NotAnOrigin`] when one of these, or the verifier's issuer, is no origin that a browser would send.
    pub fn with_cookies(self, allowed_origins: &[&str]) -> Result<Self, NotAnOrigin> {
        let origins = TrustedOrigins::new(self.0.verifier.issuer(), allowed_origins)?;
        Ok(Self(Arc::new(Inner { cookies: Some(origins), ..Arc::unwrap_or_clone(self.0) })))
    }

    /// The same guard that, while the verifier's deny list is staler than this allows, does what this says: [`WhenStale::Serve`] or
    /// [`WhenStale::Refuse`]. Looking costs a read of the monotonic clock, and that only where it may refuse.
    pub fn with_freshness(self, freshness: Freshness) -> Self {
        Self(Arc::new(Inner { freshness: Some(freshness), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The verifier in use.
    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// The token that this request carries, verified: what the extractors do, for code that has only the request.
    ///
    /// # Errors
    /// [`Refusal::MissingToken`], [`Refusal::InvalidRequest`], [`Refusal::InvalidToken`] or, with cookies, [`Refusal::CsrfFailed`];
    /// [`Refusal::Unavailable`] for a good token when the deny list is stale and [`WhenStale::Refuse`] asked for.
    pub fn authenticate(&self, request: &HttpRequest) -> Result<AccessToken, Refusal> {
        if let Some(known) = request.extensions().get::<Authenticated>()
            && Arc::ptr_eq(&known.guard.0, &self.0)
        {
            return Ok(known.token.clone());
        }
        let token = credential::token(request, self.0.cookies.as_ref())?.ok_or(Refusal::MissingToken)?;
        let verified = self.0.verifier.verify(token, self.0.clock.now());
        if let Some(observe) = &self.0.observe {
            observe(request, verified.as_ref().map(AccessToken::subject).map_err(|reason| *reason));
        }
        let token = verified.map_err(Refusal::InvalidToken)?;
        if self.0.freshness.as_ref().is_some_and(Freshness::refuses) { Err(Refusal::Unavailable) } else { Ok(token) }
    }

    #[cfg(feature = "service")]
    fn session_to_end(&self, request: &HttpRequest) -> Result<Option<SessionToEnd>, Refusal> {
        let Some(token) = credential::token(request, self.0.cookies.as_ref())? else {
            return Ok(None);
        };
        let verified = self.0.verifier.verify_for_logout(token, self.0.clock.now());
        match (&self.0.observe, &verified) {
            (Some(observe), Ok(Some(session))) => observe(request, Ok(&session.subject)),
            (Some(observe), Err(reason)) => observe(request, Err(*reason)),
            (None, _) | (_, Ok(None)) => {}
        }
        match verified {
            Ok(session) => session.ok_or(Refusal::UserTokenRequired).map(Some),
            // A cookie comes along unasked: one that is not believed must not keep the other one from ending the session.
            Err(_) if !request.headers().contains_key(AUTHORIZATION) => Ok(None),
            Err(reason) => Err(Refusal::InvalidToken(reason)),
        }
    }

    /// Whether this request may use cookies: what [`Guard::with_cookies`] asks of requests, for routes of your own that read or set others.
    ///
    /// # Errors
    /// [`Refusal::CsrfFailed`]; always for a guard without cookies.
    pub fn check_origin(&self, request: &HttpRequest) -> Result<(), Refusal> {
        match &self.0.cookies {
            Some(origins) => origins.check(request.method(), request.headers()),
            None => Err(Refusal::CsrfFailed),
        }
    }

    /// The answer to a refused request.
    pub fn refuse(&self, refusal: &Refusal, request: &HttpRequest) -> HttpResponse {
        match &self.0.render {
            Some(render) => challenge::with_challenge(refusal, render(refusal, request)),
            None => challenge::with_challenge(refusal, challenge::problem(refusal)),
        }
    }

    /// Remembers the token for the extractors behind the middleware.
    fn remember(&self, request: &impl actix_web::HttpMessage, token: AccessToken) {
        request.extensions_mut().insert(Authenticated { guard: self.clone(), token });
    }

    /// The guard of this request's application.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Guard, Refusal> {
        find(request).ok_or_else(|| {
            log::error!("a guarded route has no hallpass Guard: add `.app_data(guard.clone())` to the App or scope around it; until then it answers 500");
            Refusal::Misconfigured
        })
    }

    fn now(&self) -> i64 {
        self.0.clock.now()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("verifier", &self.0.verifier).finish_non_exhaustive()
    }
}

/// [`Guard::refuse`], or the plain answer when there is no guard to ask.
fn refuse(refusal: &Refusal, request: &HttpRequest) -> HttpResponse {
    match find(request) {
        Some(guard) => guard.refuse(refusal, request),
        None => challenge::with_challenge(refusal, challenge::problem(refusal)),
    }
}

fn find(request: &HttpRequest) -> Option<&Guard> {
    request.app_data::<Guard>().or_else(|| request.app_data::<actix_web::web::Data<Guard>>().map(|data| data.get_ref()))
}
