//! People's sessions, seen and ended from the command line while a service runs over the same store.

use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Place, Service};
use crate::store::on_every_store;

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "plum kettle orbit seven";

fn login(service: &Service, user_agent: &str) -> Value {
    let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let head =
        format!("POST /login HTTP/1.1\r\nContent-Type: application/json\r\nUser-Agent: {user_agent}\r\nContent-Length: {}\r\n", body.len());
    let (status, body) = service.exchange(&head, &body);
    assert_eq!(status, 200);
    serde_json::from_str(&body).unwrap()
}

/// The status of `/me`, as soon as it is 401 or after ten seconds.
fn learned(service: &Service, session: &Value) -> u16 {
    for _ in 0..200 {
        if me(service, session) == 401 {
            return 401;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    200
}

fn me(service: &Service, session: &Value) -> u16 {
    let token = session["access_token"].as_str().unwrap();
    service.exchange(&format!("GET /me HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"), "").0
}

fn id(session: &Value) -> &str {
    session["session_id"].as_str().unwrap()
}

fn listed(place: &Place) -> Vec<Value> {
    place.run(&["session", "list", EMAIL, "--json"]).ok().json()
}

#[test]
fn d20_sessions_are_listed_and_one_or_all_of_them_are_ended_for_the_service_that_runs() {
    on_every_store(Place::with_keys, |place| {
        place.run_with(&["user", "add", EMAIL, "--password-stdin"], PASSWORD).ok();
        let service = place.serve(&[]);
        let (one, two, three) = (login(&service, "one"), login(&service, "two"), login(&service, "\u{202e}three"));
        let records = listed(place);
        assert_eq!(records.iter().map(|record| record["id"].as_str().unwrap()).collect::<Vec<_>>(), [id(&three), id(&two), id(&one)]);
        let names: Vec<&String> = records[1].as_object().unwrap().keys().collect();
        assert_eq!(names, ["created_at", "id", "ip", "last_used_at", "sub", "user_agent"], "nothing that a token is made from");
        assert_eq!((&records[1]["ip"], &records[1]["user_agent"]), (&json!("127.0.0.1"), &json!("two")));
        let table = place.run(&["session", "list", "ADA@example.org"]).ok().stdout;
        assert_eq!(table.lines().count(), 4);
        assert!(table.starts_with("ID ") && table.contains("127.0.0.1") && !table.contains('\u{202e}'), "{table}");

        assert_eq!(place.run(&["session", "revoke", id(&two)]).ok().stdout, format!("revoked {}\n", id(&two)));
        assert_eq!((learned(&service, &two), me(&service, &one)), (401, 200));
        place.run(&["session", "revoke", id(&two)]).ok();
        assert_eq!(listed(place).len(), 2);
        place.run(&["session", "revoke", "--all", EMAIL]).ok();
        assert_eq!((learned(&service, &one), learned(&service, &three)), (401, 401));
        assert!(listed(place).is_empty());
        assert_eq!(place.run(&["session", "list", EMAIL]).ok().stdout.lines().count(), 1);
    });
}

#[test]
fn a_session_or_a_person_that_is_not_there_is_a_failure() {
    on_every_store(Place::new, |place| {
        place.run(&["migrate"]).ok();
        for id in ["01a207fb-5ab8-76ff-9093-ed951e39519b", "x", "", "01A207FB-5AB8-76FF-9093-ED951E39519B"] {
            assert!(place.run(&["session", "revoke", id]).exits(1).message().contains("no session with this id"), "{id}");
        }
        for args in [&["session", "list", EMAIL][..], &["session", "revoke", "--all", EMAIL]] {
            assert!(place.run(args).exits(1).message().contains("no account with this address"));
        }
    });
}

#[test]
fn what_has_timed_out_by_the_settings_is_not_listed() {
    let place = Place::with_keys();
    place.run_with(&["user", "add", EMAIL, "--password-stdin"], PASSWORD).ok();
    login(&place.serve(&[]), "one");
    assert_eq!(listed(&place).len(), 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", place.path().join("hallpass.db").display())).await.unwrap();
        sqlx::raw_sql("UPDATE session SET rotated_at = rotated_at - 3600").execute(&pool).await.unwrap();
        pool.close().await;
    });
    assert_eq!(listed(&place).len(), 1);
    let place = place.set("HALLPASS__SESSIONS__IDLE_TIMEOUT", "1h");
    assert!(listed(&place).is_empty());
}
