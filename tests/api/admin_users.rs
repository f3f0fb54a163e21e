//! `/admin/users`: group H of the threats as far as it is about people, and what rows of groups C and D say about administrators.

use futures_util::future::join_all;
use hallpass::authority::accounts::NewPerson;
use hallpass::authority::password::Password;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, Running, TestApp, claims, on_each_store, text};

pub const ROOT: &str = "root@example.com";
const NEW: &str = "another horse battery staple";
const NOBODY: &str = "usr_01a207fb-5ab8-76ff-9093-ed951e39519b";

/// Somebody who may administrate.
pub struct Root {
    pub sub: String,
    pub token: String,
}

impl TestApp {
    /// A person with these scopes, made by the operator.
    pub async fn person(&self, email: &str, scope: &str) -> String {
        let person = NewPerson { email: email.to_owned(), scopes: vec![scope.to_owned()], ..NewPerson::default() };
        let password = Password::new(PASSWORD.to_owned());
        self.authority.accounts().add(&person, Some(password), &self.authority.new_passwords()).await.unwrap().id
    }

    /// An administrator who also holds `a` and `b`, as Alice does, and has just logged in.
    pub async fn root(&self) -> Root {
        self.admin(ROOT, "hallpass:admin a b").await
    }

    pub async fn admin(&self, email: &str, scope: &str) -> Root {
        let sub = self.person(email, scope).await;
        Root { sub, token: self.token_of(email).await }
    }

    pub async fn token_of(&self, email: &str) -> String {
        text(&self.login(email, PASSWORD).await.json().await.unwrap(), "access_token")
    }

    pub async fn send(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Response {
        let request = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), self.url(path)).bearer_auth(token);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store", "{method} {path}");
        response
    }

    /// Status and body, which is null when there is none.
    pub async fn told(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let response = self.send(token, method, path, body).await;
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        assert!(!body.contains("$2") && !body.contains("hash"), "{body}");
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// Status and code of a refusal.
    pub async fn refused(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let (status, body) = self.told(token, method, path, body).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }

    pub async fn alice(&self) -> String {
        format!("/admin/users/{}", self.authority.accounts().by_email(EMAIL).await.unwrap().id)
    }
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The status of `/me` on another replica, as soon as it is 401 or after ten seconds.
async fn learned(app: &TestApp, replica: &Running, token: &str) -> u16 {
    let url = format!("http://{}/me", replica.address);
    for _ in 0..500 {
        let status = app.client.get(&url).bearer_auth(token).send().await.unwrap().status().as_u16();
        if status == 401 {
            return status;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    200
}

on_each_store! {
    async fn h1_a_token_without_the_scope_or_without_a_recent_login_is_refused_on_every_route(app: TestApp) {
        let (root, user) = (app.root().await, app.token().await);
        let worker = app.machine("worker", "a").await;
        let worker = app.machine_token(&worker).await;
        for (path, methods) in crate::contract::ROUTES.iter().filter(|(path, _)| path.starts_with("/admin/")) {
            for method in methods.split(", ") {
                for token in [&user, &worker] {
                    let response = app.send(token, method, path, None).await;
                    assert_eq!(response.status(), 403, "{method} {path}");
                    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
                    assert_eq!(challenge, r#"Bearer realm="hallpass", error="insufficient_scope", scope="hallpass:admin""#);
                }
            }
        }
        app.clock.advance(300);
        assert_eq!(app.told(&root.token, "GET", "/admin/users", None).await.0, 200, "300 s old");
        app.clock.advance(1);
        for (path, methods) in crate::contract::ROUTES.iter().filter(|(path, _)| path.starts_with("/admin/")) {
            for method in methods.split(", ") {
                let response = app.send(&root.token, method, path, None).await;
                assert_eq!(response.status(), 401, "{method} {path}");
                let challenge = response.headers()["www-authenticate"].to_str().unwrap();
                assert_eq!(challenge, r#"Bearer realm="hallpass", error="insufficient_user_authentication", max_age="300""#);
            }
        }
        let step_up = app.client.post(app.url("/step-up")).bearer_auth(&root.token).json(&json!({ "password": PASSWORD }));
        let stepped: Value = step_up.send().await.unwrap().json().await.unwrap();
        assert_eq!(app.told(&text(&stepped, "access_token"), "GET", "/admin/users", None).await.0, 200);
    }

    async fn h1_an_admin_who_is_demoted_disabled_deleted_or_logged_out_is_out_at_once_whatever_the_token_says(app: TestApp) {
        for (email, change) in [
            ("1@b.com", "UPDATE account SET scopes = 'a' WHERE email = '1@b.com'"), ("2@b.com", "UPDATE account SET disabled_at = 1 WHERE email = '2@b.com'"),
            ("3@b.com", "DELETE FROM account WHERE email = '3@b.com'"), ("4@b.com", "UPDATE session SET ended_at = 1"),
        ] {
            let admin = app.admin(email, "hallpass:admin").await;
            assert_eq!(app.told(&admin.token, "GET", "/admin/users", None).await.0, 200);
            app.raw_sql(change).await;
            let expected = if email == "1@b.com" { is(403, "insufficient_scope") } else { is(401, "invalid_token") };
            assert_eq!(app.refused(&admin.token, "GET", "/admin/users", None).await, expected, "{change}");
            assert_eq!(app.me(&admin.token).await, 200, "the token by itself is good");
        }
        let machine = app.machine("robot", "hallpass:admin").await;
        let token = app.machine_token(&machine).await;
        assert_eq!(app.told(&token, "GET", "/admin/users", None).await.0, 200);
        app.raw_sql("UPDATE client SET scopes = ''").await;
        assert_eq!(app.refused(&token, "GET", "/admin/users", None).await, is(403, "insufficient_scope"));
        app.raw_sql("UPDATE client SET scopes = 'hallpass:admin', disabled_at = 1").await;
        assert_eq!(app.refused(&token, "GET", "/admin/users", None).await, is(401, "invalid_token"));
    }

    async fn a_login_with_less_than_all_scopes_administrates_only_with_what_it_asked_for(app: TestApp) {
        app.root().await;
        let login = async |scope: &str| {
            let body = json!({ "email": ROOT, "password": PASSWORD, "scope": scope });
            text(&app.post_login(&body).send().await.unwrap().json().await.unwrap(), "access_token")
        };
        assert_eq!(app.told(&login("a b").await, "GET", "/admin/users", None).await.0, 403);
        let narrow = login("hallpass:admin a").await;
        let user = json!({ "email": "x@b.com", "scopes": ["b"] });
        assert_eq!(app.refused(&narrow, "POST", "/admin/users", Some(user)).await, is(403, "insufficient_scope"));
    }

    async fn a_person_is_made_seen_changed_and_deleted(app: TestApp) {
        let root = app.root().await;
        let body = json!({ "email": "Bob@Example.org", "password": PASSWORD, "scopes": ["a", "b", "a"], "roles": ["support"] });
        let response = app.send(&root.token, "POST", "/admin/users", Some(body)).await;
        assert_eq!(response.status(), 201);
        let path = response.headers()["location"].to_str().unwrap().to_owned();
        let made: Value = response.json().await.unwrap();
        let expected = json!({
            "sub": path.strip_prefix("/admin/users/").unwrap(), "email": "Bob@Example.org", "scopes": ["a", "b"], "roles": ["support"], "created_at": 1_800_000_000,
            "disabled": false, "disabled_at": null, "password_changed_at": 1_800_000_000, "otp_enabled": false,
        });
        assert_eq!(made, expected);
        assert_eq!(app.told(&root.token, "GET", &path, None).await, (200, expected.clone()));
        assert_eq!(app.send(&root.token, "HEAD", &path, None).await.status(), 200);
        let bob = app.token_of("bob@example.org").await;
        assert_eq!(claims(&bob)["scope"], "a b");

        assert_eq!(app.told(&root.token, "PATCH", &path, Some(json!({}))).await, (200, expected.clone()), "nothing changes nothing");
        let (status, changed) = app.told(&root.token, "PATCH", &path, Some(json!({ "scopes": ["b"], "email": "rob@example.org" }))).await;
        assert_eq!((status, &changed["scopes"], &changed["roles"], &changed["email"]), (200, &json!(["b"]), &json!(["support"]), &json!("rob@example.org")));
        assert_eq!(app.login("bob@example.org", PASSWORD).await.status(), 401);
        assert_eq!(claims(&app.token_of("rob@example.org").await)["scope"], "b");
        assert_eq!(app.me(&bob).await, 200, "sessions go on, and have the new scope with the next refresh");

        assert_eq!(app.told(&root.token, "DELETE", &path, None).await, (204, Value::Null));
        for (method, body) in [("GET", None), ("PATCH", Some(json!({ "disabled": true }))), ("DELETE", None)] {
            assert_eq!(app.refused(&root.token, method, &path, body).await, is(404, "not_found"), "{method}");
        }
    }

    async fn without_a_password_or_disabled_from_the_beginning_nobody_logs_in_until_an_admin_says_so(app: TestApp) {
        let root = app.root().await;
        let (status, bare) = app.told(&root.token, "POST", "/admin/users", Some(json!({ "email": "bare@b.com" }))).await;
        assert_eq!((status, &bare["password_changed_at"], &bare["scopes"]), (201, &Value::Null, &json!([])));
        assert_eq!(app.login("bare@b.com", PASSWORD).await.status(), 401);
        let path = format!("/admin/users/{}", text(&bare, "sub"));
        assert_eq!(app.told(&root.token, "POST", &format!("{path}/password"), Some(json!({ "password": PASSWORD }))).await.0, 204);
        assert_eq!(app.login("bare@b.com", PASSWORD).await.status(), 200);

        let (status, off) = app.told(&root.token, "POST", "/admin/users", Some(json!({ "email": "off@b.com", "password": PASSWORD, "disabled": true }))).await;
        assert_eq!((status, &off["disabled"], &off["disabled_at"]), (201, &json!(true), &json!(1_800_000_000)));
        assert_eq!(app.login("off@b.com", PASSWORD).await.status(), 401);
        assert_eq!(app.told(&root.token, "PATCH", &format!("/admin/users/{}", text(&off, "sub")), Some(json!({ "disabled": false }))).await.0, 200);
        assert_eq!(app.login("off@b.com", PASSWORD).await.status(), 200);
    }

    async fn h3_members_that_nobody_may_set_are_refused_and_so_is_what_is_no_object(app: TestApp) {
        let (root, alice) = (app.root().await, app.alice().await);
        let password = format!("{alice}/password");
        for extra in [
            json!({ "password_hash": "$2b$04$x" }), json!({ "id": NOBODY }), json!({ "sub": NOBODY }), json!({ "created_at": 1 }), json!({ "failed_logins": 0 }),
            json!({ "is_admin": true }), json!({ "disabled_at": null }), json!({ "password_changed_at": 1 }), json!({ "otp_enabled": false }), json!([]), json!("x"), json!(null),
            json!({ "scopes": null }), json!({ "scopes": "a b" }), json!({ "roles": [1] }), json!({ "disabled": null }), json!({ "disabled": "true" }), json!({ "email": null }),
        ] {
            let mut new = json!({ "email": "x@b.com" });
            match extra.as_object() {
                Some(members) => new.as_object_mut().unwrap().extend(members.clone()),
                None => new = extra.clone(),
            }
            assert_eq!(app.refused(&root.token, "PATCH", &alice, Some(extra.clone())).await, is(400, "invalid_request"), "{extra}");
            assert_eq!(app.refused(&root.token, "POST", "/admin/users", Some(new.clone())).await, is(400, "invalid_request"), "{new}");
        }
        for body in [json!({ "password": PASSWORD }), json!({ "password": null, "email": "x@b.com" }), json!({ "email": 1 }), json!({})] {
            assert_eq!(app.refused(&root.token, "POST", "/admin/users", Some(body.clone())).await, is(400, "invalid_request"), "{body}");
        }
        for body in [json!({}), json!({ "password": null }), json!({ "password": NEW, "current_password": PASSWORD }), json!([NEW])] {
            assert_eq!(app.refused(&root.token, "POST", &password, Some(body.clone())).await, is(400, "invalid_request"), "{body}");
        }
        let raw = async |method: &str, path: &str, media_type: &str, body: &'static str| {
            let request = app.client.request(method.parse().unwrap(), app.url(path)).bearer_auth(&root.token).header("content-type", media_type).body(body);
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(raw("PATCH", &alice, "application/json", r#"{"disabled":true,"disabled":false}"#).await, 400, "twice");
        assert_eq!(raw("PATCH", &alice, "application/x-www-form-urlencoded", "disabled=true").await, 415);
        assert_eq!(raw("POST", &format!("{alice}/logout"), "application/json", r#"{"which":"all"}"#).await, 400);
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200, "nothing has changed");
    }

    async fn what_has_the_wrong_form_is_422_by_its_field(app: TestApp) {
        let (root, alice) = (app.root().await, app.alice().await);
        let long = vec!["a".repeat(1025)];
        for (body, field, code) in [
            (json!({ "email": "no address" }), "email", "email_invalid"), (json!({ "scopes": ["a\"b"] }), "scopes", "scope_invalid"), (json!({ "scopes": ["\u{e4}"] }), "scopes", "scope_invalid"),
            (json!({ "scopes": [""] }), "scopes", "scope_invalid"), (json!({ "scopes": ["a b"] }), "scopes", "scope_invalid"), (json!({ "scopes": long }), "scopes", "scope_invalid"),
            (json!({ "roles": ["a", "b c"] }), "roles", "role_invalid"), (json!({ "roles": ["a\u{0}"] }), "roles", "role_invalid"),
        ] {
            let mut new = json!({ "email": "x@b.com" });
            new.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            for (method, path, body) in [("PATCH", alice.as_str(), body), ("POST", "/admin/users", new)] {
                let (status, problem) = app.told(&root.token, method, path, Some(body.clone())).await;
                assert_eq!((status, &problem["violations"][0]["field"], &problem["violations"][0]["code"]), (422, &json!(field), &json!(code)), "{method} {body}");
            }
        }
        for (path, body) in [("/admin/users".to_owned(), json!({ "email": "x@b.com", "password": "letmein" })), (format!("{alice}/password"), json!({ "password": "letmein" }))] {
            let (status, problem) = app.told(&root.token, "POST", &path, Some(body)).await;
            let codes: Vec<&str> = problem["violations"].as_array().unwrap().iter().map(|violation| violation["code"].as_str().unwrap()).collect();
            assert_eq!((status, codes), (422, vec!["password_too_short", "password_common"]));
        }
    }

    async fn c14_a_taken_address_is_409_and_of_two_who_take_one_at_once_one_gets_it(app: TestApp) {
        let (root, alice) = (app.root().await, app.alice().await);
        assert_eq!(app.refused(&root.token, "POST", "/admin/users", Some(json!({ "email": EMAIL.to_uppercase() }))).await, is(409, "conflict"));
        assert_eq!(app.refused(&root.token, "PATCH", &alice, Some(json!({ "email": "ROOT@example.com" }))).await, is(409, "conflict"));
        assert_eq!(app.told(&root.token, "PATCH", &alice, Some(json!({ "email": EMAIL.to_uppercase() }))).await.0, 200, "her own, written otherwise");
        let made = join_all((0..16).map(|_| app.refused(&root.token, "POST", "/admin/users", Some(json!({ "email": "x@b.com", "password": PASSWORD }))))).await;
        assert_eq!(made.iter().filter(|(status, _)| *status == 201).count(), 1, "{made:?}");
        assert_eq!(made.iter().filter(|told| **told == is(409, "conflict")).count(), 15, "{made:?}");
    }

    async fn h2_what_is_not_there_or_is_no_id_is_404_whatever_is_done_to_it(app: TestApp) {
        let root = app.root().await;
        for sub in [NOBODY, "usr_1", "1", "%00", "usr_%00", "cli_01a207fb-5ab8-76ff-9093-ed951e39519b", "%27%20OR%201=1", &NOBODY.to_uppercase(), EMAIL] {
            let path = format!("/admin/users/{sub}");
            for (method, path, body) in [
                ("GET", path.clone(), None), ("PATCH", path.clone(), Some(json!({ "disabled": true }))), ("DELETE", path.clone(), None), ("POST", format!("{path}/logout"), None),
                ("POST", format!("{path}/password"), Some(json!({ "password": NEW }))), ("DELETE", format!("{path}/otp"), None),
            ] {
                assert_eq!(app.refused(&root.token, method, &path, body).await, is(404, "not_found"), "{method} {path}");
            }
        }
    }

    async fn c31_a_person_who_is_disabled_deleted_or_logged_out_is_out_everywhere(app: TestApp) {
        let (root, replica) = (app.root().await, app.replica(|_| ()).await);
        for (method, suffix, body) in [("PATCH", "", Some(json!({ "disabled": true }))), ("POST", "/logout", None), ("POST", "/password", Some(json!({ "password": NEW }))), ("DELETE", "", None)] {
            let email = format!("{}{}@b.com", method.to_lowercase(), suffix.trim_start_matches('/'));
            let path = format!("/admin/users/{}{suffix}", app.person(&email, "a").await);
            let sessions = [app.login(&email, PASSWORD).await, app.login(&email, PASSWORD).await];
            app.clock.advance(2);
            assert!([200, 204].contains(&app.told(&root.token, method, &path, body.clone()).await.0), "{method} {path}");
            for session in sessions {
                let session: Value = session.json().await.unwrap();
                let token = text(&session, "access_token");
                assert_eq!((app.me(&token).await, learned(&app, &replica, &token).await), (401, 401), "{method} {path}");
                assert_eq!(app.refresh(&text(&session, "refresh_token")).await.status(), 401, "{method} {path}");
            }
            let logins = [PASSWORD, NEW].map(|password| app.login(&email, password));
            let logins: Vec<u16> = join_all(logins).await.iter().map(|login| login.status().as_u16()).collect();
            let expected = match suffix { "/logout" => [200, 401], "/password" => [401, 200], _ => [401, 401] };
            assert_eq!(logins, expected, "{method} {path}");
        }
        replica.handle.stop(false).await;
    }

    async fn d14_scopes_and_roles_that_an_admin_takes_are_gone_with_the_next_refresh(app: TestApp) {
        let (root, alice, session) = (app.root().await, app.alice().await, app.session().await);
        assert_eq!(app.told(&root.token, "PATCH", &alice, Some(json!({ "scopes": ["b"], "roles": [] }))).await.0, 200);
        let next: Value = app.refresh(&text(&session, "refresh_token")).await.json().await.unwrap();
        let claims = claims(&text(&next, "access_token"));
        assert_eq!((&claims["scope"], &claims["roles"]), (&json!("b"), &Value::Null));
    }

    async fn h4_the_last_admin_is_neither_disabled_nor_deleted_nor_stripped_of_the_scope(app: TestApp) {
        let root = app.root().await;
        let machine = app.machine("robot", "hallpass:admin a b").await;
        let robot = app.machine_token(&machine).await;
        let path = format!("/admin/users/{}", root.sub);
        for token in [&root.token, &robot] {
            for body in [json!({ "disabled": true }), json!({ "scopes": [] }), json!({ "scopes": ["a"], "roles": ["x"] })] {
                assert_eq!(app.refused(token, "PATCH", &path, Some(body.clone())).await, is(409, "conflict"), "{body}");
            }
            assert_eq!(app.refused(token, "DELETE", &path, None).await, is(409, "conflict"));
        }
        assert_eq!(app.told(&root.token, "GET", &path, None).await.0, 200, "and the session goes on");
        assert_eq!(app.told(&robot, "PATCH", &path, Some(json!({ "scopes": ["hallpass:admin"] }))).await.0, 200, "another scope may go");
        app.person("second@b.com", "hallpass:admin").await;
        assert_eq!(app.told(&robot, "DELETE", &path, None).await.0, 204, "with a second one, the first may go");
    }

    async fn h4_of_32_who_take_two_admins_away_at_once_one_is_stopped(app: TestApp) {
        for round in 0..4 {
            let (one, two) = (app.admin(&format!("one{round}@b.com"), "hallpass:admin").await, app.admin(&format!("two{round}@b.com"), "hallpass:admin").await);
            let answers = join_all((0..32).map(async |index| {
                let (token, sub) = if index % 2 == 0 { (&one.token, &two.sub) } else { (&two.token, &one.sub) };
                let body = [json!({ "disabled": true }), json!({ "scopes": [] })][index / 2 % 2].clone();
                app.refused(token, "PATCH", &format!("/admin/users/{sub}"), Some(body)).await
            })).await;
            let accounts = app.authority.accounts();
            let mut left = Vec::new();
            for admin in [&one, &two] {
                let account = accounts.by_id(&admin.sub).await.unwrap();
                left.push(account.disabled_at.is_none() && account.scope == "hallpass:admin");
            }
            assert_eq!(left.iter().filter(|is_admin| **is_admin).count(), 1, "{answers:?}");
            assert!(answers.iter().all(|(status, _)| [200, 401, 403, 409].contains(status)), "{answers:?}");
            for admin in [&one, &two] {
                accounts.delete(&accounts.by_id(&admin.sub).await.unwrap()).await.unwrap();
            }
        }
    }

    async fn h5_an_admin_hands_out_no_scope_that_they_lack_to_nobody(app: TestApp) {
        let (root, alice) = (app.root().await, app.alice().await);
        let mine = format!("/admin/users/{}", root.sub);
        for (method, path, body) in [
            ("POST", "/admin/users", json!({ "email": "x@b.com", "scopes": ["orders:write"] })), ("PATCH", &alice, json!({ "scopes": ["a", "b", "orders:write"] })),
            ("PATCH", &mine, json!({ "scopes": ["hallpass:admin", "a", "b", "orders:write"] })), ("POST", "/admin/clients", json!({ "name": "x", "scopes": ["orders:write"] })),
        ] {
            let response = app.send(&root.token, method, path, Some(body.clone())).await;
            assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="hallpass", error="insufficient_scope""#, "{body}");
            assert_eq!((response.status().as_u16(), text(&response.json().await.unwrap(), "code")), is(403, "insufficient_scope"), "{body}");
        }
        let strong = format!("/admin/users/{}", app.person("strong@b.com", "orders:write").await);
        assert_eq!(app.refused(&root.token, "POST", &format!("{strong}/password"), Some(json!({ "password": NEW }))).await, is(403, "insufficient_scope"));
        assert_eq!(app.refused(&root.token, "DELETE", &format!("{strong}/otp"), None).await, is(403, "insufficient_scope"));
        assert_eq!(app.told(&root.token, "PATCH", &strong, Some(json!({ "scopes": ["orders:write", "a"], "roles": ["x"] }))).await.0, 200, "what they hold stays");
        assert_eq!(app.told(&root.token, "PATCH", &strong, Some(json!({ "scopes": ["a"] }))).await.0, 200, "and may be taken");
        assert_eq!(app.refused(&root.token, "PATCH", &strong, Some(json!({ "scopes": ["orders:write"] }))).await, is(403, "insufficient_scope"));
    }

    async fn h5_nobody_changes_their_own_rights_or_gets_around_their_own_password_and_second_factor(app: TestApp) {
        let root = app.root().await;
        app.person("second@b.com", "hallpass:admin").await;
        let path = format!("/admin/users/{}", root.sub);
        for body in [json!({ "roles": ["x"] }), json!({ "scopes": ["hallpass:admin"] }), json!({ "disabled": true })] {
            assert_eq!(app.refused(&root.token, "PATCH", &path, Some(body.clone())).await, is(409, "conflict"), "{body}");
        }
        assert_eq!(app.refused(&root.token, "DELETE", &path, None).await, is(409, "conflict"));
        assert_eq!(app.refused(&root.token, "POST", &format!("{path}/password"), Some(json!({ "password": NEW }))).await, is(409, "conflict"));
        assert_eq!(app.refused(&root.token, "DELETE", &format!("{path}/otp"), None).await, is(409, "conflict"));
        assert_eq!(app.told(&root.token, "PATCH", &path, Some(json!({ "scopes": ["hallpass:admin", "a", "b"], "disabled": false }))).await.0, 200, "as it is");
        assert_eq!(app.told(&root.token, "POST", &format!("{path}/logout"), None).await.0, 204, "logging out is granted");
        assert_eq!(app.refused(&root.token, "GET", &path, None).await, is(401, "invalid_token"));
    }

    async fn an_admin_takes_a_lost_second_factor_away(app: TestApp) {
        let (root, alice) = (app.root().await, app.alice().await);
        let sub = alice.trim_start_matches("/admin/users/").to_owned();
        let enrol = app.client.post(app.url("/account/otp")).bearer_auth(app.token().await).send().await.unwrap();
        assert_eq!(enrol.status(), 200);
        assert_eq!(app.told(&root.token, "GET", &alice, None).await.1["otp_enabled"], false, "not confirmed");
        app.raw_sql(&format!("UPDATE second_factor SET confirmed_at = 1 WHERE account_id = '{sub}'")).await;
        assert_eq!(app.told(&root.token, "GET", &alice, None).await.1["otp_enabled"], true);
        let listed = app.told(&root.token, "GET", "/admin/users", None).await.1;
        let enabled: Vec<bool> = listed["items"].as_array().unwrap().iter().map(|user| user["otp_enabled"].as_bool().unwrap()).collect();
        assert_eq!(enabled.iter().filter(|enabled| **enabled).count(), 1, "{listed}");
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 401);
        for _ in 0..2 {
            assert_eq!(app.told(&root.token, "DELETE", &format!("{alice}/otp"), None).await.0, 204);
        }
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
    }

    async fn lists_come_in_pages_and_only_with_a_cursor_and_a_limit_of_ours(app: TestApp) {
        let root = app.root().await;
        for index in 0..5 {
            app.clock.advance(1);
            app.person(&format!("p{index}@b.com"), "").await;
        }
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let (status, page) = app.told(&root.token, "GET", &format!("/admin/users?limit=3{after}"), None).await;
            let items = page["items"].as_array().unwrap();
            assert!(status == 200 && items.len() <= 3);
            seen.extend(items.iter().map(|user| text(user, "email")));
            let Some(next) = page["next"].as_str() else { break };
            assert_eq!(items.len(), 3);
            assert!(next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{next}");
            after = format!("&after={next}");
        }
        seen.sort();
        let mut expected = vec![EMAIL, ROOT, "p0@b.com", "p1@b.com", "p2@b.com", "p3@b.com", "p4@b.com"];
        expected.sort();
        assert_eq!(seen, expected);
        let all = app.told(&root.token, "GET", "/admin/users", None).await.1;
        assert_eq!((all["items"].as_array().unwrap().len(), &all["next"]), (7, &Value::Null));
        let cursor = app.told(&root.token, "GET", "/admin/users?limit=1", None).await.1["next"].as_str().unwrap().to_owned();
        for query in ["limit=0", "limit=201", "limit=x", "limit=1&limit=1", "after=", "after=x", "page=1", "sub=usr_1", &format!("after={cursor}x"), &format!("after={cursor}&after={cursor}")] {
            assert_eq!(app.refused(&root.token, "GET", &format!("/admin/users?{query}"), None).await, is(400, "invalid_request"), "{query}");
        }
        for path in ["/admin/clients", "/admin/audit"] {
            assert_eq!(app.refused(&root.token, "GET", &format!("{path}?after={cursor}"), None).await, is(400, "invalid_request"), "another list's");
        }
    }

    async fn l16_without_the_store_nobody_administrates_and_nothing_is_half_done(app: TestApp) {
        let (root, alice, session) = (app.root().await, app.alice().await, app.session().await);
        app.raw_sql("ALTER TABLE revocation RENAME TO elsewhere").await;
        for (method, path, body) in [("PATCH", alice.clone(), Some(json!({ "disabled": true, "scopes": [] }))), ("DELETE", alice.clone(), None), ("POST", format!("{alice}/logout"), None)] {
            assert_eq!(app.refused(&root.token, method, &path, body).await, is(503, "temporarily_unavailable"), "{method} {path}");
        }
        app.raw_sql("ALTER TABLE elsewhere RENAME TO revocation").await;
        assert_eq!(app.refresh(&text(&session, "refresh_token")).await.status(), 200, "nothing has happened");
        app.raw_sql("ALTER TABLE session RENAME TO elsewhere").await;
        assert_eq!(app.refused(&root.token, "GET", "/admin/users", None).await, is(503, "temporarily_unavailable"), "nobody knows whether the session is live");
        app.raw_sql("ALTER TABLE elsewhere RENAME TO session").await;
        assert_eq!(app.told(&root.token, "GET", "/admin/users", None).await.0, 200);
    }

    async fn e8_a_cookie_from_another_site_administrates_nothing(app: TestApp) {
        app.root().await;
        let login = app.post_login(&json!({ "email": ROOT, "password": PASSWORD, "transport": "cookie" })).header("sec-fetch-site", "same-origin");
        let response = login.send().await.unwrap();
        let cookies: Vec<String> = response.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()).collect();
        let post = async |site: &str, email: &str| {
            let request = app.client.post(app.url("/admin/users")).header("cookie", cookies.join("; ")).header("sec-fetch-site", site).json(&json!({ "email": email }));
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!((post("cross-site", "x@b.com").await, post("same-origin", "x@b.com").await), (403, 201));
    }
}
