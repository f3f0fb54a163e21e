//! `POST /step-up`: groups D and G of the threats, as far as it is about proving once more who one is.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CACHE_CONTROL, PRAGMA};
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, TestApp, claims, on_each_store, text};
use crate::device::problem;

/// Steps up, and gives the whole answer.
async fn stepped_up(app: &TestApp, token: &str, body: Value) -> Value {
    let response = app.step_up(token, body).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

/// What a token says of how the person proved who they are: auth_time from the start of the test, acr, amr.
fn proof(app_start: i64, answer: &Value) -> (i64, String, String) {
    let said = claims(&text(answer, "access_token"));
    let amr: Vec<&str> = said["amr"].as_array().unwrap().iter().map(|means| means.as_str().unwrap()).collect();
    (said["auth_time"].as_i64().unwrap() - app_start, text(&said, "acr"), amr.join(" "))
}

fn of(auth_time: i64, acr: &str, amr: &str) -> (i64, String, String) {
    (auth_time, acr.to_owned(), amr.to_owned())
}

on_each_store! {
    async fn g5_a_step_up_gives_a_new_access_token_of_the_same_session_and_no_refresh_token(app: TestApp) {
        let start = app.clock.now();
        let login = app.session().await;
        app.clock.advance(100);
        let response = app.step_up(&text(&login, "access_token"), json!({ "password": PASSWORD })).await;
        assert_eq!(response.status(), 200);
        assert_eq!((response.headers()[CACHE_CONTROL].to_str().unwrap(), response.headers()[PRAGMA].to_str().unwrap()), ("no-store", "no-cache"));
        let answer: Value = response.json().await.unwrap();
        let names: HashSet<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, HashSet::from(["access_token", "token_type", "expires_in", "expires_at", "scope", "session_id"]));
        assert_eq!((&answer["session_id"], &answer["scope"]), (&login["session_id"], &json!("a b")));
        assert_eq!(proof(start, &answer), of(100, "1", "pwd"));
        assert_eq!(proof(start, &login), of(0, "1", "pwd"), "the old one says what it said");
        assert_eq!(app.me(&text(&answer, "access_token")).await, 200);
        let refreshed = app.refresh(&text(&login, "refresh_token")).await;
        assert_eq!(proof(start, &refreshed.json().await.unwrap()), of(100, "1", "pwd"), "d12: the session knows, and refreshing renews nothing");
    }

    async fn g5_g6_a_code_makes_it_strong_for_300_seconds_and_its_time_stays(app: TestApp) {
        let start = app.clock.now();
        let login = app.session().await;
        let (device, _) = app.enrolled().await;
        let strong = stepped_up(&app, &text(&login, "access_token"), json!({ "otp": device.code(&app, 0) })).await;
        assert_eq!(proof(start, &strong), of(30, "2", "pwd otp"));
        let mut refresh_token = text(&login, "refresh_token");
        for (advance, expected) in [(0, of(30, "2", "pwd otp")), (300, of(30, "2", "pwd otp")), (1, of(30, "1", "pwd")), (600, of(30, "1", "pwd"))] {
            app.clock.advance(advance);
            let refreshed: Value = app.refresh(&refresh_token).await.json().await.unwrap();
            assert_eq!(proof(start, &refreshed), expected);
            refresh_token = text(&refreshed, "refresh_token");
        }
    }

    async fn a_password_alone_is_one_factor_even_after_a_login_with_two_and_stays_so(app: TestApp) {
        let start = app.clock.now();
        let (device, _) = app.enrolled().await;
        let login = app.strong_session(&device).await;
        assert_eq!(proof(start, &login), of(30, "2", "pwd otp"));
        app.clock.advance(60);
        let weak = stepped_up(&app, &text(&login, "access_token"), json!({ "password": PASSWORD })).await;
        assert_eq!(proof(start, &weak), of(90, "1", "pwd"));
        app.clock.advance(301);
        let refreshed: Value = app.refresh(&text(&login, "refresh_token")).await.json().await.unwrap();
        assert_eq!(proof(start, &refreshed), of(90, "1", "pwd"), "a fresh time never stands beside a strength that is older");
        let strong = stepped_up(&app, &text(&refreshed, "access_token"), json!({ "otp": device.code(&app, 0) })).await;
        assert_eq!(proof(start, &strong), of(391, "2", "pwd otp"));
        app.clock.advance(301);
        let refreshed: Value = app.refresh(&text(&refreshed, "refresh_token")).await.json().await.unwrap();
        assert_eq!(proof(start, &refreshed), of(391, "2", "pwd otp"), "as strong as the login was");
    }

    async fn g4_a_wrong_proof_is_refused_like_a_wrong_login_and_changes_nothing(app: TestApp) {
        let login = app.session().await;
        app.clock.advance(10);
        let token = text(&login, "access_token");
        for body in [json!({ "password": "wrong" }), json!({ "password": "a\0b" }), json!({ "otp": "123456" }), json!({ "otp": "" })] {
            assert_eq!(problem(app.step_up(&token, body.clone()).await).await, (401, "invalid_credentials".into()), "{body}");
        }
        let refreshed: Value = app.refresh(&text(&login, "refresh_token")).await.json().await.unwrap();
        assert_eq!(proof(app.clock.now(), &refreshed), of(-10, "1", "pwd"));
    }

    async fn exactly_one_proof_is_taken(app: TestApp) {
        let token = app.token().await;
        let before = app.authority.hashed_rounds();
        for body in [json!({}), json!({ "password": PASSWORD, "otp": "123456" }), json!({ "password": null }), json!({ "password": "" }), json!({ "otp": 123_456 }), json!({ "password": PASSWORD, "x": 1 })] {
            assert_eq!(problem(app.step_up(&token, body.clone()).await).await, (400, "invalid_request".into()), "{body}");
        }
        assert_eq!(app.with_token(Method::POST, "/step-up", &token, None).await.status(), 415);
        assert_eq!(app.client.post(app.url("/step-up")).json(&json!({ "password": PASSWORD })).send().await.unwrap().status(), 401);
        assert_eq!(app.authority.hashed_rounds(), before);
    }

    async fn a_session_that_is_over_steps_up_no_more(app: TestApp, |config| config.sessions.idle_timeout = Duration::from_secs(60)) {
        let over = (401, "invalid_token".to_owned());
        let proof = || json!({ "password": PASSWORD });
        let token = app.token().await;
        app.raw_sql("UPDATE session SET ended_at = 1").await;
        assert_eq!(problem(app.step_up(&token, proof()).await).await, over, "ended");

        let token = app.token().await;
        app.clock.advance(60);
        assert_eq!(app.me(&token).await, 200);
        assert_eq!(problem(app.step_up(&token, proof()).await).await, over, "idle");

        let token = app.token().await;
        let alice = app.authority.accounts().by_email(EMAIL).await.unwrap();
        app.raw_sql("UPDATE account SET disabled_at = 1").await;
        assert_eq!(problem(app.step_up(&token, proof()).await).await, over, "disabled");
        app.raw_sql("UPDATE account SET disabled_at = NULL, password_changed_at = 1").await;
        assert_eq!(problem(app.step_up(&token, proof()).await).await, over, "another password");
        app.raw_sql("UPDATE account SET password_changed_at = 1800000000").await;
        stepped_up(&app, &token, proof()).await;

        let logout = app.with_token(Method::POST, "/logout", &token, None).await;
        assert_eq!(logout.status(), 204);
        assert_eq!(problem(app.step_up(&token, proof()).await).await, over, "logged out");
        app.raw_sql(&format!("DELETE FROM account WHERE id = '{}'", alice.id)).await;
    }
}
