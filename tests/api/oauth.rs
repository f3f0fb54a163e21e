//! Clients, and how they ask: what the tests of group F of the threats share.

use hallpass::authority::clients::Issued;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use crate::app::{TestApp, text};

pub const BASIC: &str = r#"Basic realm="hallpass""#;

/// A client and its secret.
#[derive(Clone, Debug)]
pub struct Machine {
    pub id: String,
    pub secret: String,
}

impl From<Issued> for Machine {
    fn from(issued: Issued) -> Self {
        Self { id: issued.client.id, secret: issued.secret.expose().to_owned() }
    }
}

impl TestApp {
    /// A client that may ask for these.
    pub async fn machine(&self, name: &str, scope: &str) -> Machine {
        self.authority.clients().add(name, &[scope.to_owned()]).await.unwrap().into()
    }

    /// A form without credentials.
    pub fn form(&self, path: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        self.client.post(self.url(path)).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
    }

    /// A form by a client, with HTTP Basic.
    pub async fn ask(&self, machine: &Machine, path: &str, parameters: &[(&str, &str)]) -> Response {
        self.form(path, parameters).basic_auth(&machine.id, Some(&machine.secret)).send().await.unwrap()
    }

    /// An access token in the client's own name, with all that it holds.
    pub async fn machine_token(&self, machine: &Machine) -> String {
        let response = self.ask(machine, "/oauth/token", &[("grant_type", "client_credentials")]).await;
        assert_eq!(response.status(), 200);
        text(&response.json().await.unwrap(), "access_token")
    }

    pub async fn introspect(&self, machine: &Machine, token: &str) -> Response {
        self.ask(machine, "/oauth/introspect", &[("token", token)]).await
    }

    pub async fn revoke(&self, machine: &Machine, token: &str) -> Response {
        self.ask(machine, "/oauth/revoke", &[("token", token)]).await
    }

    /// Takes the store away, as far as clients, sessions and revocations need it.
    pub async fn take_store(&self) {
        match &self.proxy {
            Some(proxy) => proxy.cut(),
            None => {
                for table in ["client", "session", "revocation"] {
                    self.raw_sql(&format!("ALTER TABLE {table} RENAME TO {table}_elsewhere")).await;
                }
            }
        }
    }

    pub async fn return_store(&self) {
        match &self.proxy {
            Some(proxy) => proxy.pass(),
            None => {
                for table in ["client", "session", "revocation"] {
                    self.raw_sql(&format!("ALTER TABLE {table}_elsewhere RENAME TO {table}")).await;
                }
            }
        }
    }
}

/// Status, code and challenge of a refusal, which has the form of RFC 6749 s5.2.
pub async fn refusal(response: Response) -> (u16, String, Option<String>) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    assert_eq!(response.headers().contains_key("retry-after"), [429, 503].contains(&status));
    let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
    let body: Value = response.json().await.unwrap();
    let description = text(&body, "error_description");
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    assert!(description.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'), "{description}");
    (status, text(&body, "error"), challenge)
}

/// The same for a refusal without a challenge.
pub async fn refused(response: Response) -> (u16, String) {
    let (status, error, challenge) = refusal(response).await;
    assert_eq!(challenge, None);
    (status, error)
}
