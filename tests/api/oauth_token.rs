//! `POST /oauth/token`: group F of the threats.

use std::time::Duration;

use futures_util::future::join_all;
use hallpass::authority::clients::{ClientChange, Clients};
use hallpass::clock::Clock;
use hallpass::store::audit;
use reqwest::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, TestApp, claims, on_each_store, text};
use crate::oauth::{BASIC, Machine, refusal, refused};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn token_status(app: &TestApp, machine: &Machine) -> u16 {
    app.ask(machine, "/oauth/token", &[GRANT]).await.status().as_u16()
}

async fn events(app: &TestApp) -> Vec<(String, Option<String>)> {
    let mut events = audit::list(app.authority.database(), None, None, 200).await.unwrap();
    events.reverse();
    events.into_iter().map(|entry| (entry.event, entry.client_id)).collect()
}

on_each_store! {
    async fn f1_a_client_gets_a_token_in_its_own_name_and_no_refresh_token(app: TestApp) {
        let worker = app.machine("worker", "orders:read orders:write").await;
        let response = app.ask(&worker, "/oauth/token", &[GRANT, ("scope", "orders:read")]).await;
        assert_eq!(response.status(), 200);
        assert_eq!((&response.headers()[CACHE_CONTROL], &response.headers()[PRAGMA]), (&"no-store".parse().unwrap(), &"no-cache".parse().unwrap()));
        let body: Value = response.json().await.unwrap();
        let (token, now) = (text(&body, "access_token"), app.clock.now());
        let expected = json!({
            "access_token": token, "token_type": "Bearer", "expires_in": 300, "expires_at": now + 300, "scope": "orders:read",
        });
        assert_eq!(body, expected);
        let said = claims(&token);
        let expected = json!({
            "iss": crate::app::ISSUER, "sub": worker.id, "client_id": worker.id, "aud": "hallpass", "scope": "orders:read",
            "iat": now, "exp": now + 300, "jti": said["jti"],
        });
        assert_eq!(said, expected, "nothing that only people have");
        let all = app.ask(&worker, "/oauth/token", &[GRANT]).await.json::<Value>().await.unwrap();
        assert_eq!(all["scope"], "orders:read orders:write");
        for path in ["/me", "/account", "/sessions"] {
            let response = app.get(path).bearer_auth(&token).send().await.unwrap();
            assert_eq!(response.status(), 403, "{path}");
            assert_eq!(response.json::<Value>().await.unwrap()["code"], "user_token_required", "{path}");
        }
        app.assert_sound().await;
    }

    async fn f2_f4_credentials_come_by_basic_raw_or_form_encoded_or_in_the_form(app: TestApp) {
        let worker = app.machine("worker", "a").await;
        let encoded = |text: &str| text.replace('_', "%5F").replace('-', "%2D");
        let request = app.form("/oauth/token", &[GRANT]).basic_auth(encoded(&worker.id), Some(encoded(&worker.secret)));
        assert_eq!(request.send().await.unwrap().status(), 200);
        let in_form = [GRANT, ("client_id", worker.id.as_str()), ("client_secret", worker.secret.as_str())];
        assert_eq!(app.form("/oauth/token", &in_form).send().await.unwrap().status(), 200);
        let named_twice = app.ask(&worker, "/oauth/token", &[GRANT, ("client_id", &worker.id)]).await;
        assert_eq!(named_twice.status(), 200, "naming oneself is no second way to prove it");
    }

    async fn f3_whatever_is_wrong_with_basic_credentials_is_one_answer(app: TestApp) {
        let (worker, other) = (app.machine("worker", "a").await, app.machine("other", "a").await);
        let account = app.authority.accounts().by_email(crate::app::EMAIL).await.unwrap().id;
        let unknown = "cli_01a207fb-5ab8-76ff-9093-ed951e39519b";
        let mut bodies = Vec::new();
        for (id, secret) in [
            (worker.id.as_str(), other.secret.as_str()),
            (&worker.id, "hp_cs_"),
            (&worker.id, &worker.secret[..48]),
            (&worker.id.to_uppercase(), &worker.secret),
            (unknown, &worker.secret),
            ("worker", &worker.secret),
            ("hallpass", "x"),
            ("cli_\0", "x"),
            (&account, crate::app::PASSWORD),
            ("\u{e4}", "\u{e4}"),
            ("", ""),
        ] {
            let response = app.form("/oauth/token", &[GRANT]).basic_auth(id, Some(secret)).send().await.unwrap();
            bodies.push(refusal(response).await);
        }
        for header in ["Basic", "Basic !!!", "Basic YQ=="] {
            bodies.push(refusal(app.form("/oauth/token", &[GRANT]).header(AUTHORIZATION, header).send().await.unwrap()).await);
        }
        assert_eq!(bodies, vec![(401, "invalid_client".to_owned(), Some(BASIC.to_owned())); 14]);
        app.assert_sound().await;
    }

    async fn f4_f6_wrong_credentials_in_the_form_and_none_at_all_are_told_without_a_challenge(app: TestApp) {
        let worker = app.machine("worker", "a").await;
        let person = app.token().await;
        let invalid = (401, "invalid_client".to_owned());
        for parameters in [
            &[GRANT, ("client_id", worker.id.as_str()), ("client_secret", "wrong")][..],
            &[GRANT, ("client_id", "cli_\0"), ("client_secret", "\0")],
            &[GRANT, ("client_id", &worker.id)],
            &[GRANT, ("client_id", &worker.id), ("client_secret", "")],
            &[GRANT, ("client_secret", &worker.secret)],
            &[GRANT, ("client_id", "hallpass")],
            &[GRANT],
        ] {
            assert_eq!(refused(app.form("/oauth/token", parameters).send().await.unwrap()).await, invalid, "{parameters:?}");
        }
        assert_eq!(refused(app.form("/oauth/token", &[GRANT]).bearer_auth(person).send().await.unwrap()).await, invalid);
    }

    async fn f5_two_ways_at_once_are_refused(app: TestApp) {
        let (worker, other) = (app.machine("worker", "a").await, app.machine("other", "a").await);
        let invalid = (400, "invalid_request".to_owned());
        for parameters in [
            &[GRANT, ("client_id", worker.id.as_str()), ("client_secret", worker.secret.as_str())][..],
            &[GRANT, ("client_secret", &worker.secret)],
            &[GRANT, ("client_id", &other.id)],
        ] {
            assert_eq!(refused(app.ask(&worker, "/oauth/token", parameters).await).await, invalid, "{parameters:?}");
        }
        let twice = app.form("/oauth/token", &[GRANT]).basic_auth(&worker.id, Some(&worker.secret)).basic_auth(&worker.id, Some(&worker.secret));
        assert_eq!(refused(twice.send().await.unwrap()).await, invalid);
    }

    async fn f7_f12_parameters_come_once_and_unknown_ones_are_ignored(app: TestApp) {
        let worker = app.machine("worker", "a b").await;
        for parameters in [
            &[][..],
            &[("grant_type", "")],
            &[GRANT, GRANT],
            &[GRANT, ("grant_type", "")],
            &[GRANT, ("scope", "a"), ("scope", "a")],
            &[GRANT, ("client_id", &worker.id), ("client_id", &worker.id)],
        ] {
            assert_eq!(refused(app.ask(&worker, "/oauth/token", parameters).await).await, (400, "invalid_request".into()), "{parameters:?}");
        }
        let with_more = app.ask(&worker, "/oauth/token", &[GRANT, ("scope", ""), ("resource", "x"), ("resource", "y"), ("\0", "\u{e4}")]).await;
        assert_eq!(with_more.json::<Value>().await.unwrap()["scope"], "a b", "an empty scope is left out");
    }

    async fn f8_f9_other_grants_are_unsupported_and_people_s_are_not_for_clients(app: TestApp) {
        let worker = app.machine("worker", "a").await;
        for grant in ["password", "authorization_code", "implicit", "urn:x", "CLIENT_CREDENTIALS", "client_credentials "] {
            let more = [("grant_type", grant), ("username", crate::app::EMAIL), ("password", crate::app::PASSWORD)];
            assert_eq!(refused(app.ask(&worker, "/oauth/token", &more).await).await, (400, "unsupported_grant_type".into()), "{grant}");
        }
        let token = text(&app.session().await, "refresh_token");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        assert_eq!(refused(app.ask(&worker, "/oauth/token", &refresh).await).await, (400, "unauthorized_client".into()));
        let forged = Machine { secret: "x".into(), ..worker };
        assert_eq!(refusal(app.ask(&forged, "/oauth/token", &refresh).await).await, (401, "invalid_client".into(), Some(BASIC.into())));
        assert_eq!(refused(app.form("/oauth/token", &refresh).send().await.unwrap()).await, (401, "invalid_client".into()));
        assert_eq!(app.refresh(&token).await.status(), 200, "it was not used up");
    }

    async fn f10_nobody_gets_a_scope_that_they_do_not_hold(app: TestApp) {
        let worker = app.machine("worker", "a b").await;
        let thousand = (0..1000).map(|index| format!("s{index}")).collect::<Vec<_>>().join(" ");
        for scope in ["c", "a c", "A", "a  b", " a", "a\"", "a\\", "a\nb", "a\0", "\u{e4}", "hallpass:admin", &thousand] {
            let response = app.ask(&worker, "/oauth/token", &[GRANT, ("scope", scope)]).await;
            assert_eq!(refused(response).await, (400, "invalid_scope".into()), "{scope:?}");
        }
        let nothing = app.machine("nothing", "").await;
        assert_eq!(app.ask(&nothing, "/oauth/token", &[GRANT]).await.json::<Value>().await.unwrap()["scope"], "");
    }

    async fn f10_all_the_scopes_that_a_client_can_hold_fit_a_token(app: TestApp) {
        let full = app.machine("full", &format!("{} {}", "a".repeat(512), "b".repeat(511))).await;
        app.machine_token(&full).await;
    }

    async fn f11_wrong_bodies_methods_and_sizes_are_told_in_the_form_of_oauth(app: TestApp) {
        let worker = app.machine("worker", "a").await;
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            let request = || app.client.post(app.url(path)).basic_auth(&worker.id, Some(&worker.secret));
            let invalid = |status| (status, "invalid_request".to_owned());
            assert_eq!(refused(request().json(&json!({ "grant_type": "client_credentials" })).send().await.unwrap()).await, invalid(415));
            for media_type in ["", "text/plain", "application/x-www-form-urlencoded; charset=latin1", "multipart/form-data"] {
                let response = request().header(CONTENT_TYPE, media_type).body("grant_type=client_credentials").send().await.unwrap();
                assert_eq!(refused(response).await, invalid(415), "{media_type}");
            }
            let encoded = app.form(path, &[GRANT]).header("content-encoding", "gzip").send().await.unwrap();
            assert_eq!(refused(encoded).await, invalid(415));
            let long = "a".repeat(16 * 1024);
            assert_eq!(refused(app.form(path, &[("token", &long)]).send().await.unwrap()).await, invalid(413));
            for written in [path, &path.replace("oauth", "%6Fauth")] {
                let response = app.get(written).send().await.unwrap();
                assert_eq!(response.headers()["allow"], "POST");
                assert_eq!(refused(response).await, invalid(405), "{written}");
            }
        }
        let with_charset = app.client.post(app.url("/oauth/token")).basic_auth(&worker.id, Some(&worker.secret));
        let with_charset = with_charset.header(CONTENT_TYPE, "application/x-www-form-urlencoded;charset=UTF-8");
        assert_eq!(with_charset.body("grant_type=client_credentials").send().await.unwrap().status(), 200);
        app.assert_sound().await;
    }

    async fn f13_a_disabled_client_is_refused_and_so_are_its_tokens(app: TestApp) {
        let worker = app.machine("worker", "hallpass:introspect").await;
        let asker = app.machine("asker", "hallpass:introspect").await;
        let (token, clients) = (app.machine_token(&worker).await, app.authority.clients());
        let client = clients.by_id_or_name("worker").await.unwrap();
        assert_eq!((clients.disable(&client).await.unwrap(), clients.disable(&client).await.unwrap()), (true, false));
        assert_eq!(refusal(app.ask(&worker, "/oauth/token", &[GRANT]).await).await, (401, "invalid_client".into(), Some(BASIC.into())));
        let is_active = async |token: &str| app.introspect(&asker, token).await.json::<Value>().await.unwrap()["active"] == true;
        while is_active(&token).await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(clients.enable(&client).await.unwrap());
        app.clock.advance(151);
        let token = app.machine_token(&worker).await;
        assert!(is_active(&token).await);
        clients.remove(&client).await.unwrap();
        while is_active(&token).await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(token_status(&app, &worker).await, 401);
    }

    async fn f15_no_password_is_hashed_for_a_client(app: TestApp) {
        let worker = app.machine("worker", "a").await;
        let before = app.authority.hashed_rounds();
        let forged = Machine { secret: "x".into(), ..worker.clone() };
        let statuses = join_all((0..100).map(|index| token_status(&app, if index % 2 == 0 { &worker } else { &forged }))).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 50);
        assert_eq!(app.authority.hashed_rounds(), before);
    }

    async fn f16_two_secrets_work_until_the_next_rotation(app: TestApp) {
        let first = app.machine("worker", "a").await;
        let clients = app.authority.clients();
        let rotate = async || Machine::from(clients.rotate_secret(clients.by_id_or_name("worker").await.unwrap()).await.unwrap());
        let second = rotate().await;
        assert_eq!((token_status(&app, &first).await, token_status(&app, &second).await), (200, 200));
        let third = rotate().await;
        assert_eq!((token_status(&app, &first).await, token_status(&app, &second).await, token_status(&app, &third).await), (401, 200, 200));
    }

    async fn f13_f16_what_another_process_takes_from_a_client_is_gone_here_after_a_second(app: TestApp) {
        let elsewhere = Clients::new(app.authority.database().clone(), Clock::Test(app.clock.clone()));
        let (narrowed, rotated) = (app.machine("narrowed", "a b").await, app.machine("rotated", "a").await);
        let client = async |machine: &Machine| elsewhere.by_id(&machine.id).await.unwrap();
        let scope = async |machine| text(&app.ask(machine, "/oauth/token", &[GRANT]).await.json().await.unwrap(), "scope");
        // Everybody is known here when it happens elsewhere.
        assert_eq!((scope(&narrowed).await.as_str(), token_status(&app, &rotated).await), ("a b", 200));
        let change = ClientChange { scopes: Some(vec!["a".into()]), ..ClientChange::default() };
        elsewhere.change(&narrowed.id, &change).await.unwrap();
        for _ in 0..2 {
            elsewhere.rotate_secret(client(&rotated).await).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((scope(&narrowed).await.as_str(), token_status(&app, &rotated).await), ("a", 401));
    }

    async fn d1_d4_the_public_client_refreshes_as_people_do(app: TestApp) {
        let login = app.session().await;
        let refresh = async |token: &str| {
            let parameters = [("grant_type", "refresh_token"), ("client_id", "hallpass"), ("refresh_token", token)];
            app.form("/oauth/token", &parameters).send().await.unwrap()
        };
        let response = refresh(&text(&login, "refresh_token")).await;
        assert_eq!((response.status().as_u16(), &response.headers()[PRAGMA]), (200, &"no-cache".parse().unwrap()));
        let next: Value = response.json().await.unwrap();
        assert_eq!(next.as_object().unwrap().keys().collect::<Vec<_>>(), login.as_object().unwrap().keys().collect::<Vec<_>>());
        assert_eq!((&next["session_id"], app.me(&text(&next, "access_token")).await), (&login["session_id"], 200));
        app.clock.advance(11);
        let invalid = (400, "invalid_grant".to_owned());
        assert_eq!(refused(refresh(&text(&login, "refresh_token")).await).await, invalid, "reuse");
        assert_eq!(refused(refresh(&text(&next, "refresh_token")).await).await, invalid, "which ended the session");
        assert_eq!(app.me(&text(&next, "access_token")).await, 401);
        assert_eq!(refused(refresh("hp_rt_x").await).await, invalid);
        assert_eq!(refused(refresh("").await).await, (400, "invalid_request".into()));
        let parameters = [("grant_type", "refresh_token"), ("client_id", "hallpass"), ("client_secret", "x"), ("refresh_token", "x")];
        assert_eq!(refused(app.form("/oauth/token", &parameters).send().await.unwrap()).await, (401, "invalid_client".into()));
    }

    async fn d13_a_scope_narrows_one_access_token_and_more_than_is_left_is_refused(app: TestApp) {
        let login = app.post_login(&json!({ "email": EMAIL, "password": PASSWORD, "scope": "a b" })).send().await.unwrap();
        let first = text(&login.json::<Value>().await.unwrap(), "refresh_token");
        let refresh = async |token: &str, scopes: &[&str]| {
            let mut parameters = vec![("grant_type", "refresh_token"), ("client_id", "hallpass"), ("refresh_token", token)];
            parameters.extend(scopes.iter().map(|scope| ("scope", *scope)));
            app.form("/oauth/token", &parameters).send().await.unwrap()
        };
        for more in ["a c", "c", "a b hallpass:admin", "a  b"] {
            assert_eq!(refused(refresh(&first, &[more]).await).await, (400, "invalid_scope".to_owned()), "{more}");
        }
        assert_eq!(refused(refresh(&first, &["a", "a"]).await).await, (400, "invalid_request".to_owned()));
        let narrowed: Value = refresh(&first, &["b"]).await.json().await.unwrap();
        assert_eq!((&narrowed["scope"], claims(&text(&narrowed, "access_token"))["scope"].clone()), (&json!("b"), json!("b")));
        let again: Value = refresh(&first, &["a"]).await.json().await.unwrap();
        assert_eq!((&again["scope"], &again["refresh_token"]), (&json!("a"), &narrowed["refresh_token"]), "a retry within the grace");
        let whole: Value = refresh(&text(&narrowed, "refresh_token"), &[]).await.json().await.unwrap();
        assert_eq!(whole["scope"], "a b", "the session has lost nothing");
    }

    async fn d7_a_predecessor_is_worth_nothing_to_another_client_and_no_alarm_within_the_grace_or_after_it(app: TestApp) {
        let (worker, login) = (app.machine("worker", "a").await, app.session().await);
        let old = text(&login, "refresh_token");
        let next: Value = app.refresh(&old).await.json().await.unwrap();
        let replay = [("grant_type", "refresh_token"), ("refresh_token", old.as_str())];
        for seconds in [0, 11] {
            app.clock.advance(seconds);
            assert_eq!(refused(app.ask(&worker, "/oauth/token", &replay).await).await, (400, "unauthorized_client".into()));
            assert_eq!(app.me(&text(&next, "access_token")).await, 200, "the session goes on");
        }
        assert_eq!(app.refresh(&text(&next, "refresh_token")).await.status(), 200);
    }

    async fn l2_without_a_store_nobody_is_told_that_their_secret_is_wrong(app: TestApp) {
        let worker = app.machine("worker", "a").await;
        app.take_store().await;
        assert_eq!(refused(app.ask(&worker, "/oauth/token", &[GRANT]).await).await, (503, "temporarily_unavailable".into()));
        app.return_store().await;
        while token_status(&app, &worker).await != 200 {}
    }

    async fn o7_what_is_done_to_a_client_is_written_down(app: TestApp) {
        let worker = app.machine("worker", "a").await;
        let clients = app.authority.clients();
        let client = async || clients.by_id_or_name(&worker.id).await.unwrap();
        clients.rotate_secret(client().await).await.unwrap();
        for _ in 0..2 {
            clients.disable(&client().await).await.unwrap();
        }
        for _ in 0..2 {
            clients.enable(&client().await).await.unwrap();
        }
        clients.remove(&client().await).await.unwrap();
        let names = ["client_added", "client_secret_rotated", "client_disabled", "client_enabled", "client_removed"];
        assert_eq!(events(&app).await, names.map(|name| (name.to_owned(), Some(worker.id.clone()))));
    }
}
