//! `kill -9` in the middle of refreshes: L7 to L10 of the threats. Nobody is logged out by it, and nobody ends up with two tokens.
//!
//! `cargo test --test crash` kills a service of each store five times. `cargo test --test crash -- --ignored --nocapture` does it a hundred
//! times, or as often as `HALLPASS_TEST_KILLS` says, and prints what it counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use hallpass::store::{Database, session};
use process::{Hallpass, Settings};
use serde_json::{Value, json};
use tokio::sync::Notify;

const PEOPLE: usize = 5;
const SESSIONS: usize = 50;
/// The most between two refreshes of one client, in milliseconds: some two hundred a second over all of them.
const PAUSE: u64 = 400;
/// How long after the beginning of the rush it is killed at the latest, in milliseconds.
const RUSH: u64 = 60;
const SHORT: usize = 5;
const LONG: usize = 100;

/// One who refreshes, and retries with the same token until an answer comes.
#[derive(Clone)]
struct Phone {
    http: reqwest::Client,
    session: String,
    /// What the last answer brought.
    token: String,
    refreshed: usize,
}

#[derive(Debug, Default)]
struct Counts {
    refreshed: usize,
    /// Sessions that had moved on although their client never heard of it.
    answers_lost: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l8_l9_l10_sqlite_killed_five_times_under_refreshes_loses_nobody() {
    kill_repeatedly(&sqlite(&tempfile::tempdir().unwrap()), SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l8_l9_l10_postgres_killed_five_times_under_refreshes_loses_nobody() {
    let Some(url) = process::new_postgres().await else {
        return eprintln!("left out: PostgreSQL, since HALLPASS_TEST_POSTGRES names no server");
    };
    kill_repeatedly(&url, SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn l8_l9_l10_the_long_form_on_each_store() {
    #[allow(clippy::disallowed_methods, reason = "not a setting of hallpass: how often to kill it")]
    let kills = std::env::var("HALLPASS_TEST_KILLS").map_or(LONG, |kills| kills.parse().unwrap());
    kill_repeatedly(&sqlite(&tempfile::tempdir().unwrap()), kills).await;
    if let Some(url) = process::new_postgres().await {
        kill_repeatedly(&url, kills).await;
    }
}

fn sqlite(folder: &tempfile::TempDir) -> String {
    format!("sqlite:{}", folder.path().join("crash.db").display())
}

async fn kill_repeatedly(url: &str, kills: usize) {
    let database = process::open(url).await;
    // The longest grace: what a client has to wait for here is a start of the service on a machine that does a lot besides.
    let settings = Settings::new(&[("SESSIONS__REFRESH_GRACE", "60s")]);
    let mut service = settings.start(url).await;
    let (mut phones, mut counts) = (log_in(&database, &service).await, Counts::default());
    for _ in 0..kills {
        phones = refresh_until_killed(service, phones).await;
        if let Database::Sqlite(file) = &database {
            let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&file.writer).await.unwrap();
            assert_eq!(verdict, "ok");
        }
        service = settings.start(url).await;
        for phone in &mut phones {
            counts.answers_lost += usize::from(phone.comes_back(&database, &service).await);
        }
    }
    counts.refreshed = phones.iter().map(|phone| phone.refreshed).sum();
    join_all(phones.iter_mut().map(|phone| phone.used_tokens_are_worthless(&service))).await;
    let store = url.split(':').next().unwrap();
    eprintln!("{store}: {kills} kills, {SESSIONS} sessions, {counts:?}, no session lost, none with two live tokens");
    database.close().await;
}

async fn log_in(database: &Database, service: &Hallpass) -> Vec<Phone> {
    let emails: Vec<String> = (0..PEOPLE).map(|number| format!("person{number}@example.com")).collect();
    for email in &emails {
        process::add_person(database, email).await;
    }
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let mut phones = Vec::new();
    for email in emails.iter().cycle().take(SESSIONS) {
        let answer = service.login(&http, email).await;
        let text = |member: &str| answer[member].as_str().unwrap().to_owned();
        phones.push(Phone { http: http.clone(), session: text("session_id"), token: text("refresh_token"), refreshed: 0 });
    }
    phones
}

/// All clients refresh at their own pace. At some moment all of them do at once, and in the middle of that the process is killed.
async fn refresh_until_killed(service: Hallpass, phones: Vec<Phone>) -> Vec<Phone> {
    let (over, rush) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let running: Vec<_> = phones
        .into_iter()
        .map(|mut phone| {
            let (url, over, rush) = (service.url("/refresh"), Arc::clone(&over), Arc::clone(&rush));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let _ = tokio::time::timeout(Duration::from_millis(random(PAUSE)), rush.notified()).await;
                    // Whatever else comes back is no answer: the same token is tried again, after the kill at the latest.
                    if let Ok((200, answer)) = phone.refresh(&url).await {
                        phone.take(&answer);
                    }
                }
                phone
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200 + random(1000))).await;
    rush.notify_waiters();
    tokio::time::sleep(Duration::from_millis(random(RUSH))).await;
    service.kill();
    over.store(true, Ordering::Relaxed);
    join_all(running).await.into_iter().map(Result::unwrap).collect()
}

impl Phone {
    async fn refresh(&self, url: &str) -> Result<(u16, Value), reqwest::Error> {
        let answer = self.http.post(url).json(&json!({ "refresh_token": self.token })).send().await?;
        let status = answer.status().as_u16();
        assert_ne!(status, 401, "logged out");
        Ok((status, answer.json().await?))
    }

    fn take(&mut self, answer: &Value) {
        answer["refresh_token"].as_str().unwrap().clone_into(&mut self.token);
        self.refreshed += 1;
    }

    /// After a restart the session stands where its client stands, or one step further; then what the client holds brings it there. True:
    /// it was one step further, so an answer was lost with the process.
    async fn comes_back(&mut self, database: &Database, service: &Hallpass) -> bool {
        let row = session::by_id(database, &self.session).await.unwrap().expect("the session is lost");
        let held = generation(&self.token);
        assert!(row.ended_at.is_none() && (row.generation == held || row.generation == held + 1), "{held} {row:?}");
        let (status, answer) = self.refresh(&service.url("/refresh")).await.unwrap();
        assert_eq!(status, 200, "{}", service.log());
        self.take(&answer);
        assert_eq!(generation(&self.token), held + 1, "no step is left out, none is taken twice");
        row.generation == held + 1
    }

    /// Of all tokens that the session ever had, the newest is the only one that works.
    async fn used_tokens_are_worthless(&mut self, service: &Hallpass) {
        let url = service.url("/refresh");
        let used = self.token.clone();
        for _ in 0..2 {
            let (status, answer) = self.refresh(&url).await.unwrap();
            assert_eq!(status, 200);
            self.take(&answer);
        }
        for token in [&used, &self.token] {
            let answer = self.http.post(&url).json(&json!({ "refresh_token": token })).send().await.unwrap();
            assert_eq!(answer.status(), 401);
        }
    }
}

/// How often a token was rotated: it stands in the token, behind the session's id.
fn generation(token: &str) -> u32 {
    let bytes = URL_SAFE_NO_PAD.decode(&token["hp_rt_".len()..]).unwrap();
    u32::from_be_bytes(bytes[16..20].try_into().unwrap())
}

fn random(end: u64) -> u64 {
    getrandom::u64().unwrap() % end
}
