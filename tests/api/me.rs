//! Guarded routes of the service.

use reqwest::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, on_each_store};
use crate::raw::status;

on_each_store! {
    async fn me_says_what_the_token_says(app: TestApp) {
        let login: Value = app.login(EMAIL, PASSWORD).await.json().await.unwrap();
        let response = app.get("/me").bearer_auth(login["access_token"].as_str().unwrap()).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()[CACHE_CONTROL].to_str().unwrap()), (200, "no-store"));
        let me: Value = response.json().await.unwrap();
        assert_eq!(me["session_id"], login["session_id"]);
        assert_eq!(me["expires_at"], login["expires_at"]);
        assert_eq!((&me["scope"], &me["roles"], &me["amr"], &me["acr"]), (&json!("a b"), &json!(["r"]), &json!(["pwd"]), &json!("1")));
        assert_eq!((&me["client_id"], me["sub"].as_str().unwrap().get(..4)), (&json!("hallpass"), Some("usr_")));
    }

    async fn b1_without_a_token_the_challenge_has_no_error(app: TestApp) {
        let response = app.get("/me").send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="hallpass""#);
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "missing_token");
    }

    async fn a32_an_expired_token_is_told_apart_and_no_other(app: TestApp) {
        let token = app.token().await;
        app.clock.advance(304);
        assert_eq!(app.get("/me").bearer_auth(&token).send().await.unwrap().status(), 200, "the leeway is 5 s");
        app.clock.advance(1);
        let response = app.get("/me").bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().ends_with(r#"error_description="The access token has expired""#));
        let garbled = app.get("/me").bearer_auth(format!("{token}x")).send().await.unwrap();
        assert!(garbled.headers()[WWW_AUTHENTICATE].to_str().unwrap().ends_with(r#"error_description="The access token is invalid""#));
    }

    async fn b8_two_authorization_headers_are_malformed(app: TestApp) {
        let token = app.token().await;
        for (one, two) in [(token.as_str(), token.as_str()), (&token, "x"), ("x", &token)] {
            let answer = app.raw(format!("GET /me HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {one}\r\nauthorization: Bearer {two}\r\n\r\n")).await;
            assert_eq!(status(&answer), 400);
            assert!(answer.contains("\"code\":\"invalid_request\""));
        }
    }

    async fn b10_b11_b13_a_token_in_the_query_or_a_form_is_no_credential(app: TestApp) {
        let token = app.token().await;
        assert_eq!(app.get(&format!("/me?access_token={token}")).send().await.unwrap().status(), 401);
        assert_eq!(app.get("/me?access_token=garbage").bearer_auth(&token).send().await.unwrap().status(), 200);
        let form = app.client.get(app.url("/me")).header("content-type", "application/x-www-form-urlencoded").body(format!("access_token={token}"));
        assert_eq!(form.send().await.unwrap().status(), 401);
    }

    async fn b19_b22_other_headers_have_no_power(app: TestApp) {
        let token = app.token().await;
        assert_eq!(app.get("/me").header("proxy-authorization", format!("Bearer {token}")).send().await.unwrap().status(), 401);
        let overridden = app.client.post(app.url("/me")).header("x-http-method-override", "GET").header(AUTHORIZATION, format!("Bearer {token}"));
        assert_eq!(overridden.send().await.unwrap().status(), 405);
    }

    async fn b21_head_is_guarded_like_get(app: TestApp) {
        assert_eq!(app.client.head(app.url("/me")).send().await.unwrap().status(), 401);
        let response = app.client.head(app.url("/me")).bearer_auth(app.token().await).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.text().await.unwrap().is_empty());
    }
}
