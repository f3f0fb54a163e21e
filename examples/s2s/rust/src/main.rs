//! The flow of ../run.sh with the crate `oauth2`: token, introspection, revocation. Run by scripts/clients, which says where and as whom.

use std::env;
use std::error::Error;
use std::process::ExitCode;

use oauth2::basic::{BasicClient, BasicTokenType};
use oauth2::reqwest::blocking as http;
use oauth2::reqwest::redirect::Policy;
use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, IntrospectionUrl, RequestTokenError, RevocationUrl, Scope,
    StandardRevocableToken, TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};

type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;
type Outcome = Result<(), Box<dyn Error>>;

struct Flow {
    url: String,
    http: http::Client,
    metadata: serde_json::Value,
    token: AccessToken,
}

fn holds(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}

impl Flow {
    fn client(&self, name: &str, secret: Option<&str>) -> Result<Client, Box<dyn Error>> {
        let secret = secret.map_or_else(|| env::var(format!("{name}_SECRET")), |secret| Ok(secret.to_owned()))?;
        let endpoint = |name: &str| self.metadata[name].as_str().unwrap_or_default().to_owned();
        Ok(BasicClient::new(ClientId::new(env::var(format!("{name}_ID"))?))
            .set_client_secret(ClientSecret::new(secret))
            .set_token_uri(TokenUrl::new(endpoint("token_endpoint"))?)
            .set_introspection_url(IntrospectionUrl::new(endpoint("introspection_endpoint"))?)
            // The crate sends tokens back by https only, and the service is on this machine: see `takes_it_back`.
            .set_revocation_url(RevocationUrl::new(endpoint("revocation_endpoint").replace("http://", "https://"))?))
    }

    fn metadata_is_the_issuers(&mut self) -> Outcome {
        let text = self.http.get(format!("{}/.well-known/oauth-authorization-server", self.url)).send()?.text()?;
        self.metadata = serde_json::from_str(&text)?;
        holds(self.metadata["issuer"] == self.url.as_str(), "the issuer is another one")
    }

    fn client_gets_a_token(&mut self) -> Outcome {
        let answer =
            self.client("WORKER", None)?.exchange_client_credentials().add_scope(Scope::new("orders:read".into())).request(&self.http)?;
        self.token = answer.access_token().clone();
        holds(*answer.token_type() == BasicTokenType::Bearer && answer.refresh_token().is_none(), "it is not a client's")?;
        holds(answer.scopes().is_some_and(|scopes| scopes.len() == 1), "the scope is another one")
    }

    fn also_with_its_secret_in_the_form(&mut self) -> Outcome {
        let client = self.client("WORKER", None)?.set_auth_type(AuthType::RequestBody);
        client.exchange_client_credentials().request(&self.http)?;
        Ok(())
    }

    fn another_service_learns_that_it_is_good(&mut self) -> Outcome {
        let answer = self.client("ORDERS", None)?.introspect(&self.token).request(&self.http)?;
        holds(answer.active() && answer.client_id().map(|id| id.as_str()) == env::var("WORKER_ID").ok().as_deref(), "it is not active")
    }

    fn who_may_not_ask_is_not_told(&mut self) -> Outcome {
        holds(self.client("WORKER", None)?.introspect(&self.token).request(&self.http).is_err(), "it was told")
    }

    fn scope_that_is_not_held_is_refused(&mut self) -> Outcome {
        let client = self.client("WORKER", None)?;
        let refused = client.exchange_client_credentials().add_scope(Scope::new("hallpass:introspect".into())).request(&self.http);
        match refused {
            Err(RequestTokenError::ServerResponse(answer)) => holds(answer.error().as_ref() == "invalid_scope", answer.error().as_ref()),
            other => Err(format!("{:?}", other.map(|_| "a token")).into()),
        }
    }

    fn wrong_secret_is_refused(&mut self) -> Outcome {
        match self.client("WORKER", Some("hp_cs_wrong"))?.exchange_client_credentials().request(&self.http) {
            Err(RequestTokenError::ServerResponse(answer)) => holds(answer.error().as_ref() == "invalid_client", answer.error().as_ref()),
            other => Err(format!("{:?}", other.map(|_| "a token")).into()),
        }
    }

    /// Made by the crate and sent by a client that knows the service is on this machine.
    fn revoke(&self, name: &str) -> Outcome {
        let client = self.client(name, None)?;
        let over_http = |request: oauth2::HttpRequest| {
            let (mut head, body) = request.into_parts();
            head.uri = head.uri.to_string().replace("https://", "http://").parse().unwrap_or_default();
            oauth2::SyncHttpClient::call(&self.http, oauth2::http::Request::from_parts(head, body))
        };
        Ok(client.revoke_token(StandardRevocableToken::AccessToken(self.token.clone()))?.request(&over_http)?)
    }

    fn another_client_cannot_take_it_back(&mut self) -> Outcome {
        holds(self.revoke("ORDERS").is_err(), "it was taken back")?;
        self.another_service_learns_that_it_is_good()
    }

    fn client_takes_it_back(&mut self) -> Outcome {
        self.revoke("WORKER")
    }

    fn another_service_learns_that_it_is_good_no_more(&mut self) -> Outcome {
        holds(!self.client("ORDERS", None)?.introspect(&self.token).request(&self.http)?.active(), "it is still active")
    }
}

fn main() -> ExitCode {
    let steps: [(&str, fn(&mut Flow) -> Outcome); 10] = [
        ("the metadata is that of the issuer", Flow::metadata_is_the_issuers),
        ("a client gets a token", Flow::client_gets_a_token),
        ("also with its secret in the form", Flow::also_with_its_secret_in_the_form),
        ("another service learns that it is good", Flow::another_service_learns_that_it_is_good),
        ("who may not ask is not told", Flow::who_may_not_ask_is_not_told),
        ("a scope that is not held is refused", Flow::scope_that_is_not_held_is_refused),
        ("a wrong secret is refused", Flow::wrong_secret_is_refused),
        ("another client cannot take it back", Flow::another_client_cannot_take_it_back),
        ("the client takes it back", Flow::client_takes_it_back),
        ("another service learns that it is good no more", Flow::another_service_learns_that_it_is_good_no_more),
    ];
    let (Ok(url), Ok(http)) = (env::var("URL"), http::Client::builder().redirect(Policy::none()).no_proxy().build()) else {
        eprintln!("run it by scripts/clients");
        return ExitCode::from(2);
    };
    let mut flow = Flow { url, http, metadata: serde_json::Value::Null, token: AccessToken::new(String::new()) };
    let mut failed = 0;
    for (name, step) in steps {
        if let Err(error) = step(&mut flow) {
            failed += 1;
            eprintln!("FAILED: {name}: {error}");
        }
    }
    println!("oauth2: {} passed, {failed} failed", steps.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
