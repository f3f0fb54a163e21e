//! What strangers put into heads and queries: the rest of group I of the threats, and what a token says of a person.

use serde_json::{Value, json};

use crate::app::{EMAIL, ISSUER, PASSWORD, claims, on_each_store, text};
use crate::raw::status;

on_each_store! {
    async fn i11_a_host_is_there_once_and_an_absolute_target_is_a_path(app: TestApp) {
        let raw = async |head: &str| status(&app.raw(format!("{head}connection: close\r\n\r\n")).await);
        assert_eq!(raw("GET /livez HTTP/1.1\r\n").await, 400);
        assert_eq!(raw("GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n").await, 400);
        assert!(app.raw("GET /livez HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200"));
        assert_eq!(raw("GET http://evil.example/livez HTTP/1.1\r\nhost: x\r\n").await, 200);
        assert_eq!(raw("GET http://evil.example/nowhere HTTP/1.1\r\nhost: x\r\n").await, 404);
    }

    async fn i12_nobody_but_the_settings_says_what_the_service_is_called(app: TestApp) {
        let evil = |request: reqwest::RequestBuilder| request.header("host", "evil.example").header("x-forwarded-host", "evil.example").header("forwarded", "host=evil.example");
        for path in ["/.well-known/oauth-authorization-server", "/openapi.json", "/docs", "/me", "/nowhere"] {
            let answer = evil(app.get(path)).send().await.unwrap();
            assert!(!format!("{:?}", answer.headers()).contains("evil"), "{path}");
            assert!(!answer.text().await.unwrap().contains("evil"), "{path}");
        }
        let login = evil(app.post_login(&json!({ "email": EMAIL, "password": PASSWORD }))).send().await.unwrap();
        let token: Value = login.json().await.unwrap();
        assert_eq!(claims(&text(&token, "access_token"))["iss"], ISSUER);
    }

    async fn i22_i23_numbers_that_overflow_are_malformed(app: TestApp) {
        let declared = |length: &str| format!("POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        for (length, expected) in [("4294967297", 413), ("18446744073709551615", 413), ("18446744073709551616", 400), ("-1", 400), ("+2", 400)] {
            assert_eq!(status(&app.raw(declared(length)).await), expected, "{length}");
        }
        let admin = app.root().await.token;
        for query in ["limit=-1", "limit=0", "limit=9223372036854775808", "limit=1e9", "limit=", "limit=201", "after=%00", "after=../..", "after=%F0%9F%98%80"] {
            for path in ["/admin/users", "/admin/audit", "/admin/clients"] {
                let refused = app.get(&format!("{path}?{query}")).bearer_auth(&admin).send().await.unwrap().status();
                // A cursor is an id: one that nobody has is the end of the list.
                assert!(refused == 400 || (query.starts_with("after") && refused == 200), "{path}?{query}: {refused}");
            }
        }
    }

    async fn i26_tokens_are_never_partial_and_never_kept_by_a_cache(app: TestApp) {
        for (name, value) in [("range", "bytes=0-9"), ("if-none-match", "*"), ("if-modified-since", "Thu, 01 Jan 2099 00:00:00 GMT")] {
            let login = app.post_login(&json!({ "email": EMAIL, "password": PASSWORD })).header(name, value).send().await.unwrap();
            assert_eq!((login.status().as_u16(), login.headers()["cache-control"].to_str().unwrap()), (200, "no-store"), "{name}");
            let token: Value = login.json().await.unwrap();
            let me = app.get("/me").bearer_auth(text(&token, "access_token")).header(name, value).send().await.unwrap();
            assert_eq!((me.status().as_u16(), me.headers()["cache-control"].to_str().unwrap()), (200, "no-store"), "{name}");
        }
    }

    async fn o12_a_token_says_who_by_id_and_nothing_that_a_person_would_call_theirs(app: TestApp) {
        let session = app.session().await;
        let said = claims(&text(&session, "access_token"));
        let mut names: Vec<&str> = said.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["acr", "amr", "aud", "auth_time", "client_id", "exp", "iat", "iss", "jti", "roles", "scope", "sid", "sub"]);
        assert!(!said.to_string().to_lowercase().contains("alice"));
    }
}
