//! `POST /refresh`: group D of the threats, as far as it needs no logout.

use std::collections::HashSet;

use futures_util::future::join_all;
use hallpass::authority::accounts::NewPasswords;
use hallpass::authority::{Hasher, HasherSettings, Password};
use hallpass::store::session;
use reqwest::Response;
use reqwest::header::{CACHE_CONTROL, PRAGMA, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, TestApp, claims, on_each_store, text};

/// Refreshes, and gives the whole answer.
async fn refreshed(app: &TestApp, refresh_token: &str) -> Value {
    let response = app.refresh(refresh_token).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

async fn assert_refused(app: &TestApp, refresh_token: &str) {
    assert_refusal(app.refresh(refresh_token).await).await;
}

/// The same for every cause.
async fn assert_refusal(response: Response) {
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="hallpass""#);
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let problem: Value = response.json().await.unwrap();
    assert_eq!((problem["code"].as_str(), problem.as_object().unwrap().len()), (Some("invalid_refresh_token"), 5), "{problem}");
}

async fn row(app: &TestApp, body: &Value) -> session::Session {
    session::by_id(app.authority.database(), &text(body, "session_id")).await.unwrap().unwrap()
}

on_each_store! {
    async fn d1_a_refresh_gives_a_new_pair_and_uses_the_old_token_up(app: TestApp) {
        let login = app.session().await;
        assert_eq!(login["refresh_expires_in"], 7 * 86_400);
        assert!(text(&login, "refresh_token").starts_with("hp_rt_"));
        app.clock.advance(60);
        let response = app.refresh(&text(&login, "refresh_token")).await;
        assert_eq!((response.headers()[CACHE_CONTROL].to_str().unwrap(), response.headers()[PRAGMA].to_str().unwrap()), ("no-store", "no-cache"));
        let next: Value = response.json().await.unwrap();
        assert_ne!(next["refresh_token"], login["refresh_token"]);
        assert_eq!((&next["session_id"], &next["scope"], &next["token_type"]), (&login["session_id"], &json!("a b"), &json!("Bearer")));
        assert_eq!(next["expires_at"].as_i64().unwrap() - login["expires_at"].as_i64().unwrap(), 60);
        let names: HashSet<&str> = next.as_object().unwrap().keys().map(String::as_str).collect();
        let known = ["access_token", "token_type", "expires_in", "expires_at", "refresh_token", "refresh_expires_in", "scope", "session_id"];
        assert_eq!(names, HashSet::from(known));
        assert_eq!(app.me(&text(&next, "access_token")).await, 200);
        app.clock.advance(11);
        assert_refused(&app, &text(&login, "refresh_token")).await;
    }

    async fn d2_32_uses_at_once_are_one_rotation_and_all_get_the_same_successor(app: TestApp) {
        let mut token = text(&app.session().await, "refresh_token");
        for round in 1..=5 {
            let answers = join_all((0..32).map(|_| app.refresh(&token))).await;
            let mut successors = HashSet::new();
            let mut body = Value::Null;
            for answer in answers {
                assert_eq!(answer.status(), 200, "d22: nobody is logged out by a race");
                body = answer.json().await.unwrap();
                successors.insert(text(&body, "refresh_token"));
            }
            assert_eq!(successors.len(), 1);
            assert_eq!(row(&app, &body).await.generation, round);
            token = successors.into_iter().next().unwrap();
        }
        assert_ne!(token, "");
        app.assert_sound().await;
    }

    async fn d3_a_lost_answer_can_be_asked_for_again_within_the_grace(app: TestApp) {
        let login = app.session().await;
        let first = refreshed(&app, &text(&login, "refresh_token")).await;
        for seconds in [5, 5] {
            app.clock.advance(seconds);
            let again = refreshed(&app, &text(&login, "refresh_token")).await;
            assert_eq!(again["refresh_token"], first["refresh_token"]);
            assert_ne!(again["access_token"], first["access_token"]);
        }
        assert_eq!(row(&app, &login).await.generation, 1, "no new branch");
        refreshed(&app, &text(&first, "refresh_token")).await;
    }

    async fn d4_a_used_token_after_the_grace_ends_this_session_and_no_other(app: TestApp) {
        let (other, login) = (app.session().await, app.session().await);
        let next = refreshed(&app, &text(&login, "refresh_token")).await;
        app.clock.advance(11);
        assert_eq!(app.me(&text(&next, "access_token")).await, 200);
        assert_refused(&app, &text(&login, "refresh_token")).await;
        assert_refused(&app, &text(&next, "refresh_token")).await;
        for answer in [&login, &next] {
            assert_eq!(app.me(&text(answer, "access_token")).await, 401, "its access tokens are denied");
        }
        assert_eq!(app.me(&text(&other, "access_token")).await, 200);
        refreshed(&app, &text(&other, "refresh_token")).await;
    }

    async fn l24_after_an_old_backup_was_restored_newer_tokens_are_refused_without_an_alarm(app: TestApp) {
        let login = app.session().await;
        let first = refreshed(&app, &text(&login, "refresh_token")).await;
        let second = refreshed(&app, &text(&first, "refresh_token")).await;
        app.raw_sql("UPDATE session SET generation = generation - 1").await;
        assert_refused(&app, &text(&second, "refresh_token")).await;
        assert_eq!(row(&app, &login).await.ended_at, None, "nobody was robbed");
        refreshed(&app, &text(&first, "refresh_token")).await;
    }

    async fn d5_a_grandparent_is_reuse_even_within_the_grace(app: TestApp) {
        let login = app.session().await;
        let first = refreshed(&app, &text(&login, "refresh_token")).await;
        let second = refreshed(&app, &text(&first, "refresh_token")).await;
        assert_refused(&app, &text(&login, "refresh_token")).await;
        assert_refused(&app, &text(&second, "refresh_token")).await;
    }

    async fn d6_d8_the_predecessor_after_its_successor_was_used_is_reuse(app: TestApp) {
        let login = app.session().await;
        let stolen = text(&login, "refresh_token");
        let thief = refreshed(&app, &stolen).await;
        let thief = refreshed(&app, &text(&thief, "refresh_token")).await;
        app.clock.advance(11);
        let thief = refreshed(&app, &text(&thief, "refresh_token")).await;
        assert_refused(&app, &stolen).await;
        assert_refused(&app, &text(&thief, "refresh_token")).await;
        assert_eq!(app.me(&text(&thief, "access_token")).await, 401);
        assert_ne!(app.session().await["session_id"], login["session_id"]);
    }

    async fn d9_d10_what_is_no_refresh_token_is_refused_without_asking_the_store(app: TestApp) {
        let login = app.session().await;
        let token = text(&login, "refresh_token");
        let flipped = format!("{}{}", &token[..token.len() - 1], if token.ends_with('A') { "B" } else { "A" });
        app.raw_sql("ALTER TABLE session RENAME TO elsewhere").await;
        for garbage in ["", "hp_rt_", "x", &text(&login, "access_token"), &flipped, &token.replace("hp_rt_", "hp_cs_"), &"A".repeat(10_000), "\u{0}", "hp_rt_\u{1f600}"] {
            assert_refused(&app, garbage).await;
        }
        // What could be one is looked up, and a store that fails is no verdict about it.
        assert_eq!(app.refresh(&token).await.status(), 503);
        app.raw_sql("ALTER TABLE elsewhere RENAME TO session").await;
        assert_eq!(app.me(&token).await, 401, "d10 the other way round");
        assert_eq!(app.refresh(&"A".repeat(20_000)).await.status(), 413);
        refreshed(&app, &token).await;
    }

    async fn d11_sessions_end_when_idle_and_at_the_latest_after_the_absolute_timeout(app: TestApp, |config| {
        config.sessions.idle_timeout = std::time::Duration::from_secs(100);
        config.sessions.absolute_timeout = std::time::Duration::from_secs(250);
    }) {
        let idle = app.session().await;
        let mut sliding = app.session().await;
        assert_eq!(idle["refresh_expires_in"], 100);
        for left in [100, 90, 10] {
            app.clock.advance(80);
            sliding = refreshed(&app, &text(&sliding, "refresh_token")).await;
            assert_eq!(sliding["refresh_expires_in"], left);
        }
        assert_refused(&app, &text(&idle, "refresh_token")).await;
        app.clock.advance(10);
        assert_refused(&app, &text(&sliding, "refresh_token")).await;
    }

    async fn d12_refreshing_is_no_proof_of_who_one_is(app: TestApp) {
        let login = app.session().await;
        let at_login = claims(&text(&login, "access_token"));
        app.clock.advance(1000);
        let now = claims(&text(&refreshed(&app, &text(&login, "refresh_token")).await, "access_token"));
        for claim in ["auth_time", "amr", "acr", "sid", "sub"] {
            assert_eq!(now[claim], at_login[claim], "{claim}");
        }
        assert_eq!(now["iat"].as_i64().unwrap() - at_login["iat"].as_i64().unwrap(), 1000);
        assert_ne!(now["jti"], at_login["jti"]);
    }

    async fn d13_a_refresh_takes_nothing_but_the_token(app: TestApp) {
        let token = text(&app.session().await, "refresh_token");
        for body in [json!({ "refresh_token": token, "scope": "a" }), json!({}), json!({ "refresh_token": null }), json!({ "refresh_token": 1 }), json!([token])] {
            let response = app.client.post(app.url("/refresh")).json(&body).send().await.unwrap();
            assert_eq!((response.status().as_u16(), response.json::<Value>().await.unwrap()["code"].clone()), (400, json!("invalid_request")), "{body}");
        }
        let form = app.client.post(app.url("/refresh")).header("content-type", "application/x-www-form-urlencoded").body(format!("refresh_token={token}"));
        assert_eq!(form.send().await.unwrap().status(), 415);
        refreshed(&app, &token).await;
    }

    async fn d14_scope_and_roles_are_what_the_account_holds_now_and_was_asked_for_then(app: TestApp) {
        let all = app.session().await;
        let some = app.post_login(&json!({ "email": EMAIL, "password": PASSWORD, "scope": "b" })).send().await.unwrap().json::<Value>().await.unwrap();
        app.raw_sql("UPDATE account SET scopes = 'b c', roles = ''").await;
        let (all, some) = (refreshed(&app, &text(&all, "refresh_token")).await, refreshed(&app, &text(&some, "refresh_token")).await);
        assert_eq!((&all["scope"], &some["scope"]), (&json!("b c"), &json!("b")));
        assert_eq!(claims(&text(&all, "access_token")).get("roles"), None);
        app.raw_sql("UPDATE account SET scopes = '', roles = 'r2'").await;
        let some = refreshed(&app, &text(&some, "refresh_token")).await;
        assert_eq!(some["scope"], "");
        assert_eq!(claims(&text(&some, "access_token"))["roles"], json!(["r2"]));
        app.raw_sql("UPDATE account SET scopes = 'a b', roles = 'r'").await;
        assert_eq!(refreshed(&app, &text(&some, "refresh_token")).await["scope"], "b", "never more than the login asked for");
    }

    async fn c24_every_login_is_a_session_of_its_own(app: TestApp) {
        let (one, two) = (app.session().await, app.session().await);
        assert_ne!(one["session_id"], two["session_id"]);
        refreshed(&app, &text(&one, "refresh_token")).await;
        refreshed(&app, &text(&two, "refresh_token")).await;
    }

    async fn d21_the_store_holds_no_refresh_token_and_no_part_of_one(app: TestApp) {
        let login = app.session().await;
        let next = refreshed(&app, &text(&login, "refresh_token")).await;
        let row = row(&app, &login).await;
        for token in [text(&login, "refresh_token"), text(&next, "refresh_token")] {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&token[6..]).unwrap();
            assert!(bytes.windows(16).all(|part| !row.seed.windows(16).any(|seed| seed == part)));
        }
        assert!(!format!("{row:?}").contains("seed"));
    }

    async fn d23_a_session_is_one_row_however_often_it_is_refreshed(app: TestApp) {
        let mut session = app.session().await;
        for _ in 0..50 {
            session = refreshed(&app, &text(&session, "refresh_token")).await;
        }
        let row = row(&app, &session).await;
        assert_eq!(row.generation, 50);
        assert_eq!(session::by_account(app.authority.database(), &row.account_id).await.unwrap().len(), 1);
    }

    async fn d24_c31_a_deleted_account_cannot_refresh(app: TestApp) {
        let session = app.session().await;
        let account = app.authority.accounts().by_email(EMAIL).await.unwrap();
        app.authority.accounts().delete(&account).await.unwrap();
        assert_refused(&app, &text(&session, "refresh_token")).await;
    }

    async fn c31_a_disabled_account_cannot_refresh_and_enabling_it_does_not_bring_the_session_back(app: TestApp) {
        let session = app.session().await;
        let accounts = app.authority.accounts();
        accounts.disable(&accounts.by_email(EMAIL).await.unwrap()).await.unwrap();
        assert_refused(&app, &text(&session, "refresh_token")).await;
        accounts.enable(&accounts.by_email(EMAIL).await.unwrap()).await.unwrap();
        assert_refused(&app, &text(&session, "refresh_token")).await;
        app.assert_sound().await;
    }

    async fn c31_an_account_disabled_behind_our_back_ends_the_session_at_its_next_refresh(app: TestApp) {
        let session = app.session().await;
        app.raw_sql("UPDATE account SET disabled_at = 1").await;
        assert_refused(&app, &text(&session, "refresh_token")).await;
        app.raw_sql("UPDATE account SET disabled_at = NULL").await;
        assert_refused(&app, &text(&session, "refresh_token")).await;
        assert_eq!(app.me(&text(&session, "access_token")).await, 401);
    }

    async fn c30_a_new_password_ends_the_sessions_of_the_old_one(app: TestApp) {
        let session = app.session().await;
        let accounts = app.authority.accounts();
        let hasher = Hasher::start(HasherSettings { cost: 4, threads: 1, queue: 1, queue_timeout: std::time::Duration::from_secs(2) }).unwrap();
        let (password, passwords) = ("another horse battery staple", NewPasswords { hasher, min_length: 8 });
        let account = accounts.by_email(EMAIL).await.unwrap();
        accounts.set_password(&account, Password::new(password.into()), &passwords).await.unwrap();
        assert_refused(&app, &text(&session, "refresh_token")).await;
        let fresh: Value = app.login(EMAIL, password).await.json().await.unwrap();
        assert_eq!(app.me(&text(&fresh, "access_token")).await, 200, "a login of the same second is not caught");
        refreshed(&app, &text(&fresh, "refresh_token")).await;
    }

    async fn c30_a_session_that_was_being_made_while_the_password_changed_is_over_too(app: TestApp) {
        let session = app.session().await;
        app.raw_sql("UPDATE account SET password_changed_at = password_changed_at + 1").await;
        assert_refused(&app, &text(&session, "refresh_token")).await;
    }

    async fn d25_a_refresh_survives_a_key_rotation_and_brings_a_token_of_the_new_key(app: TestApp) {
        let key = |kid: &str, text: &str| json!({ "kty": "oct", "alg": "HS256", "kid": kid, "k": text });
        let (old, new) = (key("old", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), key("new", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"));
        let folder = tempfile::tempdir().unwrap();
        let replica = async |keys: &[&Value]| {
            let file = folder.path().join("keys.json");
            std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
            app.replica(|config| config.keys = hallpass::config::Keys { file: Some(file), secret: None }).await
        };
        let post = async |address: std::net::SocketAddr, path: &str, body: Value| {
            app.client.post(format!("http://{address}{path}")).json(&body).send().await.unwrap()
        };
        let (before, during, after) = (replica(&[&old]).await, replica(&[&new, &old]).await, replica(&[&new]).await);
        let credentials = json!({ "email": EMAIL, "password": PASSWORD });
        let (kept, forgotten): (Value, Value) = (
            post(before.address, "/login", credentials.clone()).await.json().await.unwrap(),
            post(before.address, "/login", credentials).await.json().await.unwrap(),
        );
        let refreshed: Value = post(during.address, "/refresh", json!({ "refresh_token": kept["refresh_token"] })).await.json().await.unwrap();
        let header = text(&refreshed, "access_token").split('.').next().unwrap().to_owned();
        assert_ne!(header, text(&kept, "access_token").split('.').next().unwrap(), "signed by the new key");
        assert_eq!(post(after.address, "/refresh", json!({ "refresh_token": refreshed["refresh_token"] })).await.status(), 200);
        assert_refusal(post(after.address, "/refresh", json!({ "refresh_token": forgotten["refresh_token"] })).await).await;
        for replica in [before, during, after] {
            replica.handle.stop(false).await;
        }
    }

    async fn d28_a_refresh_token_in_the_query_is_no_refresh(app: TestApp) {
        let token = text(&app.session().await, "refresh_token");
        let response = app.client.post(app.url(&format!("/refresh?refresh_token={token}"))).json(&json!({})).send().await.unwrap();
        assert_eq!(response.status(), 400);
        refreshed(&app, &token).await;
    }

    async fn a_row_that_cannot_be_read_is_our_fault_and_harms_nobody_else(app: TestApp) {
        let session = app.session().await;
        app.raw_sql("UPDATE session SET seed = 'short'").await;
        assert_eq!(app.refresh(&text(&session, "refresh_token")).await.status(), 500);
        app.assert_sound().await;
    }
}
