//! hallpass as a follower sees it: who it is, a token from it, and what it revoked. One question, one answer, nothing is tried again here.

use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use super::CannotFollow;
use crate::token::Revocation;

/// Longer than any answer of hallpass is: a page of entries is a twentieth of it.
const LONGEST_ANSWER: usize = 8 << 20;
/// How long an answer may take that hallpass is not asked to wait with.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there was no answer, or one that cannot be used. Holds nothing that was sent.
#[derive(Debug, Error)]
pub enum Trouble {
    /// Nobody answers, or not as HTTP and TLS should.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("it does not answer in time")]
    TimedOut,
    /// A status that is no answer.
    #[error("it answers {status}{}", error.as_ref().map(|error| format!(" {error}")).unwrap_or_default())]
    Refused {
        status: StatusCode,
        /// The code of an OAuth or problem answer.
        error: Option<String>,
        retry_after: Option<Duration>,
    },
    /// Too long, no JSON, or not what the contract says.
    #[error("its answer is not understood")]
    NotUnderstood,
    /// Another hallpass than that of the tokens that are verified here.
    #[error("it is another issuer than the one whose tokens are verified here")]
    WrongIssuer,
}

/// A client's id and secret, as the header that carries them. It does not print.
#[derive(Clone, Debug)]
pub struct Credentials(HeaderValue);

impl Credentials {
    /// Form-encoded inside of Basic (RFC 6749 s2.3.1).
    pub fn new(id: &str, secret: &str) -> Self {
        let both = Zeroizing::new(format!("{}:{}", escaped(id), *Zeroizing::new(escaped(secret))));
        Self(sensitive(&format!("Basic {}", STANDARD.encode(&*both))).unwrap_or(HeaderValue::from_static("Basic")))
    }
}

/// What was revoked since the cursor before.
pub struct Changes {
    pub cursor: String,
    pub entries: Vec<Revocation>,
    /// When the answer began to arrive.
    pub heard_at: Instant,
}

pub struct Hallpass {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    issuer: String,
    credentials: Credentials,
    token: Option<Token>,
}

struct Token {
    bearer: HeaderValue,
    renew_at: Instant,
}

struct Answer {
    body: Bytes,
    arrived_at: Instant,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct ChangesAnswer {
    cursor: String,
    entries: Vec<Entry>,
}

/// An unknown kind is no answer that is understood: passing over it would be to believe what was revoked.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Entry {
    Session { id: String, until: i64 },
    Subject { id: String, issued_before: i64, until: i64 },
    Token { id: String, until: i64 },
}

/// OAuth says `error`, everything else `code`.
#[derive(Deserialize)]
struct ErrorAnswer {
    #[serde(alias = "code")]
    error: String,
}

impl Hallpass {
    pub fn new(
        url: String,
        issuer: String,
        credentials: Credentials,
        authorities: Option<Vec<CertificateDer<'static>>>,
    ) -> Result<Self, CannotFollow> {
        let mut roots = RootCertStore::empty();
        match authorities {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(authorities) => {
                for authority in authorities {
                    roots.add(authority).map_err(|_| CannotFollow::Certificate)?;
                }
            }
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|error| CannotFollow::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector);
        Ok(Self { http, url, issuer, credentials, token: None })
    }

    /// What was revoked behind the cursor, or everything; when there is nothing, hallpass waits so long for it.
    pub async fn changes(&mut self, cursor: Option<&str>, wait: Duration) -> Result<Changes, Trouble> {
        let after = cursor.map(|cursor| format!("after={}&", escaped(cursor))).unwrap_or_default();
        let url = format!("{}/revocations?{after}wait={}", self.url, wait.as_secs());
        let mut is_first = true;
        let answer = loop {
            let bearer = self.bearer().await?;
            match self.ask(Method::GET, &url, Some(bearer), None, PATIENCE + wait).await {
                // The token ended early: its key was retired, or the client's tokens were revoked.
                Err(Trouble::Refused { status: StatusCode::UNAUTHORIZED, .. }) if is_first => (self.token, is_first) = (None, false),
                Err(trouble @ Trouble::Refused { .. }) => {
                    self.token = None;
                    return Err(trouble);
                }
                other => break other?,
            }
        };
        let ChangesAnswer { cursor, entries } = read(&answer.body)?;
        Ok(Changes { cursor, entries: entries.into_iter().map(Revocation::from).collect(), heard_at: answer.arrived_at })
    }

    /// The token in use, or a new one when three quarters of its life are over.
    async fn bearer(&mut self) -> Result<HeaderValue, Trouble> {
        if let Some(token) = self.token.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.bearer.clone());
        }
        self.check_issuer().await?;
        let asked_at = Instant::now();
        let form = "grant_type=client_credentials&scope=hallpass%3Arevocations";
        let (url, basic) = (format!("{}/oauth/token", self.url), self.credentials.0.clone());
        let answer = self.ask(Method::POST, &url, Some(basic), Some(form), PATIENCE).await?;
        let TokenAnswer { access_token, token_type, expires_in } = read(&answer.body)?;
        let bearer = sensitive(&format!("Bearer {access_token}")).filter(|_| token_type.eq_ignore_ascii_case("Bearer"));
        let bearer = bearer.ok_or(Trouble::NotUnderstood)?;
        self.token = Some(Token { bearer: bearer.clone(), renew_at: asked_at + Duration::from_secs(expires_in.min(3600)) * 3 / 4 });
        Ok(bearer)
    }

    /// RFC 8414 s3.3: what says another issuer of itself is not to be used.
    async fn check_issuer(&self) -> Result<(), Trouble> {
        let url = format!("{}/.well-known/oauth-authorization-server", self.url);
        let metadata: Metadata = read(&self.ask(Method::GET, &url, None, None, PATIENCE).await?.body)?;
        if metadata.issuer == self.issuer { Ok(()) } else { Err(Trouble::WrongIssuer) }
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        authorization: Option<HeaderValue>,
        form: Option<&'static str>,
        patience: Duration,
    ) -> Result<Answer, Trouble> {
        let mut request = Request::builder().method(method).uri(url).header(ACCEPT, "application/json");
        if form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let body = Full::new(Bytes::from_static(form.unwrap_or_default().as_bytes()));
        let request = request.body(body).map_err(|error| unreachable(&error))?;
        tokio::time::timeout(patience, self.exchange(request)).await.unwrap_or(Err(Trouble::TimedOut))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Trouble> {
        let response = self.http.request(request).await.map_err(|error| unreachable(&error))?;
        let arrived_at = Instant::now();
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|_| Trouble::NotUnderstood)?.to_bytes();
        if head.status == StatusCode::OK {
            return Ok(Answer { body, arrived_at });
        }
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        Err(Trouble::Refused { status: head.status, error: error_code(&body), retry_after })
    }
}

impl From<Entry> for Revocation {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Session { id, until } => Revocation::Session { id, until },
            Entry::Subject { id, issued_before, until } => Revocation::Subject { id, issued_before, until },
            Entry::Token { id, until } => Revocation::Token { id, until },
        }
    }
}

impl fmt::Debug for Hallpass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hallpass").field("url", &self.url).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(body).map_err(|_| Trouble::NotUnderstood)
}

/// A code as RFC 6749 writes them, and nothing else that a stranger could put into the log.
fn error_code(body: &[u8]) -> Option<String> {
    let ErrorAnswer { error } = serde_json::from_slice(body).ok()?;
    let is_code = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    Some(error).filter(|_| is_code)
}

/// With all causes: "client error" alone tells nobody that a certificate has expired.
fn unreachable(error: &dyn std::error::Error) -> Trouble {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Trouble::Unreachable(text)
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Everything but the unreserved letters of RFC 3986 s2.3 percent-encoded: good for a query and for a form.
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_what_asks_with_them_print_no_secret() {
        let credentials = Credentials::new("cli_1", "hp_cs_secret");
        assert_eq!(credentials.0, format!("Basic {}", STANDARD.encode("cli_1:hp_cs_secret")));
        let hallpass = Hallpass::new("http://x".into(), "https://y".into(), credentials.clone(), None).unwrap();
        let printed = format!("{credentials:?} {hallpass:?}");
        assert!(!printed.contains("secret") && !printed.contains(&STANDARD.encode("cli_1:hp_cs_secret")), "{printed}");
    }

    #[test]
    fn what_is_special_in_forms_is_escaped() {
        assert_eq!(escaped("a-._~Z0:%+ \u{e4}&="), "a-._~Z0%3A%25%2B%20%C3%A4%26%3D");
    }

    #[test]
    fn only_a_code_of_an_error_is_taken_over() {
        for (body, code) in [
            (r#"{"error":"invalid_client","error_description":"x"}"#, Some("invalid_client")),
            (r#"{"type":"x","code":"insufficient_scope"}"#, Some("insufficient_scope")),
            (r#"{"error":"x\nforged line"}"#, None),
            (r#"{"error":7}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(error_code(body.as_bytes()).as_deref(), code, "{body}");
        }
    }

    #[test]
    fn an_entry_of_an_unknown_kind_is_not_passed_over() {
        let answer = |kind: &str| format!(r#"{{"cursor":"c","entries":[{{"kind":"{kind}","id":"i","until":1,"more":2}}]}}"#);
        assert!(read::<ChangesAnswer>(answer("token").as_bytes()).is_ok());
        assert!(read::<ChangesAnswer>(answer("tenant").as_bytes()).is_err());
    }
}
