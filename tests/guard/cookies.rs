//! Group E, and B12: the token in a cookie, for guards that were told to take it from there.

use actix_web::HttpRequest;
use actix_web::test::TestRequest;
use actix_web::web::{self, ServiceConfig};
use allocation_counter::measure;
use hallpass::guard::cookie::ACCESS_COOKIE;
use hallpass::guard::{
    AccessToken, Anyone, Guard, LiveSession, MaybeAccessToken, NotAnOrigin, Protect, Require, SessionLookup, SessionState, SessionStatus,
};
use hallpass::token::Verifier;
use serde_json::json;

use crate::forge::{ISSUER, good, ring, with};
use crate::wire::{Answer, Server, guard, serve};

const APP: &str = "https://app.example.com";
const SAME_ORIGIN: &[u8] = b"Sec-Fetch-Site: same-origin";
/// Each finds the token in another way: an extractor, an optional one, one with a policy, one with a look-up, the middleware, and code that has
/// only the request.
const GUARDED: [&str; 6] = ["/", "/maybe", "/require", "/live", "/in", "/by-hand"];

struct EverySessionIsLive;

impl SessionStatus for EverySessionIsLive {
    type Error = std::io::Error;

    async fn session_state(&self, _: &AccessToken) -> Result<SessionState, Self::Error> {
        Ok(SessionState::Live)
    }
}

fn routes(config: &mut ServiceConfig) {
    async fn subject(token: AccessToken) -> String {
        token.subject().to_owned()
    }
    async fn maybe(token: MaybeAccessToken) -> String {
        token.as_ref().map_or("anonymous", AccessToken::subject).to_owned()
    }
    async fn by_hand(request: HttpRequest, guard: web::Data<Guard>) -> actix_web::HttpResponse {
        match guard.authenticate(&request) {
            Ok(token) => actix_web::HttpResponse::Ok().body(token.subject().to_owned()),
            Err(refusal) => guard.refuse(&refusal, &request),
        }
    }
    let guard = guard().with_cookies(&[APP]).unwrap();
    config
        .app_data(web::Data::new(guard.clone()))
        .app_data(guard)
        .app_data(SessionLookup::new(EverySessionIsLive))
        .route("/live", web::to(|session: LiveSession| async move { session.subject().to_owned() }))
        .route("/", web::to(subject))
        .route("/maybe", web::to(maybe))
        .route("/require", web::to(|token: Require<Anyone>| async move { token.subject().to_owned() }))
        .service(web::scope("/in").wrap(Protect::<Anyone>::new()).default_service(web::to(subject)))
        .route("/by-hand", web::to(by_hand));
}

fn cookie(token: impl AsRef<str>) -> String {
    format!("Cookie: {ACCESS_COOKIE}={}", token.as_ref())
}

fn post(server: &Server, path: &str, headers: &[&str]) -> Answer {
    let cookie = cookie(good());
    let headers: Vec<&[u8]> = std::iter::once(cookie.as_str()).chain(headers.iter().copied()).map(str::as_bytes).collect();
    server.request(&format!("POST {path}"), &headers)
}

#[track_caller]
fn passes(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, "usr_1"));
}

#[track_caller]
fn csrf_failed(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (403, "csrf_failed"));
    assert_eq!(answer.header("www-authenticate"), Vec::<&str>::new(), "another token would not help");
    assert_eq!(answer.header("cache-control"), ["no-store"]);
    assert_eq!(answer.header("vary"), ["Origin, Sec-Fetch-Site"], "e22");
    assert_eq!(answer.header("content-type"), ["application/problem+json"]);
}

#[track_caller]
fn malformed(answer: &Answer) {
    assert_eq!(answer.refusal(), (400, "invalid_request".into(), r#"Bearer realm="hallpass", error="invalid_request""#));
}

#[test]
fn e6_the_cookie_is_as_good_as_the_header_for_a_page_of_the_same_origin() {
    let server = serve(1, routes);
    for path in GUARDED {
        passes(&server.request(&format!("GET {path}"), &[cookie(good()).as_bytes()]));
        passes(&post(&server, path, &["Sec-Fetch-Site: same-origin"]));
        passes(&post(&server, path, &["Sec-Fetch-Site: same-origin", "Origin: https://auth.example.com"]));
        passes(&server.get_with(path, good()));
    }
}

#[test]
fn e4_e5_a_page_of_another_site_or_a_sibling_domain_changes_nothing() {
    let server = serve(1, routes);
    for path in GUARDED {
        for site in ["cross-site", "same-site", "none", "Same-Origin", ""] {
            csrf_failed(&post(&server, path, &[&format!("Sec-Fetch-Site: {site}"), "Origin: https://auth.example.com"]));
        }
        for method in ["PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "get"] {
            csrf_failed(&server.request(&format!("{method} {path}"), &[cookie(good()).as_bytes(), b"Sec-Fetch-Site: cross-site"]));
        }
    }
    let overridden = [cookie(good()), "X-HTTP-Method-Override: GET".into(), "Sec-Fetch-Site: cross-site".into()];
    csrf_failed(&server.request("POST /", &overridden.each_ref().map(String::as_bytes)));
}

#[test]
fn e7_e8_e9_e21_without_fetch_metadata_the_origin_decides_and_without_both_nobody_passes() {
    let server = serve(1, routes);
    for path in GUARDED {
        passes(&post(&server, path, &["Origin: https://auth.example.com"]));
        passes(&post(&server, path, &["Origin: https://app.example.com"]));
        csrf_failed(&post(&server, path, &[]));
        for origin in
            ["null", "https://evil.example", "https://auth.example.com.evil", "http://auth.example.com", "https://auth.example.com:444"]
        {
            csrf_failed(&post(&server, path, &[&format!("Origin: {origin}")]));
        }
        csrf_failed(&post(&server, path, &["Origin: https://evilapp.example.com"]));
        csrf_failed(&post(&server, path, &["Referer: https://auth.example.com/"]));
    }
}

#[test]
fn e10_an_allowed_origin_may_be_elsewhere_and_our_own_may_not() {
    let server = serve(1, routes);
    for site in ["same-site", "cross-site"] {
        passes(&post(&server, "/", &[&format!("Sec-Fetch-Site: {site}"), "Origin: https://app.example.com"]));
        csrf_failed(&post(&server, "/", &[&format!("Sec-Fetch-Site: {site}"), "Origin: https://auth.example.com"]));
    }
    csrf_failed(&post(&server, "/", &["Sec-Fetch-Site: same-site", "Origin: https://app.example.com", "Origin: https://app.example.com"]));
}

#[test]
fn b12_e18_a_header_and_a_cookie_at_once_are_refused_whoever_they_are_of() {
    let server = serve(1, routes);
    let bearer = format!("Authorization: Bearer {}", good());
    for path in GUARDED {
        for other in [good(), with("sub", json!("usr_2")), "a.b.c".to_owned(), String::new()] {
            malformed(&server.request(&format!("GET {path}"), &[bearer.as_bytes(), cookie(&other).as_bytes()]));
            malformed(&server.request(&format!("POST {path}"), &[bearer.as_bytes(), cookie(&other).as_bytes(), SAME_ORIGIN]));
        }
        malformed(&server.request(&format!("GET {path}"), &[b"Authorization: Bearer", cookie(good()).as_bytes()]));
        passes(&server.request(&format!("GET {path}"), &[b"Authorization: Basic dXNlcjpwdw==", cookie(good()).as_bytes()]));
        passes(&server.request(&format!("POST {path}"), &[bearer.as_bytes(), b"Cookie: other=1", b"Sec-Fetch-Site: cross-site"]));
    }
}

#[test]
fn e15_two_cookies_of_the_name_are_refused() {
    let server = serve(1, routes);
    let (one, pair) = (cookie(good()), format!("{ACCESS_COOKIE}={}", good()));
    for path in GUARDED {
        malformed(&server.request(&format!("GET {path}"), &[one.as_bytes(), one.as_bytes()]));
        malformed(&server.request(&format!("GET {path}"), &[format!("{one}; {pair}").as_bytes()]));
        malformed(&server.request(&format!("GET {path}"), &[format!("{one}; {ACCESS_COOKIE}=").as_bytes()]));
    }
}

#[test]
fn e16_a_monstrous_cookie_header_harms_nobody() {
    let server = serve(1, routes);
    let hundred: String = (0..100).map(|number| format!("c{number}=%zz%; ")).collect();
    for path in ["/", "/in"] {
        passes(&server.request(&format!("GET {path}"), &[format!("Cookie: {hundred}{ACCESS_COOKIE}={}", good()).as_bytes()]));
        passes(&server.request(&format!("GET {path}"), &[format!("{}; x={}", cookie(good()), "y".repeat(10_240)).as_bytes()]));
        for value in
            ["", "%", "%zz", "%00", "a.b.c", "\"quoted\"", &"x".repeat(10_240), &format!("\"{}\"", good()), &format!("{}%20", good())]
        {
            let answer = server.request(&format!("GET {path}"), &[cookie(value).as_bytes()]);
            assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_token"), "{value}");
            assert!(answer.challenge().contains("error=\"invalid_token\""));
        }
        let answer = server.request(&format!("GET {path}"), &[b"Cookie: __Host-hallpass-access=\xff\xfe"]);
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_token"));
    }
    passes(&server.get_with("/", good()));
}

#[test]
fn e17_a_name_in_other_letters_is_no_credential() {
    let server = serve(1, routes);
    for name in
        ["__host-hallpass-access", "__HOST-HALLPASS-ACCESS", "hallpass-access", "__Secure-hallpass-access", "__Host-hallpass-refresh"]
    {
        let answer = server.request("GET /", &[format!("Cookie: {name}={}", good()).as_bytes()]);
        assert_eq!(answer.refusal(), (401, "missing_token".into(), r#"Bearer realm="hallpass""#), "{name}");
        assert_eq!(server.request("GET /maybe", &[format!("Cookie: {name}={}", good()).as_bytes()]).body, "anonymous");
    }
}

#[test]
fn a_foreign_page_learns_nothing_of_the_cookie() {
    let server = serve(1, routes);
    let asked = |token: &str| server.request("POST /", &[cookie(token).as_bytes(), b"Sec-Fetch-Site: cross-site"]).body;
    assert_eq!(asked(&good()), asked("a.b.c"), "the origin is looked at before the token");
}

#[test]
fn without_being_told_a_guard_takes_no_cookie() {
    let server = serve(1, |config| {
        config.app_data(guard()).route("/", web::to(|token: AccessToken| async move { token.subject().to_owned() }));
    });
    assert_eq!(server.request("GET /", &[cookie(good()).as_bytes()]).refusal().1, "missing_token");
    passes(&server.request("GET /", &[format!("Authorization: Bearer {}", good()).as_bytes(), cookie("a.b.c").as_bytes()]));
}

#[test]
fn a_guard_with_origins_that_no_browser_sends_is_not_made() {
    for origin in ["*", "null", "https://*.example.com", "https://app.example.com/", "app.example.com"] {
        assert_eq!(guard().with_cookies(&[origin]).err(), Some(NotAnOrigin), "{origin}");
    }
    let unaddressed = Guard::new(Verifier::new(ring(), "our issuer", &["api"]).unwrap());
    assert_eq!(unaddressed.with_cookies(&[]).err(), Some(NotAnOrigin));
    let tenant = Guard::new(Verifier::new(ring(), &format!("{ISSUER}/tenant"), &["api"]).unwrap());
    assert!(tenant.with_cookies(&[]).is_ok());
}

#[test]
fn a_cookie_costs_no_more_memory_than_a_header_and_a_guard_without_cookies_nothing_more() {
    let request = |name: &'static str, value: String| TestRequest::get().insert_header((name, value)).to_http_request();
    let (header, cookie) =
        (request("authorization", format!("Bearer {}", good())), request("cookie", format!("{ACCESS_COOKIE}={}", good())));
    let allocations = |guard: &Guard, request: &HttpRequest| {
        let mut token = None;
        let info = measure(|| token = Some(guard.authenticate(request)));
        assert!(token.unwrap().is_ok());
        info.count_total
    };
    let with_cookies = guard().with_cookies(&[APP]).unwrap();
    // What a thread allocates once, for looking into deny lists at all.
    allocations(&with_cookies, &header);
    assert_eq!([allocations(&guard(), &header), allocations(&with_cookies, &header), allocations(&with_cookies, &cookie)], [1, 1, 1]);
}
