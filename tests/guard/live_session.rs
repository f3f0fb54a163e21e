//! The extractor that asks whoever keeps the sessions, and what comes of every answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web::{self, Data};
use hallpass::guard::{AccessToken, LiveSession, Policy, Protect, SessionLookup, SessionState, SessionStatus};
use serde_json::{Value, json};

use crate::forge::{NOW, claims, good, ours, with};
use crate::logs;
use crate::wire::{Answer, guard, serve};

/// Knows by the session's name, and counts how often it was asked.
#[derive(Clone, Default)]
struct ByName(Arc<AtomicUsize>);

#[derive(Debug, thiserror::Error)]
#[error("outer cause")]
struct Broken(#[source] std::io::Error);

impl SessionStatus for ByName {
    type Error = Broken;

    async fn session_state(&self, token: &AccessToken) -> Result<SessionState, Broken> {
        self.0.fetch_add(1, Ordering::SeqCst);
        // Not ready at once, as no real look-up is.
        actix_web::rt::task::yield_now().await;
        match token.session_id() {
            Some("live" | "s1") => Ok(SessionState::Live),
            Some("over") => Ok(SessionState::Over),
            other => Err(Broken(std::io::Error::other(other.unwrap_or("none").to_owned()))),
        }
    }
}

struct Admin;
impl Policy for Admin {
    const ROLE: Option<&'static str> = Some("admin");
}

async fn subject(session: LiveSession) -> String {
    format!("{} in {}", session.subject(), session.id())
}

fn assert_unavailable(answer: &Answer) {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, answer.code().as_str(), &body["retry_after"]), (503, "temporarily_unavailable", &json!(3)), "{answer:?}");
    assert_eq!((answer.header("retry-after"), answer.header("cache-control")), (vec!["3"], vec!["no-store"]));
    assert!(answer.header("www-authenticate").is_empty());
}

#[test]
fn a_live_session_passes_one_that_is_over_is_an_invalid_token_and_an_unknown_one_is_503() {
    logs::lines();
    let asked = ByName::default();
    let lookup = SessionLookup::new(asked.clone());
    let server = serve(2, move |config| {
        let data = web::scope("/data").app_data(Data::new(lookup.clone())).route("", web::get().to(subject));
        let inside = web::scope("/in").app_data(lookup.clone()).wrap(Protect::<Admin>::new()).route("", web::get().to(subject));
        config.app_data(guard()).service(data).service(inside);
    });
    let of = |sid: &str| {
        let mut claims = claims();
        (claims["sid"], claims["roles"]) = (json!(sid), json!(["admin"]));
        ours(claims.to_string())
    };
    for path in ["/data", "/in"] {
        assert_eq!(server.get_with(path, of("live")).body, "usr_1 in live");
        let over = server.get_with(path, of("over"));
        assert_eq!((over.refusal().0, over.refusal().1.as_str()), (401, "invalid_token"));
        assert!(over.challenge().contains(r#"error="invalid_token", error_description="The access token is invalid""#));
        assert_unavailable(&server.get_with(path, of("nobody knows")));
    }
    assert_eq!(asked.0.load(Ordering::SeqCst), 6, "once for each request");
    let lines: Vec<String> = logs::lines().into_iter().filter(|line| line.contains("nobody knows")).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("ERROR hallpass::guard")
        && line.ends_with("could not be looked up, so its request is answered 503: outer cause: nobody knows")));
}

#[test]
fn nothing_is_looked_up_for_who_is_refused_anyway() {
    let asked = ByName::default();
    let lookup = SessionLookup::new(asked.clone());
    let server = serve(1, move |config| {
        let admin = web::get().to(|session: LiveSession<Admin>| async move { session.into_inner().subject().to_owned() });
        config.app_data(guard()).app_data(lookup.clone()).route("/", web::get().to(subject)).route("/admin", admin);
    });
    let client = |role: &str| {
        let mut claims = claims();
        (claims["sub"], claims["client_id"], claims["roles"]) = (json!("cli_1"), json!("cli_1"), json!([role]));
        for name in ["sid", "auth_time", "amr", "acr"] {
            claims.as_object_mut().unwrap().remove(name);
        }
        ours(claims.to_string())
    };
    for (answer, status, code) in [
        (server.get("/"), 401, "missing_token"),
        (server.get_with("/", "a.b.c"), 401, "invalid_token"),
        (server.get_as("/", "Bearer"), 400, "invalid_request"),
        (server.get_with("/", with("exp", json!(NOW - 60))), 401, "invalid_token"),
        (server.get_with("/admin", good()), 403, "insufficient_scope"),
        // A client has no session: no policy makes one.
        (server.get_with("/", client("x")), 403, "user_token_required"),
        (server.get_with("/admin", client("x")), 403, "user_token_required"),
        (server.get_with("/admin", client("admin")), 403, "user_token_required"),
    ] {
        assert_eq!((answer.refusal().0, answer.refusal().1.as_str()), (status, code));
    }
    assert_eq!(asked.0.load(Ordering::SeqCst), 0);
    assert_eq!(server.get_with("/admin", with("roles", json!(["admin"]))).body, "usr_1");
    assert_eq!(asked.0.load(Ordering::SeqCst), 1);
}

#[test]
fn q1_without_a_look_up_the_answer_is_500_and_one_line_says_how_to_mend_it() {
    logs::lines();
    let server = serve(1, |config| {
        config.app_data(guard()).route("/", web::get().to(subject));
    });
    for answer in [server.get("/"), server.get_with("/", good())] {
        assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    }
    let lines: Vec<String> = logs::lines().into_iter().filter(|line| line.contains("no hallpass SessionLookup")).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("ERROR hallpass::guard") && line.contains(".app_data(lookup.clone())")));
}

#[test]
fn a_rendering_cannot_let_an_unknown_session_through() {
    let lenient = guard().render_with(|refusal, _| actix_web::HttpResponse::Ok().insert_header(("retry-after", "0")).body(refusal.code()));
    let lookup = SessionLookup::new(ByName::default());
    let server = serve(1, move |config| {
        config.app_data(lenient.clone()).app_data(lookup.clone()).route("/", web::get().to(subject));
    });
    let answer = server.get_with("/", with("sid", json!("lost")));
    assert_eq!((answer.status, answer.body.as_str(), answer.header("retry-after")), (503, "temporarily_unavailable", vec!["3"]));
}
