//! The second factor: group G of the threats.

use std::collections::HashSet;

use futures_util::future::join_all;
use hallpass::authority::{Password, accounts::NewPasswords, resealing};
use hallpass::store::second_factor;
use hallpass::token::sealing::SealingKeys;
use reqwest::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::app::{COST, EMAIL, ISSUER, PASSWORD, TestApp, claims, on_each_store, text};
use crate::device::{Device, problem};

const CRED: &str = "invalid_credentials";

async fn statuses(answers: impl IntoIterator<Item = reqwest::Response>) -> Vec<u16> {
    let mut statuses: Vec<u16> = answers.into_iter().map(|answer| answer.status().as_u16()).collect();
    statuses.sort_unstable();
    statuses
}

async fn row(app: &TestApp, session: &Value) -> second_factor::SecondFactor {
    let sub = text(&claims(&text(session, "access_token")), "sub");
    second_factor::by_account(app.authority.database(), &sub).await.unwrap().unwrap()
}

on_each_store! {
    async fn an_enrolment_tells_the_secret_once_in_three_forms_and_a_confirmation_ten_recovery_codes(app: TestApp) {
        let token = app.token().await;
        let response = app.enrol(&token).await;
        assert_eq!((response.status().as_u16(), response.headers()[CACHE_CONTROL].to_str().unwrap()), (200, "no-store"));
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer.as_object().unwrap().keys().collect::<HashSet<_>>().len(), 3);
        let (secret, uri) = (text(&answer, "secret"), text(&answer, "otpauth_uri"));
        assert_eq!(secret.len(), 32);
        let host = ISSUER.strip_prefix("https://").unwrap();
        assert!(uri.starts_with(&format!("otpauth://totp/{host}:Alice%40Example.com?secret={secret}")), "{uri}");
        assert!(uri.ends_with(&format!("issuer={host}")), "{uri}");
        assert!(text(&answer, "qr_svg").starts_with("<svg"));

        let response = app.confirm(&token, &Device::read(&secret).code(&app, 0)).await;
        assert_eq!((response.status().as_u16(), response.headers()[CACHE_CONTROL].to_str().unwrap()), (200, "no-store"));
        let answer: Value = response.json().await.unwrap();
        let codes: HashSet<&str> = answer["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
        assert_eq!((codes.len(), answer.as_object().unwrap().len()), (10, 1));
        assert!(codes.iter().all(|code| code.len() == 39), "{codes:?}");
    }

    async fn g14_a_second_factor_that_was_not_confirmed_asks_nobody_for_a_code_and_can_be_replaced(app: TestApp) {
        let token = app.token().await;
        assert_eq!(problem(app.confirm(&token, "123456").await).await, (404, "not_found".into()));
        let first = Device::read(&text(&app.enrol(&token).await.json().await.unwrap(), "secret"));
        for code in [first.wrong_code(&app), first.code(&app, 60), first.code(&app, -60), String::new()] {
            assert_eq!(problem(app.confirm(&token, &code).await).await, (401, CRED.into()), "{code:?}");
        }
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
        let second = Device::read(&text(&app.enrol(&token).await.json().await.unwrap(), "secret"));
        assert_eq!(problem(app.confirm(&token, &first.code(&app, 0)).await).await, (401, CRED.into()));
        assert_eq!(app.confirm(&token, &second.code(&app, 0)).await.status(), 200);
        assert_eq!(problem(app.login(EMAIL, PASSWORD).await).await, (401, "otp_required".into()));
    }

    async fn a_confirmed_second_factor_is_not_replaced(app: TestApp) {
        let token = app.token().await;
        let (device, _) = app.enrolled().await;
        for _ in 0..2 {
            assert_eq!(problem(app.enrol(&token).await).await, (409, "conflict".into()));
            assert_eq!(problem(app.confirm(&token, &device.code(&app, 0)).await).await, (409, "conflict".into()));
        }
        app.strong_session(&device).await;
    }

    async fn of_16_confirmations_at_once_one_tells_the_codes_that_hold(app: TestApp) {
        let token = app.token().await;
        let device = Device::read(&text(&app.enrol(&token).await.json().await.unwrap(), "secret"));
        let code = device.code(&app, 0);
        let (mut told, mut refused) = (Vec::new(), 0);
        for answer in join_all((0..16).map(|_| app.confirm(&token, &code))).await {
            match answer.status().as_u16() {
                200 => told.push(answer.json::<Value>().await.unwrap()),
                409 | 429 => refused += 1,
                other => panic!("{other}"),
            }
        }
        assert_eq!((told.len(), refused), (1, 15));
        let recovery = told[0]["recovery_codes"][9].as_str().unwrap();
        assert_eq!(app.login_with(EMAIL, PASSWORD, recovery).await.status(), 200);
    }

    async fn g15_what_changes_a_second_factor_needs_a_login_of_the_last_300_seconds(app: TestApp) {
        let login = app.session().await;
        app.clock.advance(301);
        let refreshed: Value = app.refresh(&text(&login, "refresh_token")).await.json().await.unwrap();
        let token = text(&refreshed, "access_token");
        for response in [app.enrol(&token).await, app.confirm(&token, "123456").await, app.remove_otp(&token).await] {
            let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap().to_owned();
            assert_eq!(challenge, r#"Bearer realm="hallpass", error="insufficient_user_authentication", max_age="300""#);
            assert_eq!(problem(response).await, (401, "insufficient_user_authentication".into()));
        }
        let fresh: Value = app.step_up(&token, json!({ "password": PASSWORD })).await.json().await.unwrap();
        assert_eq!(app.enrol(&text(&fresh, "access_token")).await.status(), 200);
    }

    async fn a_disabled_person_enrols_nothing(app: TestApp) {
        let token = app.token().await;
        app.raw_sql("UPDATE account SET disabled_at = 1").await;
        for response in [app.enrol(&token).await, app.confirm(&token, "123456").await] {
            assert_eq!(problem(response).await, (401, "invalid_token".into()));
        }
    }

    async fn g16_neither_the_secret_nor_a_recovery_code_stands_in_the_store(app: TestApp) {
        let token = app.token().await;
        let secret = text(&app.enrol(&token).await.json().await.unwrap(), "secret");
        let device = Device::read(&secret);
        let answer: Value = app.confirm(&token, &device.code(&app, 0)).await.json().await.unwrap();
        let code = answer["recovery_codes"][0].as_str().unwrap().to_owned();
        app.clock.advance(30);
        let factor = row(&app, &app.strong_session(&device).await).await;
        let bytes = totp_rs::Secret::try_from_base32(&secret).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let columns = match app.authority.database() {
            hallpass::store::Database::Sqlite(file) => {
                sqlx::query_scalar("SELECT secret || kid || recovery_codes FROM second_factor").fetch_one(&file.readers).await
            }
            hallpass::store::Database::Postgres(hallpass::store::PostgresServer { pool, .. }) => {
                sqlx::query_scalar("SELECT secret || kid || recovery_codes FROM second_factor").fetch_one(pool).await
            }
        };
        let columns: String = columns.unwrap();
        for text in [&columns, &format!("{factor:?}")] {
            for known in [&secret, &hex, &code, &code.replace('-', "")] {
                assert!(!text.contains(known), "{text}");
            }
        }
    }
}

on_each_store! {
    async fn g18_with_a_second_factor_the_password_alone_gives_no_token(app: TestApp) {
        let (device, _) = app.enrolled().await;
        let response = app.login(EMAIL, PASSWORD).await;
        assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="hallpass""#);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let body: Value = response.json().await.unwrap();
        assert_eq!((&body["code"], &body["status"]), (&json!("otp_required"), &json!(401)));
        assert!(body.get("access_token").is_none() && body.get("refresh_token").is_none());

        let said = claims(&text(&app.strong_session(&device).await, "access_token"));
        assert_eq!((&said["amr"], &said["acr"], &said["auth_time"]), (&json!(["pwd", "otp"]), &json!("2"), &json!(app.clock.now())));
    }

    async fn c2_only_after_the_right_password_is_there_anything_to_learn_about_a_code(app: TestApp) {
        let (device, codes) = app.enrolled().await;
        let right = device.code(&app, 0);
        let of = async |password: &str, otp: Option<&str>| {
            let mut body = json!({ "email": EMAIL, "password": password });
            otp.inspect(|otp| body["otp"] = json!(otp));
            let mut problem: Value = app.post_login(&body).send().await.unwrap().json().await.unwrap();
            problem.as_object_mut().unwrap().remove("request_id");
            problem
        };
        let expected = of("wrong", None).await;
        assert_eq!(expected["code"], CRED);
        for (password, otp) in [("wrong", right.as_str()), ("wrong", &codes[0]), (PASSWORD, &device.wrong_code(&app))] {
            assert_eq!(of(password, Some(otp)).await, expected, "{password} {otp}");
        }
        // None of that has used anything up.
        assert_eq!(app.login_with(EMAIL, PASSWORD, &right).await.status(), 200);
        assert_eq!(app.login_with(EMAIL, PASSWORD, &codes[0]).await.status(), 200);
    }

    async fn without_a_second_factor_a_code_proves_nothing_and_harms_nothing(app: TestApp) {
        let body: Value = app.login_with(EMAIL, PASSWORD, "123456").await.json().await.unwrap();
        let said = claims(&text(&body, "access_token"));
        assert_eq!((&said["amr"], &said["acr"]), (&json!(["pwd"]), &json!("1")));
        let number = app.post_login(&json!({ "email": EMAIL, "password": PASSWORD, "otp": 123_456 })).send().await.unwrap();
        assert_eq!(problem(number).await, (400, "invalid_request".into()));
    }

    async fn g9_a_code_works_once_even_16_times_at_once_and_in_other_sessions(app: TestApp, |config| config.limits.account_free_failures = 1000) {
        let (device, _) = app.enrolled().await;
        for _ in 0..3 {
            let code = device.code(&app, 0);
            let logins = join_all((0..16).map(|_| app.login_with(EMAIL, PASSWORD, &code))).await;
            assert_eq!(statuses(logins).await, [vec![200], vec![401; 15]].concat());
            assert_eq!(problem(app.login_with(EMAIL, PASSWORD, &code).await).await, (401, CRED.into()));
            app.clock.advance(30);
        }
        let token = text(&app.strong_session(&device).await, "access_token");
        let code = device.code(&app, 0);
        assert_eq!(problem(app.step_up(&token, json!({ "otp": code })).await).await, (401, CRED.into()));
        app.clock.advance(30);
        assert_eq!(app.step_up(&token, json!({ "otp": device.code(&app, 0) })).await.status(), 200);
        assert_eq!(problem(app.login_with(EMAIL, PASSWORD, &device.code(&app, 0)).await).await, (401, CRED.into()));
    }

    async fn g9_the_code_that_confirmed_is_used_up(app: TestApp) {
        let (device, _) = app.enrolled().await;
        assert_eq!(problem(app.login_with(EMAIL, PASSWORD, &device.code(&app, -30)).await).await, (401, CRED.into()));
        app.strong_session(&device).await;
    }

    async fn g10_g11_g22_a_step_to_either_side_is_right_two_are_not_and_none_before_the_last_one_used(app: TestApp, |config| config.limits.account_free_failures = 1000) {
        let (device, _) = app.enrolled().await;
        app.clock.advance(120);
        for (offset, status) in [(-90, 401), (90, 401), (-60, 401), (60, 401), (-30, 200), (30, 200), (0, 401), (-30, 401), (30, 401)] {
            assert_eq!(app.login_with(EMAIL, PASSWORD, &device.code(&app, offset)).await.status(), status, "{offset}");
        }
    }

    async fn g12_spaces_in_a_code_do_not_count_and_other_digits_are_none(app: TestApp) {
        let (device, _) = app.enrolled().await;
        let code = device.code(&app, 0);
        let full_width: String = code.chars().map(|digit| char::from_u32(u32::from(digit) - 0x30 + 0xff10).unwrap()).collect();
        for wrong in [&full_width, &format!("{code}0"), &code[1..].to_owned(), &format!("+{}", &code[1..])] {
            assert_eq!(problem(app.login_with(EMAIL, PASSWORD, wrong).await).await, (401, CRED.into()), "{wrong}");
        }
        assert_eq!(app.login_with(EMAIL, PASSWORD, &format!(" {} {} ", &code[..3], &code[3..])).await.status(), 200);
    }

    async fn g17_a_recovery_code_goes_where_a_code_goes_and_works_once_even_16_times_at_once(app: TestApp, |config| config.limits.account_free_failures = 1000) {
        let (_, codes) = app.enrolled().await;
        for code in &codes[..3] {
            let logins = join_all((0..16).map(|_| app.login_with(EMAIL, PASSWORD, code))).await;
            assert_eq!(statuses(logins).await, [vec![200], vec![401; 15]].concat());
        }
        let session: Value = app.login_with(EMAIL, PASSWORD, &codes[3].replace('-', "").to_uppercase()).await.json().await.unwrap();
        assert_eq!(claims(&text(&session, "access_token"))["acr"], "2");
        let stepped_up = app.step_up(&text(&session, "access_token"), json!({ "otp": codes[4] })).await;
        assert_eq!(stepped_up.status(), 200);
        for code in &codes[..5] {
            assert_eq!(problem(app.login_with(EMAIL, PASSWORD, code).await).await, (401, CRED.into()));
        }
        assert_eq!(app.login_with(EMAIL, PASSWORD, &codes[9]).await.status(), 200);
    }

    async fn g20_a_code_of_somebody_else_is_wrong(app: TestApp) {
        app.add("bob@example.com", PASSWORD).await;
        let (device, codes) = app.enrolled().await;
        let bob: Value = app.login("bob@example.com", PASSWORD).await.json().await.unwrap();
        let bobs = Device::read(&text(&app.enrol(&text(&bob, "access_token")).await.json().await.unwrap(), "secret"));
        assert_eq!(app.confirm(&text(&bob, "access_token"), &bobs.code(&app, 0)).await.status(), 200);
        app.clock.advance(30);
        for wrong in [device.code(&app, 0), codes[0].clone()] {
            assert_eq!(problem(app.login_with("bob@example.com", PASSWORD, &wrong).await).await, (401, CRED.into()));
        }
        // G16: the secret does not open in another row.
        app.raw_sql("UPDATE second_factor SET secret = (SELECT secret FROM second_factor WHERE recovery_codes <> '' ORDER BY account_id LIMIT 1)").await;
        assert_eq!(app.login_with("bob@example.com", PASSWORD, &device.code(&app, 0)).await.status(), 401);
        app.strong_session(&device).await;
    }

    async fn g21_a_new_password_leaves_the_second_factor_on(app: TestApp) {
        let (device, _) = app.enrolled().await;
        let accounts = app.authority.accounts();
        let alice = accounts.by_email(EMAIL).await.unwrap();
        let passwords: NewPasswords = app.authority.new_passwords();
        accounts.set_password(&alice, Password::new("plum kettle orbit seven".into()), &passwords).await.unwrap();
        assert_eq!(problem(app.login(EMAIL, "plum kettle orbit seven").await).await, (401, "otp_required".into()));
        assert_eq!(app.login_with(EMAIL, "plum kettle orbit seven", &device.code(&app, 0)).await.status(), 200);
    }

    async fn c4_the_hash_is_upgraded_by_a_login_with_two_factors_too(app: TestApp, |config| config.password.bcrypt_cost = COST + 1) {
        let (device, _) = app.enrolled().await;
        app.strong_session(&device).await;
        let alice = app.authority.accounts().by_email(EMAIL).await.unwrap();
        assert!(alice.password_hash.unwrap().expose().starts_with("$2b$05$"));
    }
}

on_each_store! {
    async fn who_has_just_enrolled_can_take_it_back_and_enrol_again(app: TestApp) {
        let token = app.token().await;
        assert_eq!(app.remove_otp(&token).await.status(), 204, "there is nothing to remove");
        for _ in 0..2 {
            let device = Device::read(&text(&app.enrol(&token).await.json().await.unwrap(), "secret"));
            assert_eq!(app.confirm(&token, &device.code(&app, 0)).await.status(), 200);
            assert_eq!(problem(app.login(EMAIL, PASSWORD).await).await, (401, "otp_required".into()));
            assert_eq!(app.remove_otp(&token).await.status(), 204);
            assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
            assert_eq!(app.login_with(EMAIL, PASSWORD, &device.code(&app, 30)).await.status(), 200, "nobody asks for a code");
        }
    }

    async fn g15_the_password_alone_does_not_remove_the_second_factor(app: TestApp) {
        let stolen = app.session().await;
        app.clock.advance(1);
        let (device, _) = app.enrolled().await;
        let weak: Value = app.step_up(&text(&stolen, "access_token"), json!({ "password": PASSWORD })).await.json().await.unwrap();
        let response = app.remove_otp(&text(&weak, "access_token")).await;
        let challenge = r#"Bearer realm="hallpass", error="insufficient_user_authentication", acr_values="2", max_age="300""#;
        assert_eq!(response.headers()[WWW_AUTHENTICATE], challenge);
        assert_eq!(problem(response).await, (401, "insufficient_user_authentication".into()));
        assert_eq!(problem(app.login(EMAIL, PASSWORD).await).await, (401, "otp_required".into()));
        let strong: Value = app.step_up(&text(&weak, "access_token"), json!({ "otp": device.code(&app, 0) })).await.json().await.unwrap();
        assert_eq!(app.remove_otp(&text(&strong, "access_token")).await.status(), 204);
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
    }

    async fn g16_after_a_rotation_the_secret_is_sealed_anew_and_outlives_the_old_key(app: TestApp) {
        let key = |kid: &str, text: &str| json!({ "kty": "oct", "alg": "HS256", "kid": kid, "k": text });
        let (old, new) = (key("old", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), key("new", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"));
        let folder = tempfile::tempdir().unwrap();
        let replica = async |keys: &[&Value]| {
            let file = folder.path().join("keys.json");
            std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
            app.replica(|config| config.keys = hallpass::config::Keys { file: Some(file), secret: None }).await
        };
        let post = async |address: std::net::SocketAddr, path: &str, token: &str, body: Value| {
            let response = app.client.post(format!("http://{address}{path}")).bearer_auth(token).json(&body).send().await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        };
        let (before, during, after) = (replica(&[&old]).await, replica(&[&new, &old]).await, replica(&[&new]).await);
        for resealed_by_use in [true, false] {
            let email = if resealed_by_use { EMAIL } else { "bob@example.com" };
            if !resealed_by_use {
                app.add(email, PASSWORD).await;
            }
            let credentials = |otp: &str| json!({ "email": email, "password": PASSWORD, "otp": otp });
            let token = text(&post(before.address, "/login", "", credentials("")).await.1, "access_token");
            let device = Device::read(&text(&post(before.address, "/account/otp", &token, json!({})).await.1, "secret"));
            let (status, confirmed) = post(before.address, "/account/otp/confirm", &token, json!({ "otp": device.code(&app, 0) })).await;
            assert_eq!(status, 200);
            app.clock.advance(30);
            let (status, refused) = post(after.address, "/login", "", credentials(&device.code(&app, 0))).await;
            assert_eq!((status, text(&refused, "code")), (401, CRED.into()), "a key that was retired too early opens nothing");
            let recovery = confirmed["recovery_codes"][0].as_str().unwrap();
            assert_eq!(post(after.address, "/login", "", credentials(recovery)).await.0, 200, "recovery codes need no key");
            if resealed_by_use {
                assert_eq!(post(during.address, "/login", "", credentials(&device.code(&app, 0))).await.0, 200);
                app.clock.advance(30);
            } else {
                assert!(!during.authority.reseal_second_factors(100).await.unwrap());
            }
            assert_eq!(post(after.address, "/login", "", credentials(&device.code(&app, 0))).await.0, 200, "{resealed_by_use}");
        }
        for replica in [before, during, after] {
            replica.handle.stop(false).await;
        }
    }

    async fn g16_what_a_replica_seals_under_a_key_that_is_gone_from_the_file_already_is_not_lost_when_it_reads_the_file(app: TestApp) {
        let key = |kid: &str, text: &str| json!({ "kty": "oct", "alg": "HS256", "kid": kid, "k": text });
        let (leaked, next) = (key("leaked", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), key("next", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        std::fs::write(&file, json!({ "keys": [leaked, next] }).to_string()).unwrap();
        let settings = hallpass::config::Keys { file: Some(file.clone()), secret: None };
        let late = app.replica(|config| config.keys = settings).await;
        let post = async |path: &str, token: &str, body: Value| {
            let response = app.client.post(format!("http://{}{path}", late.address)).bearer_auth(token).json(&body).send().await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        };
        let credentials = |otp: &str| json!({ "email": EMAIL, "password": PASSWORD, "otp": otp });
        let session = post("/login", "", credentials("")).await.1;
        let token = text(&session, "access_token");
        let device = Device::read(&text(&post("/account/otp", &token, json!({})).await.1, "secret"));
        assert_eq!(post("/account/otp/confirm", &token, json!({ "otp": device.code(&app, 0) })).await.0, 200);
        // As `key retire` leaves it, and as the late replica then does.
        let ring = |keys: Value| hallpass::token::KeyRing::from_jwk_set(&json!({ "keys": keys }).to_string()).unwrap();
        let retiring = SealingKeys::new(&ring(json!([next, leaked])));
        resealing::reseal(app.authority.database(), &retiring, 100).await.unwrap();
        assert_eq!(row(&app, &session).await.secret.kid, "next");
        std::fs::write(&file, json!({ "keys": [next] }).to_string()).unwrap();
        app.clock.advance(30);
        assert_eq!(post("/login", "", credentials(&device.code(&app, 0))).await.0, 200);
        assert_eq!(row(&app, &session).await.secret.kid, "leaked");

        let reload = actix_web::rt::spawn(late.reload.run());
        while late.authority.key_summary().signs != "next" {
            tokio::task::yield_now().await;
        }
        reload.abort();
        assert!(!late.authority.reseal_second_factors(100).await.unwrap());
        assert_eq!(row(&app, &session).await.secret.kid, "next");
        app.clock.advance(30);
        assert_eq!(post("/login", "", credentials(&device.code(&app, 0))).await.0, 200);
        late.handle.stop(false).await;
    }

    async fn l20_a_damaged_second_factor_lets_nobody_in_without_it(app: TestApp) {
        let (device, codes) = app.enrolled().await;
        app.raw_sql("UPDATE second_factor SET secret = 'damaged'").await;
        assert_eq!(problem(app.login(EMAIL, PASSWORD).await).await, (401, "otp_required".into()));
        assert_eq!(problem(app.login_with(EMAIL, PASSWORD, &device.code(&app, 0)).await).await, (401, CRED.into()));
        assert_eq!(app.login_with(EMAIL, PASSWORD, &codes[0]).await.status(), 200);
    }
}
