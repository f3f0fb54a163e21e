//! `GET /docs`: the OpenAPI document as a page for people. It has no script, and no file besides itself: what it says is there at once.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::{Bytes, Data};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::docs_schema::{members, rich, shape};
use super::openapi::ApiDocument;

const STYLE: &str = include_str!("docs.css");

/// The page of a document. It is made when somebody looks at it.
#[derive(Debug)]
pub struct ApiPage {
    document: Data<ApiDocument>,
    made: OnceLock<Made>,
}

/// The page as it is served, and the policy that lets its own style in and nothing else.
#[derive(Debug)]
struct Made {
    html: Bytes,
    policy: String,
}

impl ApiPage {
    /// The page of this document.
    pub fn new(document: Data<ApiDocument>) -> Self {
        Self { document, made: OnceLock::new() }
    }

    fn made(&self) -> &Made {
        self.made.get_or_init(|| {
            let style = STANDARD.encode(Sha256::digest(STYLE));
            let policy =
                format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
            // It is our own document: if it were not JSON, the page would be an empty frame.
            let document = serde_json::from_slice(self.document.json()).unwrap_or_default();
            Made { html: page(&document).into(), policy }
        })
    }
}

/// The handler.
pub async fn docs(page: Data<ApiPage>) -> HttpResponse {
    let Made { html, policy } = page.made();
    HttpResponse::Ok().insert_header(ContentType::html()).insert_header((CONTENT_SECURITY_POLICY, policy.as_str())).body(html.clone())
}

/// One method of one path.
struct Entry<'a> {
    path: &'a str,
    method: String,
    operation: &'a Value,
}

fn page(document: &Value) -> String {
    let entries = entries(document);
    let (title, version) = (text(&document["info"], "title"), text(&document["info"], "version"));
    let (mut navigation, mut main) = (String::new(), String::new());
    for tag in list(&document["tags"]) {
        let name = text(tag, "name");
        let group: Vec<&Entry> = entries.iter().filter(|entry| entry.operation["tags"][0] == name).collect();
        let links: String = group.iter().map(|entry| link(entry)).collect();
        navigation += &format!("<h2>{}</h2><ul>{links}</ul>", rich(name));
        let sections: String = group.iter().map(|entry| section(document, entry)).collect();
        main += &format!("<h2 id=\"tag-{0}\">{0}</h2><p>{1}</p>{sections}", rich(name), rich(text(tag, "description")));
    }
    let (schemas, refusals) = (schemas(document), refusals(document));
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} API</title><style>{STYLE}</style></head><body><a class=\"skip\" href=\"#main\">To the content</a><div class=\"page\">\
         <nav aria-label=\"Contents\"><a href=\"#main\">{title} {version}</a>{navigation}<h2>Shared</h2><ul>\
         <li><a href=\"#refusals\">Refusals</a></li><li><a href=\"#schemas\">Schemas</a></li></ul></nav>\
         <main id=\"main\"><h1>{title} <span class=\"soft\">{version}</span></h1><p>{}</p>\
         <p>For programs: <a href=\"openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>{main}\
         <h2 id=\"refusals\">Refusals</h2>{refusals}<h2 id=\"schemas\">Schemas</h2>{schemas}</main></div></body></html>",
        rich(text(&document["info"], "description")),
    )
}

fn entries(document: &Value) -> Vec<Entry<'_>> {
    let methods = |item| object(item).map(|(method, operation)| (method.to_uppercase(), operation));
    let of_path = |(path, item)| methods(item).map(move |(method, operation)| Entry { path, method, operation });
    object(&document["paths"]).flat_map(of_path).collect()
}

fn link(Entry { path, method, operation }: &Entry) -> String {
    format!("<li><a href=\"#{}\">{method} {path}</a></li>", text(operation, "operationId"))
}

fn section(document: &Value, Entry { path, method, operation }: &Entry) -> String {
    let id = text(operation, "operationId");
    let mut html = format!(
        "<section aria-labelledby=\"{id}\"><h3 id=\"{id}\"><code>{method} {path}</code></h3><p>{}.</p><p>{}</p><p class=\"soft\">{}</p>",
        rich(text(operation, "summary")),
        rich(text(operation, "description")),
        credential(operation),
    );
    let parameters: String = list(&operation["parameters"]).map(parameter).collect();
    if !parameters.is_empty() {
        html += &format!("<h4>Parameters</h4>{}", table(&["name", "in", "type", "meaning"], &parameters));
    }
    for (media_type, content) in object(&operation["requestBody"]["content"]) {
        let need = if operation["requestBody"]["required"] == true { "" } else { ", may be left out" };
        html += &format!("<h4>Body <span class=\"soft\">({media_type}{need})</span></h4>{}", shown(document, &content["schema"]));
    }
    let (mut answers, mut refused) = (String::new(), Vec::new());
    for (status, response) in object(&operation["responses"]) {
        match response["$ref"].as_str() {
            Some(name) => refused.push(format!("<a href=\"#response-{}\">{status}</a>", last(name))),
            None => answers += &answer(document, status, response),
        }
    }
    format!("{html}{answers}<p><strong>Refusals</strong> {}</p></section>", refused.join(" "))
}

/// Who may ask, in one line.
fn credential(operation: &Value) -> String {
    let Some(way) = list(&operation["security"]).next() else { return "Takes no credential.".to_owned() };
    if way.get("clientSecret").is_some() {
        return "Takes a client's id and secret, by HTTP Basic or in the form.".to_owned();
    }
    let scopes: Vec<String> = list(&way["accessToken"]).filter_map(Value::as_str).map(|scope| format!(" <code>{scope}</code>")).collect();
    let with = if scopes.is_empty() { String::new() } else { format!(" with the scope{}", scopes.concat()) };
    format!("Takes an access token{with}, as <code>Authorization: Bearer</code> or as the cookie.")
}

fn parameter(parameter: &Value) -> String {
    let (name, place) = (text(parameter, "name"), text(parameter, "in"));
    let meaning = rich(text(parameter, "description"));
    format!("<tr><td><code>{name}</code></td><td>{place}</td><td>{}</td><td>{meaning}</td></tr>", shape(&parameter["schema"]))
}

fn answer(document: &Value, status: &str, response: &Value) -> String {
    let headers: Vec<String> =
        object(&response["headers"]).filter(|(name, _)| *name != "X-Request-Id").map(|(name, _)| format!("<code>{name}</code>")).collect();
    let headers = if headers.is_empty() { String::new() } else { format!("<p>Headers: {}</p>", headers.join(" ")) };
    let body: String = object(&response["content"]).map(|(_, content)| shown(document, &content["schema"])).collect();
    format!("<h4>{status} <span class=\"soft\">{}</span></h4>{headers}{body}", rich(text(response, "description")))
}

/// Members where there are some to show here, else what it is, with a link to more.
fn shown(document: &Value, schema: &Value) -> String {
    match members(document, schema) {
        Some(rows) => table(&["member", "type", "meaning"], &rows),
        None => format!("<p>{}</p>", shape(schema)),
    }
}

fn schemas(document: &Value) -> String {
    let one = |(name, schema): (&str, &Value)| {
        let body = shown(document, schema);
        format!("<h3 id=\"schema-{name}\">{name}</h3><p>{}</p>{body}", rich(text(schema, "description")))
    };
    object(&document["components"]["schemas"]).map(one).collect()
}

fn refusals(document: &Value) -> String {
    let one = |(name, response): (&str, &Value)| {
        format!("<tr><td id=\"response-{name}\">{name}</td><td>{}</td></tr>", rich(text(response, "description")))
    };
    let rows: String = object(&document["components"]["responses"]).map(one).collect();
    let form = "Everywhere but at <code>/oauth/*</code> a <a href=\"#schema-Problem\">Problem</a>, there an \
                <a href=\"#schema-OAuthError\">OAuthError</a>. What is quoted is the code.";
    format!("<p>{form}</p>{}", table(&["name", "codes"], &rows))
}

fn table(columns: &[&str], rows: &str) -> String {
    let head: String = columns.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
    format!("<div class=\"scroll\"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>")
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn object(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or_default()
}
