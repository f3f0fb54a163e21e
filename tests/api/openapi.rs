//! The OpenAPI document, held against the routes and the answers that there really are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass::endpoints::PUBLIC;
use hallpass::serve;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::app::{EMAIL, PASSWORD, TestApp, on_each_store, text};

/// Answered alike whatever the method: the document has the one that gateways use.
const ANY_METHOD: &str = "/auth/verify";

fn document() -> Value {
    serde_json::from_str(&serve::openapi()).unwrap()
}

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Every operation: its path, its method, what is said of it.
fn operations(document: &Value) -> Vec<(String, Method, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((path.clone(), method.to_uppercase().parse().unwrap(), operation.clone()));
        }
    }
    all
}

#[test]
fn the_file_in_docs_is_what_the_code_says() {
    assert!(file("docs/openapi.json") == serve::openapi(), "it has drifted: cargo run -- openapi > docs/openapi.json");
}

#[test]
fn every_route_of_the_table_is_in_the_document_and_nothing_else_is() {
    let mut routes = BTreeMap::new();
    let source = file("src/endpoints.rs");
    for call in source.split("(resource(").skip(1) {
        let mut literals = call.split('"').skip(1).step_by(2);
        let (path, allow) = (literals.next().unwrap(), literals.next().unwrap());
        let methods: BTreeSet<&str> = allow.split(", ").filter(|method| *method != "HEAD").collect();
        assert_eq!(allow.contains("GET"), allow.contains("HEAD"), "{path}");
        assert!(routes.insert(path.to_owned(), methods.into_iter().map(str::to_owned).collect()).is_none(), "{path}");
    }
    // A page of `serve --dev`, and no part of the API.
    assert!(routes.remove("/").is_some());
    // The one route that takes any method.
    assert_eq!(source.matches("web::resource(\"").count(), 2, "a table entry that this test does not read");
    routes.insert(ANY_METHOD.to_owned(), BTreeSet::from(["GET".to_owned()]));

    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, method, _) in operations(&document()) {
        documented.entry(path).or_default().insert(method.to_string());
    }
    assert_eq!(documented, routes);
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let document = document();
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    for reference in &references {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
    }
    for (kind, components) in document["components"].as_object().unwrap().iter().filter(|(kind, _)| *kind != "securitySchemes") {
        for name in components.as_object().unwrap().keys() {
            assert!(references.contains(&format!("#/components/{kind}/{name}")), "{kind}/{name} is used by nobody");
        }
    }
}

fn collect_references(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            into.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| collect_references(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, into)),
        _ => {}
    }
}

#[test]
fn operations_have_names_of_their_own_and_say_what_they_are_for() {
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document()) {
        assert!(ids.insert(text(&operation, "operationId")), "{method} {path}");
        assert!(!text(&operation, "summary").is_empty() && operation["tags"].as_array().unwrap().len() == 1, "{method} {path}");
    }
}

#[test]
fn nobody_is_asked_for_a_credential_on_public_routes_and_everybody_is_on_others() {
    for (path, method, operation) in operations(&document()) {
        let ways = operation["security"].as_array().cloned().unwrap_or_default();
        let is_open = ways.is_empty() || ways.contains(&json!({}));
        // The body of a logout may hold the credential.
        assert_eq!(is_open, PUBLIC.contains(&path.as_str()) || path == "/logout", "{method} {path}");
    }
}

on_each_store! {
    async fn exposure_every_operation_of_the_document_is_public_by_the_list_or_answers_401(app: TestApp, |config| config.registration.enabled = true) {
        let document: Value = app.get("/openapi.json").send().await.unwrap().json().await.unwrap();
        let all = operations(&document);
        assert!(all.len() > 30, "{}", all.len());
        for (path, method, _) in all {
            let response = app.client.request(method.clone(), app.url(&path)).send().await.unwrap();
            assert_eq!(response.status() == 401, !PUBLIC.contains(&path.as_str()), "{method} {path}: {}", response.status());
        }
    }

    async fn the_document_is_served_and_has_no_route_that_is_not_there(app: TestApp) {
        let response = app.get("/openapi.json").send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &"application/json".parse().unwrap()));
        let mut expected = document();
        assert!(expected["paths"].as_object_mut().unwrap().remove("/register").is_some());
        let mut served: Value = response.json().await.unwrap();
        assert_eq!(served["paths"], expected["paths"]);
        served["paths"] = json!({});
        expected["paths"] = json!({});
        assert!(served["components"]["schemas"].as_object().unwrap().len() > 20);
        let head = app.client.head(app.url("/openapi.json")).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
    }

    async fn the_page_shows_every_operation_and_lets_nothing_in_but_its_own_style(app: TestApp, |config| config.registration.enabled = true) {
        let response = app.get("/docs").send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((response.status().as_u16(), header("content-type")), (200, "text/html; charset=utf-8".to_owned()));
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let html = response.text().await.unwrap();
        let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let digest = STANDARD.encode(sha2::Sha256::digest(style));
        assert!(policy.contains(&format!("'sha256-{digest}'")), "{policy}");
        for (path, method, operation) in operations(&document()) {
            assert!(html.contains(&format!("<code>{method} {path}</code>")), "{method} {path}");
            assert!(html.contains(&format!("href=\"#{}\"", text(&operation, "operationId"))), "{method} {path}");
        }
        for link in html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let there = link.strip_prefix('#').is_some_and(|id| html.contains(&format!("id=\"{id}\"")));
            assert!(there || link == "openapi.json", "{link}");
        }
        for foreign in ["<script", "src=", "url(", "@import", "http://", "https://", " style=", " onclick="] {
            assert!(!html.contains(foreign), "{foreign}");
        }
    }

    async fn the_page_is_not_there_when_it_is_switched_off(app: TestApp, |config| config.server.docs = false) {
        assert_eq!(app.get("/docs").send().await.unwrap().status(), 404);
        let served: Value = app.get("/openapi.json").send().await.unwrap().json().await.unwrap();
        assert!(served["paths"].get("/docs").is_none() && served["paths"].get("/me").is_some());
    }

    async fn what_is_really_answered_is_what_the_document_says(app: TestApp, |config| config.registration.enabled = true) {
        let document = document();
        let check = |method: &str, path: &str, answer: &Answer| answer.check(&document, method, path);
        let login = json!({ "email": EMAIL, "password": PASSWORD });
        let session = app.exchange("POST", "/login", None, Some(&login)).await;
        check("post", "/login", &session);
        let token = text(&session.body, "access_token");
        let refreshed = app.exchange("POST", "/refresh", None, Some(&json!({ "refresh_token": session.body["refresh_token"] }))).await;
        check("post", "/refresh", &refreshed);
        for path in ["/me", "/account", "/sessions"] {
            check("get", path, &app.exchange("GET", path, Some(&token), None).await);
        }
        check("post", "/step-up", &app.exchange("POST", "/step-up", Some(&token), Some(&json!({ "password": PASSWORD }))).await);
        check("post", "/account/otp", &app.exchange("POST", "/account/otp", Some(&token), None).await);
        let registration = json!({ "email": "bob@example.com", "password": "an unusual parrot in winter" });
        check("post", "/register", &app.exchange("POST", "/register", None, Some(&registration)).await);
        for path in ["/livez", "/readyz", "/.well-known/oauth-authorization-server"] {
            check("get", path, &app.exchange("GET", path, None, None).await);
        }
        // Refusals, with every member that there can be.
        check("post", "/login", &app.exchange("POST", "/login", None, Some(&json!({ "email": EMAIL, "password": "wrong" }))).await);
        check("post", "/login", &app.exchange("POST", "/login", None, Some(&json!({}))).await);
        check("get", "/me", &app.exchange("GET", "/me", None, None).await);
        check("post", "/register", &app.exchange("POST", "/register", None, Some(&json!({ "email": "c@example.com", "password": "short" }))).await);

        let machine = app.machine("everything", "hallpass:admin hallpass:introspect hallpass:revocations a").await;
        let granted = Answer::of(app.ask(&machine, "/oauth/token", &[("grant_type", "client_credentials")]).await).await;
        check("post", "/oauth/token", &granted);
        let admin = text(&granted.body, "access_token");
        for token in [token.as_str(), admin.as_str(), refreshed.body["refresh_token"].as_str().unwrap(), "nothing"] {
            check("post", "/oauth/introspect", &Answer::of(app.introspect(&machine, token).await).await);
        }
        check("post", "/oauth/introspect", &Answer::of(app.ask(&machine, "/oauth/introspect", &[]).await).await);
        check("post", "/oauth/revoke", &Answer::of(app.revoke(&machine, "nothing").await).await);
        let user = json!({ "email": "dora@example.com", "password": "seventeen wet umbrellas", "scopes": ["a"], "roles": ["r"] });
        let added = app.exchange("POST", "/admin/users", Some(&admin), Some(&user)).await;
        check("post", "/admin/users", &added);
        let one = format!("/admin/users/{}", text(&added.body, "sub"));
        check("get", "/admin/users/{sub}", &app.exchange("GET", &one, Some(&admin), None).await);
        check("patch", "/admin/users/{sub}", &app.exchange("PATCH", &one, Some(&admin), Some(&json!({ "disabled": true }))).await);
        check("post", "/admin/users/{sub}/logout", &app.exchange("POST", &format!("{one}/logout"), Some(&admin), None).await);
        let client = app.exchange("POST", "/admin/clients", Some(&admin), Some(&json!({ "name": "n", "scopes": ["a"] }))).await;
        check("post", "/admin/clients", &client);
        let other = format!("/admin/clients/{}", text(&client.body, "client_id"));
        check("post", "/admin/clients/{id}/secret", &app.exchange("POST", &format!("{other}/secret"), Some(&admin), None).await);
        check("patch", "/admin/clients/{id}", &app.exchange("PATCH", &other, Some(&admin), Some(&json!({ "disabled": true }))).await);
        for path in ["/admin/users", "/admin/clients", "/admin/audit", "/revocations"] {
            check("get", path, &app.exchange("GET", path, Some(&admin), None).await);
        }
        check("delete", "/admin/clients/{id}", &app.exchange("DELETE", &other, Some(&admin), None).await);
        check("delete", "/admin/users/{sub}", &app.exchange("DELETE", &one, Some(&admin), None).await);
        check("get", "/revocations", &app.exchange("GET", "/revocations", Some(&admin), None).await);
    }
}

impl TestApp {
    async fn exchange(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let mut request = self.client.request(method.parse().unwrap(), self.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request.send().await.unwrap()).await
    }
}

struct Answer {
    status: u16,
    media_type: Option<String>,
    headers: BTreeSet<String>,
    body: Value,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let headers = response.headers();
        Self {
            status: response.status().as_u16(),
            media_type: headers.get("content-type").map(|value| value.to_str().unwrap().to_owned()),
            headers: headers.keys().map(|name| name.as_str().to_owned()).collect(),
            body: response.json().await.unwrap_or_default(),
        }
    }

    /// The status, the media type, the headers and every member of the body are as the document says.
    fn check(&self, document: &Value, method: &str, path: &str) {
        let place = format!("{method} {path} {}", self.status);
        let response = &document["paths"][path][method]["responses"][self.status.to_string()];
        assert!(response.is_object(), "{place}: {}", self.body);
        let response = resolved(document, response);
        for header in response["headers"].as_object().unwrap().keys() {
            // Only who tried HTTP Basic is told of it.
            let is_optional = path.starts_with("/oauth/") && header == "WWW-Authenticate";
            assert!(is_optional || self.headers.contains(&header.to_lowercase()), "{place}: no {header}");
        }
        let Some(content) = response["content"].as_object() else {
            return assert_eq!((&self.body, self.media_type.as_deref()), (&Value::Null, None), "{place}");
        };
        let media_type = self.media_type.as_deref().unwrap_or_default();
        assert!(content.contains_key(media_type), "{place}: {media_type}");
        check(document, &content[media_type]["schema"], &self.body, &place);
    }
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => resolved(document, document.pointer(reference.strip_prefix('#').unwrap()).unwrap()),
        None => value,
    }
}

/// What of JSON Schema the document uses: types, required members, and no member that it does not know.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolved(document, schema);
    if let Some(parts) = schema["allOf"].as_array() {
        // Together they know all members, and each asks for its own.
        let merged =
            parts.iter().map(|part| resolved(document, part)).fold(json!({ "properties": {}, "required": [] }), |mut all, part| {
                all["properties"].as_object_mut().unwrap().extend(part["properties"].as_object().unwrap().clone());
                all["required"].as_array_mut().unwrap().extend(part["required"].as_array().unwrap().clone());
                all
            });
        return check(document, &merged, value, place);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fitting: Vec<&Value> = choices.iter().filter(|choice| fits(resolved(document, choice), value)).collect();
        assert_eq!(fitting.len(), 1, "{place}: {value} fits {} of {schema}", fitting.len());
        return check(document, fitting[0], value, place);
    }
    assert!(fits(schema, value), "{place}: {value} is not {schema}");
    if let Some(items) = value.as_array() {
        items.iter().for_each(|item| check(document, &schema["items"], item, place));
    }
    if let Some(members) = value.as_object() {
        for (name, value) in members {
            let schema = &schema["properties"][name];
            assert!(schema.is_object(), "{place}: the document does not know {name}");
            check(document, schema, value, &format!("{place}: {name}"));
        }
    }
}

fn fits(schema: &Value, value: &Value) -> bool {
    let is_of = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let is_type = match &schema["type"] {
        Value::String(kind) => is_of(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is_of(kind.as_str().unwrap())),
        _ => schema.get("properties").is_some(),
    };
    let has_all = schema["required"].as_array().is_none_or(|all| all.iter().all(|name| value.get(name.as_str().unwrap()).is_some()));
    let kind = &schema["properties"]["kind"]["enum"];
    let is_kind = kind.as_array().is_none_or(|kinds| kinds.contains(&value["kind"]));
    let is_one_of = schema["enum"].as_array().is_none_or(|all| all.contains(value));
    is_type && has_all && is_kind && is_one_of
}
