//! How often one address, one session and one client may ask: group J of the threats, as far as it is not about accounts, and M10.

use futures_util::future::join_all;
use hallpass::config::{Config, Rate};
use reqwest::Response;
use reqwest::header::{CACHE_CONTROL, RETRY_AFTER};
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, TestApp, on_each_store, text};
use crate::oauth::{Machine, refused};
use crate::outage::{give_back, take_away};

fn per_minute(count: u32) -> Option<Rate> {
    Some(Rate { count, per: std::time::Duration::from_secs(60) })
}

/// The defaults, behind a proxy on this machine that the tests play.
fn limited(config: &mut Config) {
    config.limits = hallpass::config::Limits::default();
    config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

/// The same with 30 free failures, where tests fail more often for an account than by default costs nothing.
fn patient(config: &mut Config) {
    limited(config);
    config.limits.account_free_failures = 30;
}

/// Status and, if there is one, `Retry-After`.
fn outcome(response: &Response) -> (u16, Option<u64>) {
    let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().parse().unwrap());
    (response.status().as_u16(), retry_after)
}

impl TestApp {
    /// A login through a proxy that says where it came from.
    async fn login_from(&self, from: &str, email: &str, password: &str) -> Response {
        let body = json!({ "email": email, "password": password });
        self.post_login(&body).header("X-Forwarded-For", from).send().await.unwrap()
    }

    async fn register_from(&self, from: &str, email: &str) -> Response {
        let body = json!({ "email": email, "password": PASSWORD });
        self.client.post(self.url("/register")).json(&body).header("X-Forwarded-For", from).send().await.unwrap()
    }

    /// So many logins with a wrong password of accounts that are not there, and how many of them were not refused.
    async fn spray(&self, from: impl Fn(usize) -> String, accounts: std::ops::Range<usize>) -> usize {
        let mut admitted = 0;
        for account in accounts {
            let response = self.login_from(&from(account), &format!("nobody{account}@example.com"), "wrong").await;
            admitted += usize::from(response.status() == 401);
        }
        admitted
    }

    async fn token_for(&self, machine: &Machine) -> Response {
        self.ask(machine, "/oauth/token", &[("grant_type", "client_credentials")]).await
    }
}

on_each_store! {
    async fn j1_the_eleventh_login_of_a_minute_from_one_address_waits_as_long_as_it_is_told(app: TestApp, limited) {
        for _ in 0..10 {
            assert_eq!(app.login_from("192.0.2.1", EMAIL, PASSWORD).await.status(), 200);
        }
        let before = app.authority.hashed_rounds();
        let response = app.login_from("192.0.2.1", EMAIL, PASSWORD).await;
        assert_eq!((outcome(&response), response.headers()[CACHE_CONTROL].to_str().unwrap()), ((429, Some(6)), "no-store"));
        let problem: Value = response.json().await.unwrap();
        assert_eq!((&problem["code"], &problem["retry_after"]), (&json!("too_many_requests"), &json!(6)));
        app.clock.advance(5);
        assert_eq!(outcome(&app.login_from("192.0.2.1", EMAIL, PASSWORD).await), (429, Some(1)));
        assert_eq!(app.authority.hashed_rounds(), before, "nothing is hashed for who has to wait");
        assert_eq!(app.login_from("192.0.2.2", EMAIL, PASSWORD).await.status(), 200, "nobody else waits");
        app.clock.advance(1);
        assert_eq!(app.login_from("192.0.2.1", EMAIL, PASSWORD).await.status(), 200);
        assert_eq!(outcome(&app.login_from("192.0.2.1", EMAIL, PASSWORD).await), (429, Some(6)));
        assert_eq!(app.authority.limited().login, 3);
    }

    async fn j4_of_32_logins_at_once_from_one_address_ten_are_admitted(app: TestApp, patient) {
        for email in [EMAIL, "nobody@example.com"] {
            let from = if email == EMAIL { "192.0.2.1" } else { "192.0.2.2" };
            let answers = join_all((0..32).map(|_| app.login_from(from, email, "wrong"))).await;
            let admitted = answers.iter().filter(|answer| answer.status() == 401).count();
            assert_eq!((admitted, answers.iter().filter(|answer| outcome(answer) == (429, Some(6))).count()), (10, 22), "{email}");
        }
    }

    async fn j18_a_limited_login_says_the_same_whether_the_account_exists(app: TestApp, limited) {
        for _ in 0..10 {
            app.login_from("192.0.2.1", EMAIL, PASSWORD).await;
        }
        let mut answers = Vec::new();
        for (email, password) in [(EMAIL, PASSWORD), (EMAIL, "wrong"), ("nobody@example.com", "wrong"), ("no address", "x")] {
            let response = app.login_from("192.0.2.1", email, password).await;
            let mut headers: Vec<_> = response.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            headers.retain(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
            let mut body: Value = response.json().await.unwrap();
            body.as_object_mut().unwrap().remove("request_id");
            answers.push((headers, body));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }

    async fn j3_one_password_over_many_accounts_is_limited_by_24_bits_of_ipv4_and_48_of_ipv6(app: TestApp, limited) {
        for (network, neighbour, elsewhere) in [
            ((|n| format!("198.51.100.{}", n % 250)) as fn(usize) -> String, "198.51.100.251", "198.51.101.1"),
            (|n| format!("2001:db8:7:{n:x}::{n:x}"), "2001:db8:7:ffff::1", "2001:db8:8::1"),
        ] {
            assert_eq!(app.spray(network, 0..105).await, 100);
            let response = app.login_from(neighbour, "nobody777@example.com", "wrong").await;
            assert_eq!(outcome(&response), (429, Some(36)));
            assert_eq!(app.login_from(neighbour, "nobody5@example.com", "wrong").await.status(), 401, "it was counted already");
            assert_eq!(outcome(&app.login_from(neighbour, "NOBODY101@example.com", "wrong").await).0, 429, "who was refused was not");
            assert_eq!(app.login_from(elsewhere, "nobody777@example.com", "wrong").await.status(), 401);
            app.clock.advance(36);
            assert_eq!(app.spray(network, 200..205).await, 1, "one more for each 36 s");
            app.clock.advance(3600);
        }
        assert_eq!(app.authority.limited().spraying, 22);
    }

    async fn j3_of_150_accounts_at_once_a_hundred_can_be_tried_out_of_one_network(app: TestApp, limited) {
        let emails: Vec<String> = (0..150).map(|n| format!("nobody{n}@example.com")).collect();
        let froms: Vec<String> = (0..150).map(|n| format!("198.51.100.{n}")).collect();
        let mut admitted = 0;
        for chunk in emails.chunks(30).zip(froms.chunks(30)) {
            let answers = join_all(chunk.0.iter().zip(chunk.1).map(|(email, from)| app.login_from(from, email, "wrong"))).await;
            admitted += answers.iter().filter(|answer| answer.status() == 401).count();
        }
        assert_eq!(admitted, 100);
    }

    async fn j3_a_network_of_people_who_know_their_passwords_is_not_limited_for_its_size(app: TestApp, limited) {
        let people: Vec<String> = (0..104).map(|n| format!("person{n}@example.com")).collect();
        for (n, email) in people.iter().enumerate() {
            app.add(email, PASSWORD).await;
            let from = format!("198.51.100.{n}");
            assert_eq!(app.login_from(&from, email, PASSWORD).await.status(), 200, "{email}");
            let too_much = json!({ "email": email, "password": PASSWORD, "scope": "nothing:of:theirs" });
            assert_eq!(app.post_login(&too_much).header("X-Forwarded-For", from).send().await.unwrap().status(), 400);
        }
        assert_eq!(app.spray(|n| format!("198.51.100.{n}"), 105..206).await, 100, "they took nothing from it");
    }

    async fn j3_a_network_is_not_limited_for_people_who_were_right_after_a_typing_error_or_in_two_steps(app: TestApp, limited) {
        for n in 0..104 {
            let (from, email) = (format!("198.51.100.{n}"), format!("person{n}@example.com"));
            app.add(&email, PASSWORD).await;
            assert_eq!(app.login_from(&from, &email, "wrong").await.status(), 401, "{email}");
            assert_eq!(app.login_from(&from, &email, PASSWORD).await.status(), 200, "{email}");
        }
        assert_eq!(app.spray(|n| format!("198.51.100.{n}"), 105..206).await, 100, "they took nothing from it");
    }

    async fn j3_l2_a_network_is_not_limited_for_what_nobody_could_look_at(app: TestApp, limited) {
        let app = &app;
        take_away(app).await;
        for first in [0, 60] {
            let tries = (first..first + 60).map(|n| {
                let (email, from) = (format!("person{n}@example.com"), format!("198.51.100.{n}"));
                async move { app.login_from(&from, &email, PASSWORD).await.status() }
            });
            assert!(join_all(tries).await.into_iter().all(|status| status == 503));
        }
        give_back(app).await;
        assert_eq!(app.spray(|n| format!("198.51.100.{n}"), 0..101).await, 100, "they took nothing from it");
    }

    async fn j9_j10_an_address_is_limited_whatever_it_says_of_itself(app: TestApp, limited) {
        for n in 0..10 {
            assert_eq!(app.login_from(&format!("203.0.113.{n}, 192.0.2.1"), EMAIL, PASSWORD).await.status(), 200);
        }
        for from in ["192.0.2.1", "203.0.113.77, 192.0.2.1:4711", "127.0.0.1, ::ffff:192.0.2.1", "garbage, 192.0.2.1, 127.0.0.5"] {
            assert_eq!(app.login_from(from, EMAIL, PASSWORD).await.status(), 429, "{from}");
        }
        assert_eq!(app.login_from("192.0.2.1, 203.0.113.77", EMAIL, PASSWORD).await.status(), 200);
    }

    async fn j9_without_trusted_proxies_it_is_the_connection_that_counts(app: TestApp, |config| config.limits.login_per_ip = per_minute(10)) {
        for n in 0..10 {
            assert_eq!(app.login_from(&format!("203.0.113.{n}"), EMAIL, PASSWORD).await.status(), 200);
        }
        assert_eq!(app.login_from("203.0.113.99", EMAIL, PASSWORD).await.status(), 429);
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 429);
    }

    async fn the_session_shows_the_address_that_a_trusted_proxy_saw(app: TestApp, limited) {
        let session: Value = app.login_from("203.0.113.66, 2001:db8::5", EMAIL, PASSWORD).await.json().await.unwrap();
        let list = app.get("/sessions").bearer_auth(text(&session, "access_token")).send().await.unwrap();
        assert_eq!(list.json::<Value>().await.unwrap()[0]["ip"], "2001:db8::5");
    }

    async fn an_ipv6_subscriber_is_one_whatever_addresses_they_take(app: TestApp, limited) {
        for n in 0..10 {
            assert_eq!(app.login_from(&format!("2001:db8:1:2:{n:x}::{n:x}"), EMAIL, PASSWORD).await.status(), 200);
        }
        assert_eq!(app.login_from("2001:db8:1:2:ffff::1", EMAIL, PASSWORD).await.status(), 429);
        assert_eq!(app.login_from("2001:db8:1:3::1", EMAIL, PASSWORD).await.status(), 200);
    }

    async fn j17_verifying_refreshing_and_probing_are_not_limited_by_logins(app: TestApp, |config| config.limits.login_per_ip = per_minute(1)) {
        let session = app.session().await;
        let token = text(&session, "access_token");
        for _ in 0..20 {
            assert_eq!(app.login(EMAIL, "wrong").await.status(), 429);
            assert_eq!(app.me(&token).await, 200);
            assert_eq!(app.get("/auth/verify").bearer_auth(&token).send().await.unwrap().status(), 200);
            assert_eq!(app.get("/readyz").send().await.unwrap().status(), 200);
        }
        assert_eq!(app.refresh(&text(&session, "refresh_token")).await.status(), 200);
    }

    async fn a_registration_counts_as_a_login_of_its_address(app: TestApp, |config| { limited(config); config.registration.enabled = true; }) {
        for n in 0..5 {
            assert_eq!(app.register_from("192.0.2.1", &format!("new{n}@example.com")).await.status(), 201);
            assert_eq!(app.login_from("192.0.2.1", EMAIL, PASSWORD).await.status(), 200);
        }
        let before = app.authority.hashed_rounds();
        for email in ["new9@example.com", EMAIL] {
            assert_eq!(outcome(&app.register_from("192.0.2.1", email).await), (429, Some(6)), "{email}");
        }
        assert_eq!(outcome(&app.login_from("192.0.2.1", EMAIL, PASSWORD).await), (429, Some(6)));
        assert_eq!(app.authority.hashed_rounds(), before);
        let mut found_out = 0;
        for n in 0..110 {
            let response = app.register_from(&format!("198.51.100.{n}"), &format!("new{n}@example.com")).await;
            found_out += usize::from([201, 409].contains(&response.status().as_u16()));
        }
        assert_eq!(found_out, 100, "who has an account here cannot be found out by the thousand");
    }

    async fn what_a_session_hashes_is_counted_for_the_session_and_not_for_its_address(app: TestApp, |config| config.limits.login_per_ip = per_minute(3)) {
        let (one, other) = (app.token().await, app.token().await);
        app.token().await;
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 429);
        for _ in 0..3 {
            assert_eq!(app.step_up(&one, json!({ "password": PASSWORD })).await.status(), 200);
        }
        assert_eq!(outcome(&app.step_up(&one, json!({ "password": PASSWORD })).await), (429, Some(20)));
        let change = json!({ "current_password": PASSWORD, "new_password": "plum kettle orbit seven" });
        let changed = app.with_token(reqwest::Method::POST, "/account/password", &one, Some(change.clone())).await;
        assert_eq!(outcome(&changed), (429, Some(20)));
        assert_eq!(app.step_up(&other, json!({ "password": PASSWORD })).await.status(), 200, "j6: whoever is in is not held up by others");
        assert_eq!(app.with_token(reqwest::Method::POST, "/account/password", &other, Some(change)).await.status(), 204);
    }

    async fn j14_a_session_is_refreshed_so_often_and_others_are_not_affected(app: TestApp, |config| config.limits.refresh_per_session = per_minute(4)) {
        let mut mine = app.session().await;
        let other = app.session().await;
        for _ in 0..4 {
            let response = app.refresh(&text(&mine, "refresh_token")).await;
            assert_eq!(response.status(), 200);
            mine = response.json().await.unwrap();
        }
        let refused_here = app.refresh(&text(&mine, "refresh_token")).await;
        assert_eq!(outcome(&refused_here), (429, Some(15)));
        let by_form = app.form("/oauth/token", &[("grant_type", "refresh_token"), ("client_id", "hallpass"), ("refresh_token", &text(&mine, "refresh_token"))]);
        assert_eq!(refused(by_form.send().await.unwrap()).await, (429, "temporarily_unavailable".into()), "the same budget by the other way in");
        assert_eq!(app.refresh(&text(&other, "refresh_token")).await.status(), 200);
        for garbage in ["hp_rt_x", "", "x"] {
            assert_eq!(app.refresh(garbage).await.status(), 401);
        }
        app.clock.advance(15);
        assert_eq!(app.refresh(&text(&mine, "refresh_token")).await.status(), 200, "to be limited ends no session");
        assert_eq!(app.authority.limited().refresh, 2);
    }

    async fn m10_a_client_that_floods_leaves_the_others_and_its_own_other_requests_alone(app: TestApp, |config| config.limits.client = per_minute(20)) {
        let (loud, calm) = (app.machine("loud", "hallpass:introspect").await, app.machine("calm", "a").await);
        let answers = join_all((0..32).map(|_| app.token_for(&loud))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 20);
        let response = app.token_for(&loud).await;
        assert_eq!(outcome(&response), (429, Some(3)));
        assert_eq!(refused(response).await, (429, "temporarily_unavailable".into()));
        assert_eq!(app.token_for(&calm).await.status(), 200);
        for _ in 0..20 {
            assert_eq!(app.introspect(&loud, "x").await.status(), 200);
        }
        assert_eq!(outcome(&app.introspect(&loud, "x").await), (429, Some(3)), "j14");
        for _ in 0..20 {
            assert_eq!(app.revoke(&loud, "x").await.status(), 200);
        }
        assert_eq!(outcome(&app.revoke(&loud, "x").await), (429, Some(3)));
        app.clock.advance(3);
        assert_eq!(app.token_for(&loud).await.status(), 200);
        assert_eq!(outcome(&app.token_for(&loud).await), (429, Some(3)));
    }

    async fn j14_an_administrator_asks_so_often_and_another_is_not_affected(app: TestApp, |config| config.limits.client = per_minute(20)) {
        let (loud, calm) = (app.machine("loud", "hallpass:admin").await, app.machine("calm", "hallpass:admin").await);
        let token = async |machine: &Machine| text(&app.token_for(machine).await.json().await.unwrap(), "access_token");
        let (loud, calm) = (token(&loud).await, token(&calm).await);
        let list = async |token: &str| outcome(&app.get("/admin/users").bearer_auth(token).send().await.unwrap());
        for _ in 0..20 {
            assert_eq!(list(&loud).await, (200, None));
        }
        assert_eq!((list(&loud).await, list(&calm).await), ((429, Some(3)), (200, None)));
    }

    async fn j14_whoever_guesses_at_clients_is_limited_by_address_and_no_client_is_kept_from_working_by_it(app: TestApp, |config| {
        limited(config);
        config.limits.client = per_minute(20);
    }) {
        let machine = app.machine("machine", "hallpass:introspect").await;
        assert_eq!(app.token_for(&machine).await.status(), 200);
        let guess = async |id: &str, from: &str| {
            let form = app.form("/oauth/token", &[("grant_type", "client_credentials")]).basic_auth(id, Some("wrong"));
            form.header("X-Forwarded-For", from).send().await.unwrap()
        };
        for n in 0..20 {
            let id = if n % 2 == 0 { machine.id.clone() } else { format!("cli_{}", uuid::Uuid::now_v7()) };
            assert_eq!(guess(&id, "192.0.2.1").await.status(), 401);
        }
        for id in [&format!("cli_{}", uuid::Uuid::now_v7()), &machine.id, "x"] {
            assert_eq!(outcome(&guess(id, "192.0.2.1").await), (429, Some(3)), "{id}");
        }
        assert_eq!(guess(&machine.id, "192.0.2.2").await.status(), 401, "another address");
        let right = app.form("/oauth/token", &[("grant_type", "client_credentials")]).basic_auth(&machine.id, Some(&machine.secret));
        assert_eq!(right.header("X-Forwarded-For", "192.0.2.1").send().await.unwrap().status(), 200, "a client that works goes on, also from there");
    }

    async fn j16_each_replica_counts_addresses_for_itself(app: TestApp, |config| config.limits.login_per_ip = per_minute(2)) {
        let replica = app.replica(|_| ()).await;
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        let at = async |address| app.client.post(format!("http://{address}/login")).json(&body).send().await.unwrap().status().as_u16();
        for address in [app.address, replica.address] {
            assert_eq!([at(address).await, at(address).await, at(address).await], [200, 200, 429]);
        }
        replica.handle.stop(false).await;
    }

    async fn n9_a_wall_clock_that_jumps_neither_locks_anybody_out_nor_lets_them_in(app: TestApp, limited) {
        for _ in 0..10 {
            app.login_from("192.0.2.1", EMAIL, PASSWORD).await;
        }
        app.clock.advance(-3600);
        assert_eq!(outcome(&app.login_from("192.0.2.1", EMAIL, PASSWORD).await), (429, Some(6)));
        app.clock.advance(6);
        assert_eq!(app.login_from("192.0.2.1", EMAIL, PASSWORD).await.status(), 200);
    }

    async fn what_is_off_limits_nothing(app: TestApp, |config| {
        config.limits.login_per_ip = None;
        config.limits.refresh_per_session = None;
        config.limits.client = None;
    }) {
        let machine = app.machine("machine", "a").await;
        let mut session = app.session().await;
        for n in 0..130 {
            assert_eq!(app.login(&format!("nobody{n}@example.com"), "wrong").await.status(), 401);
            session = app.refresh(&text(&session, "refresh_token")).await.json().await.unwrap();
            assert_eq!(app.token_for(&machine).await.status(), 200);
        }
    }
}
