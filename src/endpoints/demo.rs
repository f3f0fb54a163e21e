//! `GET /` of `serve --dev`: a page to see it work. It is a client like any other, and knows nothing that the API does not tell it.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::{Bytes, Data};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

const BODY: &str = include_str!("demo.html");
const STYLE: &str = include_str!("demo.css");
const SCRIPT: &str = include_str!("demo.js");

/// The page as it is served, and the policy that lets in its own style and script, and nothing else.
#[derive(Clone, Debug)]
pub struct DemoPage {
    html: Bytes,
    policy: String,
}

impl DemoPage {
    /// The page.
    pub fn new() -> Self {
        let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        let html = format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\"><title>hallpass for development</title><style>{STYLE}</style></head><body>{BODY}<script>{SCRIPT}</script></body></html>"
        );
        Self { html: html.into(), policy }
    }
}

impl Default for DemoPage {
    fn default() -> Self {
        Self::new()
    }
}

/// The handler.
pub async fn demo(page: Data<DemoPage>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, page.policy.as_str()))
        .body(page.html.clone())
}
