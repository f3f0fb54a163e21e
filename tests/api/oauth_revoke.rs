//! `POST /oauth/revoke`: group F of the threats.

use hallpass::config::Rate;
use hallpass::store::audit;
use reqwest::Response;
use serde_json::json;

use crate::app::{TestApp, claims, on_each_store, text};
use crate::oauth::{BASIC, Machine, refusal, refused};

/// Revokes as the public client, which has no secret.
async fn revoke_as_person(app: &TestApp, token: &str) -> Response {
    app.form("/oauth/revoke", &[("token", token), ("client_id", "hallpass")]).send().await.unwrap()
}

async fn assert_done(response: Response) {
    assert_eq!((response.status().as_u16(), &response.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    assert_eq!(response.text().await.unwrap(), "{}");
}

async fn is_active(app: &TestApp, asker: &Machine, token: &str) -> bool {
    app.introspect(asker, token).await.json::<serde_json::Value>().await.unwrap()["active"] == true
}

on_each_store! {
    async fn f22_what_is_nothing_to_revoke_is_told_like_success(app: TestApp) {
        let worker = app.machine("worker", "a").await;
        let expired = app.machine_token(&worker).await;
        app.clock.advance(306);
        let session = app.session().await;
        let shortened = &text(&session, "refresh_token")[..85];
        for token in [expired.as_str(), "x", "hp_rt_x", "a.b.c", "\0", "\u{e4}", shortened, &"a".repeat(9000)] {
            assert_done(app.revoke(&worker, token).await).await;
            assert_done(revoke_as_person(&app, token).await).await;
        }
        assert_eq!(app.me(&text(&session, "access_token")).await, 200);
    }

    async fn f22_a_client_revokes_its_own_token_and_no_other_of_its(app: TestApp) {
        let worker = app.machine("worker", "hallpass:introspect").await;
        let (one, two) = (app.machine_token(&worker).await, app.machine_token(&worker).await);
        for _ in 0..2 {
            assert_done(app.revoke(&worker, &one).await).await;
        }
        assert_eq!((is_active(&app, &worker, &one).await, is_active(&app, &worker, &two).await), (false, true));
        let events = audit::list(app.authority.database(), None, None, 10).await.unwrap();
        let events: Vec<_> = events.iter().map(|entry| (entry.event.as_str(), entry.client_id.as_ref(), entry.account_id.as_ref())).collect();
        assert_eq!(events, [("token_revoked", Some(&worker.id), None), ("client_added", Some(&worker.id), None)]);
    }

    async fn f23_another_clients_token_stays_good(app: TestApp) {
        let (worker, other) = (app.machine("worker", "hallpass:introspect").await, app.machine("other", "a").await);
        let session = app.session().await;
        let of_worker = app.machine_token(&worker).await;
        let unauthorized = (400, "unauthorized_client".to_owned());
        for token in [&of_worker, &text(&session, "access_token"), &text(&session, "refresh_token")] {
            assert_eq!(refused(app.revoke(&other, token).await).await, unauthorized);
            assert!(is_active(&app, &worker, token).await);
        }
        assert_eq!(refused(revoke_as_person(&app, &of_worker).await).await, unauthorized);
        assert!(is_active(&app, &worker, &of_worker).await);
    }

    async fn f3_f6_nobody_revokes_without_credentials(app: TestApp) {
        let worker = app.machine("worker", "a").await;
        let token = app.machine_token(&worker).await;
        let forged = Machine { secret: "x".into(), ..worker.clone() };
        assert_eq!(refusal(app.revoke(&forged, &token).await).await, (401, "invalid_client".into(), Some(BASIC.into())));
        assert_eq!(refused(app.form("/oauth/revoke", &[("token", &token)]).send().await.unwrap()).await, (401, "invalid_client".into()));
        for parameters in [&[][..], &[("token", "")], &[("token", &token), ("token", "x")]] {
            assert_eq!(refused(app.ask(&worker, "/oauth/revoke", parameters).await).await, (400, "invalid_request".into()));
        }
    }

    async fn f24_what_could_not_be_recorded_is_503_and_not_called_done(app: TestApp) {
        let worker = app.machine("worker", "hallpass:introspect").await;
        let (token, session) = (app.machine_token(&worker).await, app.session().await);
        let (access, refresh) = (text(&session, "access_token"), text(&session, "refresh_token"));
        app.take_store().await;
        let unavailable = (503, "temporarily_unavailable".to_owned());
        assert_eq!(refused(app.revoke(&worker, &token).await).await, unavailable);
        for token in [&access, &refresh] {
            assert_eq!(refused(revoke_as_person(&app, token).await).await, unavailable);
        }
        app.return_store().await;
        while app.revoke(&worker, &token).await.status() != 200 {}
        assert_done(revoke_as_person(&app, &access).await).await;
        assert_done(revoke_as_person(&app, &refresh).await).await;
        assert_eq!(app.me(&access).await, 401);
    }

    async fn f24_a_revocation_that_the_table_refuses_is_503(app: TestApp) {
        let worker = app.machine("worker", "hallpass:introspect").await;
        let (token, session) = (app.machine_token(&worker).await, app.session().await);
        app.raw_sql("ALTER TABLE revocation RENAME TO elsewhere").await;
        assert_eq!(refused(app.revoke(&worker, &token).await).await, (503, "temporarily_unavailable".into()));
        assert_eq!(refused(revoke_as_person(&app, &text(&session, "refresh_token")).await).await, (503, "temporarily_unavailable".into()));
        app.raw_sql("ALTER TABLE elsewhere RENAME TO revocation").await;
        assert_eq!(app.refresh(&text(&session, "refresh_token")).await.status(), 200, "both or neither");
        assert_done(app.revoke(&worker, &token).await).await;
    }

    async fn f25_a_refresh_token_takes_its_session_and_its_access_tokens_along(app: TestApp) {
        let (login, other) = (app.session().await, app.session().await);
        let next: serde_json::Value = app.refresh(&text(&login, "refresh_token")).await.json().await.unwrap();
        assert_done(revoke_as_person(&app, &text(&next, "refresh_token")).await).await;
        for session in [&login, &next] {
            assert_eq!(app.me(&text(session, "access_token")).await, 401);
            assert_eq!(app.refresh(&text(session, "refresh_token")).await.status(), 401);
            assert_done(revoke_as_person(&app, &text(session, "refresh_token")).await).await;
        }
        assert_eq!(app.me(&text(&other, "access_token")).await, 200);
    }

    async fn f25_a_replica_refuses_a_revoked_token_within_two_seconds(app: TestApp) {
        let worker = app.machine("worker", "hallpass:introspect").await;
        let (token, replica) = (app.machine_token(&worker).await, app.replica(|_| ()).await);
        assert_done(app.revoke(&worker, &token).await).await;
        let asked = || app.client.post(format!("http://{}/oauth/introspect", replica.address)).basic_auth(&worker.id, Some(&worker.secret));
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let request = asked().header("content-type", "application/x-www-form-urlencoded").body(format!("token={token}"));
            match request.send().await.unwrap().text().await.unwrap().as_str() {
                r#"{"active":false}"# => break,
                _ => assert!(std::time::Instant::now() < until, "the other replica does not learn of it"),
            }
        }
        replica.handle.stop(false).await;
    }

    async fn f26_a_hint_of_whatever_kind_is_only_a_hint(app: TestApp) {
        for hint in ["access_token", "refresh_token", "id_token", ""] {
            let session = app.session().await;
            let parameters = [("token", text(&session, "refresh_token")), ("client_id", "hallpass".into()), ("token_type_hint", hint.into())];
            let parameters = parameters.each_ref().map(|(name, value)| (*name, value.as_str()));
            assert_done(app.form("/oauth/revoke", &parameters).send().await.unwrap()).await;
            assert_eq!(app.me(&text(&session, "access_token")).await, 401, "{hint}");
        }
    }

    async fn m9_j14_a_person_takes_back_so_many_access_tokens_and_ends_sessions_all_the_same(app: TestApp, |config| {
        config.limits.login_per_ip = Some(Rate { count: 3, per: std::time::Duration::from_secs(60) });
    }) {
        let mut session = app.session().await;
        let mut tokens = vec![text(&session, "access_token")];
        for _ in 0..3 {
            session = app.refresh(&text(&session, "refresh_token")).await.json().await.unwrap();
            tokens.push(text(&session, "access_token"));
        }
        for token in &tokens[..3] {
            assert_done(revoke_as_person(&app, token).await).await;
        }
        let waits = revoke_as_person(&app, &tokens[3]).await;
        assert_eq!((waits.status().as_u16(), &waits.headers()["retry-after"]), (429, &"20".parse().unwrap()));
        assert_eq!((app.me(&tokens[2]).await, app.me(&tokens[3]).await), (401, 200));
        let worker = app.machine("worker", "a").await;
        for _ in 0..5 {
            let own = app.machine_token(&worker).await;
            assert_done(app.revoke(&worker, &own).await).await;
        }
        assert_done(revoke_as_person(&app, &text(&session, "refresh_token")).await).await;
        assert_eq!(app.me(&tokens[3]).await, 401);
    }

    async fn f22_a_person_s_access_token_is_revoked_alone(app: TestApp) {
        let session = app.session().await;
        let access = text(&session, "access_token");
        assert_done(revoke_as_person(&app, &access).await).await;
        assert_eq!(app.me(&access).await, 401);
        assert_eq!(app.refresh(&text(&session, "refresh_token")).await.status(), 200);
        let events = audit::list(app.authority.database(), None, None, 1).await.unwrap();
        assert_eq!((events[0].event.as_str(), events[0].client_id.as_deref()), ("token_revoked", Some("hallpass")));
        assert_eq!((json!(events[0].account_id), json!(events[0].session_id)), (claims(&access)["sub"].clone(), session["session_id"].clone()));
    }
}
