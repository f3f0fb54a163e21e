//! The deny list as a feed: `GET /revocations`.

use std::time::{Duration, Instant};

use hallpass::store::revocation::until;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::app::{EMAIL, TestApp, claims, on_each_store, text};

/// A token of a client that may follow the deny list.
async fn follower(app: &TestApp) -> String {
    let machine = app.machine("follower", "hallpass:revocations").await;
    let granted = app.ask(&machine, "/oauth/token", &[("grant_type", "client_credentials")]).await;
    text(&granted.json().await.unwrap(), "access_token")
}

async fn asked(app: &TestApp, token: &str, query: &str) -> Response {
    app.get(&format!("/revocations{query}")).bearer_auth(token).send().await.unwrap()
}

/// The entries behind a cursor, and the next one. Asks on as long as there is more.
async fn read(app: &TestApp, token: &str, cursor: &mut String, wait: u64) -> Vec<Value> {
    let after = if cursor.is_empty() { String::new() } else { format!("after={cursor}&") };
    let response = asked(app, token, &format!("?{after}wait={wait}")).await;
    assert_eq!(response.status(), 200);
    let mut body: Value = response.json().await.unwrap();
    *cursor = text(&body, "cursor");
    body["entries"].as_array_mut().unwrap().drain(..).collect()
}

/// Logs Alice in and out, and gives the session that is over.
async fn logged_out(app: &TestApp) -> String {
    let token = app.token().await;
    assert_eq!(app.client.post(app.url("/logout")).bearer_auth(&token).send().await.unwrap().status(), 204);
    text(&claims(&token), "sid")
}

fn names(entries: &[Value], id: &str) -> bool {
    entries.iter().any(|entry| entry["id"] == id)
}

on_each_store! {
    async fn it_is_for_those_who_hold_the_scope(app: TestApp) {
        assert_eq!(app.get("/revocations").send().await.unwrap().status(), 401);
        let refused = asked(&app, &app.token().await, "").await;
        assert_eq!(refused.status(), 403);
        assert_eq!(refused.headers()["www-authenticate"], r#"Bearer realm="hallpass", error="insufficient_scope", scope="hallpass:revocations""#);
        assert_eq!(asked(&app, &follower(&app).await, "").await.status(), 200);
        app.raw_sql("UPDATE account SET scopes = 'hallpass:revocations' WHERE email_folded = 'alice@example.com'").await;
        let person = asked(&app, &app.token().await, "").await;
        assert_eq!((person.status().as_u16(), &person.headers()["www-authenticate"]), (403, &r#"Bearer realm="hallpass", error="insufficient_scope""#.parse().unwrap()));
    }

    async fn what_is_no_cursor_or_no_wait_is_400(app: TestApp) {
        let token = follower(&app).await;
        for query in ["?after=", "?after=x", "?after=MSAx", "?wait=31", "?wait=-1", "?wait=x", "?wait=", "?wait=1&wait=1", "?after=0&after=0", "?since=0", "?after"] {
            let response = asked(&app, &token, query).await;
            assert_eq!(response.status(), 400, "{query}");
            assert_eq!(response.json::<Value>().await.unwrap()["code"], "invalid_request");
        }
        // Made by hand, of the right form: it denies nobody anything and finds what there is.
        for position in ["1 0 0 0", "1 ffffffffffffffff 18446744073709551615 9223372036854775807", "1 0 0 0 -9223372036854775808 ' OR 1=1 --"] {
            use base64::Engine as _;
            let cursor = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(position);
            assert_eq!(asked(&app, &token, &format!("?after={cursor}")).await.status(), 200, "{position}");
        }
    }

    async fn everything_comes_first_and_then_what_is_new_once(app: TestApp) {
        let (token, mut cursor) = (follower(&app).await, String::new());
        let first = logged_out(&app).await;
        let entries = read(&app, &token, &mut cursor, 0).await;
        assert!(names(&entries, &first));
        let entry = entries.iter().find(|entry| entry["id"] == first).unwrap();
        assert_eq!((&entry["kind"], entry["until"].as_i64(), entry.as_object().unwrap().len()), (&"session".into(), Some(until(app.clock.now())), 3));
        let second = logged_out(&app).await;
        let mut seen = Vec::new();
        while !names(&seen, &second) {
            seen.extend(read(&app, &token, &mut cursor, 30).await);
        }
        assert_eq!(seen.iter().filter(|entry| entry["id"] == second).count(), 1);
        assert!(read(&app, &token, &mut cursor, 0).await.is_empty());
        app.authority.accounts().disable(&app.authority.accounts().by_email(EMAIL).await.unwrap()).await.unwrap();
        let after_disabling = asked(&app, &token, &format!("?after={cursor}")).await;
        // Who is disabled follows nothing: their own tokens are revoked.
        assert!([StatusCode::OK, StatusCode::UNAUTHORIZED].contains(&after_disabling.status()));
    }

    async fn who_waits_is_told_within_two_seconds_and_holds_no_connection_to_the_store(app: TestApp, |config| config.database.max_connections = 2) {
        let (token, mut cursor) = (follower(&app).await, String::new());
        while !read(&app, &token, &mut cursor, 0).await.is_empty() {}
        let waiting: Vec<_> = (0..20).map(|_| {
            let request = app.get(&format!("/revocations?after={cursor}&wait=30")).bearer_auth(&token);
            actix_web::rt::spawn(async move { request.send().await.unwrap().json::<Value>().await.unwrap() })
        }).collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.assert_sound().await;
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
        let session = logged_out(&app).await;
        for waiting in waiting {
            let body = waiting.await.unwrap();
            assert!(names(body["entries"].as_array().unwrap(), &session));
        }
    }

    async fn n8_a_cursor_of_another_replica_misses_nothing(app: TestApp) {
        let (token, mut cursor) = (follower(&app).await, String::new());
        let replica = app.replica(|_| ()).await;
        while !read(&app, &token, &mut cursor, 0).await.is_empty() {}
        let sessions = [logged_out(&app).await, logged_out(&app).await];
        let (until, mut seen) = (Instant::now() + Duration::from_secs(20), Vec::new());
        while !sessions.iter().all(|session| names(&seen, session)) {
            assert!(Instant::now() < until);
            let url = format!("http://{}/revocations?after={cursor}&wait=1", replica.address);
            let body: Value = app.client.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
            cursor = text(&body, "cursor");
            seen.extend(body["entries"].as_array().unwrap().iter().cloned());
        }
        // And back: after a restart it is the same.
        let third = logged_out(&app).await;
        let mut seen = Vec::new();
        while !names(&seen, &third) {
            assert!(Instant::now() < until);
            seen.extend(read(&app, &token, &mut cursor, 1).await);
        }
        replica.handle.stop(false).await;
    }

    async fn n9_a_clock_that_steps_back_hides_nothing(app: TestApp) {
        let (token, mut cursor) = (follower(&app).await, String::new());
        app.clock.advance(60);
        logged_out(&app).await;
        while !read(&app, &token, &mut cursor, 0).await.is_empty() {}
        app.clock.advance(-62);
        let session = {
            // The token that follows is of before the step, so the step is small enough for it.
            let now = app.clock.now();
            app.raw_sql(&format!("INSERT INTO revocation (kind, id, until, recorded_at) VALUES ('session', 'ses_behind', {}, {now})", until(now))).await;
            "ses_behind"
        };
        let (limit, mut seen) = (Instant::now() + Duration::from_secs(20), Vec::new());
        while !names(&seen, session) {
            assert!(Instant::now() < limit);
            seen.extend(read(&app, &token, &mut cursor, 1).await);
        }
    }

    async fn a_long_list_comes_page_by_page(app: TestApp) {
        let (token, mut cursor, now) = (follower(&app).await, String::new(), app.clock.now());
        let rows: Vec<String> = (0..4500).map(|number| format!("('token', 'jti_{number:05}', {}, {})", until(now), now - number % 3)).collect();
        app.raw_sql(&format!("INSERT INTO revocation (kind, id, until, recorded_at) VALUES {}", rows.join(","))).await;
        let mut pages = Vec::new();
        loop {
            let entries = read(&app, &token, &mut cursor, 0).await;
            if entries.is_empty() {
                break;
            }
            pages.push(entries.len());
            assert!(pages.len() < 20);
        }
        assert!(pages[..3] == [2000, 2000, 500], "{pages:?}");
    }
}
