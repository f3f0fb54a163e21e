//! What is written down of it all: O7 and L16 of the threats.

use futures_util::future::join_all;
use hallpass::store::audit::{Entry, list};
use serde_json::{Value, json};

use crate::app::{EMAIL, PASSWORD, TestApp, on_each_store, text};

async fn events(app: &TestApp) -> Vec<Entry> {
    let mut events = list(app.authority.database(), None, None, 200).await.unwrap();
    events.reverse();
    events
}

/// The name of each event, with its word where it has one.
async fn names(app: &TestApp) -> Vec<String> {
    let name = |entry: Entry| entry.detail.map_or(entry.event.clone(), |detail| format!("{} {detail}", entry.event));
    events(app).await.into_iter().map(name).collect()
}

async fn logout(app: &TestApp, session: &Value, which: &str) -> u16 {
    let request = app.client.post(app.url("/logout")).json(&json!({ "which": which })).bearer_auth(text(session, "access_token"));
    request.send().await.unwrap().status().as_u16()
}

on_each_store! {
    async fn o7_who_logs_in_and_out_is_written_down_with_ids_and_an_address_and_nothing_else(app: TestApp) {
        let session = app.session().await;
        app.clock.advance(5);
        for _ in 0..3 {
            assert_eq!(logout(&app, &session, "this").await, 204);
        }
        let events = events(&app).await;
        let account = app.authority.accounts().by_email(EMAIL).await.unwrap().id;
        let expected = |name: &str, at| (name.to_owned(), at, Some(account.clone()), Some(text(&session, "session_id")));
        let written: Vec<_> = events.iter().map(|entry| (entry.event.clone(), entry.at, entry.account_id.clone(), entry.session_id.clone())).collect();
        assert_eq!(written, [expected("login", 1_800_000_000), expected("logout", 1_800_000_005)], "a repetition ends nothing");
        let shown = format!("{events:?}").to_lowercase();
        assert!(!shown.contains("example.com") && !shown.contains("hp_rt_"), "{shown}");
        let asked: Vec<_> = events.iter().map(|entry| (entry.ip.as_deref(), entry.actor.as_deref())).collect();
        assert_eq!(asked, [(Some("127.0.0.1"), None); 2], "from where, and by nobody else");
    }

    async fn o7_which_sessions_were_ended_is_told_apart(app: TestApp) {
        let (one, _two) = (app.session().await, app.session().await);
        assert_eq!((logout(&app, &one, "others").await, logout(&app, &one, "all").await), (204, 204));
        assert_eq!(names(&app).await, ["login", "login", "logout others", "logout all"]);
    }

    async fn d4_o7_reuse_is_written_down_with_the_end_of_its_session(app: TestApp) {
        let login = app.session().await;
        assert_eq!(app.refresh(&text(&login, "refresh_token")).await.status(), 200);
        app.clock.advance(11);
        for _ in 0..3 {
            assert_eq!(app.refresh(&text(&login, "refresh_token")).await.status(), 401);
        }
        assert_eq!(names(&app).await, ["login", "refresh_reuse"]);
        assert_eq!(events(&app).await[1].session_id, Some(text(&login, "session_id")));
    }

    async fn d17_o7_of_32_logouts_at_once_one_is_written_down(app: TestApp) {
        let session = app.session().await;
        let statuses = join_all((0..32).map(|_| logout(&app, &session, "this"))).await;
        assert_eq!(statuses, [204; 32]);
        assert_eq!(names(&app).await, ["login", "logout"]);
    }

    async fn o7_a_flood_of_wrong_passwords_writes_no_row(app: TestApp) {
        for email in [EMAIL, "nobody@example.com", "no address"] {
            for _ in 0..5 {
                assert_eq!(app.login(email, "wrong").await.status(), 401);
            }
        }
        assert!(events(&app).await.is_empty());
    }

    async fn o7_what_is_done_to_an_account_is_written_down_once(app: TestApp) {
        let accounts = app.authority.accounts();
        for _ in 0..2 {
            accounts.disable(&accounts.by_email(EMAIL).await.unwrap()).await.unwrap();
        }
        for _ in 0..2 {
            accounts.enable(&accounts.by_email(EMAIL).await.unwrap()).await.unwrap();
        }
        let account = accounts.by_email(EMAIL).await.unwrap();
        let password = hallpass::authority::Password::new("another horse battery staple".into());
        accounts.set_password(&account, password, &app.authority.new_passwords()).await.unwrap();
        accounts.delete(&account).await.unwrap();
        assert_eq!(names(&app).await, ["account_disabled", "account_enabled", "password_changed", "account_deleted"]);
        assert!(events(&app).await.iter().all(|entry| entry.account_id.as_ref() == Some(&account.id)));
    }

    async fn l16_what_cannot_be_written_down_stops_nobody(app: TestApp) {
        let (one, two, reused) = (app.session().await, app.session().await, app.session().await);
        app.raw_sql("ALTER TABLE audit RENAME TO elsewhere").await;
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
        assert_eq!(app.refresh(&text(&reused, "refresh_token")).await.status(), 200);
        app.clock.advance(11);
        assert_eq!(app.refresh(&text(&reused, "refresh_token")).await.status(), 401);
        assert_eq!(logout(&app, &one, "this").await, 204);
        for session in [&one, &reused] {
            assert_eq!(app.me(&text(session, "access_token")).await, 401, "it ended all the same");
        }
        assert_eq!(logout(&app, &two, "all").await, 204);
        assert_eq!(app.me(&text(&two, "access_token")).await, 401);
        app.raw_sql("ALTER TABLE elsewhere RENAME TO audit").await;
        assert_eq!(names(&app).await, ["login"; 3]);
        app.assert_sound().await;
    }

    async fn events_older_than_ninety_days_are_swept(app: TestApp) {
        app.session().await;
        app.clock.advance(90 * 86_400);
        app.session().await;
        assert!(!app.authority.sweep_audit().await.unwrap());
        assert_eq!(names(&app).await.len(), 2, "on the day itself it is still there");
        app.clock.advance(1);
        app.authority.sweep_audit().await.unwrap();
        assert_eq!(names(&app).await.len(), 1);
    }
}
