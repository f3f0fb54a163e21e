//! Refusals in a service's own format keep what the standards ask of them.

use actix_web::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, web};
use hallpass::guard::{AccessToken, Policy, Protect, Require};

use crate::forge::{good, with};
use crate::wire::{guard, serve};

struct Admin;
impl Policy for Admin {
    const ROLE: Option<&'static str> = Some("admin");
}

#[test]
fn a_rendering_decides_the_body_and_never_the_verdict() {
    let lenient = guard().render_with(|refusal, request| {
        HttpResponse::Ok()
            .insert_header((WWW_AUTHENTICATE, "Basic realm=\"x\""))
            .insert_header((CACHE_CONTROL, "public"))
            .insert_header(("X-Own", "1"))
            .body(format!("{} at {}", refusal.code(), request.path()))
    });
    let server = serve(1, move |config| {
        let inside = web::scope("/in").wrap(Protect::<Admin>::new()).route("", web::get().to(|| async { "reached" }));
        let required = web::get().to(|_: Require<Admin>| async { "reached" });
        config
            .app_data(lenient.clone())
            .route("/", web::get().to(|_: AccessToken| async { "reached" }))
            .route("/admin", required)
            .service(inside);
    });
    for (answer, status, body) in [
        (server.get("/"), 401, "missing_token at /"),
        (server.get_with("/", "a.b.c"), 401, "invalid_token at /"),
        (server.get_as("/", "Bearer"), 400, "invalid_request at /"),
        (server.get_with("/admin", good()), 403, "insufficient_scope at /admin"),
        (server.get_with("/in", good()), 403, "insufficient_scope at /in"),
    ] {
        assert!(answer.challenge().starts_with("Bearer "));
        assert_eq!((answer.status, answer.body.as_str(), answer.header("x-own")), (status, body, vec!["1"]));
    }
    assert_eq!(server.get_with("/in", with("roles", serde_json::json!(["admin"]))).body, "reached");
}

#[test]
fn an_answer_to_a_good_token_is_the_handlers_own() {
    let server = serve(1, |config| {
        config.app_data(guard()).route("/", web::get().to(|_: AccessToken| async { "reached" }));
    });
    let answer = server.get_with("/", good());
    assert_eq!((answer.status, answer.body.as_str()), (200, "reached"));
    assert!(answer.header("www-authenticate").is_empty() && answer.header("cache-control").is_empty());
}
