//! Guessing is slowed down for each account: group J of the threats, as far as it is about accounts, and G13.

use futures_util::future::join_all;
use reqwest::Response;
use reqwest::header::{CACHE_CONTROL, RETRY_AFTER};
use serde_json::{Value, json};

use crate::app::{COST, EMAIL, PASSWORD, TestApp, on_each_store, text};
use crate::device::{Device, problem};

/// Status and, if there is one, `Retry-After`.
fn outcome(response: &Response) -> (u16, Option<u64>) {
    let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().parse().unwrap());
    (response.status().as_u16(), retry_after)
}

/// What a refused login looks like, without what differs between any two answers.
async fn refused(response: Response) -> (Vec<(String, String)>, Value) {
    let headers = response.headers().iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let mut body: Value = response.json().await.unwrap();
    body.as_object_mut().unwrap().remove("request_id");
    (headers, body)
}

async fn fail(app: &TestApp, email: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(app.login(email, "wrong").await.status(), 401, "{email}");
    }
}

/// Logins with bcrypt since then.
fn hashed(app: &TestApp, since: u64) -> u64 {
    (app.authority.hashed_rounds() - since) >> COST
}

on_each_store! {
    async fn j2_j7_j8_after_five_failures_the_next_try_waits_1_2_4_seconds_and_never_more_than_900(app: TestApp) {
        fail(&app, EMAIL, 5).await;
        for delay in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
            let hashed = app.authority.hashed_rounds();
            assert_eq!(outcome(&app.login(EMAIL, PASSWORD).await), (429, Some(delay)), "j7: the right password waits like a wrong one");
            app.clock.advance(i64::try_from(delay).unwrap() - 1);
            assert_eq!(outcome(&app.login(EMAIL, "wrong").await), (429, Some(1)));
            assert_eq!(app.authority.hashed_rounds(), hashed, "nothing is hashed for who has to wait");
            app.clock.advance(1);
            assert_eq!(outcome(&app.login(EMAIL, "wrong").await).0, 401);
        }
        app.clock.advance(900);
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200, "never for good");
        fail(&app, EMAIL, 5).await;
        assert_eq!(outcome(&app.login(EMAIL, PASSWORD).await), (429, Some(1)), "j8: a success forgets what was before");
    }

    async fn j18_known_unknown_and_disabled_accounts_and_what_is_no_address_are_slowed_down_alike(app: TestApp) {
        app.add("disabled@example.com", PASSWORD).await;
        app.raw_sql("UPDATE account SET disabled_at = 1 WHERE email = 'disabled@example.com'").await;
        app.add_hashed("passwordless@example.com", None).await;
        fail(&app, EMAIL, 5).await;
        let response = app.login(EMAIL, "wrong").await;
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let expected = refused(response).await;
        assert_eq!((&expected.1["code"], &expected.1["retry_after"], &expected.1["status"]), (&json!("too_many_requests"), &json!(1), &json!(429)));
        for email in ["nobody@example.com", "disabled@example.com", "passwordless@example.com", "no address", ""] {
            fail(&app, email, 5).await;
            assert_eq!(refused(app.login(email, PASSWORD).await).await, expected, "{email}");
        }
    }

    async fn j4_of_100_wrong_passwords_at_once_five_are_hashed(app: TestApp, |config| config.password.queue = 200) {
        for email in [EMAIL, "nobody@example.com"] {
            let before = app.authority.hashed_rounds();
            let answers = join_all((0..100).map(|_| app.login(email, "wrong"))).await;
            let refused: Vec<(u16, Option<u64>)> = answers.iter().map(outcome).collect();
            assert_eq!(refused.iter().filter(|outcome| outcome.0 == 401).count(), 5, "{refused:?}");
            assert!(refused.iter().all(|outcome| *outcome == (401, None) || *outcome == (429, Some(1))), "{refused:?}");
            assert_eq!(hashed(&app, before), 5);
            app.clock.advance(1);
            let answers = join_all((0..32).map(|_| app.login(email, "wrong"))).await;
            assert_eq!(answers.iter().filter(|answer| answer.status() == 401).count(), 1, "one a delay");
            assert_eq!(outcome(&app.login(email, "wrong").await), (429, Some(2)));
        }
    }

    async fn j5_64_right_passwords_at_once_all_get_in(app: TestApp, |config| {
        config.limits.account_free_failures = 2;
    }) {
        // They queue at one row, and a machine that is busy besides may tell some to come again. Told that the password is wrong is nobody.
        let gets_in = async || {
            for _ in 0..100 {
                match app.login(EMAIL, PASSWORD).await.status().as_u16() {
                    503 => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                    status => return status,
                }
            }
            503
        };
        for _ in 0..2 {
            assert_eq!(join_all((0..64).map(|_| gets_in())).await, [200; 64]);
        }
    }

    async fn j13_an_address_is_one_whatever_its_case(app: TestApp) {
        for email in ["alice@example.com", "ALICE@EXAMPLE.COM", "Alice@example.com", "alice@Example.com", "aLICE@example.com"] {
            fail(&app, email, 1).await;
        }
        assert_eq!(outcome(&app.login(EMAIL, PASSWORD).await), (429, Some(1)));
        assert_eq!(app.login("bob@example.com", PASSWORD).await.status(), 401, "nobody else waits");
    }

    async fn j15_j16_tries_are_counted_for_all_replicas_and_outlive_a_restart(app: TestApp) {
        fail(&app, EMAIL, 5).await;
        let replica = app.replica(|_| ()).await;
        let credentials = json!({ "email": EMAIL, "password": PASSWORD });
        let answer = app.client.post(format!("http://{}/login", replica.address)).json(&credentials).send().await.unwrap();
        assert_eq!(outcome(&answer), (429, Some(1)));
        replica.handle.stop(false).await;
    }

    async fn j12_no_address_stands_in_the_table_and_what_nobody_tries_any_more_is_swept(app: TestApp) {
        fail(&app, EMAIL, 1).await;
        fail(&app, "nobody@example.com", 1).await;
        let rows = async || -> Vec<String> {
            let select = "SELECT address_mac FROM throttle";
            match app.authority.database() {
                hallpass::store::Database::Sqlite(file) => sqlx::query_scalar(select).fetch_all(&file.readers).await.unwrap(),
                hallpass::store::Database::Postgres(hallpass::store::PostgresServer { pool, .. }) => sqlx::query_scalar(select).fetch_all(pool).await.unwrap(),
            }
        };
        let macs = rows().await;
        assert!(macs.len() == 2 && macs.iter().all(|mac| mac.len() == 43 && !mac.contains('@')), "{macs:?}");
        app.clock.advance(24 * 3600);
        assert!(!app.authority.sweep_tries().await.unwrap());
        assert_eq!(rows().await.len(), 2);
        fail(&app, EMAIL, 1).await;
        app.clock.advance(1);
        app.authority.sweep_tries().await.unwrap();
        assert_eq!(rows().await.len(), 1);
    }

    async fn what_the_service_could_not_look_at_is_no_failure(app: TestApp, |config| {
        config.password.hash_threads = 1;
        config.password.queue = 1;
        config.password.bcrypt_cost = 9;
        config.password.queue_timeout = std::time::Duration::from_millis(50);
        config.limits.account_free_failures = 20;
    }) {
        let answers = join_all((0..19).map(|_| app.login("nobody@example.com", "wrong"))).await;
        let busy = answers.iter().filter(|answer| answer.status() == 503).count();
        assert!(busy > 0);
        for tried in (19 - busy)..20 {
            assert_eq!(app.login("nobody@example.com", "wrong").await.status(), 401, "{tried}");
        }
        assert_eq!(app.login("nobody@example.com", "wrong").await.status(), 429);
    }

    async fn zero_free_failures_make_every_one_cost_time_and_a_first_try_none(app: TestApp, |config| config.limits.account_free_failures = 0) {
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
        fail(&app, EMAIL, 1).await;
        assert_eq!(outcome(&app.login(EMAIL, PASSWORD).await), (429, Some(1)));
        app.clock.advance(1);
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
    }
}

on_each_store! {
    async fn j14_g4_login_step_up_and_confirmation_count_together(app: TestApp) {
        let token = app.token().await;
        let device = Device::read(&text(&app.enrol(&token).await.json().await.unwrap(), "secret"));
        fail(&app, EMAIL, 1).await;
        assert_eq!(app.step_up(&token, json!({ "password": "wrong" })).await.status(), 401);
        assert_eq!(app.step_up(&token, json!({ "otp": "123456" })).await.status(), 401);
        assert_eq!(app.confirm(&token, &device.wrong_code(&app)).await.status(), 401);
        assert_eq!(app.confirm(&token, "no code at all").await.status(), 401);
        for response in [
            app.login(EMAIL, PASSWORD).await,
            app.step_up(&token, json!({ "password": PASSWORD })).await,
            app.step_up(&token, json!({ "otp": "123456" })).await,
            app.confirm(&token, &device.code(&app, 0)).await,
        ] {
            assert_eq!(outcome(&response), (429, Some(1)));
        }
        app.clock.advance(1);
        assert_eq!(app.step_up(&token, json!({ "password": PASSWORD })).await.status(), 200, "all that there is to prove");
        fail(&app, EMAIL, 4).await;
    }

    async fn g13_with_the_right_password_five_codes_can_be_tried_and_nothing_resets_that_but_both_factors(app: TestApp) {
        let (device, _) = app.enrolled().await;
        let token = text(&app.strong_session(&device).await, "access_token");
        app.clock.advance(30);
        for _ in 0..5 {
            assert_eq!(problem(app.login(EMAIL, PASSWORD).await).await, (401, "otp_required".into()), "the password alone resets nothing");
            assert_eq!(app.step_up(&token, json!({ "password": PASSWORD })).await.status(), 200, "nor does it here");
            assert_eq!(app.login_with(EMAIL, PASSWORD, &device.wrong_code(&app)).await.status(), 401);
        }
        let before = app.authority.hashed_rounds();
        let right = device.code(&app, 0);
        assert_eq!(outcome(&app.login_with(EMAIL, PASSWORD, &right).await), (429, Some(1)));
        assert_eq!(outcome(&app.step_up(&token, json!({ "otp": right })).await), (429, Some(1)));
        assert_eq!(outcome(&app.login(EMAIL, PASSWORD).await), (429, Some(1)));
        assert_eq!(app.authority.hashed_rounds(), before);
        app.clock.advance(1);
        assert_eq!(app.login_with(EMAIL, PASSWORD, &device.wrong_code(&app)).await.status(), 401);
        assert_eq!(outcome(&app.login_with(EMAIL, PASSWORD, &right).await), (429, Some(2)), "every guess doubles the wait");
        app.clock.advance(2);
        assert_eq!(app.login_with(EMAIL, PASSWORD, &right).await.status(), 200);
        fail(&app, EMAIL, 5).await;
    }

    async fn g13_of_32_wrong_codes_at_once_five_are_looked_at(app: TestApp) {
        let (device, _) = app.enrolled().await;
        let wrong = device.wrong_code(&app);
        let before = app.authority.hashed_rounds();
        let answers = join_all((0..32).map(|_| app.login_with(EMAIL, PASSWORD, &wrong))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status() == 401).count(), 5);
        assert_eq!(hashed(&app, before), 5);
    }

    async fn g13_a_code_alone_resets_nothing_for_who_guesses_the_password(app: TestApp) {
        let (device, codes) = app.enrolled().await;
        let token = text(&app.strong_session(&device).await, "access_token");
        fail(&app, EMAIL, 4).await;
        assert_eq!(app.step_up(&token, json!({ "otp": codes[0] })).await.status(), 200);
        fail(&app, EMAIL, 1).await;
        assert_eq!(outcome(&app.login(EMAIL, "wrong").await), (429, Some(1)));
    }

    async fn j6_whoever_is_in_stays_in_while_others_guess(app: TestApp) {
        let session = app.session().await;
        fail(&app, EMAIL, 5).await;
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 429);
        assert_eq!(app.me(&text(&session, "access_token")).await, 200);
        assert_eq!(app.refresh(&text(&session, "refresh_token")).await.status(), 200);
    }

    async fn j6_a_recovery_code_gets_its_owner_past_the_wait_for_one_try_of_the_password(app: TestApp) {
        let (device, codes) = app.enrolled().await;
        fail(&app, EMAIL, 5).await;
        let expected = refused(app.login(EMAIL, PASSWORD).await).await;
        let before = app.authority.hashed_rounds();
        for otp in [device.code(&app, 0), "1234-5678-9abc-def0-1234-5678-9abc-def0".into(), "x".into()] {
            assert_eq!(refused(app.login_with(EMAIL, PASSWORD, &otp).await).await, expected, "{otp}: nothing to be learnt");
        }
        assert_eq!(refused(app.login_with("nobody@example.com", "wrong", &codes[0]).await).await.1["code"], "invalid_credentials");
        assert_eq!(hashed(&app, before), 1);
        assert_eq!(problem(app.login_with(EMAIL, "wrong", &codes[0]).await).await, (401, "invalid_credentials".into()));
        assert_eq!(refused(app.login_with(EMAIL, PASSWORD, &codes[0]).await).await, expected, "it was used up");
        let tries = join_all((0..16).map(|_| app.login_with(EMAIL, PASSWORD, &codes[1]))).await;
        assert_eq!(tries.iter().filter(|answer| answer.status() == 200).count(), 1);
        assert_eq!(outcome(&app.login(EMAIL, PASSWORD).await), (429, Some(1)), "the others still wait");
    }

    async fn l2_without_the_table_of_tries_nothing_is_tried(app: TestApp) {
        let before = app.authority.hashed_rounds();
        app.raw_sql("ALTER TABLE throttle RENAME TO elsewhere").await;
        for password in [PASSWORD, "wrong"] {
            let response = app.login(EMAIL, password).await;
            assert_eq!(outcome(&response), (503, Some(3)));
        }
        assert_eq!(app.authority.hashed_rounds(), before);
        app.raw_sql("ALTER TABLE elsewhere RENAME TO throttle").await;
        app.assert_sound().await;
    }

    async fn n9_a_clock_that_steps_back_locks_nobody_out(app: TestApp) {
        fail(&app, EMAIL, 5).await;
        app.clock.advance(-3600);
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
    }

    async fn what_was_left_alone_under_way_holds_nobody_up_for_long(app: TestApp) {
        // Five tries of a replica that crashed.
        fail(&app, EMAIL, 5).await;
        app.raw_sql(&format!("UPDATE throttle SET pending = 5, retry_at = {}", app.clock.now() + 32)).await;
        app.clock.advance(31);
        assert_eq!(outcome(&app.login(EMAIL, PASSWORD).await), (429, Some(1)), "they are failures");
        app.clock.advance(1);
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
        let now = app.clock.now();
        app.raw_sql(&format!("UPDATE throttle SET failures = 5, pending = 5, retry_at = {}", now + 1)).await;
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 503, "nobody can tell yet");
    }
}
