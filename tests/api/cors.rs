//! CORS: pages of other origins, E19 to E22 of the threats.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};

use crate::app::{EMAIL, PASSWORD, Store, TestApp, on_each_store};

const APP: &str = "https://app.example.com";

fn allow_app(config: &mut hallpass::config::Config) {
    config.server.cors_origins = vec![APP.to_owned(), "http://localhost:3000".to_owned()];
}

async fn sqlite() -> TestApp {
    TestApp::spawn(Store::Sqlite, allow_app).await.unwrap()
}

fn preflight(app: &TestApp, path: &str, origin: &str) -> RequestBuilder {
    let request = app.client.request(Method::OPTIONS, app.url(path)).header("origin", origin);
    request.header("access-control-request-method", "POST").header("access-control-request-headers", "authorization,content-type")
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    assert!(headers.get_all(name).iter().count() < 2, "{name} twice");
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[track_caller]
fn assert_readable(headers: &HeaderMap, case: &str) {
    assert_eq!(header(headers, "access-control-allow-origin"), Some(APP), "{case}");
    assert_eq!(header(headers, "access-control-allow-credentials"), Some("true"), "{case}");
    assert_eq!(header(headers, "access-control-expose-headers"), Some("WWW-Authenticate, X-Request-Id, Retry-After"), "{case}");
    assert_eq!(header(headers, "vary"), Some("Origin, Sec-Fetch-Site"), "e22 {case}");
}

#[track_caller]
fn assert_unreadable(headers: &HeaderMap, case: &str) {
    let found: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
    assert!(found.is_empty(), "{case}: {found:?}");
    assert_eq!(header(headers, "vary"), Some("Origin, Sec-Fetch-Site"), "e22 {case}");
}

#[actix_web::test]
async fn e20_a_preflight_of_an_allowed_origin_is_told_what_it_may_send_and_for_how_long() {
    let app = sqlite().await;
    for path in ["/login", "/me", "/oauth/token", "/oauth/revoke", "/sessions/x", "/nothing"] {
        let response = preflight(&app, path, APP).send().await.unwrap();
        assert_eq!(response.status(), 204, "{path}");
        let headers = response.headers();
        assert_readable(headers, path);
        assert_eq!(header(headers, "access-control-allow-methods"), Some("GET, HEAD, POST, PATCH, DELETE"));
        assert_eq!(header(headers, "access-control-allow-headers"), Some("Authorization, Content-Type, X-Request-Id"));
        assert_eq!(header(headers, "access-control-max-age"), Some("3600"));
        assert_eq!(header(headers, "x-content-type-options"), Some("nosniff"));
        assert!(headers.contains_key("x-request-id"));
    }
    app.stop().await;
}

#[actix_web::test]
async fn e19_e21_a_preflight_of_any_other_origin_is_403_and_tells_nothing() {
    let app = sqlite().await;
    for origin in [
        "null",
        "*",
        "https://evil.example",
        "https://evilapp.example.com",
        "https://app.example.com.evil.example",
        "https://x.app.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://APP.example.com",
        "https://auth.example.com.evil",
    ] {
        for path in ["/login", "/me", "/oauth/token", "/nothing"] {
            let response = preflight(&app, path, origin).send().await.unwrap();
            assert_eq!(response.status(), 403, "{origin} {path}");
            assert_unreadable(response.headers(), origin);
            assert!(!response.text().await.unwrap().contains(origin), "i25 {origin}");
            let response = app.get(path).header("origin", origin).send().await.unwrap();
            assert_unreadable(response.headers(), origin);
        }
    }
    let twice = preflight(&app, "/me", APP).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(twice.status(), 403);
    assert_unreadable(twice.headers(), "twice");
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn e20_a_page_can_read_why_it_was_refused_whatever_the_reason() {
    let app = TestApp::spawn(Store::Sqlite, |config| {
        allow_app(config);
        config.limits.account_free_failures = 1;
    })
    .await
    .unwrap();
    let get = |path: &str| app.get(path).header("origin", APP);
    let post = |path: &str| app.client.post(app.url(path)).header("origin", APP);
    let form = |path: &str| post(path).header("content-type", "application/x-www-form-urlencoded");
    let login = |password: &str| post("/login").json(&serde_json::json!({ "email": EMAIL, "password": password }));
    for (expected, request) in [
        (200, get("/livez")),
        (200, login(PASSWORD)),
        (401, get("/me")),
        (401, get("/me").bearer_auth("x.y.z")),
        (401, login("wrong")),
        (429, login("wrong")),
        (404, get("/nothing")),
        (405, get("/login")),
        (414, get(&format!("/me?{}", "x".repeat(8_200)))),
        (415, post("/login").body("x")),
        (413, post("/login").header("content-type", "application/json").body("x".repeat(20_000))),
        (400, post("/login").header("content-type", "application/json").body("{")),
        (400, form("/oauth/token").body("grant_type=password")),
        (401, form("/oauth/introspect").body("token=x")),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected);
        assert_readable(response.headers(), &expected.to_string());
    }
    app.stop().await;
}

on_each_store! {
    async fn e20_a_login_from_an_allowed_page_keeps_its_cookies_and_its_session(app: TestApp, allow_app) {
        let body = serde_json::json!({ "email": EMAIL, "password": PASSWORD, "transport": "cookie" });
        let request = app.client.post(app.url("/login")).header("origin", APP).header("sec-fetch-site", "cross-site").json(&body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_readable(response.headers(), "login");
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap().split(';').next().unwrap()).collect();
        let me = app.get("/me").header("origin", APP).header("cookie", cookies.join("; ")).send().await.unwrap();
        assert_eq!(me.status(), 200);
        assert_readable(me.headers(), "me");
    }

    async fn e20_503_can_be_read_too(app: TestApp, allow_app) {
        let token = app.token().await;
        app.raw_sql("ALTER TABLE account RENAME TO account_away").await;
        let response = app.get("/account").bearer_auth(token).header("origin", APP).send().await.unwrap();
        assert_eq!(response.status(), 503);
        assert_readable(response.headers(), "503");
    }
}

#[actix_web::test]
async fn what_is_no_preflight_is_answered_as_if_there_were_no_cors() {
    let app = sqlite().await;
    let options = |path: &str| app.client.request(Method::OPTIONS, app.url(path));
    for (expected, request) in [
        (405, options("/me")),
        (405, options("/me").header("origin", APP)),
        (405, options("/me").header("access-control-request-method", "POST")),
        (404, options("/nothing")),
        (401, app.get("/me")),
    ] {
        assert_eq!(request.send().await.unwrap().status(), expected);
    }
    // A gateway that passes a preflight on asks whether the page may come in. It may not.
    for origin in [APP, "https://evil.example"] {
        for path in ["/auth/verify", "/auth/verify/orders", "/%61uth/verify"] {
            let response = preflight(&app, path, origin).send().await.unwrap();
            assert_eq!(response.status(), 401, "{path}");
            assert_unreadable(response.headers(), path);
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn without_allowed_origins_there_is_no_cors() {
    let app = TestApp::spawn(Store::Sqlite, |_| ()).await.unwrap();
    for origin in [APP, "https://auth.example.com", "null"] {
        let response = preflight(&app, "/me", origin).send().await.unwrap();
        assert_eq!(response.status(), 405, "{origin}");
        assert_unreadable(response.headers(), origin);
        assert_unreadable(app.get("/livez").header("origin", origin).send().await.unwrap().headers(), origin);
    }
    app.stop().await;
}
