//! The compiled service as a process of its own, over a database of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::authority::Password;
use hallpass::authority::password_hash::StoredHash;
use hallpass::store::account::{self, NewAccount};
use hallpass::store::{Database, Email};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";
/// The lowest that settings allow.
const COST: u32 = 10;

/// What processes of one service share.
pub struct Settings(Vec<(String, String)>);

/// A running process. Killed, not stopped, when it is dropped.
pub struct Hallpass {
    child: Child,
    pub address: String,
    log: Arc<Mutex<String>>,
}

impl Settings {
    /// A service with a key of its own.
    pub fn new(more: &[(&str, &str)]) -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).unwrap();
        let secret = format!("base64url:{}", URL_SAFE_NO_PAD.encode(key));
        let cost = COST.to_string();
        // Everybody comes from one address, many times a second.
        let limits = [("LIMITS__LOGIN_PER_IP", "off"), ("LIMITS__REFRESH_PER_SESSION", "off"), ("LIMITS__CLIENT", "off")];
        let settings = [("KEYS__SECRET", secret.as_str()), ("TOKEN__ISSUER", "https://auth.example.com"), ("PASSWORD__BCRYPT_COST", &cost)];
        Self(settings.iter().chain(&limits).chain(more).map(|(name, value)| (format!("HALLPASS__{name}"), (*value).to_owned())).collect())
    }

    /// Starts a process over this database and waits until it is ready.
    pub async fn start(&self, url: &str) -> Hallpass {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear().envs(self.0.iter().cloned());
        command.env("HALLPASS__DATABASE__URL", url).env("HALLPASS__LOG__FORMAT", "json").env("RUST_LOG", "info,access=warn");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            line["address"].as_str().map(str::to_owned)
        });
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        // Read to the end, or the process would wait for room in the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push_str(&format!("{line}\n"))));
        let hallpass = Hallpass { child, address: address.expect("the service did not start"), log };
        hallpass.until_ready().await;
        hallpass
    }
}

impl Hallpass {
    pub async fn until_ready(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let ready = reqwest::get(self.url("/readyz")).await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(Instant::now() < until, "not ready: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has logged since it listens.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Logs a person of [`add_person`] in.
    pub async fn login(&self, client: &reqwest::Client, email: &str) -> Value {
        let request = client.post(self.url("/login")).json(&json!({ "email": email, "password": PASSWORD }));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", self.log());
        answer.json().await.unwrap()
    }
}

impl Drop for Hallpass {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A migrated database.
pub async fn open(url: &str) -> Database {
    let database = Database::open(url, 4).unwrap();
    database.migrate().await.unwrap();
    database
}

/// Somebody who can log in.
pub async fn add_person(database: &Database, email: &str) {
    let hash = StoredHash::make(&Password::new(PASSWORD.to_owned()), COST).unwrap();
    let new =
        NewAccount { email: Email::parse(email).unwrap(), password_hash: Some(hash.as_str().into()), scope: "a".into(), roles: vec![] };
    account::insert(database, new, 1_700_000_000).await.unwrap();
}

/// A new database on the server that the environment names. None: it names none.
pub async fn new_postgres() -> Option<String> {
    #[allow(clippy::disallowed_methods, reason = "not a setting of hallpass: where the tests find a server")]
    let server = std::env::var("HALLPASS_TEST_POSTGRES").ok()?;
    let name = format!("hallpass_process_{}", uuid::Uuid::now_v7().simple());
    let admin = sqlx::PgPool::connect(&server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    let (address, _) = server.rsplit_once('/').unwrap();
    Some(format!("{address}/{name}"))
}
