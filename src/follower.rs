//! Keeps the deny list of a guarded service up to date, so that who logs out at hallpass is refused here within two seconds (feature `feed`).
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use actix_web::{App, HttpServer, web};
//! use hallpass::follower::Follow;
//! use hallpass::guard::{AccessToken, Guard, WhenStale};
//! use hallpass::token::{KeyRing, Verifier};
//!
//! # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = KeyRing::from_jwk_set(&std::fs::read_to_string("keys.json")?)?;
//! let verifier = Verifier::new(keys, "https://auth.example.com", &["orders"])?;
//! // Of `hallpass client add orders --scope hallpass:revocations`.
//! let secret = std::fs::read_to_string("/run/secrets/orders")?;
//! let follower = Follow::new(&verifier, "https://auth.example.com", "cli_…", secret.trim_end())
//!     .when_stale(WhenStale::Refuse)
//!     .start()?;
//! // Who would rather start late than without knowing what was revoked waits here; `WhenStale` says what happens to those who do not.
//! follower.caught_up().await;
//!
//! let guard = Guard::new(verifier).with_freshness(follower.freshness());
//! HttpServer::new(move || App::new().app_data(guard.clone()).route("/orders", web::get().to(orders)))
//!     .bind("127.0.0.1:9000")?.run().await?;
//! drop(follower); // It stops when it is dropped: keep it as long as the server.
//! # Ok(()) }
//!
//! async fn orders(token: AccessToken) -> String {
//!     format!("the orders of {}", token.subject())
//! }
//! ```
//!
//! It is one task of the runtime that starts it. It gets a token of its own by client credentials and renews it in time, reads the whole list,
//! and then holds one question at a time open, which hallpass answers as soon as something is revoked. Guarded requests never wait for it and
//! take no lock: they look into the [`RevocationList`] of the verifier, which it fills.
//!
//! | what happens | what it does |
//! |---|---|
//! | hallpass is down, slow, hung up, overloaded, or says what cannot be understood | tries again after 0.2 s, then after twice as long each time up to 10 s, less a random part, and not before `Retry-After` says; one line in the log when it starts, one when it is over |
//! | hallpass is back | goes on where it was: entries may come twice, none is left out |
//! | its token ends, or its key is retired | gets a new one |
//! | the address belongs to another issuer than the verifier's | takes nothing from there, and says so |
//! | nothing complete was heard for [`Follow::stale_after`] | the guard does what [`WhenStale`] says; [`Freshness::age`] tells probes and metrics |
//!
//! https goes by rustls with the certificate authorities that browsers trust, compiled in, or with [yours](Follow::trusting) alone. Plain http is
//! taken to loopback addresses, and elsewhere only when [told so](Follow::over_plain_http). Proxy settings of the environment are not read, and
//! redirects are not followed: name the address that answers.
//!
//! The list holds [`RevocationList::CAPACITY`] entries. Whoever starts with more than that behind them is told of none before: no token issued
//! until 150 seconds later is believed.

mod course;
mod hallpass;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hyper::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::guard::{Freshness, WhenStale};
use crate::token::{RevocationList, Verifier};
use course::Course;
use hallpass::{Credentials, Hallpass};

/// [`Follow::stale_after`] unless said otherwise: as long as a replica of hallpass itself may be deaf before it is taken out of traffic.
const STALE_AFTER: Duration = Duration::from_secs(30);
const STALE_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(3)..=Duration::from_secs(3600);

/// What to follow, and how. [`Follow::start`] makes a [`Follower`] of it.
#[must_use = "nothing is followed before `start`"]
#[derive(Clone, Debug)]
pub struct Follow {
    url: String,
    issuer: String,
    credentials: Credentials,
    revocations: RevocationList,
    clock: Clock,
    stale_after: Duration,
    when_stale: WhenStale,
    authorities: Option<Vec<u8>>,
    takes_plain_http: bool,
}

/// A setting by which nothing can be followed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CannotFollow {
    /// No address, or one with a query, a fragment or credentials in it.
    #[error("the address of hallpass must be like https://auth.example.com")]
    NotAnAddress,
    /// The client's secret would be sent for everybody to read.
    #[error(
        "plain http to {host} would show the client's secret to everybody on the way: use https, or say `over_plain_http` where nobody is"
    )]
    PlainHttp {
        /// Where to.
        host: String,
    },
    /// What should be certificates is none.
    #[error("there is no usable certificate in what is to be trusted")]
    Certificate,
    /// See [`Follow::stale_after`].
    #[error("the deny list may be stale for 3 seconds to an hour")]
    StaleAfter,
    /// rustls does not work in this process.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// `start` was called outside of a runtime.
    #[error("there is no tokio runtime here: start it in the async function that starts the server")]
    NoRuntime,
}

impl Follow {
    /// Brings what hallpass at `url` revokes to this verifier's deny list. The client needs the scope `hallpass:revocations`.
    ///
    /// `url` is where hallpass is reached from here, which may be another address than the issuer. Whether it is the verifier's issuer that
    /// answers there is checked before anything is believed (RFC 8414 s3.3).
    pub fn new(verifier: &Verifier, url: &str, client_id: &str, client_secret: &str) -> Self {
        Self {
            url: url.to_owned(),
            issuer: verifier.issuer().to_owned(),
            credentials: Credentials::new(client_id, client_secret),
            revocations: verifier.revocations().clone(),
            clock: Clock::System,
            stale_after: STALE_AFTER,
            when_stale: WhenStale::default(),
            authorities: None,
            takes_plain_http: false,
        }
    }

    /// What guards do while the list is stale. By default they go on. Only those know of it that were told by
    /// [`Guard::with_freshness`](crate::guard::Guard::with_freshness).
    pub fn when_stale(self, when_stale: WhenStale) -> Self {
        Self { when_stale, ..self }
    }

    /// How long ago hallpass may have been heard of last: 3 s to 1 h, 30 s by default. When nothing is revoked, it is heard of three times as
    /// often. What it tells may itself be ten seconds old, when it has lost its store: after that it tells nothing.
    pub fn stale_after(self, stale_after: Duration) -> Self {
        Self { stale_after, ..self }
    }

    /// Trusts these certificate authorities (PEM), and no other.
    pub fn trusting(self, pem: &[u8]) -> Self {
        Self { authorities: Some(pem.to_owned()), ..self }
    }

    /// Takes plain http also to other machines: for networks where something else encrypts what goes from pod to pod.
    pub fn over_plain_http(self) -> Self {
        Self { takes_plain_http: true, ..self }
    }

    /// With another clock, for tests.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Starts following, on the runtime that this is called on. Does not wait for anything: see [`Follower::caught_up`].
    ///
    /// # Errors
    /// [`CannotFollow`] in one sentence, when a setting has to be mended. An outage is none: that is waited for.
    pub fn start(self) -> Result<Follower, CannotFollow> {
        if !STALE_RANGE.contains(&self.stale_after) {
            return Err(CannotFollow::StaleAfter);
        }
        let runtime = Handle::try_current().map_err(|_| CannotFollow::NoRuntime)?;
        let url = address(&self.url, self.takes_plain_http)?;
        let authorities = self.authorities.as_deref().map(certificates).transpose()?;
        let hallpass = Hallpass::new(url, self.issuer, self.credentials, authorities)?;
        let freshness = Freshness::new(self.stale_after, self.when_stale);
        let (said, caught_up) = watch::channel(false);
        let wait = (self.stale_after / 3).clamp(Duration::from_secs(1), Duration::from_secs(20));
        let course = Course::new(hallpass, self.revocations, freshness.clone(), self.clock, said);
        let task = runtime.spawn(course.run(wait)).abort_handle();
        Ok(Follower { freshness, caught_up, task })
    }
}

/// Follows hallpass until it is dropped, which gives its connections up at once. The list keeps what it has.
#[must_use = "it stops when it is dropped"]
pub struct Follower {
    freshness: Freshness,
    caught_up: watch::Receiver<bool>,
    task: AbortHandle,
}

impl Follower {
    /// How fresh the list is, for [`Guard::with_freshness`](crate::guard::Guard::with_freshness), probes and metrics.
    pub fn freshness(&self) -> Freshness {
        self.freshness.clone()
    }

    /// Waits until the list was complete for the first time. Put a time limit around it if you would rather start without.
    pub async fn caught_up(&self) {
        // The other end is dropped only when the runtime ends, and whoever waits with it.
        if self.caught_up.clone().wait_for(|is_so| *is_so).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("freshness", &self.freshness).finish_non_exhaustive()
    }
}

/// The address without the slash at its end.
fn address(text: &str, takes_plain_http: bool) -> Result<String, CannotFollow> {
    let uri: Uri = text.parse().map_err(|_| CannotFollow::NotAnAddress)?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host().filter(|host| !host.is_empty())) else {
        return Err(CannotFollow::NotAnAddress);
    };
    // A `#` is cut off by the parser, and what is behind it nobody meant.
    if text.contains(['#', '@', '?']) || !["http", "https"].contains(&scheme) {
        return Err(CannotFollow::NotAnAddress);
    }
    if scheme == "http" && !takes_plain_http && !is_loopback(host) {
        return Err(CannotFollow::PlainHttp { host: host.to_owned() });
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CannotFollow> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(CannotFollow::Certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_unless_told_otherwise() {
        let plain = |host: &str| Err(CannotFollow::PlainHttp { host: host.into() });
        for (text, address_of_it) in [
            ("https://auth.example.com/", Ok("https://auth.example.com".to_owned())),
            ("https://10.0.0.1:8443/hallpass", Ok("https://10.0.0.1:8443/hallpass".to_owned())),
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080".to_owned())),
            ("http://[::1]:8080", Ok("http://[::1]:8080".to_owned())),
            ("http://localhost", Ok("http://localhost".to_owned())),
            ("http://hallpass:8080", plain("hallpass")),
            ("http://localhost.example.com", plain("localhost.example.com")),
            ("http://10.0.0.1", plain("10.0.0.1")),
        ] {
            assert_eq!(address(text, false), address_of_it, "{text}");
        }
        assert_eq!(address("http://hallpass:8080", true), Ok("http://hallpass:8080".to_owned()));
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for text in
            ["", "auth.example.com", "/", "https://", "ftp://x", "https://u:p@x", "https://x?y", "https://x#y", "https://x y", "unix:/x"]
        {
            assert_eq!(address(text, true), Err(CannotFollow::NotAnAddress), "{text}");
        }
    }

    #[test]
    fn what_is_to_be_trusted_must_hold_a_certificate() {
        for pem in ["", "x", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert_eq!(certificates(pem.as_bytes()).err(), Some(CannotFollow::Certificate), "{pem}");
        }
    }
}
