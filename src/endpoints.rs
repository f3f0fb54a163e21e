//! The routes: thin adapters that parse, make one call to the authority, and serialise. This file is the single table of them.

pub mod account;
pub mod account_otp;
pub mod admin;
pub mod admin_audit;
pub mod admin_clients;
pub mod admin_users;
pub mod auth_verify;
pub mod demo;
pub mod docs;
mod docs_schema;
pub mod login;
pub mod logout;
pub mod me;
pub mod metadata;
pub mod metrics;
pub mod oauth_introspect;
pub mod oauth_revoke;
pub mod oauth_token;
pub mod openapi;
mod openapi_machines;
mod openapi_operation;
mod openapi_operators;
mod openapi_people;
mod openapi_refusals;
pub mod probes;
pub mod refresh;
pub mod register;
pub mod revocations;
pub mod sessions;
pub mod step_up;
mod token_response;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Resource, Route};

use self::demo::DemoPage;
use self::docs::ApiPage;
use self::openapi::ApiDocument;
use crate::http::Error;

/// The routes that answer without a credential in the headers. Every other route refuses a request that has none. Those of clients find
/// theirs in the form too, and refuse by themselves.
pub const PUBLIC: [&str; 13] = [
    "/login",
    "/refresh",
    "/register",
    "/oauth/token",
    "/oauth/introspect",
    "/oauth/revoke",
    "/.well-known/oauth-authorization-server",
    "/livez",
    "/readyz",
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/docs",
];

/// Every route of the service. What is not here is 404, what is here with another method is 405.
///
/// They are looked through in this order, and a path with a variable is a regular expression, so those that are asked for most come first and
/// those with variables last.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/auth/verify").route(web::route().to(auth_verify::verify)))
        .service(resource("/login", "POST", [web::post().to(login::login)]))
        .service(resource("/refresh", "POST", [web::post().to(refresh::refresh)]))
        .service(resource("/logout", "POST", [web::post().to(logout::logout)]))
        .service(resource("/me", "GET, HEAD", [web::get().to(me::me), web::head().to(me::me)]))
        .service(resource("/account", "GET, HEAD", [web::get().to(account::account), web::head().to(account::account)]))
        .service(resource("/account/password", "POST", [web::post().to(account::change_password)]))
        .service(resource("/sessions", "GET, HEAD", [web::get().to(sessions::list), web::head().to(sessions::list)]))
        .service(resource("/step-up", "POST", [web::post().to(step_up::step_up)]))
        .service(resource("/account/otp", "POST, DELETE", [web::post().to(account_otp::enrol), web::delete().to(account_otp::remove)]))
        .service(resource("/account/otp/confirm", "POST", [web::post().to(account_otp::confirm)]))
        .service(resource("/oauth/token", "POST", [web::post().to(oauth_token::token)]))
        .service(resource("/oauth/introspect", "POST", [web::post().to(oauth_introspect::introspect)]))
        .service(resource("/oauth/revoke", "POST", [web::post().to(oauth_revoke::revoke)]))
        .service(resource(
            "/.well-known/oauth-authorization-server",
            "GET, HEAD",
            [web::get().to(metadata::metadata), web::head().to(metadata::metadata)],
        ))
        .service(resource("/revocations", "GET, HEAD", [web::get().to(revocations::revocations), web::head().to(revocations::revocations)]))
        .service(resource("/openapi.json", "GET, HEAD", [web::get().to(openapi::openapi), web::head().to(openapi::openapi)]))
        .configure(probes)
        .service(web::resource("/auth/verify/{tail:.*}").route(web::route().to(auth_verify::verify)))
        .service(resource("/sessions/{id}", "DELETE", [web::delete().to(sessions::end)]))
        .configure(administration)
        .default_service(web::to(|| async { Err::<(), _>(Error::NotFound) }));
}

/// Those of orchestrators.
fn probes(config: &mut ServiceConfig) {
    config
        .service(resource("/livez", "GET, HEAD", [web::get().to(probes::livez), web::head().to(probes::livez)]))
        .service(resource("/healthz", "GET, HEAD", [web::get().to(probes::livez), web::head().to(probes::livez)]))
        .service(resource("/readyz", "GET, HEAD", [web::get().to(probes::readyz), web::head().to(probes::readyz)]));
}

/// What is on the operators' own address, where there is one: nothing that a token would be good for.
pub fn operations(config: &mut ServiceConfig) {
    config.configure(metering).configure(probes).default_service(web::to(|| async { Err::<(), _>(Error::NotFound) }));
}

/// The routes of administrators. Each takes an [`admin::Administrator`].
fn administration(config: &mut ServiceConfig) {
    use {admin_audit as audit, admin_clients as clients, admin_users as users};
    let (get, head, post, patch, delete) = (web::get, web::head, web::post, web::patch, web::delete);
    config
        .service(resource("/admin/users", "GET, HEAD, POST", [get().to(users::list), head().to(users::list), post().to(users::add)]))
        .service(resource(
            "/admin/users/{sub}",
            "GET, HEAD, PATCH, DELETE",
            [get().to(users::show), head().to(users::show), patch().to(users::change), delete().to(users::delete)],
        ))
        .service(resource("/admin/users/{sub}/logout", "POST", [post().to(users::log_out)]))
        .service(resource("/admin/users/{sub}/password", "POST", [post().to(users::set_password)]))
        .service(resource("/admin/users/{sub}/otp", "DELETE", [delete().to(users::remove_otp)]))
        .service(resource(
            "/admin/clients",
            "GET, HEAD, POST",
            [get().to(clients::list), head().to(clients::list), post().to(clients::add)],
        ))
        .service(resource("/admin/clients/{id}", "PATCH, DELETE", [patch().to(clients::change), delete().to(clients::remove)]))
        .service(resource("/admin/clients/{id}/secret", "POST", [post().to(clients::rotate_secret)]))
        .service(resource("/admin/audit", "GET, HEAD", [get().to(audit::list), head().to(audit::list)]));
}

/// The routes that are there only where the settings say so. Elsewhere their paths are 404 like any other, and the document is without them.
#[derive(Clone, Copy, Debug)]
pub struct Optional {
    /// Whether strangers may make accounts.
    pub registration: bool,
    /// Whether operators have no address of their own.
    pub metrics: bool,
    /// Whether there is a page for people.
    pub docs: bool,
    /// Whether there is a page to see it work. The document is without it: it is no part of the API.
    pub demo: bool,
}

impl Optional {
    /// Those of them that are there, and the document and the page of everything that is there.
    pub fn routes(self) -> impl Fn(&mut ServiceConfig) + Clone + Send {
        let Self { registration, metrics, docs, demo } = self;
        let all = [("/register", registration), ("/metrics", metrics), ("/docs", docs)];
        let absent = all.into_iter().filter(|(_, is_there)| !is_there).map(|(path, _)| path).collect();
        let document = Data::new(ApiDocument::without(absent));
        let page = Data::new(ApiPage::new(document.clone()));
        let demo = demo.then(|| Data::new(DemoPage::new()));
        move |config| {
            config.app_data(document.clone());
            if let Some(demo) = &demo {
                config.app_data(demo.clone());
                config.service(resource("/", "GET, HEAD", [web::get().to(demo::demo), web::head().to(demo::demo)]));
            }
            if registration {
                config.service(resource("/register", "POST", [web::post().to(register::register)]));
            }
            if metrics {
                config.configure(metering);
            }
            if docs {
                config.app_data(page.clone());
                config.service(resource("/docs", "GET, HEAD", [web::get().to(docs::docs), web::head().to(docs::docs)]));
            }
        }
    }
}

fn metering(config: &mut ServiceConfig) {
    config.service(resource("/metrics", "GET, HEAD", [web::get().to(metrics::metrics), web::head().to(metrics::metrics)]));
}

fn resource<const N: usize>(path: &str, allow: &'static str, routes: [Route; N]) -> Resource {
    let refuse_method = web::to(move || async move { Err::<(), _>(Error::MethodNotAllowed { allow }) });
    routes.into_iter().fold(web::resource(path), Resource::route).default_service(refuse_method)
}
