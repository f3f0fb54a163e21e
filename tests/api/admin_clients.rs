//! `/admin/clients` and `/admin/audit`: group H of the threats as far as it is about machines, and what is written down.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, TestApp, on_each_store, text};
use crate::oauth::Machine;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const NOBODY: &str = "cli_01a207fb-5ab8-76ff-9093-ed951e39519b";

fn machine(issued: &Value) -> Machine {
    Machine { id: text(issued, "client_id"), secret: text(issued, "client_secret") }
}

async fn grants(app: &TestApp, machine: &Machine) -> u16 {
    app.ask(machine, "/oauth/token", &[GRANT]).await.status().as_u16()
}

on_each_store! {
    async fn a_client_is_made_changed_given_another_secret_and_removed(app: TestApp) {
        let root = app.root().await;
        let (status, issued) = app.told(&root.token, "POST", "/admin/clients", Some(json!({ "name": "worker", "scopes": ["a"] }))).await;
        let first = machine(&issued);
        assert_eq!((status, grants(&app, &first).await, first.secret.starts_with("hp_cs_")), (201, 200, true));
        let path = format!("/admin/clients/{}", first.id);
        let listed = app.told(&root.token, "GET", "/admin/clients", None).await.1;
        let expected = json!({
            "client_id": first.id, "name": "worker", "scopes": ["a"], "created_at": 1_800_000_000, "secret_rotated_at": null, "secrets": 1, "disabled": false, "disabled_at": null,
        });
        assert_eq!(listed, json!({ "items": [expected], "next": null }));

        let (status, issued) = app.told(&root.token, "POST", &format!("{path}/secret"), None).await;
        let second = machine(&issued);
        assert_eq!((status, grants(&app, &first).await, grants(&app, &second).await, &issued["secrets"]), (200, 200, 200, &json!(2)));
        let third = machine(&app.told(&root.token, "POST", &format!("{path}/secret"), Some(json!({}))).await.1);
        assert_eq!((grants(&app, &first).await, grants(&app, &second).await, grants(&app, &third).await), (401, 200, 200));

        let (status, changed) = app.told(&root.token, "PATCH", &path, Some(json!({ "name": "builder", "scopes": ["b"] }))).await;
        assert_eq!((status, &changed["name"], &changed["scopes"], changed.get("client_secret")), (200, &json!("builder"), &json!(["b"]), None));
        let token = app.machine_token(&third).await;
        assert_eq!(app.told(&root.token, "PATCH", &path, Some(json!({ "disabled": true }))).await.1["disabled"], true);
        assert_eq!((grants(&app, &third).await, app.me(&token).await), (401, 401), "here at once");
        assert_eq!(app.told(&root.token, "PATCH", &path, Some(json!({ "disabled": false }))).await.0, 200);
        app.clock.advance(151);
        let root = app.token_of(crate::admin_users::ROOT).await;
        let token = app.machine_token(&third).await;
        assert_eq!(app.me(&token).await, 403, "believed, and not a person");
        assert_eq!(app.told(&root, "DELETE", &path, None).await.0, 204);
        assert_eq!((grants(&app, &third).await, app.me(&token).await), (401, 401));
    }

    async fn h2_h3_a_client_that_is_not_there_is_404_and_what_nobody_may_set_is_400(app: TestApp) {
        let root = app.root().await;
        for id in [NOBODY, "worker", "1", "%00", "usr_01a207fb-5ab8-76ff-9093-ed951e39519b"] {
            let path = format!("/admin/clients/{id}");
            for (method, path, body) in [("PATCH", path.clone(), Some(json!({ "disabled": true }))), ("DELETE", path.clone(), None), ("POST", format!("{path}/secret"), None)] {
                assert_eq!(app.refused(&root.token, method, &path, body).await, (404, "not_found".into()), "{method} {path}");
            }
        }
        let worker = app.machine("worker", "a").await;
        let path = format!("/admin/clients/{}", worker.id);
        for extra in [json!({ "client_id": NOBODY }), json!({ "client_secret": "x" }), json!({ "secret_hash": "x" }), json!({ "name": null }), json!({ "scopes": "a" }), json!([])] {
            assert_eq!(app.refused(&root.token, "PATCH", &path, Some(extra.clone())).await, (400, "invalid_request".into()), "{extra}");
        }
        for body in [json!({}), json!({ "name": "x", "client_secret": "hp_cs_x" }), json!({ "name": "x", "disabled": true })] {
            assert_eq!(app.refused(&root.token, "POST", "/admin/clients", Some(body.clone())).await, (400, "invalid_request".into()), "{body}");
        }
        for body in [json!({ "name": "cli_x" }), json!({ "name": "" }), json!({ "name": "x", "scopes": ["a\"b"] })] {
            assert_eq!(app.refused(&root.token, "POST", "/admin/clients", Some(body.clone())).await, (422, "validation_failed".into()), "{body}");
        }
        let made = join_all((0..16).map(|_| app.refused(&root.token, "POST", "/admin/clients", Some(json!({ "name": "x" }))))).await;
        assert_eq!(made.iter().filter(|(status, _)| *status == 201).count(), 1, "{made:?}");
        assert_eq!(app.refused(&root.token, "PATCH", &path, Some(json!({ "name": "x" }))).await, (409, "conflict".into()));
    }

    async fn h5_a_client_hands_out_and_comes_by_only_what_it_holds_and_leaves_its_own_rights_alone(app: TestApp) {
        let robot = app.machine("robot", "hallpass:admin a").await;
        let strong = app.machine("strong", "orders:write").await;
        let token = app.machine_token(&robot).await;
        let forbidden = (403, "insufficient_scope".to_owned());
        for (method, path, body) in [
            ("POST", "/admin/clients".to_owned(), Some(json!({ "name": "x", "scopes": ["b"] }))), ("POST", "/admin/users".to_owned(), Some(json!({ "email": "x@b.com", "scopes": ["b"] }))),
            ("POST", format!("/admin/clients/{}/secret", strong.id), None), ("PATCH", format!("/admin/clients/{}", robot.id), Some(json!({ "scopes": ["hallpass:admin", "a", "b"] }))),
        ] {
            assert_eq!(app.refused(&token, method, &path, body).await, forbidden, "{method} {path}");
        }
        assert_eq!(grants(&app, &strong).await, 200);
        let own = format!("/admin/clients/{}", robot.id);
        for (method, body) in [("PATCH", Some(json!({ "disabled": true }))), ("PATCH", Some(json!({ "scopes": [] }))), ("DELETE", None)] {
            assert_eq!(app.refused(&token, method, &own, body).await, (409, "conflict".into()), "{method}");
        }
        assert_eq!(app.told(&token, "PATCH", &own, Some(json!({ "name": "robot2" }))).await.0, 200);
        assert_eq!(app.told(&token, "POST", &format!("{own}/secret"), None).await.0, 200, "its own secret it may replace");
    }

    async fn h22_o7_every_admin_action_is_written_down_with_who_whom_when_and_from_where(app: TestApp) {
        let (root, alice) = (app.root().await, app.alice().await);
        let sub = alice.trim_start_matches("/admin/users/").to_owned();
        let worker = app.machine("worker", "a").await;
        let client = format!("/admin/clients/{}", worker.id);
        app.session().await;
        app.raw_sql("DELETE FROM audit").await;
        app.clock.advance(7);
        for (method, path, body) in [
            ("PATCH", alice.clone(), Some(json!({ "scopes": ["a", "hallpass:admin"], "roles": [], "email": "x@b.com" }))), ("PATCH", alice.clone(), Some(json!({ "scopes": ["a"] }))),
            ("POST", format!("{alice}/logout"), None), ("PATCH", alice.clone(), Some(json!({ "disabled": true }))), ("PATCH", alice.clone(), Some(json!({ "disabled": true }))),
            ("PATCH", alice.clone(), Some(json!({ "disabled": false }))), ("POST", format!("{alice}/password"), Some(json!({ "password": "another horse battery staple" }))), ("DELETE", alice.clone(), None),
            ("PATCH", client.clone(), Some(json!({ "name": "x", "scopes": [], "disabled": true }))), ("POST", format!("{client}/secret"), None), ("DELETE", client.clone(), None),
        ] {
            let status = app.told(&root.token, method, &path, body).await.0;
            assert!([200, 204].contains(&status), "{method} {path} {status}");
        }
        let (status, page) = app.told(&root.token, "GET", "/admin/audit", None).await;
        let mut events = page["items"].as_array().unwrap().clone();
        events.reverse();
        let named = |event: &Value| format!("{} {}", text(event, "event"), event["detail"].as_str().unwrap_or("-"));
        let names: Vec<String> = events.iter().map(named).collect();
        assert_eq!((status, names.join(", ").as_str()), (200, "account_changed email, account_changed scopes admin_granted, account_changed roles, account_changed scopes admin_taken, \
            session_revoked all, account_disabled -, account_enabled -, password_changed -, account_deleted -, \
            client_changed name, client_changed scopes, client_disabled -, client_secret_rotated -, client_removed -"));
        for (index, event) in events.iter().enumerate() {
            assert_eq!((&event["actor"], &event["ip"], &event["at"]), (&json!(root.sub), &json!("127.0.0.1"), &json!(1_800_000_007)), "{event}");
            let (of_sub, of_client) = if index < 9 { (json!(sub), Value::Null) } else { (Value::Null, json!(worker.id)) };
            assert_eq!((&event["sub"], &event["client_id"]), (&of_sub, &of_client), "{event}");
        }
        assert!(!page.to_string().contains("example.com") && !page.to_string().contains("x@b.com"), "nothing about a person");
        let of_alice = app.told(&root.token, "GET", &format!("/admin/audit?sub={sub}&limit=5"), None).await.1;
        assert_eq!((of_alice["items"].as_array().unwrap().len(), of_alice["items"][0]["event"].as_str()), (5, Some("account_deleted")));
        let rest = app.told(&root.token, "GET", &format!("/admin/audit?sub={sub}&limit=5&after={}", text(&of_alice, "next")), None).await.1;
        assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (4, &Value::Null));
        for nobody in ["usr_1", "%00", "", NOBODY] {
            assert_eq!(app.told(&root.token, "GET", &format!("/admin/audit?sub={nobody}"), None).await, (200, json!({ "items": [], "next": null })));
        }
        for query in ["sub=a&sub=b", "event=login", "limit=201"] {
            assert_eq!(app.told(&root.token, "GET", &format!("/admin/audit?{query}"), None).await.0, 400, "{query}");
        }
    }

    async fn h22_what_was_refused_is_not_written_down_and_what_people_do_themselves_has_no_actor(app: TestApp) {
        let root = app.root().await;
        let session = app.session().await;
        app.refused(&root.token, "DELETE", &format!("/admin/users/{}", root.sub), None).await;
        app.refused(&root.token, "POST", "/admin/users", Some(json!({ "email": EMAIL, "password": PASSWORD }))).await;
        assert_eq!(app.refresh(&text(&session, "refresh_token")).await.status(), 200);
        let events = app.told(&root.token, "GET", "/admin/audit", None).await.1;
        let events = events["items"].as_array().unwrap();
        // The account was added by the test itself, which is no request.
        let ip = |event: &Value| if event["event"] == "account_added" { Value::Null } else { json!("127.0.0.1") };
        assert!(events.iter().all(|event| event["actor"].is_null() && event["ip"] == ip(event)), "{events:?}");
        let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(names, ["login", "login", "account_added"]);
    }
}
