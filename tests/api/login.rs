//! `POST /login`: group C of the threats, as far as passwords and bodies go.

use std::collections::HashSet;

use hallpass::authority::Password;
use hallpass::authority::account_change::AccountChange;
use hallpass::authority::password_hash::StoredHash;
use hallpass::store::account;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use serde_json::{Value, json};

use crate::app::{COST, EMAIL, ISSUER, PASSWORD, TestApp, claims, on_each_store};
use crate::raw::status;

/// What a refused login looks like, without the request id: the same for every cause.
async fn refused(app: &TestApp, email: &str, password: &str) -> (u16, Vec<(String, String)>, Value) {
    let response = app.login(email, password).await;
    let status = response.status().as_u16();
    let headers = response.headers().iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let mut body: Value = response.json().await.unwrap();
    assert!(body.as_object_mut().unwrap().remove("request_id").is_some());
    (status, headers, body)
}

async fn assert_cred(app: &TestApp, email: &str, password: &str) {
    let (status, _, body) = refused(app, email, password).await;
    assert_eq!((status, &body["code"]), (401, &json!("invalid_credentials")), "{email:?} {password:?}");
}

async fn post_status(app: &TestApp, body: Value) -> (u16, Value) {
    let response = app.post_login(&body).send().await.unwrap();
    (response.status().as_u16(), response.json::<Value>().await.unwrap()["code"].clone())
}

on_each_store! {
    async fn c1_the_right_password_gets_a_token_that_says_what_the_contract_says(app: TestApp) {
        let response = app.login(EMAIL, PASSWORD).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[PRAGMA], "no-cache");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let body: Value = response.json().await.unwrap();
        assert_eq!((&body["token_type"], &body["expires_in"], &body["scope"]), (&json!("Bearer"), &json!(300), &json!("a b")));
        let said = claims(body["access_token"].as_str().unwrap());
        assert_eq!((&said["iss"], &said["aud"], &said["client_id"]), (&json!(ISSUER), &json!("hallpass"), &json!("hallpass")));
        assert_eq!((&said["amr"], &said["acr"], &said["roles"]), (&json!(["pwd"]), &json!("1"), &json!(["r"])));
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 300);
        assert_eq!((&said["auth_time"], &said["sid"]), (&said["iat"], &body["session_id"]));
        assert!(said["sub"].as_str().unwrap().starts_with("usr_"));
        // o12: nothing about the person but the id.
        let names: HashSet<&str> = said.as_object().unwrap().keys().map(String::as_str).collect();
        let known = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "sid", "auth_time", "amr", "acr", "roles"];
        assert_eq!(names, HashSet::from(known));
    }

    async fn c2_every_cause_of_a_refusal_looks_the_same_to_the_byte(app: TestApp) {
        let disabled = app.add("disabled@example.com", PASSWORD).await;
        let change = AccountChange { disabled: Some(true), ..AccountChange::default() };
        app.authority.accounts().change(&disabled, &change).await.unwrap();
        app.add_hashed("passwordless@example.com", None).await;
        app.add_hashed("malformed@example.com", Some("$2b$04$not a hash at all")).await;
        app.add_hashed("dear@example.com", Some(&format!("$2b$31${}", "a".repeat(53)))).await;
        let expected = refused(&app, EMAIL, "wrong").await;
        assert_eq!(expected.0, 401);
        assert!(expected.1.contains(&("www-authenticate".into(), r#"Bearer realm="hallpass""#.into())));
        for email in ["nobody@example.com", "disabled@example.com", "passwordless@example.com", "malformed@example.com", "dear@example.com", "no address"] {
            assert_eq!(refused(&app, email, PASSWORD).await, expected, "{email}");
        }
        assert_eq!(refused(&app, EMAIL, &"x".repeat(73)).await, expected);
    }

    async fn c5_c6_all_72_bytes_count_and_73_are_never_cut(app: TestApp) {
        for length in [71, 72] {
            let (email, password) = (format!("p{length}@example.com"), "p".repeat(length));
            app.add(&email, &password).await;
            assert_eq!(app.login(&email, &password).await.status(), 200, "{length} bytes");
            assert_cred(&app, &email, &format!("{password}x")).await;
            assert_cred(&app, &email, &password[1..]).await;
        }
    }

    async fn c8_a_long_password_from_where_it_was_cut_is_right_once_by_72_bytes_and_then_by_all_of_them(app: TestApp) {
        let long = "p".repeat(80);
        let cut = StoredHash::make(&Password::new(long[..72].to_owned()), COST).unwrap();
        app.add_hashed("strict@example.com", Some(cut.as_str())).await;
        app.add_hashed("long@example.com", Some(cut.by_a_truncating_library().as_str())).await;
        assert_cred(&app, "strict@example.com", &long).await;
        assert_cred(&app, "long@example.com", &format!("q{}", &long[1..])).await;
        assert_cred(&app, "long@example.com", &format!("{long}\0")).await;
        assert_eq!(app.login("long@example.com", &long).await.status(), 200);
        for wrong in [&long[..72], &long[..79], &format!("{long}p")] {
            assert_cred(&app, "long@example.com", wrong).await;
        }
        assert_eq!(app.login("long@example.com", &long).await.status(), 200);
    }

    async fn c9_nul_never_makes_two_passwords_equal(app: TestApp) {
        app.add("nul@example.com", "a").await;
        assert_cred(&app, "nul@example.com", "a\0a").await;
        assert_cred(&app, "nul@example.com", "a\0").await;
        assert_cred(&app, "nul@example.com", "\0").await;
    }

    async fn c10_a_password_that_is_no_text_is_malformed_and_nothing_is_hashed(app: TestApp) {
        let before = app.authority.hashed_rounds();
        for password in [json!(""), json!(null), json!(1), json!([]), json!({ "$ne": "" }), json!(true)] {
            assert_eq!(post_status(&app, json!({ "email": EMAIL, "password": password })).await, (400, json!("invalid_request")), "{password}");
        }
        assert_eq!(post_status(&app, json!({ "email": EMAIL })).await.0, 400);
        assert_eq!(post_status(&app, json!({ "password": PASSWORD })).await.0, 400);
        assert_eq!(app.authority.hashed_rounds(), before);
    }

    async fn c11_a_megabyte_of_password_is_refused_before_anything_is_hashed(app: TestApp) {
        let before = app.authority.hashed_rounds();
        let answer = app.raw_login("content-type: application/json\r\n", format!(r#"{{"email":"{EMAIL}","password":"{}"}}"#, "x".repeat(1 << 20)).as_bytes()).await;
        assert_eq!(status(&answer), 413);
        assert_eq!(app.authority.hashed_rounds(), before);
    }

    async fn c12_c13_a_password_is_what_was_sent_to_the_byte(app: TestApp) {
        let (composed, decomposed) = ("p\u{e4}ssword of mine", "pa\u{308}ssword of mine");
        app.add("spaces@example.com", "  two spaces around  ").await;
        app.add("nfc@example.com", composed).await;
        app.add("nfd@example.com", decomposed).await;
        assert_eq!(app.login("spaces@example.com", "  two spaces around  ").await.status(), 200);
        assert_cred(&app, "spaces@example.com", "two spaces around").await;
        assert_eq!(app.login("nfc@example.com", composed).await.status(), 200);
        assert_eq!(app.login("nfd@example.com", decomposed).await.status(), 200);
        assert_cred(&app, "nfc@example.com", decomposed).await;
        assert_cred(&app, "nfd@example.com", composed).await;
    }

    async fn c14_the_address_is_one_whatever_its_ascii_case(app: TestApp) {
        for email in ["alice@example.com", "ALICE@EXAMPLE.COM", "aLiCe@eXaMpLe.CoM"] {
            assert_eq!(app.login(email, PASSWORD).await.status(), 200, "{email}");
        }
    }

    async fn c15_no_other_letter_ever_stands_for_an_ascii_one(app: TestApp) {
        app.add("kim.straiss@example.com", PASSWORD).await;
        for email in ["\u{212a}im.straiss@example.com", "k\u{131}m.straiss@example.com", "K\u{130}M.straiss@example.com", "kim.strai\u{df}@example.com", "kim.\u{17f}traiss@example.com"] {
            assert_cred(&app, email, PASSWORD).await;
        }
    }

    async fn c16_c17_what_is_no_address_or_is_sql_is_just_a_wrong_login(app: TestApp) {
        let long = format!("{}@example.com", "a".repeat(250));
        for email in [
            "a\0b@example.com", "a@b\r\nBcc: c@d", " alice@example.com", "alice@example.com ", "a@b@c", "@", "", "alice", "al\u{0456}ce@example.com", "\u{202e}alice@example.com", &long,
            "\" or 1=1--", "' or '1'='1", "%", "_", "alice@example.com'--", "alice@example%", "____________________",
        ] {
            assert_cred(&app, email, PASSWORD).await;
        }
        app.assert_sound().await;
    }

    async fn c18_c19_c20_members_that_are_unknown_repeated_or_positional_are_refused(app: TestApp) {
        for extra in ["role", "is_admin", "scopes", "Email", "email "] {
            let mut body = json!({ "email": EMAIL, "password": PASSWORD });
            body[extra] = json!("admin");
            assert_eq!(post_status(&app, body).await, (400, json!("invalid_request")), "{extra}");
        }
        assert_eq!(post_status(&app, json!([EMAIL, PASSWORD])).await.0, 400);
        assert_eq!(post_status(&app, json!("text")).await.0, 400);
        for body in [
            format!(r#"{{"email":"x@y.z","email":"{EMAIL}","password":"{PASSWORD}"}}"#),
            format!(r#"{{"email":"{EMAIL}","password":"wrong","password":"{PASSWORD}"}}"#),
            format!(r#"{{"email":"{EMAIL}","password":"wrong","p\u0061ssword":"{PASSWORD}"}}"#),
        ] {
            assert_eq!(status(&app.raw_login("content-type: application/json\r\n", body.as_bytes()).await), 400, "{body}");
        }
    }

    async fn c21_c22_only_json_in_utf_8_is_read(app: TestApp) {
        let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/jsonp", "*/*", ""] {
            let answer = app.raw_login(&format!("content-type: {media_type}\r\n"), body.as_bytes()).await;
            assert_eq!(status(&answer), 415, "{media_type}");
        }
        assert_eq!(status(&app.raw_login("", body.as_bytes()).await), 415);
        assert_eq!(status(&app.raw_login("content-type: application/json; charset=UTF-8\r\n", body.as_bytes()).await), 200);
    }

    async fn c23_bytes_that_are_no_json_text_are_refused(app: TestApp) {
        let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
        let bodies: [Vec<u8>; 8] = [
            b"\xef\xbb\xbf".iter().copied().chain(body.bytes()).collect(),
            format!("{body}x").into_bytes(),
            format!("{body}{body}").into_bytes(),
            b"{\"email\":\"\xff\",\"password\":\"x\"}".to_vec(),
            br#"{"email":"\ud800","password":"x"}"#.to_vec(),
            b"{\"email\":\"a\nb\",\"password\":\"x\"}".to_vec(),
            b"".to_vec(),
            body.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ];
        for body in bodies {
            assert_eq!(status(&app.raw_login("content-type: application/json\r\n", &body).await), 400, "{body:?}");
        }
        app.assert_sound().await;
    }

    async fn c26_credentials_in_the_query_are_not_a_login(app: TestApp) {
        let response = app.get(&format!("/login?email={EMAIL}&password=x")).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, "POST"));
    }

    async fn c32_200_logins_of_one_person_at_once_are_all_answered(app: TestApp, |config| config.password.queue = 500) {
        let logins = (0..200).map(|_| app.login(EMAIL, PASSWORD));
        let statuses: Vec<u16> = futures_util::future::join_all(logins).await.iter().map(|response| response.status().as_u16()).collect();
        assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&200));
        app.assert_sound().await;
    }

    async fn c4_a_cheaper_hash_is_upgraded_by_the_login_and_still_works(app: TestApp, |config| config.password.bcrypt_cost = COST + 2) {
        let hash = async || {
            let email = hallpass::store::Email::parse("old@example.com").unwrap();
            account::by_email(app.authority.database(), &email).await.unwrap().unwrap().password_hash.unwrap().expose().to_owned()
        };
        app.add("old@example.com", PASSWORD).await;
        assert!(hash().await.starts_with("$2b$04$"));
        assert_eq!(app.login("old@example.com", "wrong").await.status(), 401);
        assert!(hash().await.starts_with("$2b$04$"), "a wrong password must change nothing");
        assert_eq!(app.login("old@example.com", PASSWORD).await.status(), 200);
        assert!(hash().await.starts_with("$2b$06$"));
        assert_eq!(app.login("old@example.com", PASSWORD).await.status(), 200);
    }

    async fn a_scope_that_is_held_can_be_asked_for_and_no_other(app: TestApp) {
        let login = |scope: Value| app.post_login(&json!({ "email": EMAIL, "password": PASSWORD, "scope": scope })).send();
        for (asked, granted) in [(json!("a"), "a"), (json!("b a"), "b a"), (json!("a a"), "a"), (json!(""), ""), (json!(null), "a b")] {
            let body: Value = login(asked.clone()).await.unwrap().json().await.unwrap();
            assert_eq!(body["scope"], granted, "{asked}");
            assert_eq!(claims(body["access_token"].as_str().unwrap())["scope"], granted, "{asked}");
        }
        for asked in ["c", "a c", "A", "a  b", "a\"b", "hallpass:admin"] {
            let response = login(json!(asked)).await.unwrap();
            assert_eq!(response.status(), 400, "{asked}");
            assert_eq!(response.json::<Value>().await.unwrap()["code"], "invalid_scope", "{asked}");
        }
    }

    async fn a_token_too_long_for_a_cookie_is_not_minted(app: TestApp) {
        let scope = (0..500).map(|n| format!("scope{n}")).collect::<Vec<_>>().join(" ");
        let new = account::NewAccount {
            email: hallpass::store::Email::parse("many@example.com").unwrap(),
            password_hash: Some(StoredHash::make(&Password::new(PASSWORD.into()), COST).unwrap().as_str().into()),
            scope, roles: vec![],
        };
        account::insert(app.authority.database(), new, 0).await.unwrap();
        assert_eq!(app.login("many@example.com", PASSWORD).await.status(), 500);
        let asked = app.post_login(&json!({ "email": "many@example.com", "password": PASSWORD, "scope": "scope1 scope2" })).send().await.unwrap();
        assert_eq!(asked.status(), 200);
    }

    async fn a_transport_that_is_none_is_refused(app: TestApp) {
        for transport in [json!("Cookie"), json!("header"), json!(""), json!(null), json!(["cookie"])] {
            assert_eq!(post_status(&app, json!({ "email": EMAIL, "password": PASSWORD, "transport": transport })).await.0, 400, "{transport}");
        }
        let body = app.post_login(&json!({ "email": EMAIL, "password": PASSWORD, "transport": "body" })).send().await.unwrap();
        assert_eq!(body.status(), 200);
        assert!(!body.headers().contains_key("set-cookie"));
    }
}
