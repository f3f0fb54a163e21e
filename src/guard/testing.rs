//! Tokens for the tests of guarded services: a guard that believes them, and an issuer that makes them.

use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::Guard;
use super::cookie::ACCESS_COOKIE;
use crate::clock::{Clock, TestClock};
use crate::token::{KeyRing, RevocationList, Signer, Verifier};

/// An issuer with a key of its own, made anew for every instance, and a clock that tests may move.
///
/// ```
/// use actix_web::{App, test, web};
/// use hallpass::guard::{AccessToken, testing::TestIssuer};
///
/// # #[actix_web::main] async fn main() {
/// let issuer = TestIssuer::new();
/// let app = test::init_service(
///     App::new().app_data(issuer.guard()).route("/", web::get().to(|token: AccessToken| async move { token.subject().to_owned() })),
/// ).await;
///
/// let request = test::TestRequest::get().insert_header(issuer.person("usr_1").scope("orders:read").bearer()).to_request();
/// assert_eq!(test::call_and_read_body(&app, request).await, "usr_1");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestIssuer {
    keys: KeyRing,
    signer: Signer,
    revocations: RevocationList,
    clock: TestClock,
}

/// The issuer that test tokens name.
pub const ISSUER: &str = "https://issuer.test";
/// The audience that test tokens name.
pub const AUDIENCE: &str = "test";

impl TestIssuer {
    /// An issuer whose clock stands at the real time.
    ///
    /// # Panics
    /// When the operating system has no random numbers.
    #[allow(clippy::expect_used, reason = "for tests only, where a panic is the failure to show")]
    pub fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system gives random numbers");
        let keys = KeyRing::from_secret(&format!("base64url:{}", URL_SAFE_NO_PAD.encode(key))).expect("32 random bytes are a key");
        let signer = Signer::new(&keys).expect("the ring has a key");
        Self { keys, signer, revocations: RevocationList::new(), clock: TestClock::at(Clock::System.now()) }
    }

    /// A verifier that believes this issuer.
    #[allow(clippy::expect_used, reason = "for tests only, where a panic is the failure to show")]
    pub fn verifier(&self) -> Verifier {
        let verifier = Verifier::new(self.keys.clone(), ISSUER, &[AUDIENCE]).expect("issuer and audience are set");
        verifier.with_revocations(self.revocations.clone())
    }

    /// A guard that believes this issuer, on its clock.
    pub fn guard(&self) -> Guard {
        Guard::new(self.verifier()).with_clock(self.clock.clone().into())
    }

    /// The clock of the issuer and its guards.
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// The deny list of its guards.
    pub fn revocations(&self) -> &RevocationList {
        &self.revocations
    }

    /// A token of a person who logged in just now with a password, valid for five minutes.
    pub fn person(&self, subject: &str) -> TestToken<'_> {
        let now = self.clock.now();
        self.token(subject, "hallpass").claim("sid", "test-session").claim("auth_time", now).claim("amr", json!(["pwd"])).claim("acr", "1")
    }

    /// A token of a client that speaks for itself, valid for five minutes.
    pub fn client(&self, client_id: &str) -> TestToken<'_> {
        self.token(client_id, client_id)
    }

    fn token(&self, sub: &str, client_id: &str) -> TestToken<'_> {
        let now = self.clock.now();
        let claims = json!({
            "iss": ISSUER, "sub": sub, "aud": AUDIENCE, "exp": now + 300, "iat": now, "jti": "test-token", "client_id": client_id, "scope": "",
        });
        let Value::Object(claims) = claims else { return TestToken { signer: &self.signer, claims: Map::new() } };
        TestToken { signer: &self.signer, claims }
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}

/// A token in the making.
#[derive(Clone, Debug)]
pub struct TestToken<'a> {
    signer: &'a Signer,
    claims: Map<String, Value>,
}

impl TestToken<'_> {
    /// Grants scope tokens, space separated.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Gives roles.
    pub fn roles(self, roles: &[&str]) -> Self {
        self.claim("roles", json!(roles))
    }

    /// Says that the login is as old as this.
    pub fn authenticated_ago(self, age: Duration) -> Self {
        let now = self.claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
        self.claim("auth_time", now - age.as_secs() as i64)
    }

    /// Lets it have expired a minute ago.
    pub fn expired(self) -> Self {
        let now = self.claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
        self.claim("iat", now - 360).claim("exp", now - 60)
    }

    /// Sets any claim, your own or one of ours, to any value.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// The signed token.
    ///
    /// # Panics
    /// When it would be longer than hallpass mints.
    #[allow(clippy::expect_used, reason = "for tests only, where a panic is the failure to show")]
    pub fn sign(&self) -> String {
        self.signer.sign(&self.claims).expect("the claims fit a token")
    }

    /// The header that carries it, as a pair for `insert_header`.
    pub fn bearer(&self) -> (HeaderName, String) {
        (AUTHORIZATION, format!("Bearer {}", self.sign()))
    }

    /// The cookie that carries it, as a pair for `insert_header`. Anything but GET needs a `Sec-Fetch-Site: same-origin` beside it.
    pub fn cookie(&self) -> (HeaderName, String) {
        (COOKIE, format!("{ACCESS_COOKIE}={}", self.sign()))
    }
}
