//! `GET /account` and `POST /account/password`: rows C29 to C31 of the threats, and what only a live session may see.

use futures_util::future::join_all;
use reqwest::Response;
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, Running, TestApp, claims, on_each_store, text};

const NEW: &str = "another horse battery staple";

async fn account(app: &TestApp, session: &Value) -> Response {
    app.get("/account").bearer_auth(text(session, "access_token")).send().await.unwrap()
}

async fn change(app: &TestApp, session: &Value, current: &str, new: &str) -> Response {
    let body = json!({ "current_password": current, "new_password": new });
    app.client.post(app.url("/account/password")).bearer_auth(text(session, "access_token")).json(&body).send().await.unwrap()
}

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, text(&response.json().await.unwrap(), "code"))
}

async fn me(app: &TestApp, session: &Value) -> u16 {
    app.me(&text(session, "access_token")).await
}

async fn refresh(app: &TestApp, session: &Value) -> u16 {
    app.refresh(&text(session, "refresh_token")).await.status().as_u16()
}

/// The status of `/me` on another replica, as soon as it is 401 or after ten seconds.
async fn learned(app: &TestApp, replica: &Running, session: &Value) -> u16 {
    let url = format!("http://{}/me", replica.address);
    for _ in 0..500 {
        let status = app.client.get(&url).bearer_auth(text(session, "access_token")).send().await.unwrap().status().as_u16();
        if status == 401 {
            return status;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    200
}

on_each_store! {
    async fn the_account_is_what_its_owner_sees_of_it_and_nothing_more(app: TestApp) {
        let session = app.session().await;
        let response = account(&app, &session).await;
        assert_eq!((response.status().as_u16(), response.headers()["cache-control"].to_str().unwrap()), (200, "no-store"));
        let sub = claims(&text(&session, "access_token"))["sub"].clone();
        let body: Value = response.json().await.unwrap();
        assert_eq!(body, json!({ "sub": sub, "email": EMAIL, "created_at": 1_800_000_000, "otp_enabled": false }));
        let head = app.client.head(app.url("/account")).bearer_auth(text(&session, "access_token")).send().await.unwrap();
        assert_eq!(head.status(), 200);
    }

    async fn a_session_that_is_over_in_the_store_is_refused_at_once_whatever_the_deny_list_knows(app: TestApp) {
        let over = ["ended_at = 1", "rotated_at = 1", "created_at = 1", "password_changed_at = 1", "account_id = 'usr_other'"];
        app.raw_sql("INSERT INTO account (id, email, email_folded, scopes, roles, created_at) VALUES ('usr_other', 'x@y', 'x@y', '', '', 1)").await;
        for change in over {
            let session = app.session().await;
            assert_eq!(account(&app, &session).await.status(), 200);
            app.raw_sql(&format!("UPDATE session SET {change} WHERE id = '{}'", text(&session, "session_id"))).await;
            assert_eq!(me(&app, &session).await, 200, "the token by itself is good");
            let response = account(&app, &session).await;
            assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains(r#"error="invalid_token""#), "{change}");
            assert_eq!(code(response).await, (401, "invalid_token".to_owned()), "{change}");
        }
        for change in ["UPDATE account SET disabled_at = 1", "DELETE FROM session", "DELETE FROM account"] {
            app.raw_sql("UPDATE account SET disabled_at = NULL").await;
            let session = app.session().await;
            app.raw_sql(change).await;
            assert_eq!(code(account(&app, &session).await).await, (401, "invalid_token".to_owned()), "{change}");
        }
    }

    async fn a_session_that_timed_out_is_over_while_its_token_is_still_good(app: TestApp, |config| config.sessions.idle_timeout = std::time::Duration::from_secs(60)) {
        let session = app.session().await;
        app.clock.advance(59);
        assert_eq!(account(&app, &session).await.status(), 200);
        app.clock.advance(1);
        assert_eq!((me(&app, &session).await, account(&app, &session).await.status().as_u16()), (200, 401));
    }

    async fn c30_a_new_password_ends_every_other_session_and_this_one_goes_on(app: TestApp) {
        let replica = app.replica(|_| ()).await;
        let (other, this, third) = (app.session().await, app.session().await, app.session().await);
        app.clock.advance(7);
        let response = change(&app, &this, PASSWORD, NEW).await;
        assert_eq!((response.status().as_u16(), response.headers()["cache-control"].to_str().unwrap()), (204, "no-store"));
        for ended in [&other, &third] {
            assert_eq!((me(&app, ended).await, refresh(&app, ended).await), (401, 401), "here at once");
            assert_eq!(learned(&app, &replica, ended).await, 401);
        }
        assert_eq!((me(&app, &this).await, account(&app, &this).await.status().as_u16()), (200, 200));
        let url = format!("http://{}/me", replica.address);
        assert_eq!(app.client.get(url).bearer_auth(text(&this, "access_token")).send().await.unwrap().status(), 200);
        let next: Value = app.refresh(&text(&this, "refresh_token")).await.json().await.unwrap();
        assert_eq!((me(&app, &next).await, refresh(&app, &next).await), (200, 200), "refreshable for ever");
        assert_eq!((app.login(EMAIL, PASSWORD).await.status().as_u16(), app.login(EMAIL, NEW).await.status().as_u16()), (401, 200));
        replica.handle.stop(false).await;
    }

    async fn c29_without_the_current_password_nothing_changes(app: TestApp) {
        let (this, other) = (app.session().await, app.session().await);
        for wrong in ["wrong", NEW, &"x".repeat(73), "a\0b"] {
            assert_eq!(code(change(&app, &this, wrong, NEW).await).await, (401, "invalid_credentials".to_owned()), "{wrong:?}");
        }
        let post = async |body: Value| {
            let request = app.client.post(app.url("/account/password")).bearer_auth(text(&this, "access_token")).json(&body);
            code(request.send().await.unwrap()).await
        };
        for body in [
            json!({ "new_password": NEW }), json!({ "current_password": PASSWORD }), json!({ "current_password": "", "new_password": NEW }), json!({}), json!([PASSWORD, NEW]),
            json!({ "current_password": PASSWORD, "new_password": null }), json!({ "current_password": PASSWORD, "new_password": NEW, "sub": "usr_1" }),
        ] {
            assert_eq!(post(body.clone()).await, (400, "invalid_request".to_owned()), "{body}");
        }
        let anonymous = app.client.post(app.url("/account/password")).json(&json!({ "current_password": PASSWORD, "new_password": NEW }));
        assert_eq!(code(anonymous.send().await.unwrap()).await, (401, "missing_token".to_owned()));
        assert_eq!((me(&app, &this).await, me(&app, &other).await, app.login(EMAIL, PASSWORD).await.status().as_u16()), (200, 200, 200));
    }

    async fn c27_a_new_password_that_the_rules_forbid_is_422_with_every_reason(app: TestApp) {
        let session = app.session().await;
        for (new, codes) in [
            ("letmein", &["password_too_short", "password_common"][..]), ("", &["password_too_short", "password_common"]), ("passwordpassword", &["password_common"]),
            ("Alice@Example.com", &["password_context"]), (&"x1 ".repeat(25), &["password_too_long"]), ("a\0b plum kettle orbit", &["password_invalid"]),
        ] {
            let response = change(&app, &session, PASSWORD, new).await;
            assert_eq!(response.status(), 422, "{new:?}");
            let problem: Value = response.json().await.unwrap();
            assert_eq!(problem["code"], "validation_failed");
            let told: Vec<&str> = problem["violations"].as_array().unwrap().iter().map(|violation| violation["code"].as_str().unwrap()).collect();
            assert_eq!(told, codes, "{new:?}");
            assert!(problem["violations"].as_array().unwrap().iter().all(|violation| violation["field"] == "new_password"));
        }
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
    }

    // Whoever comes after the one that counts is wrong about the password, and more are free here than there are of them.
    async fn c30_of_16_changes_at_once_exactly_one_counts(app: TestApp, |config| config.limits.account_free_failures = 30) {
        let (this, other) = (app.session().await, app.session().await);
        let passwords: Vec<String> = (0..16).map(|n| format!("{NEW} number {n}")).collect();
        let answers = join_all(passwords.iter().enumerate().map(|(n, new)| change(&app, if n % 2 == 0 { &this } else { &other }, PASSWORD, new))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [204, 401].contains(status)), "{statuses:?}");
        let won = statuses.iter().position(|status| *status == 204).unwrap();
        assert_eq!(app.login(EMAIL, &passwords[won]).await.status(), 200);
        let (winner, loser) = if won % 2 == 0 { (&this, &other) } else { (&other, &this) };
        assert_eq!((me(&app, winner).await, refresh(&app, winner).await, me(&app, loser).await), (200, 200, 401));
    }

    async fn c30_refreshes_of_this_session_that_come_with_the_change_do_not_end_it(app: TestApp) {
        let session = app.session().await;
        let token = text(&session, "refresh_token");
        let mut current = PASSWORD.to_owned();
        for round in 0..20 {
            let new = format!("{NEW} number {round}");
            let done = std::cell::Cell::new(false);
            // The same token throughout: it is good for the grace, and this clock stands still.
            let refreshing = async || {
                while !done.get() {
                    assert_eq!(app.refresh(&token).await.status(), 200);
                }
            };
            let changing = async {
                assert_eq!(change(&app, &session, &current, &new).await.status(), 204);
                done.set(true);
            };
            tokio::join!(changing, refreshing(), refreshing(), refreshing(), refreshing());
            current = new;
        }
        assert_eq!((me(&app, &session).await, refresh(&app, &session).await), (200, 200));
    }

    async fn c31_a_disabled_person_can_change_nothing(app: TestApp) {
        let session = app.session().await;
        app.raw_sql("UPDATE account SET disabled_at = 1").await;
        assert_eq!(code(change(&app, &session, PASSWORD, NEW).await).await, (401, "invalid_token".to_owned()));
    }

    async fn l17_a_change_that_cannot_be_recorded_is_503_and_changes_nothing(app: TestApp) {
        let (this, other) = (app.session().await, app.session().await);
        app.raw_sql("ALTER TABLE revocation RENAME TO elsewhere").await;
        let response = change(&app, &this, PASSWORD, NEW).await;
        assert!(response.headers().contains_key("retry-after"));
        assert_eq!(code(response).await, (503, "temporarily_unavailable".to_owned()));
        app.raw_sql("ALTER TABLE elsewhere RENAME TO revocation").await;
        assert_eq!((me(&app, &other).await, refresh(&app, &other).await, app.login(EMAIL, PASSWORD).await.status().as_u16()), (200, 200, 200));
        assert_eq!(change(&app, &this, PASSWORD, NEW).await.status(), 204);
    }
}
