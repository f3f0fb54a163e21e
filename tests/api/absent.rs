//! What hallpass does not have, and what whoever tries it meets: redirects, double-submitted tokens, challenges, a first administrator.

use reqwest::header::{LOCATION, ORIGIN};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::app::{EMAIL, ISSUER, PASSWORD, claims, on_each_store, text};
use crate::device::problem;

const ACCESS: &str = "__Host-hallpass-access";

/// All texts of a document, however deep.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

on_each_store! {
    async fn e11_e12_no_token_in_a_header_stands_in_for_the_origin_of_a_page(app: TestApp) {
        let token = app.token().await;
        let planted = "00000000000000000000000000000000";
        let own = text(&claims(&token), "sid");
        for header in ["x-csrf-token", "x-xsrf-token", "csrf-token"] {
            for value in [planted, own.as_str(), &own[..8], &own.to_uppercase(), ""] {
                let cookies = format!("{ACCESS}={token}; csrf-token={value}; XSRF-TOKEN={value}; __Host-csrf={value}");
                let request = app.client.post(app.url("/logout")).header("cookie", cookies).header(header, value);
                let foreign = request.header("sec-fetch-site", "cross-site").header(ORIGIN, "https://evil.example");
                assert_eq!(problem(foreign.send().await.unwrap()).await, (403, "csrf_failed".into()), "{header}: {value}");
            }
        }
        assert_eq!(app.me(&token).await, 200);
        let own_page = app.client.post(app.url("/logout")).header("cookie", format!("{ACCESS}={token}")).header("sec-fetch-site", "same-origin");
        assert_eq!(own_page.header(ORIGIN, ISSUER).send().await.unwrap().status(), 204, "a page of ours needs none");
    }

    async fn e24_nobody_is_sent_anywhere(app: TestApp) {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        let token = app.token().await;
        for target in ["//evil.example", "https:evil.example", "/%5Cevil.example", "javascript:alert(1)", "%0d%0aLocation:%20https://evil.example"] {
            for name in ["return_to", "redirect_uri", "next", "continue", "rd"] {
                for (method, path) in [("GET", "/"), ("GET", "/me"), ("POST", "/login"), ("POST", "/logout"), ("GET", "/auth/verify"), ("GET", "//evil.example/")] {
                    let request = client.request(method.parse().unwrap(), app.url(&format!("{path}?{name}={target}")));
                    let request = if path == "/login" { request.json(&json!({ "email": EMAIL, "password": PASSWORD })) } else { request };
                    let request = if path == "/me" { request.bearer_auth(&token) } else { request };
                    let response = request.send().await.unwrap();
                    assert!(!response.status().is_redirection() && !response.headers().contains_key(LOCATION), "{method} {path} {name}={target}");
                }
            }
        }
    }

    async fn g7_a_step_up_is_of_the_session_that_its_token_names_and_of_no_other(app: TestApp) {
        app.add("bob@example.com", "a password of bob's own").await;
        let (alice, other) = (app.session().await, app.session().await);
        let token = text(&alice, "access_token");
        assert_eq!(problem(app.step_up(&token, json!({ "password": "a password of bob's own" })).await).await.0, 401, "another person's proof");
        let (device, _) = app.enrolled().await;
        let code = device.code(&app, 0);
        for name in ["challenge", "challenge_id", "session_id", "sub", "email"] {
            let mut body = json!({ "password": PASSWORD });
            body[name] = other["session_id"].clone();
            assert_eq!(problem(app.step_up(&token, body).await).await, (400, "invalid_request".into()), "{name}");
        }
        assert_eq!(app.step_up(&token, json!({ "otp": code })).await.status(), 200);
        let used = app.step_up(&text(&other, "access_token"), json!({ "otp": code })).await;
        assert_eq!(problem(used).await.0, 401, "a proof of one session is none of another");
        app.clock.advance(301);
        assert_eq!(problem(app.step_up(&token, json!({ "otp": device.code(&app, 0) })).await).await, (401, "invalid_token".into()), "an old one");
    }

    async fn g19_what_a_half_finished_login_is_told_opens_nothing(app: TestApp) {
        let (device, _) = app.enrolled().await;
        let response = app.login(EMAIL, PASSWORD).await;
        assert_eq!(response.status(), 401);
        let cookies = response.headers().get_all("set-cookie").iter().count();
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body: Value = response.json().await.unwrap();
        assert_eq!(cookies, 0);
        for said in texts(&body).into_iter().chain([id.as_str(), device.code(&app, 0).as_str()]) {
            // As it is: a token that lost its dots would never be one.
            assert_ne!(app.me(said).await, 200, "{said}");
            assert_eq!(app.refresh(said).await.status(), 401, "{said}");
        }
    }

    async fn h6_there_is_nobody_whom_nobody_has_added(app: TestApp) {
        let accounts = app.authority.accounts().page(None, 100).await.unwrap();
        assert_eq!(accounts.iter().map(|account| account.email.as_typed()).collect::<Vec<_>>(), [EMAIL]);
        for email in ["admin@example.com", "root@localhost.localdomain", "hallpass@example.com", "demo@example.com"] {
            for password in ["admin", "hallpass", "password", "changeme", ""] {
                assert_ne!(app.login(email, password).await.status(), 200, "{email} {password}");
            }
        }
        let answer = app.with_token(Method::GET, "/admin/users", &app.token().await, None).await;
        assert_eq!(answer.status(), 403, "an ordinary person is no administrator");
    }
}
