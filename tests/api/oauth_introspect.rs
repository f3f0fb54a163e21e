//! `POST /oauth/introspect`: group F of the threats.

use reqwest::Response;
use serde_json::{Value, json};

use crate::app::{EMAIL, TestApp, claims, on_each_store, text};
use crate::oauth::{BASIC, Machine, refusal, refused};

const SCOPE: &str = "hallpass:introspect";

async fn body(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

async fn assert_inactive(app: &TestApp, asker: &Machine, token: &str) {
    let response = app.introspect(asker, token).await;
    assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (200, r#"{"active":false}"#), "{token:.20}");
}

on_each_store! {
    async fn f17_only_a_client_with_the_scope_may_ask(app: TestApp) {
        let (asker, worker) = (app.machine("asker", SCOPE).await, app.machine("worker", "a").await);
        let person = app.token().await;
        let parameters = [("token", person.as_str())];
        assert_eq!(refused(app.form("/oauth/introspect", &parameters).send().await.unwrap()).await, (401, "invalid_client".into()));
        for token in [&person, &app.machine_token(&asker).await] {
            let response = app.form("/oauth/introspect", &parameters).bearer_auth(token).send().await.unwrap();
            assert_eq!(refused(response).await, (401, "invalid_client".into()), "credentials of its own, not a token");
        }
        let public = app.form("/oauth/introspect", &[("token", &person), ("client_id", "hallpass")]).send().await.unwrap();
        assert_eq!(refused(public).await, (401, "invalid_client".into()));
        assert_eq!(refused(app.introspect(&worker, &person).await).await, (400, "unauthorized_client".into()));
        let forged = Machine { secret: worker.secret, ..asker.clone() };
        assert_eq!(refusal(app.introspect(&forged, &person).await).await, (401, "invalid_client".into(), Some(BASIC.into())));
        assert_eq!(refused(app.ask(&asker, "/oauth/introspect", &[]).await).await, (400, "invalid_request".into()));
        let in_form = [("token", person.as_str()), ("client_id", &asker.id), ("client_secret", &asker.secret)];
        assert_eq!(body(app.form("/oauth/introspect", &in_form).send().await.unwrap()).await["active"], true);
    }

    async fn f18_a_good_access_token_is_told_with_its_claims(app: TestApp) {
        let asker = app.machine("asker", SCOPE).await;
        for token in [app.token().await, app.machine_token(&asker).await] {
            let mut expected = claims(&token);
            expected["active"] = json!(true);
            expected["token_type"] = json!("Bearer");
            assert_eq!(body(app.introspect(&asker, &token).await).await, expected);
        }
    }

    async fn f18_whatever_is_not_good_is_inactive_and_nothing_else(app: TestApp) {
        let asker = app.machine("asker", SCOPE).await;
        let session = app.session().await;
        let (access, refresh) = (text(&session, "access_token"), text(&session, "refresh_token"));
        let other = app.replica(|config| config.token.audience = vec!["elsewhere".into()]).await;
        let login = app.client.post(format!("http://{}/login", other.address)).json(&json!({ "email": EMAIL, "password": crate::app::PASSWORD }));
        let elsewhere = text(&login.send().await.unwrap().json().await.unwrap(), "access_token");
        other.handle.stop(false).await;
        let changed = access.replacen(".ey", ".eY", 1);
        for token in [&elsewhere, &changed, "x", "hp_rt_x", "\0", "\u{e4}", "a.b.c", &asker.secret, &"a".repeat(9000), &refresh[..85]] {
            assert_inactive(&app, &asker, token).await;
        }
        let logout = app.client.post(app.url("/logout")).bearer_auth(&access).send().await.unwrap();
        assert_eq!(logout.status(), 204);
        assert_inactive(&app, &asker, &access).await;
        assert_inactive(&app, &asker, &refresh).await;
        let expired = app.token().await;
        app.clock.advance(306);
        assert_inactive(&app, &asker, &expired).await;
        app.assert_sound().await;
    }

    async fn f19_a_refresh_token_is_told_as_the_store_has_it_and_asking_changes_nothing(app: TestApp) {
        let asker = app.machine("asker", SCOPE).await;
        let (login, now) = (app.session().await, app.clock.now());
        let token = text(&login, "refresh_token");
        let account = app.authority.accounts().by_email(EMAIL).await.unwrap();
        let expected = json!({
            "active": true, "iss": crate::app::ISSUER, "sub": account.id, "client_id": "hallpass", "scope": "a b",
            "sid": login["session_id"], "iat": now, "exp": now + 7 * 86_400,
        });
        assert_eq!(body(app.introspect(&asker, &token).await).await, expected);
        let next: Value = app.refresh(&token).await.json().await.unwrap();
        assert_eq!(body(app.introspect(&asker, &token).await).await["active"], true, "it would get the same answer again");
        app.clock.advance(11);
        assert_inactive(&app, &asker, &token).await;
        let current = text(&next, "refresh_token");
        assert_eq!(body(app.introspect(&asker, &current).await).await["active"], true, "the session goes on");
        app.authority.accounts().disable(&account).await.unwrap();
        assert_inactive(&app, &asker, &current).await;
    }

    async fn f20_without_a_store_access_tokens_are_answered_and_refresh_tokens_are_503(app: TestApp) {
        let (asker, late) = (app.machine("asker", SCOPE).await, app.machine("late", SCOPE).await);
        let session = app.session().await;
        let (access, refresh) = (text(&session, "access_token"), text(&session, "refresh_token"));
        assert_eq!(body(app.introspect(&asker, &access).await).await["active"], true);
        app.take_store().await;
        for _ in 0..3 {
            assert_eq!(body(app.introspect(&asker, &access).await).await["active"], true);
        }
        assert_inactive(&app, &asker, "x").await;
        assert_eq!(refused(app.introspect(&asker, &refresh).await).await, (503, "temporarily_unavailable".into()));
        let forged = Machine { secret: late.secret.clone(), ..asker.clone() };
        assert_eq!(refusal(app.introspect(&forged, &access).await).await.0, 401);
        assert_eq!(refused(app.introspect(&late, &access).await).await, (503, "temporarily_unavailable".into()), "never seen before");
        app.return_store().await;
        while app.introspect(&asker, &refresh).await.status() != 200 {}
    }

    async fn f20_a_client_that_was_disabled_or_removed_is_not_remembered(app: TestApp) {
        let (asker, quiet) = (app.machine("asker", SCOPE).await, app.machine("quiet", SCOPE).await);
        let (access, of_quiet) = (app.token().await, app.machine_token(&quiet).await);
        for asker in [&asker, &quiet] {
            assert_eq!(body(app.introspect(asker, &of_quiet).await).await["active"], true);
        }
        let clients = app.authority.clients();
        clients.disable(&clients.by_id_or_name("quiet").await.unwrap()).await.unwrap();
        while body(app.introspect(&asker, &of_quiet).await).await["active"] == true {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        clients.remove(&clients.by_id_or_name("asker").await.unwrap()).await.unwrap();
        assert_eq!(app.introspect(&asker, &access).await.status(), 401);
        app.take_store().await;
        for asker in [&asker, &quiet] {
            assert_eq!(app.introspect(asker, &access).await.status(), 503);
        }
        app.return_store().await;
    }

    async fn f21_a_wrong_hint_changes_nothing(app: TestApp) {
        let asker = app.machine("asker", SCOPE).await;
        let session = app.session().await;
        for hint in ["access_token", "refresh_token", "id_token", ""] {
            for member in ["access_token", "refresh_token"] {
                let parameters = [("token", text(&session, member)), ("token_type_hint", hint.to_owned())];
                let parameters = parameters.each_ref().map(|(name, value)| (*name, value.as_str()));
                let answer = body(app.ask(&asker, "/oauth/introspect", &parameters).await).await;
                assert_eq!(answer["active"], true, "{hint} {member}");
            }
        }
    }
}
