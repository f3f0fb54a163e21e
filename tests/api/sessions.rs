//! Where a person is logged in: the list, ending one of them, and having only one. Rows D15, D16, D19, D20, D27 and B22 of the threats.

use std::collections::HashSet;

use futures_util::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};

use hallpass::store::audit;

use crate::app::{EMAIL, PASSWORD, TestApp, claims, on_each_store, text};

const THEIRS: &str = "bob@example.com";

async fn list(app: &TestApp, session: &Value) -> Vec<Value> {
    let response = app.get("/sessions").bearer_auth(text(session, "access_token")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|session| session["id"].as_str().unwrap()).collect()
}

async fn end(app: &TestApp, session: &Value, id: &str) -> Response {
    app.client.delete(app.url(&format!("/sessions/{id}"))).bearer_auth(text(session, "access_token")).send().await.unwrap()
}

async fn login_of(app: &TestApp, email: &str) -> Value {
    let response = app.login(email, PASSWORD).await;
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

async fn me(app: &TestApp, session: &Value) -> u16 {
    app.me(&text(session, "access_token")).await
}

async fn refresh(app: &TestApp, session: &Value) -> u16 {
    app.refresh(&text(session, "refresh_token")).await.status().as_u16()
}

on_each_store! {
    async fn d27_the_list_shows_the_own_live_sessions_and_nothing_that_is_a_token(app: TestApp) {
        app.add(THEIRS, PASSWORD).await;
        login_of(&app, THEIRS).await;
        let first = app.session().await;
        app.clock.advance(100);
        let agent = "Mozilla/5.0 (X11; Linux x86_64) \u{1f}";
        let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
        let second = app.client.post(app.url("/login")).header("user-agent", &agent[..agent.len() - 1]).header("content-type", "application/json");
        let second: Value = second.body(body).send().await.unwrap().json().await.unwrap();
        let listed = list(&app, &second).await;
        assert_eq!(ids(&listed), [text(&second, "session_id"), text(&first, "session_id")], "the newest first");
        let expected = json!({
            "id": second["session_id"], "created_at": 1_800_000_100, "last_used_at": 1_800_000_100, "ip": "127.0.0.1",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "current": true,
        });
        assert_eq!(listed[0], expected);
        let names: HashSet<&str> = listed[1].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, HashSet::from(["id", "created_at", "last_used_at", "ip", "user_agent", "current"]));
        assert_eq!((&listed[1]["current"], &listed[1]["created_at"], &listed[1]["user_agent"]), (&json!(false), &json!(1_800_000_000), &json!(null)));
    }

    async fn a_refresh_renews_what_the_list_says(app: TestApp) {
        let session = app.session().await;
        app.clock.advance(50);
        let refresh = app.client.post(app.url("/refresh")).header("user-agent", "phone/2").json(&json!({ "refresh_token": session["refresh_token"] }));
        let next: Value = refresh.send().await.unwrap().json().await.unwrap();
        let listed = list(&app, &next).await;
        let shown = (&listed[0]["created_at"], &listed[0]["last_used_at"], &listed[0]["user_agent"], listed.len());
        assert_eq!(shown, (&json!(1_800_000_000), &json!(1_800_000_050), &json!("phone/2"), 1));
    }

    async fn o2_a_programs_name_is_cut_and_cannot_hold_control_characters(app: TestApp) {
        let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
        let name = [b"a\xc2\x9bb\xffc\td ".as_slice(), "\u{e9}".repeat(300).as_bytes()].concat();
        let head = [b"POST /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\nuser-agent: ", name.as_slice()].concat();
        let answer = app.raw([head, format!("\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()].concat()).await;
        let session: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        let shown = text(&list(&app, &session).await[0], "user_agent");
        assert_eq!(shown.chars().count(), 256);
        assert!(shown.starts_with("a\u{fffd}b\u{fffd}c\u{fffd}d \u{e9}"), "{shown}");
    }

    async fn j9_headers_about_forwarding_do_not_make_an_address(app: TestApp) {
        let login = app.post_login(&json!({ "email": EMAIL, "password": PASSWORD })).header("x-forwarded-for", "192.0.2.1").header("forwarded", "for=192.0.2.1");
        let session: Value = login.header("x-real-ip", "192.0.2.1").send().await.unwrap().json().await.unwrap();
        assert_eq!(list(&app, &session).await[0]["ip"], "127.0.0.1");
    }

    async fn what_has_ended_or_timed_out_is_not_in_the_list(app: TestApp, |config| config.sessions.idle_timeout = std::time::Duration::from_secs(100)) {
        let (idle, ended) = (app.session().await, app.session().await);
        app.clock.advance(99);
        let session = app.session().await;
        assert_eq!(list(&app, &session).await.len(), 3);
        assert_eq!(end(&app, &session, &text(&ended, "session_id")).await.status(), 204);
        assert_eq!(ids(&list(&app, &session).await), [text(&session, "session_id"), text(&idle, "session_id")]);
        app.clock.advance(1);
        assert_eq!(ids(&list(&app, &session).await), [text(&session, "session_id")]);
        // It can still be ended: its access tokens are good for a while.
        assert_eq!(me(&app, &idle).await, 200);
        assert_eq!(end(&app, &session, &text(&idle, "session_id")).await.status(), 204);
        assert_eq!(me(&app, &idle).await, 401);
    }

    async fn d20_one_session_ends_another_of_the_same_person_or_itself(app: TestApp) {
        let (one, two, three) = (app.session().await, app.session().await, app.session().await);
        for _ in 0..2 {
            let response = end(&app, &one, &text(&two, "session_id")).await;
            assert_eq!((response.status().as_u16(), response.headers()["cache-control"].to_str().unwrap()), (204, "no-store"));
        }
        assert_eq!((me(&app, &two).await, refresh(&app, &two).await), (401, 401));
        assert_eq!(end(&app, &one, &text(&one, "session_id")).await.status(), 204);
        assert_eq!((me(&app, &one).await, end(&app, &one, &text(&three, "session_id")).await.status().as_u16()), (401, 401));
        assert_eq!((me(&app, &three).await, refresh(&app, &three).await), (200, 200));
    }

    async fn d19_the_session_of_somebody_else_is_as_unknown_as_one_that_never_was(app: TestApp) {
        app.add(THEIRS, PASSWORD).await;
        let (mine, theirs) = (app.session().await, login_of(&app, THEIRS).await);
        let theirs_id = text(&theirs, "session_id");
        let (upper, spaced) = (text(&mine, "session_id").to_uppercase(), format!("{}%20", text(&mine, "session_id")));
        let unknown = [
            theirs_id.as_str(), "01a207fb-5ab8-76ff-9093-ed951e39519b", "x", "%00", "%ff", "'%20OR%201=1", "..%2fme", &upper, &spaced, &"a".repeat(4000),
        ];
        let mut answers = HashSet::new();
        for id in unknown {
            let response = end(&app, &mine, id).await;
            assert_eq!(response.status(), 404, "{id}");
            let mut problem: Value = response.json().await.unwrap();
            problem.as_object_mut().unwrap().remove("request_id");
            answers.insert(problem.to_string());
        }
        assert_eq!(answers.len(), 1, "nobody learns which ids there are");
        assert_eq!((me(&app, &theirs).await, refresh(&app, &theirs).await), (200, 200));
        assert_eq!(me(&app, &mine).await, 200);
    }

    async fn b22_a_header_cannot_turn_a_request_into_a_delete(app: TestApp) {
        let session = app.session().await;
        let path = format!("/sessions/{}", text(&session, "session_id"));
        for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
            for method in ["POST", "GET"] {
                let request = app.client.request(method.parse().unwrap(), app.url(&path)).header(header, "DELETE");
                let response = request.bearer_auth(text(&session, "access_token")).send().await.unwrap();
                assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, "DELETE"));
            }
        }
        let response = app.client.post(app.url(&format!("{path}?_method=DELETE"))).bearer_auth(text(&session, "access_token")).send().await.unwrap();
        assert_eq!((response.status().as_u16(), me(&app, &session).await), (405, 200));
    }

    async fn l2_without_a_store_live_sessions_are_503_and_everything_else_goes_on(app: TestApp) {
        let session = app.session().await;
        app.raw_sql("ALTER TABLE session RENAME TO elsewhere").await;
        for (method, path) in [("GET", "/account"), ("GET", "/sessions"), ("DELETE", "/sessions/01a207fb-5ab8-76ff-9093-ed951e39519b")] {
            let request = app.client.request(method.parse().unwrap(), app.url(path)).bearer_auth(text(&session, "access_token"));
            let response = request.send().await.unwrap();
            assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "3"), "{path}");
            assert!(!response.headers().contains_key("www-authenticate"));
            let problem: Value = response.json().await.unwrap();
            assert_eq!((&problem["code"], &problem["retry_after"]), (&json!("temporarily_unavailable"), &json!(3)));
            assert!(problem["request_id"].is_string() && problem.as_object().unwrap().len() == 6, "{problem}");
        }
        assert_eq!(me(&app, &session).await, 200, "l1");
        app.raw_sql("ALTER TABLE elsewhere RENAME TO session").await;
        assert_eq!(list(&app, &session).await.len(), 1);
    }

    async fn d15_j8_a_new_login_ends_the_one_before_and_is_no_failure(app: TestApp, |config| (config.sessions.single_active, config.limits.account_free_failures) = (true, 2)) {
        let replica = app.replica(|config| config.sessions.single_active = true).await;
        app.add(THEIRS, PASSWORD).await;
        let theirs = login_of(&app, THEIRS).await;
        let mut before = app.session().await;
        // More often than anybody may fail.
        for _ in 0..5 {
            let session = app.session().await;
            assert_eq!((me(&app, &before).await, refresh(&app, &before).await), (401, 401), "here at once");
            let url = format!("http://{}/me", replica.address);
            for attempt in 0.. {
                let status = app.client.get(&url).bearer_auth(text(&before, "access_token")).send().await.unwrap().status();
                if status == 401 {
                    break;
                }
                assert!(attempt < 500, "the other replica does not learn of it");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            assert_eq!((me(&app, &session).await, list(&app, &session).await.len()), (200, 1));
            before = session;
        }
        assert_eq!((refresh(&app, &before).await, me(&app, &theirs).await), (200, 200));
        // Who does not know the password ends nobody's session.
        assert_eq!((app.login(EMAIL, "wrong").await.status().as_u16(), me(&app, &before).await), (401, 200));
        replica.handle.stop(false).await;
    }

    async fn o7_that_a_session_gave_way_to_a_login_is_written_down(app: TestApp, |config| config.sessions.single_active = true) {
        let (_, second) = (app.session().await, app.session().await);
        let events = audit::list(app.authority.database(), None, None, 2).await.unwrap();
        let events: Vec<_> = events.iter().map(|entry| (entry.event.as_str(), entry.detail.as_deref(), json!(entry.account_id))).collect();
        let sub = claims(&text(&second, "access_token"))["sub"].clone();
        assert_eq!(events, [("session_revoked", Some("single_active"), sub.clone()), ("login", None, sub)]);
    }

    async fn d16_of_32_logins_at_once_exactly_one_session_stays(app: TestApp, |config| config.sessions.single_active = true) {
        for _ in 0..3 {
            let answers = join_all((0..32).map(|_| app.login(EMAIL, PASSWORD))).await;
            let mut live = 0;
            for answer in answers {
                assert_eq!(answer.status(), 200);
                let session: Value = answer.json().await.unwrap();
                let (me, refresh) = (me(&app, &session).await, refresh(&app, &session).await);
                assert_eq!(me, refresh, "both of its tokens, or neither");
                live += u32::from(me == 200);
            }
            assert_eq!(live, 1);
        }
        assert_eq!(list(&app, &app.session().await).await.len(), 1);
    }

    async fn without_the_setting_people_may_be_logged_in_twice(app: TestApp) {
        let (one, two) = (app.session().await, app.session().await);
        assert_eq!((me(&app, &one).await, me(&app, &two).await), (200, 200));
    }
}
