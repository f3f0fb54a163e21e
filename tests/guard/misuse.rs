//! Group Q: what other services may do wrong with the guard, and what comes of it.

use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Bytes};
use hallpass::guard::{AccessToken, Anyone, MaybeAccessToken, Policy, Protect, Require};
use hallpass::token::{Revocation, RevocationList, Verifier};
use serde_json::json;

use crate::forge::{NOW, good, ring, verifier, with};
use crate::logs;
use crate::wire::{guard, serve};

struct Admin;
impl Policy for Admin {
    const ROLE: Option<&'static str> = Some("admin");
}

async fn ok() -> &'static str {
    "reached"
}

async fn subject(token: AccessToken) -> String {
    token.subject().to_owned()
}

fn admin() -> String {
    with("roles", json!(["admin"]))
}

#[test]
fn q1_a_route_without_a_guard_answers_500_and_says_in_one_line_how_to_mend_it() {
    logs::lines();
    let server = serve(1, |config| {
        config
            .route("/token", web::get().to(subject))
            .route("/maybe", web::get().to(|_: MaybeAccessToken| ok()))
            .route("/require", web::get().to(|_: Require<Anyone>| ok()))
            .service(web::scope("/in").wrap(Protect::<Anyone>::new()).route("", web::get().to(ok)))
            .service(web::scope("/both").wrap(Protect::<Anyone>::new()).route("", web::get().to(subject)));
    });
    for path in ["/token", "/maybe", "/require", "/in", "/both"] {
        for answer in [server.get(path), server.get_with(path, good())] {
            assert_eq!((answer.status, answer.code().as_str()), (500, "internal"), "{path}");
            assert!(answer.header("www-authenticate").is_empty() && answer.header("cache-control") == ["no-store"]);
        }
    }
    let lines: Vec<String> = logs::lines().into_iter().filter(|line| line.contains("hallpass Guard")).collect();
    assert_eq!(lines.len(), 10, "one for each request: {lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("ERROR hallpass::guard ") && line.contains(".app_data(guard.clone())")));
}

#[test]
fn q2_the_middleware_covers_nested_scopes_resources_and_the_default_service() {
    let server = serve(1, |config| {
        let nested = web::scope("/deep").route("/er", web::get().to(ok)).service(web::scope("/x/{id}").route("", web::post().to(ok)));
        let guarded = web::scope("/admin")
            .wrap(Protect::<Admin>::new())
            .route("/report", web::get().to(ok))
            .service(nested)
            .default_service(web::to(ok));
        let resource = web::resource("/one").wrap(Protect::<Admin>::new()).route(web::get().to(ok)).default_service(web::to(ok));
        config.app_data(guard()).service(guarded).service(resource).route("/open", web::get().to(ok));
    });
    assert_eq!(server.get("/open").body, "reached");
    for line in [
        "GET /admin/report",
        "GET /admin/deep/er",
        "POST /admin/deep/x/1",
        "GET /admin/nowhere",
        "GET /admin",
        "GET /admin/",
        "DELETE /admin/report",
        "GET /one",
        "PUT /one",
        "GET /admin/deep/../report",
    ] {
        assert_eq!(server.request(line, &[]).refusal().0, 401, "{line}");
        let clerk = server.request(line, &[format!("Authorization: Bearer {}", good()).as_bytes()]);
        assert_eq!(clerk.refusal().0, 403, "{line}");
        let admin = server.request(line, &[format!("Authorization: Bearer {}", admin()).as_bytes()]);
        assert!(matches!(admin.status, 200 | 404 | 405), "{line}: {admin:?}");
    }
    for spelling in [
        "/admin%2freport",
        "//admin/report",
        "/ADMIN/report",
        "/open/../admin/report",
        "/%61dmin/report",
        "/admin/./report",
        "/admin;x/report",
    ] {
        let answer = server.get(spelling);
        assert!(matches!(answer.status, 401 | 404), "{spelling}: {answer:?}");
    }
}

#[test]
fn q2_a_guard_given_to_the_scope_itself_reaches_the_scopes_middleware() {
    let server = serve(1, |config| {
        config.service(web::scope("/in").app_data(guard()).wrap(Protect::<Anyone>::new()).route("", web::get().to(subject)));
        config.service(
            web::scope("/data").app_data(web::Data::new(guard())).wrap(Protect::<Anyone>::new()).route("", web::get().to(subject)),
        );
    });
    for path in ["/in", "/data"] {
        assert_eq!(server.get(path).refusal().0, 401);
        assert_eq!(server.get_with(path, good()).body, "usr_1");
    }
}

#[test]
fn q2_middleware_outside_the_guard_sees_a_refusal_as_an_answer() {
    let server = serve(1, |config| {
        let outer = || DefaultHeaders::new().add(("Access-Control-Allow-Origin", "https://app.example"));
        let inside = web::scope("/in").wrap(Protect::<Admin>::new()).wrap(outer()).route("", web::get().to(ok));
        let extracted = web::scope("/extracted").wrap(outer()).route("", web::get().to(subject));
        config.app_data(guard()).service(inside).service(extracted);
    });
    for answer in [server.get("/in"), server.get_with("/in", good()), server.get_with("/in", "a.b.c"), server.get("/extracted")] {
        answer.refusal();
        assert_eq!(answer.header("access-control-allow-origin"), ["https://app.example"]);
    }
}

#[test]
fn q2_stacked_policies_must_all_hold_whatever_their_order() {
    struct Reader;
    impl Policy for Reader {
        const SCOPE: &'static str = "orders:read";
    }
    let server = serve(1, |config| {
        let one = web::scope("/one")
            .wrap(Protect::<Reader>::new())
            .service(web::scope("").wrap(Protect::<Admin>::new()).route("", web::get().to(ok)));
        let other = web::scope("/other").wrap(Protect::<Admin>::new()).route("", web::get().to(|_: Require<Reader>| ok()));
        config.app_data(guard()).service(one).service(other);
    });
    let admin_without_scope = with("roles", json!(["admin"])).replace(' ', "");
    let mut claims = crate::forge::claims();
    claims["roles"] = json!(["admin"]);
    claims["scope"] = json!("");
    let no_scope = crate::forge::ours(claims.to_string());
    for path in ["/one", "/other"] {
        assert_eq!(server.get_with(path, good()).refusal().0, 403);
        assert_eq!(server.get_with(path, &no_scope).refusal().0, 403);
        assert_eq!(server.get_with(path, &admin_without_scope).body, "reached");
    }
}

#[test]
fn q3_a_bad_token_is_never_taken_for_an_anonymous_request() {
    let server = serve(1, |config| {
        let maybe =
            |token: MaybeAccessToken| async move { token.into_inner().map_or("anonymous".to_owned(), |token| token.subject().to_owned()) };
        config
            .app_data(guard())
            .route("/maybe", web::get().to(maybe))
            .route("/option", web::get().to(|token: Option<AccessToken>| async move { if token.is_some() { "token" } else { "none" } }));
    });
    assert_eq!(server.get("/maybe").body, "anonymous");
    assert_eq!(server.get_with("/maybe", good()).body, "usr_1");
    for bad in ["a.b.c".to_owned(), with("exp", json!(NOW - 60)), good() + "A"] {
        assert_eq!(server.get_with("/maybe", &bad).refusal().0, 401);
        // What the documentation warns of, and why `MaybeAccessToken` is there: if actix ever changes this, so may the warning.
        assert_eq!(server.get_with("/option", &bad).body, "none");
    }
}

#[test]
fn q7_a_refusal_does_not_wait_for_the_body() {
    let server = serve(1, |config| {
        let inside =
            web::scope("/in").wrap(Protect::<Anyone>::new()).route("", web::post().to(|body: Bytes| async move { body.len().to_string() }));
        config
            .app_data(guard())
            .service(inside)
            .route("/extracted", web::post().to(|_: AccessToken, body: Bytes| async move { body.len().to_string() }));
    });
    for path in ["/in", "/extracted"] {
        for length in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
            // Not one byte of the body is ever sent.
            assert_eq!(server.request(&format!("POST {path}"), &[length.as_bytes()]).refusal().0, 401, "{path}, {length}");
        }
        let upgrade = server.request(
            &format!("GET {path}"),
            &[b"Upgrade: websocket", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Version: 13"],
        );
        assert!(matches!(upgrade.status, 401 | 404), "{upgrade:?}");
        let whole = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: 5\r\n\r\nhello",
            good()
        );
        assert_eq!(server.send(whole).body, "5");
    }
}

#[test]
fn q8_two_guards_in_two_scopes_each_believe_their_own_tokens_only() {
    let guard_of = |issuer: &str| {
        let verifier = Verifier::new(ring(), issuer, &["api"]).unwrap();
        hallpass::guard::Guard::new(verifier).with_clock(hallpass::clock::TestClock::at(NOW).into())
    };
    let server = serve(1, move |config| {
        let scope = |path: &str, issuer: &str| web::scope(path).app_data(guard_of(issuer)).route("/x", web::get().to(subject));
        let inner = web::scope("/inner").app_data(guard_of("https://b.example")).route("", web::get().to(subject));
        let nested = web::scope("/nested").app_data(guard_of("https://a.example")).wrap(Protect::<Anyone>::new()).service(inner);
        config.service(scope("/a", "https://a.example")).service(scope("/b", "https://b.example")).service(nested);
    });
    let (a, b) = (with("iss", json!("https://a.example")), with("iss", json!("https://b.example")));
    for (path, good, bad) in [("/a/x", &a, &b), ("/b/x", &b, &a)] {
        assert_eq!(server.get_with(path, good).body, "usr_1");
        assert_eq!(server.get_with(path, bad).refusal().0, 401);
    }
    // What the outer guard verified is nothing to the inner one.
    assert_eq!(server.get_with("/nested/inner", &a).refusal().0, 401);
    assert_eq!(server.get_with("/nested/inner", &b).refusal().0, 401);
}

#[test]
fn q9_a_panic_in_a_handler_harms_no_later_request() {
    let server = serve(1, |config| {
        let panics = |token: AccessToken| async move {
            assert_ne!(token.subject(), "usr_1", "this panic is part of a test");
            ""
        };
        config.app_data(guard()).route("/panics", web::get().to(panics)).route("/", web::get().to(subject));
    });
    for _ in 0..3 {
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.get_with("/panics", good())));
        assert!(broken.is_err(), "the connection closes without an answer");
        assert_eq!(server.get_with("/", good()).body, "usr_1");
    }
}

#[test]
fn q10_a_revocation_reaches_every_worker_at_once() {
    let revocations = RevocationList::new();
    let guard = hallpass::guard::Guard::new(verifier().with_revocations(revocations.clone()))
        .with_clock(hallpass::clock::TestClock::at(NOW).into());
    let server = serve(4, move |config| {
        let worker = || async { format!("{:?}", std::thread::current().id()) };
        config.app_data(guard.clone()).service(web::scope("").wrap(Protect::<Anyone>::new()).route("/", web::get().to(worker)));
    });
    let workers: std::collections::HashSet<String> = (0..40).map(|_| server.get_with("/", good()).body).collect();
    assert!(workers.len() > 1, "{workers:?}");
    revocations.add(&[Revocation::Session { id: "s1".into(), until: NOW + 400 }], NOW);
    for _ in 0..40 {
        assert_eq!(server.get_with("/", good()).refusal().1, "invalid_token");
    }
    assert_eq!(server.get_with("/", with("sid", json!("s2"))).status, 200);
}
