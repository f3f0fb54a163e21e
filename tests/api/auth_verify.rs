//! What gateways ask: `ANY /auth/verify`.

use std::time::{Duration, Instant};

use reqwest::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use reqwest::{Method, Response};

use crate::app::{ISSUER, TestApp, claims, on_each_store, text};
use crate::raw::status;

const ACCESS: &str = "__Host-hallpass-access";

const IDENTITY: [&str; 6] = ["x-auth-subject", "x-auth-client", "x-auth-scope", "x-auth-roles", "x-auth-session", "x-auth-expires"];

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("absent", |value| value.to_str().unwrap())
}

async fn asked(app: &TestApp, token: &str, query: &str) -> Response {
    app.get(&format!("/auth/verify{query}")).bearer_auth(token).send().await.unwrap()
}

/// A refusal names nobody.
#[track_caller]
fn is_refused(response: &Response, expected: (u16, &str)) {
    assert_eq!((response.status().as_u16(), header(response, WWW_AUTHENTICATE.as_str())), expected);
    assert!(IDENTITY.iter().all(|name| !response.headers().contains_key(*name)));
}

on_each_store! {
    async fn who_may_pass_is_named_in_headers_and_the_body_is_empty(app: TestApp) {
        let token = app.token().await;
        let said = claims(&token);
        for path in ["/auth/verify", "/auth/verify/", "/auth/verify/orders/7", "/auth/verify/..%2f..%2flogin", "/auth/verify//"] {
            let response = app.get(path).bearer_auth(&token).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            let expected = [text(&said, "sub"), "hallpass".into(), "a b".into(), "r".into(), text(&said, "sid"), said["exp"].to_string()];
            assert_eq!(IDENTITY.map(|name| header(&response, name).to_owned()), expected, "{path}");
            assert_eq!(header(&response, CACHE_CONTROL.as_str()), "no-store");
            assert!(response.bytes().await.unwrap().is_empty());
        }
    }

    async fn every_method_is_answered_alike(app: TestApp) {
        let token = app.token().await;
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = || app.client.request(method.clone(), app.url("/auth/verify?scope=a"));
            let response = request().bearer_auth(&token).send().await.unwrap();
            assert_eq!((response.status().as_u16(), header(&response, "x-auth-scope")), (200, "a b"), "{method}");
            is_refused(&request().send().await.unwrap(), (401, r#"Bearer realm="hallpass""#));
        }
    }

    async fn a_request_that_brings_a_body_is_decided_without_it(app: TestApp) {
        let token = app.token().await;
        let answer = app.raw(format!("POST /auth/verify HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: 9999999\r\n\r\n")).await;
        assert_eq!(status(&answer), 200);
        app.assert_sound().await;
    }

    async fn each_rule_must_be_met_and_the_challenge_says_which_is_not(app: TestApp) {
        let token = app.token().await;
        for query in ["?scope=a", "?scope=b+a", "?scope=a%20b&role=r&max_age=300", "?role=r", "?max_age=0", "?", "?&"] {
            assert_eq!(asked(&app, &token, query).await.status(), 200, "{query}");
        }
        is_refused(&asked(&app, &token, "?scope=a+c").await, (403, r#"Bearer realm="hallpass", error="insufficient_scope", scope="a c""#));
        is_refused(&asked(&app, &token, "?role=admin").await, (403, r#"Bearer realm="hallpass", error="insufficient_scope""#));
        app.clock.advance(61);
        assert_eq!(asked(&app, &token, "?max_age=61").await.status(), 200);
        is_refused(&asked(&app, &token, "?max_age=60").await, (401, r#"Bearer realm="hallpass", error="insufficient_user_authentication", max_age="60""#));
    }

    async fn a_rule_that_is_unknown_repeated_or_empty_refuses_everybody(app: TestApp) {
        let token = app.token().await;
        for query in ["?scop=a", "?scope=a&scope=a", "?role=r&role=r", "?scope=", "?role=", "?max_age=", "?max_age=-1", "?scope", "?scope=a&page=2", "?scope=%22"] {
            is_refused(&asked(&app, &token, query).await, (403, r#"Bearer realm="hallpass", error="insufficient_scope""#));
            assert_eq!(app.get(&format!("/auth/verify{query}")).send().await.unwrap().status(), 403, "{query}");
        }
    }

    async fn a_bad_credential_is_401_also_where_other_routes_say_400(app: TestApp) {
        let token = app.token().await;
        let invalid = (401, r#"Bearer realm="hallpass", error="invalid_token", error_description="The access token is invalid""#);
        for malformed in ["Bearer".to_owned(), "Bearer x".to_owned(), format!("Bearer {token}x")] {
            is_refused(&app.get("/auth/verify").header("authorization", malformed).send().await.unwrap(), invalid);
        }
        let both = app.get("/auth/verify").bearer_auth(&token).header("cookie", format!("{ACCESS}={token}"));
        is_refused(&both.send().await.unwrap(), invalid);
        let twice = app.raw(format!("GET /auth/verify HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n\r\n")).await;
        assert_eq!(status(&twice), 401);
        app.clock.advance(400);
        let expired = (401, r#"Bearer realm="hallpass", error="invalid_token", error_description="The access token has expired""#);
        is_refused(&asked(&app, &token, "").await, expired);
    }

    async fn h14_h15_h16_h19_h21_what_anybody_can_say_of_a_request_decides_nothing(app: TestApp) {
        let token = app.token().await;
        let headers = [
            ("x-forwarded-uri", "/public"),
            ("x-forwarded-uri", "/public/../admin"),
            ("x-forwarded-method", "OPTIONS"),
            ("x-original-method", "OPTIONS"),
            ("x-original-url", "/public?role=none"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-http-method-override", "OPTIONS"),
            ("x-forwarded-host", "auth.example.com"),
            ("user-agent", "kube-probe/1.30"),
            ("user-agent", "GoogleHC/1.0"),
            ("x-auth-subject", "usr_forged"),
        ];
        for (name, value) in headers {
            assert_eq!(app.get("/auth/verify").header(name, value).send().await.unwrap().status(), 401, "{name}: {value}");
            let denied = app.get("/auth/verify?role=admin").header(name, value).bearer_auth(&token).send().await.unwrap();
            assert_eq!(denied.status(), 403, "{name}: {value}");
            let allowed = app.get("/auth/verify?role=r").header(name, value).bearer_auth(&token).send().await.unwrap();
            assert_eq!((allowed.status().as_u16(), header(&allowed, "x-auth-subject")), (200, claims(&token)["sub"].as_str().unwrap()));
        }
    }

    async fn h17_names_that_look_like_ours_are_not_given_back(app: TestApp) {
        let token = app.token().await;
        for name in ["x_auth_subject", "x.auth.subject", "x-auth-subject", "x-auth-user", "x_forwarded_uri"] {
            let response = app.get("/auth/verify").bearer_auth(&token).header(name, "forged").send().await.unwrap();
            assert!(response.status() == 200 && response.headers().values().all(|value| value != "forged"), "{name}");
        }
    }

    async fn h20_where_there_is_no_decision_nobody_passes_and_nobody_is_named(app: TestApp) {
        let token = app.token().await;
        let long = format!("?scope={}", "a".repeat(9000));
        for query in ["?max_age=99999999999999999999", "?scope=%ff", "?scope=%00", "?role=%22%0d%0ax-auth-subject:x", long.as_str()] {
            let response = asked(&app, &token, query).await;
            assert!(matches!(response.status().as_u16(), 403 | 414), "{query}: {}", response.status());
            assert!(IDENTITY.iter().all(|name| !response.headers().contains_key(*name)));
        }
    }

    async fn e4_e7_a_cookie_from_elsewhere_is_refused_whatever_the_method(app: TestApp, |config| config.server.cors_origins = vec!["https://app.example.com".into()]) {
        let token = app.token().await;
        let asked = async |method: &str, site: Option<&str>, origin: Option<&str>| {
            let mut request = app.client.request(method.parse().unwrap(), app.url("/auth/verify?scope=a")).header("cookie", format!("{ACCESS}={token}"));
            request = site.into_iter().fold(request, |request, site| request.header("sec-fetch-site", site));
            request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
            request.send().await.unwrap().status().as_u16()
        };
        for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE"] {
            for site in [Some("cross-site"), Some(""), Some("Same-Origin")] {
                assert_eq!(asked(method, site, None).await, 403, "{method} {site:?}");
            }
            for origin in ["https://evil.example", "null", "http://auth.example.com", "https://auth.example.com.evil.example"] {
                for site in [None, Some("cross-site"), Some("same-origin")] {
                    let status = asked(method, site, Some(origin)).await;
                    assert_eq!(status, 403, "{method} {site:?} {origin}");
                }
            }
            for (site, origin) in [(Some("same-origin"), None), (Some("same-origin"), Some(ISSUER)), (None, Some(ISSUER)), (Some("cross-site"), Some("https://app.example.com"))] {
                assert_eq!(asked(method, site, origin).await, 200, "{method} {site:?} {origin:?}");
            }
        }
        // A typed address, a link from next door, and a browser that says nothing: for what changes nothing only.
        for (method, expected) in [("GET", 200), ("POST", 403)] {
            for site in [Some("none"), Some("same-site"), None] {
                assert_eq!(asked(method, site, None).await, expected, "{method} {site:?}");
            }
        }
        let bearer = app.get("/auth/verify").bearer_auth(&token).header("sec-fetch-site", "cross-site").header("origin", "https://evil.example");
        assert_eq!(bearer.send().await.unwrap().status(), 200, "no page can make a browser send a bearer token by itself");
    }

    async fn n6_who_logged_out_does_not_pass_any_more(app: TestApp) {
        let token = app.token().await;
        assert_eq!(asked(&app, &token, "").await.status(), 200);
        assert_eq!(app.client.post(app.url("/logout")).bearer_auth(&token).send().await.unwrap().status(), 204);
        let invalid = (401, r#"Bearer realm="hallpass", error="invalid_token", error_description="The access token is invalid""#);
        is_refused(&asked(&app, &token, "").await, invalid);
    }

    async fn n6_who_logged_out_at_another_replica_does_not_pass_within_two_seconds(app: TestApp) {
        let token = app.token().await;
        let replica = app.replica(|_| ()).await;
        assert_eq!(app.client.post(app.url("/logout")).bearer_auth(&token).send().await.unwrap().status(), 204);
        let until = Instant::now() + Duration::from_secs(20);
        let asked = || app.client.get(format!("http://{}/auth/verify", replica.address)).bearer_auth(&token).send();
        while asked().await.unwrap().status() != 401 {
            assert!(Instant::now() < until, "the other replica does not learn of it");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        replica.handle.stop(false).await;
    }
}

#[actix_web::test]
async fn l1_without_a_store_gateways_are_answered_as_before() {
    let Some(app) = TestApp::spawn(crate::app::Store::Postgres, |_| ()).await else { return };
    let token = app.token().await;
    app.proxy.as_ref().unwrap().cut();
    assert_eq!(app.get("/readyz").send().await.unwrap().status(), 503);
    for _ in 0..20 {
        assert_eq!(asked(&app, &token, "?scope=a").await.status(), 200);
        assert_eq!(asked(&app, "x", "").await.status(), 401);
    }
    app.proxy.as_ref().unwrap().pass();
    app.stop().await;
}
