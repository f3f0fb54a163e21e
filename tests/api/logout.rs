//! `POST /logout` and everything else that ends sessions: the rest of group D of the threats, and what replicas learn of it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hallpass::authority::accounts::Accounts;
use hallpass::clock::Clock;
use reqwest::Response;
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, Running, TestApp, on_each_store, text};

const THEIRS: &str = "bob@example.com";

async fn logout(app: &TestApp, access_token: Option<&Value>, body: Value) -> Response {
    let request = app.client.post(app.url("/logout")).json(&body);
    let request = match access_token {
        Some(session) => request.bearer_auth(text(session, "access_token")),
        None => request,
    };
    request.send().await.unwrap()
}

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, response.json::<Value>().await.unwrap()["code"].as_str().unwrap().to_owned())
}

/// Whether the session can be used: both of its tokens, or neither.
async fn is_live(app: &TestApp, session: &Value) -> bool {
    let me = app.me(&text(session, "access_token")).await;
    // Not the real token, which would be used up.
    let live = hallpass::store::session::by_id(app.authority.database(), &text(session, "session_id")).await.unwrap();
    let live = live.is_some_and(|session| session.ended_at.is_none());
    assert_eq!(me, if live { 200 } else { 401 });
    live
}

async fn refresh_code(app: &TestApp, session: &Value) -> (u16, String) {
    code(app.refresh(&text(session, "refresh_token")).await).await
}

/// Waits until another replica refuses the token: two seconds are promised, a busy machine gets more.
async fn learns(app: &TestApp, replica: &Running, access_token: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    while status_on(app, replica, access_token).await != 401 {
        assert!(Instant::now() < until, "the other replica does not learn of it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn status_on(app: &TestApp, replica: &Running, access_token: &str) -> u16 {
    let url = format!("http://{}/me", replica.address);
    app.client.get(url).bearer_auth(access_token).send().await.unwrap().status().as_u16()
}

on_each_store! {
    async fn d17_a_logout_ends_this_session_at_once_and_can_be_repeated(app: TestApp) {
        let (session, other) = (app.session().await, app.session().await);
        for _ in 0..3 {
            let response = logout(&app, Some(&session), json!({})).await;
            assert_eq!(response.status(), 204);
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(response.bytes().await.unwrap().is_empty());
        }
        assert!(!is_live(&app, &session).await && is_live(&app, &other).await);
        assert_eq!(refresh_code(&app, &session).await, (401, "invalid_refresh_token".to_owned()));
    }

    async fn d17_no_body_at_all_is_a_logout_of_this_session(app: TestApp) {
        let (session, other) = (app.session().await, app.session().await);
        let response = app.client.post(app.url("/logout")).bearer_auth(text(&session, "access_token")).send().await.unwrap();
        assert_eq!(response.status(), 204);
        assert!(!is_live(&app, &session).await && is_live(&app, &other).await);
    }

    async fn d17_a_refresh_token_alone_is_enough_and_can_be_repeated(app: TestApp) {
        let (session, other) = (app.session().await, app.session().await);
        for _ in 0..2 {
            assert_eq!(logout(&app, None, json!({ "refresh_token": session["refresh_token"] })).await.status(), 204);
        }
        assert!(!is_live(&app, &session).await && is_live(&app, &other).await);
        app.raw_sql("DELETE FROM session").await;
        assert_eq!(logout(&app, None, json!({ "refresh_token": session["refresh_token"] })).await.status(), 204, "swept");
    }

    async fn d17_a_refresh_token_that_was_used_still_logs_its_session_out(app: TestApp) {
        let session = app.session().await;
        let next: Value = app.refresh(&text(&session, "refresh_token")).await.json().await.unwrap();
        app.clock.advance(100);
        assert_eq!(logout(&app, None, json!({ "refresh_token": session["refresh_token"] })).await.status(), 204);
        assert!(!is_live(&app, &next).await);
    }

    async fn d18_an_expired_access_token_logs_out_with_or_without_the_refresh_token(app: TestApp) {
        let (alone, both) = (app.session().await, app.session().await);
        app.clock.advance(4000);
        assert_eq!(app.me(&text(&alone, "access_token")).await, 401);
        assert_eq!(logout(&app, Some(&alone), json!({})).await.status(), 204);
        assert_eq!(logout(&app, Some(&both), json!({ "refresh_token": both["refresh_token"] })).await.status(), 204);
        for session in [&alone, &both] {
            assert_eq!(refresh_code(&app, session).await, (401, "invalid_refresh_token".to_owned()));
        }
    }

    async fn d20_others_and_all_end_what_they_say_and_nobody_elses(app: TestApp) {
        app.add(THEIRS, PASSWORD).await;
        let theirs: Value = app.login(THEIRS, PASSWORD).await.json().await.unwrap();
        let (one, two, three) = (app.session().await, app.session().await, app.session().await);
        assert_eq!(logout(&app, Some(&two), json!({ "which": "others" })).await.status(), 204);
        assert_eq!((is_live(&app, &one).await, is_live(&app, &two).await, is_live(&app, &three).await), (false, true, false));
        let four = app.session().await;
        let by_refresh_token = json!({ "which": "all", "refresh_token": two["refresh_token"] });
        for _ in 0..2 {
            assert_eq!(logout(&app, None, by_refresh_token.clone()).await.status(), 204);
            assert_eq!(logout(&app, Some(&two), json!({ "which": "all" })).await.status(), 204);
        }
        assert_eq!((is_live(&app, &two).await, is_live(&app, &four).await), (false, false));
        assert!(is_live(&app, &theirs).await);
        assert!(is_live(&app, &app.session().await).await);
    }

    async fn d20_an_expired_token_of_a_live_session_ends_the_others(app: TestApp) {
        let (one, two) = (app.session().await, app.session().await);
        app.clock.advance(4000);
        assert_eq!(logout(&app, Some(&one), json!({ "which": "others" })).await.status(), 204);
        assert_eq!(refresh_code(&app, &two).await.0, 401);
        assert_eq!(app.refresh(&text(&one, "refresh_token")).await.status(), 200);
    }

    async fn a_token_of_a_session_that_is_over_ends_no_other(app: TestApp) {
        let (over, live) = (app.session().await, app.session().await);
        assert_eq!(logout(&app, Some(&over), json!({})).await.status(), 204);
        for which in ["others", "all"] {
            let response = logout(&app, Some(&over), json!({ "which": which })).await;
            assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains(r#"error="invalid_token""#));
            assert_eq!(code(response).await, (401, "invalid_token".to_owned()));
            let response = logout(&app, None, json!({ "which": which, "refresh_token": over["refresh_token"] })).await;
            assert_eq!(code(response).await, (401, "invalid_refresh_token".to_owned()));
        }
        assert!(is_live(&app, &live).await);
    }

    async fn a_used_refresh_token_ends_its_own_session_when_it_asks_for_more(app: TestApp) {
        let (stolen, other) = (app.session().await, app.session().await);
        let next: Value = app.refresh(&text(&stolen, "refresh_token")).await.json().await.unwrap();
        app.clock.advance(11);
        let response = logout(&app, None, json!({ "which": "all", "refresh_token": stolen["refresh_token"] })).await;
        assert_eq!(code(response).await, (401, "invalid_refresh_token".to_owned()));
        assert!(!is_live(&app, &next).await && is_live(&app, &other).await);
    }

    async fn logging_out_takes_a_credential_and_two_must_agree(app: TestApp) {
        let (one, two) = (app.session().await, app.session().await);
        let response = logout(&app, None, json!({})).await;
        assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="hallpass""#);
        assert_eq!(code(response).await, (401, "missing_token".to_owned()));
        assert_eq!(code(logout(&app, Some(&one), json!({ "refresh_token": two["refresh_token"] })).await).await, (400, "invalid_request".to_owned()));
        for garbage in ["", "hp_rt_", "x", one["access_token"].as_str().unwrap()] {
            let response = logout(&app, None, json!({ "refresh_token": garbage })).await;
            assert_eq!(code(response).await, (401, "invalid_refresh_token".to_owned()), "{garbage}");
            let response = logout(&app, Some(&one), json!({ "refresh_token": garbage })).await;
            assert_eq!(code(response).await, (401, "invalid_refresh_token".to_owned()), "{garbage}");
        }
        let forged = format!("{}A", text(&one, "access_token"));
        for forged in [forged.as_str(), "x.y.z", one["refresh_token"].as_str().unwrap()] {
            let response = app.client.post(app.url("/logout")).bearer_auth(forged).json(&json!({ "refresh_token": one["refresh_token"] })).send().await.unwrap();
            assert_eq!(code(response).await, (401, "invalid_token".to_owned()), "{forged}");
        }
        for body in [json!({ "which": "mine" }), json!({ "which": 1 }), json!({ "session_id": two["session_id"] }), json!([]), json!("all")] {
            assert_eq!(code(logout(&app, Some(&one), body.clone()).await).await, (400, "invalid_request".to_owned()), "{body}");
        }
        assert!(is_live(&app, &one).await && is_live(&app, &two).await);
    }

    async fn d30_a_denied_token_stays_denied_with_a_character_changed(app: TestApp) {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let session = app.session().await;
        let token = text(&session, "access_token");
        let (start, last) = token.split_at(token.len() - 1);
        let last = ALPHABET.iter().position(|letter| *letter == last.as_bytes()[0]).unwrap();
        assert_eq!(last % 4, 0, "32 bytes leave two bits of it unused");
        assert_eq!(app.me(&token).await, 200);
        for logged_out in [false, true] {
            if logged_out {
                assert_eq!(logout(&app, Some(&session), json!({})).await.status(), 204);
                assert_eq!(app.me(&token).await, 401);
            }
            // Three other spellings of the same bytes, then other bytes.
            for other in (1..64).map(|other| last ^ other) {
                assert_eq!(app.me(&format!("{start}{}", char::from(ALPHABET[other]))).await, 401, "{logged_out} {other}");
            }
        }
    }

    async fn a_logout_that_cannot_be_recorded_is_503_and_ends_nothing(app: TestApp) {
        let session = app.session().await;
        app.raw_sql("ALTER TABLE revocation RENAME TO elsewhere").await;
        for (bearer, body) in [
            (Some(&session), json!({})), (Some(&session), json!({ "which": "all" })), (Some(&session), json!({ "which": "others" })),
            (None, json!({ "refresh_token": session["refresh_token"] })),
        ] {
            let response = logout(&app, bearer, body).await;
            assert!(response.headers().contains_key("retry-after"));
            assert_eq!(code(response).await, (503, "temporarily_unavailable".to_owned()));
        }
        app.raw_sql("ALTER TABLE elsewhere RENAME TO revocation").await;
        assert!(is_live(&app, &session).await, "both or neither");
        assert_eq!(logout(&app, Some(&session), json!({})).await.status(), 204);
        assert!(!is_live(&app, &session).await);
    }

    async fn n6_d17_what_one_replica_ends_the_others_refuse(app: TestApp) {
        let replica = app.replica(|_| ()).await;
        let (one, two, three) = (app.session().await, app.session().await, app.session().await);
        assert_eq!(status_on(&app, &replica, &text(&one, "access_token")).await, 200);
        assert_eq!(logout(&app, Some(&one), json!({})).await.status(), 204);
        learns(&app, &replica, &text(&one, "access_token")).await;
        assert_eq!(status_on(&app, &replica, &text(&two, "access_token")).await, 200);
        assert_eq!(logout(&app, Some(&two), json!({ "which": "all" })).await.status(), 204);
        learns(&app, &replica, &text(&two, "access_token")).await;
        learns(&app, &replica, &text(&three, "access_token")).await;
        replica.handle.stop(false).await;
    }

    async fn n4_a_replica_that_starts_knows_what_was_revoked_before_it_is_ready(app: TestApp) {
        let (ended, live) = (app.session().await, app.session().await);
        assert_eq!(logout(&app, Some(&ended), json!({})).await.status(), 204);
        let restarted = app.replica(|_| ()).await;
        assert_eq!(status_on(&app, &restarted, &text(&ended, "access_token")).await, 401);
        assert_eq!(status_on(&app, &restarted, &text(&live, "access_token")).await, 200);
        restarted.handle.stop(false).await;
    }

    async fn c31_c30_what_another_process_does_to_an_account_is_learned_within_seconds(app: TestApp) {
        // As the command line does it: the same store, another process, nothing in common with the one that serves.
        let elsewhere = Accounts::new(app.authority.database().clone(), Clock::Test(app.clock.clone()));
        for change in ["disable", "delete", "password"] {
            let email = format!("{change}@example.com");
            app.add(&email, PASSWORD).await;
            let session: Value = app.login(&email, PASSWORD).await.json().await.unwrap();
            let token = text(&session, "access_token");
            assert_eq!(app.me(&token).await, 200);
            let account = elsewhere.by_email(&email).await.unwrap();
            match change {
                "disable" => assert!(elsewhere.disable(&account).await.unwrap()),
                "delete" => elsewhere.delete(&account).await.unwrap(),
                _ => {
                    let password = hallpass::authority::Password::new("another horse battery staple".into());
                    elsewhere.set_password(&account, password, &app.authority.new_passwords()).await.unwrap();
                }
            }
            let until = Instant::now() + Duration::from_secs(10);
            while app.me(&token).await != 401 {
                assert!(Instant::now() < until, "{change} is not learned of");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        app.assert_sound().await;
    }

    async fn d17_32_logouts_and_refreshes_at_once_end_in_a_session_that_is_over(app: TestApp) {
        let session = app.session().await;
        let (token, access) = (text(&session, "refresh_token"), Some(&session));
        let logouts = join_all((0..16).map(|_| logout(&app, access, json!({}))));
        let refreshes = join_all((0..16).map(|_| app.refresh(&token)));
        let (logouts, refreshes) = tokio::join!(logouts, refreshes);
        assert!(logouts.iter().all(|response| response.status() == 204));
        for response in refreshes {
            let status = response.status().as_u16();
            assert!([200, 401].contains(&status), "{status}");
            if status == 200 {
                let body: Value = response.json().await.unwrap();
                assert_eq!(app.me(&text(&body, "access_token")).await, 401);
                assert_eq!(refresh_code(&app, &body).await.0, 401);
            }
        }
        app.assert_sound().await;
    }

    async fn d23_sessions_that_are_long_over_are_swept_and_others_are_not(app: TestApp) {
        let (ended, live) = (app.session().await, app.session().await);
        assert_eq!(logout(&app, Some(&ended), json!({})).await.status(), 204);
        app.authority.sweep_sessions().await.unwrap();
        let row = async |session: &Value| hallpass::store::session::by_id(app.authority.database(), &text(session, "session_id")).await.unwrap();
        assert!(row(&ended).await.is_some(), "access tokens of it may be out");
        app.clock.advance(7201);
        assert!(!app.authority.sweep_sessions().await.unwrap());
        assert!(row(&ended).await.is_none() && row(&live).await.is_some());
        app.clock.advance(30 * 86_400);
        app.authority.sweep_sessions().await.unwrap();
        assert!(row(&live).await.is_none());
        assert_eq!(app.authority.accounts().by_email(EMAIL).await.unwrap().email.as_typed(), EMAIL);
    }
}
