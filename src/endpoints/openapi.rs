//! `GET /openapi.json`: every route, as OpenAPI 3.1. What bodies and answers look like comes from the structs that are read and written; what
//! each route is for and how it refuses is written down in the tables beside this file. Tests hold it against the routes that there are.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data};
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Info, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, ServerBuilder};

use super::openapi_operation::Operation;
use super::{openapi_machines, openapi_operators, openapi_people, openapi_refusals};

const DESCRIPTION: &str = "Passwords in, short-lived signed tokens out. Times are whole seconds since 1970 (NumericDate). Bodies are JSON \
    objects of at most 16 KiB without unknown or repeated members; `/oauth/*` takes forms. Refusals are problem details (RFC 9457), at \
    `/oauth/*` OAuth errors (RFC 6749). GET answers HEAD too.";

/// What the groups are for, in the order of the page.
const TAGS: [(&str, &str); 4] = [
    ("people", "Log in, stay logged in, and look after one's own account."),
    ("machines", "Tokens for services, and what services ask about tokens."),
    ("administration", "Takes the scope `hallpass:admin`, and of people a login younger than 300 s."),
    ("operations", "For those who run it."),
];

/// The document as it is served. It is made when somebody asks for it: hardly any service is ever asked, and making it takes more memory than
/// everything else of a start together.
#[derive(Debug)]
pub struct ApiDocument {
    absent: Vec<&'static str>,
    json: OnceLock<Bytes>,
}

impl ApiDocument {
    /// Without the paths that the settings leave out.
    pub fn without(absent: Vec<&'static str>) -> Self {
        Self { absent, json: OnceLock::new() }
    }

    pub(super) fn json(&self) -> &Bytes {
        self.json.get_or_init(|| {
            let mut document = document();
            document.paths.paths.retain(|path, _| !self.absent.contains(&path.as_str()));
            // Texts and numbers only: this cannot fail, and a test would see it.
            serde_json::to_vec(&document).unwrap_or_default().into()
        })
    }
}

/// The handler.
pub async fn openapi(document: Data<ApiDocument>) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::json()).body(document.json().clone())
}

/// All routes that there can be.
pub fn document() -> OpenApi {
    let groups: [(&str, Vec<Operation>); 4] = [
        ("people", openapi_people::operations()),
        ("machines", openapi_machines::operations().into()),
        ("administration", openapi_operators::administration()),
        ("operations", openapi_operators::operations().into()),
    ];
    let (mut paths, mut components) = (Paths::new(), openapi_refusals::shared(ComponentsBuilder::new()));
    for (tag, group) in groups {
        for operation in group {
            components = components.schemas_from_iter(operation.schemas.clone());
            paths.add_path_operation(operation.path, vec![operation.method.clone()], operation.build(tag));
        }
    }
    OpenApiBuilder::new()
        .info(info())
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .tags(Some(TAGS.map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build())))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

/// The same as text, for files.
pub fn text() -> String {
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn info() -> Info {
    let license = LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).build();
    InfoBuilder::new().title("hallpass").version(env!("CARGO_PKG_VERSION")).description(Some(DESCRIPTION)).license(Some(license)).build()
}
