//! `POST /register`, where it is open.

use futures_util::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, TestApp, claims, on_each_store, text};

async fn register(app: &TestApp, body: Value) -> Response {
    app.client.post(app.url("/register")).json(&body).send().await.unwrap()
}

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, text(&response.json().await.unwrap(), "code"))
}

fn new(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

on_each_store! {
    async fn unless_it_is_opened_there_is_no_such_path(app: TestApp) {
        for method in ["POST", "GET", "OPTIONS"] {
            let request = app.client.request(method.parse().unwrap(), app.url("/register")).json(&new("bob@example.com"));
            assert_eq!(code(request.send().await.unwrap()).await, (404, "not_found".to_owned()), "{method}");
        }
        assert_eq!(app.login("bob@example.com", PASSWORD).await.status(), 401);
    }

    async fn who_registers_can_log_in_and_holds_no_scope_and_no_role(app: TestApp, |config| config.registration.enabled = true) {
        let response = register(&app, new("Bob@Example.com")).await;
        assert_eq!((response.status().as_u16(), response.headers()["cache-control"].to_str().unwrap()), (201, "no-store"));
        let body: Value = response.json().await.unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1);
        let session: Value = app.login("bob@example.com", PASSWORD).await.json().await.unwrap();
        let said = claims(&text(&session, "access_token"));
        assert_eq!((&said["sub"], &said["scope"], &said["roles"]), (&body["sub"], &json!(""), &Value::Null));
        let account: Value = app.get("/account").bearer_auth(text(&session, "access_token")).send().await.unwrap().json().await.unwrap();
        assert_eq!(account["email"], "Bob@Example.com", "as it was typed");
    }

    async fn c14_a_known_address_is_409_in_whatever_case_and_nothing_is_hashed(app: TestApp, |config| config.registration.enabled = true) {
        let before = app.authority.hashed_rounds();
        for email in [EMAIL, "alice@example.com", "ALICE@EXAMPLE.COM"] {
            assert_eq!(code(register(&app, new(email)).await).await, (409, "conflict".to_owned()), "{email}");
        }
        assert_eq!(app.authority.hashed_rounds(), before);
        app.assert_sound().await;
    }

    async fn c16_c27_an_address_or_a_password_that_is_not_acceptable_is_422(app: TestApp, |config| config.registration.enabled = true) {
        for (email, password, field, told) in [
            ("bob", PASSWORD, "email", "email_invalid"), ("a@b\r\nBcc: c@d", PASSWORD, "email", "email_invalid"), ("a\0@b", PASSWORD, "email", "email_invalid"),
            ("\u{430}lice@example.com", PASSWORD, "email", "email_invalid"), ("", PASSWORD, "email", "email_invalid"),
            ("bob@example.com", "short", "password", "password_too_short"), ("bob@example.com", "", "password", "password_too_short"),
            ("bob@example.com", "passwordpassword", "password", "password_common"), ("bobby@example.com", "bobby@example.com", "password", "password_context"),
            ("bob@example.com", &"x1 ".repeat(25), "password", "password_too_long"), ("bob@example.com", "plum kettle orbit\0seven", "password", "password_invalid"),
        ] {
            let response = register(&app, json!({ "email": email, "password": password })).await;
            assert_eq!(response.status(), 422, "{email:?} {password:?}");
            let problem: Value = response.json().await.unwrap();
            let first = &problem["violations"][0];
            assert_eq!((&problem["code"], &first["field"], &first["code"]), (&json!("validation_failed"), &json!(field), &json!(told)), "{email:?}");
        }
        let listed = app.authority.accounts().page(None, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
    }

    async fn c18_c19_nobody_registers_with_more_than_an_address_and_a_password(app: TestApp, |config| config.registration.enabled = true) {
        for extra in ["scope", "scopes", "role", "roles", "is_admin", "sub", "id"] {
            let mut body = new("bob@example.com");
            body[extra] = json!("hallpass:admin");
            assert_eq!(code(register(&app, body).await).await, (400, "invalid_request".to_owned()), "{extra}");
        }
        for body in [json!(["bob@example.com", PASSWORD]), json!({ "email": "bob@example.com" }), json!({ "password": PASSWORD }), json!({ "email": 1, "password": PASSWORD })] {
            assert_eq!(code(register(&app, body.clone()).await).await, (400, "invalid_request".to_owned()), "{body}");
        }
        let form = app.client.post(app.url("/register")).header("content-type", "text/plain").body(new("bob@example.com").to_string());
        assert_eq!(form.send().await.unwrap().status(), 415);
    }

    async fn of_16_who_register_one_address_at_once_exactly_one_does(app: TestApp, |config| config.registration.enabled = true) {
        let answers = join_all((0..16).map(|_| register(&app, new("bob@example.com")))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (201, &[409; 15][..]));
        assert_eq!(app.login("bob@example.com", PASSWORD).await.status(), 200);
    }

    async fn l2_without_a_store_a_registration_is_503(app: TestApp, |config| config.registration.enabled = true) {
        app.raw_sql("ALTER TABLE account RENAME TO elsewhere").await;
        let response = register(&app, new("bob@example.com")).await;
        assert!(response.headers().contains_key("retry-after"));
        assert_eq!(code(response).await, (503, "temporarily_unavailable".to_owned()));
    }
}
