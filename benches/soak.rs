//! Two replicas under mixed traffic for a while: nothing but announced 503s may fail, and neither memory nor descriptors may grow.
//!
//! `HALLPASS_TEST_POSTGRES=postgres://… cargo bench --bench soak -- 600`: that many seconds of logins, refreshes, guarded routes, logouts, tokens for
//! a machine, and rotations of the signing key, at rates that leave two cores half idle. Writes `target/soak.csv` and `docs/soak.svg`, and ends with 1
//! when something did not hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its result")]

#[path = "soak/plot.rs"]
mod plot;
#[allow(dead_code, reason = "shared with the crash tests")]
#[path = "../tests/crash/process.rs"]
mod process;

use std::collections::{HashSet, VecDeque};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plot::Sample;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

const PEOPLE: usize = 50;
const SESSIONS: usize = 200;
const PASSWORD: &str = "correct horse battery staple";
/// What is refused on one replica must be refused on the other after this.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
enum Kind {
    Login,
    Refresh,
    Guarded,
    Logout,
    Machine,
}

fn main() -> ExitCode {
    let seconds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(60);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(url) = process::new_postgres().await else {
            eprintln!("HALLPASS_TEST_POSTGRES names no server");
            return ExitCode::FAILURE;
        };
        let database = process::open(&url).await;
        for number in 0..PEOPLE {
            process::add_person(&database, &email(number)).await;
        }
        database.close().await;
        run(Place::new(url), seconds).await
    })
}

async fn run(place: Place, seconds: u64) -> ExitCode {
    let replicas = [place.serve(), place.serve()];
    let soak = Arc::new(Soak::new(&place, &replicas));
    for replica in &replicas {
        soak.until_ready(&replica.address).await;
    }
    for number in 0..SESSIONS {
        soak.login(number % PEOPLE).await;
    }
    // How many workers, and how long each waits between two of its requests.
    for (kind, workers, pause) in
        [(Kind::Login, 1, 500), (Kind::Refresh, 2, 100), (Kind::Guarded, 4, 20), (Kind::Logout, 1, 500), (Kind::Machine, 1, 100)]
    {
        for _ in 0..workers {
            tokio::spawn(Arc::clone(&soak).work(kind, Duration::from_millis(pause)));
        }
    }
    tokio::spawn(Arc::clone(&soak).check_logouts());
    let mut samples = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let step = (seconds / 10).max(8);
    for second in 0..=seconds {
        tick.tick().await;
        samples.push(soak.sample(second, &replicas));
        if second > 0 && second % step == 0 {
            soak.rotate(&place).await;
        }
    }
    report(&soak, &samples, seconds)
}

fn report(soak: &Soak, samples: &[Sample], seconds: u64) -> ExitCode {
    let sum = |kind: usize| samples.iter().map(|sample| sample.done[kind]).sum::<u64>();
    let [logins, refreshes, guarded, logouts, machine] = [0, 1, 2, 3, 4].map(sum);
    let title =
        format!("{seconds} s: {logins} logins, {refreshes} refreshes, {guarded} guarded, {logouts} logouts, {machine} machine tokens");
    std::fs::create_dir_all("target").unwrap();
    std::fs::write("target/soak.csv", plot::csv(samples)).unwrap();
    std::fs::write("docs/soak.svg", plot::svg(samples, &title)).unwrap();
    let kids = soak.kids.lock().unwrap().len();
    let unavailable: u64 = samples.iter().map(|sample| sample.unavailable).sum();
    println!(
        "{title}\n{unavailable} announced 503s, tokens of {kids} keys, {} logouts held on the other replica",
        soak.held.load(Ordering::Relaxed)
    );

    let mut wrong: Vec<String> = soak.wrong.lock().unwrap().clone();
    // The second minute and the last; of a short run the second quarter and the last.
    let part = usize::try_from(if seconds >= 180 { 60 } else { seconds / 4 }).unwrap().max(1);
    let (second, last) = (&samples[part..2 * part], &samples[samples.len() - part..]);
    for (replica, name) in ["a", "b"].iter().enumerate() {
        let middle = |samples: &[Sample]| {
            let mut values: Vec<u64> = samples.iter().map(|sample| sample.rss[replica]).collect();
            values.sort_unstable();
            values[values.len() / 2]
        };
        let most = |samples: &[Sample]| samples.iter().map(|sample| sample.descriptors[replica]).max().unwrap_or_default();
        let (before, after) = (middle(second), middle(last));
        let growth = (after as f64 / before as f64 - 1.0) * 100.0;
        println!("replica {name}: {before} KiB, then {after} KiB ({growth:+.1} %); descriptors {}, then {}", most(second), most(last));
        if growth.abs() > 5.0 {
            wrong.push(format!("memory of replica {name} is not flat"));
        }
        if most(last) > most(second) + 8 {
            wrong.push(format!("replica {name} leaks descriptors"));
        }
    }
    wrong.iter().take(20).for_each(|what| println!("NOT SO: {what}"));
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn email(number: usize) -> String {
    format!("person{number}@example.com")
}

/// A folder with the keys, and the settings that both replicas share.
struct Place {
    folder: TempDir,
    env: Vec<(String, String)>,
}

impl Place {
    fn new(url: String) -> Self {
        let mut place = Self { folder: tempfile::tempdir().unwrap(), env: Vec::new() };
        std::fs::write(place.folder.path().join("keys.json"), place.hallpass(&["key", "generate"])).unwrap();
        let known: HashSet<&str> = hallpass::config::names().collect();
        for (name, value) in [
            ("keys.file", "keys.json"),
            ("token.issuer", "https://auth.example.com"),
            ("password.bcrypt_cost", "10"),
            ("password.hash_threads", "1"),
            ("server.workers", "2"),
            ("database.url", url.as_str()),
            ("log.format", "json"),
            // Everybody comes from one address, many times a second.
            ("limits.login_per_ip", "off"),
            ("limits.refresh_per_session", "off"),
            ("limits.client", "off"),
        ] {
            if known.contains(name) {
                let variable = format!("HALLPASS__{}", name.to_ascii_uppercase().replace('.', "__"));
                place.env.push((variable, value.to_owned()));
            }
        }
        place
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
        command.current_dir(self.folder.path()).args(args).env_clear().envs(self.env.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// The output of a command.
    fn hallpass(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn serve(&self) -> Replica {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.env("RUST_LOG", "info,hallpass::access=warn").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.by_ref().find_map(|line| serde_json::from_str::<Value>(&line).ok()?["address"].as_str().map(str::to_owned));
        // Errors are worth seeing; the rest is read so that the pipe does not fill up.
        std::thread::spawn(move || lines.filter(|line| line.contains(r#""level":"ERROR""#)).for_each(|line| eprintln!("{line}")));
        Replica { child, address: address.expect("the service did not start") }
    }
}

struct Replica {
    child: Child,
    address: String,
}

impl Replica {
    /// Resident KiB and open descriptors.
    fn size(&self) -> (u64, u64) {
        let process = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        (rss.unwrap(), std::fs::read_dir(format!("{process}/fd")).unwrap().count() as u64)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Session {
    access: String,
    refresh: String,
}

struct Soak {
    http: Client,
    addresses: [String; 2],
    /// Id and secret.
    machine: (String, String),
    sessions: Mutex<VecDeque<Session>>,
    /// Access tokens that were logged out, with when and at which replica.
    ended: Mutex<VecDeque<(String, Instant, usize)>>,
    ended_tokens: Mutex<HashSet<String>>,
    kids: Mutex<HashSet<String>>,
    /// The key that each replica last signed with.
    signs: Mutex<[String; 2]>,
    counts: [AtomicU64; 5],
    unavailable: AtomicU64,
    held: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Soak {
    fn new(place: &Place, replicas: &[Replica; 2]) -> Self {
        let machine: Value = serde_json::from_str(&place.hallpass(&["client", "add", "soak", "--scope", "a", "--json"])).unwrap();
        let text = |name: &str| machine[name].as_str().unwrap().to_owned();
        Self {
            http: Client::new(),
            addresses: [0, 1].map(|replica: usize| replicas[replica].address.clone()),
            machine: (text("client_id"), text("client_secret")),
            sessions: Mutex::default(),
            ended: Mutex::default(),
            ended_tokens: Mutex::default(),
            kids: Mutex::default(),
            signs: Mutex::default(),
            counts: Default::default(),
            unavailable: AtomicU64::new(0),
            held: AtomicU64::new(0),
            wrong: Mutex::default(),
        }
    }

    async fn until_ready(&self, address: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.http.get(format!("http://{address}/readyz")).send().await.is_ok_and(|answer| answer.status() != 200) {
            assert!(Instant::now() < until, "{address} is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn work(self: Arc<Self>, kind: Kind, pause: Duration) {
        let mut tick = tokio::time::interval(pause);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match kind {
                Kind::Login => self.login(random(PEOPLE)).await,
                Kind::Refresh => self.refresh().await,
                Kind::Guarded => self.guarded().await,
                Kind::Logout => self.logout().await,
                Kind::Machine => self.machine_token().await,
            }
        }
    }

    /// Status and body, once counted; None for an announced 503.
    async fn ask(&self, kind: Kind, request: RequestBuilder, expected: &[u16]) -> Option<(u16, Value)> {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                self.wrong.lock().unwrap().push(format!("no answer: {error}"));
                return None;
            }
        };
        let (status, announced) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
        let body: Value = answer.json().await.unwrap_or_default();
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        if status == 503 && announced {
            self.unavailable.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if !expected.contains(&status) {
            self.wrong.lock().unwrap().push(format!("status {status}, code {}", body["code"]));
        }
        Some((status, body))
    }

    fn url(&self, replica: usize, path: &str) -> String {
        format!("http://{}{path}", self.addresses[replica])
    }

    async fn login(&self, person: usize) {
        let replica = random(2);
        let request = self.http.post(self.url(replica, "/login")).json(&json!({ "email": email(person), "password": PASSWORD }));
        if let Some((200, tokens)) = self.ask(Kind::Login, request, &[200]).await {
            self.keep(replica, &tokens);
        }
    }

    fn keep(&self, replica: usize, tokens: &Value) {
        let text = |name: &str| tokens[name].as_str().unwrap_or_default().to_owned();
        let session = Session { access: text("access_token"), refresh: text("refresh_token") };
        let header = session.access.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok()).unwrap_or_default();
        let kid = serde_json::from_slice::<Value>(&header).unwrap_or_default()["kid"].as_str().unwrap_or_default().to_owned();
        self.kids.lock().unwrap().insert(kid.clone());
        self.signs.lock().unwrap()[replica] = kid;
        self.sessions.lock().unwrap().push_back(session);
    }

    async fn refresh(&self) {
        let Some(session) = self.sessions.lock().unwrap().pop_front() else { return };
        let replica = random(2);
        let request = self.http.post(self.url(replica, "/refresh")).json(&json!({ "refresh_token": session.refresh }));
        match self.ask(Kind::Refresh, request, &[200]).await {
            Some((200, tokens)) => self.keep(replica, &tokens),
            Some(_) => {}
            None => self.sessions.lock().unwrap().push_back(session),
        }
    }

    async fn guarded(&self) {
        let token = {
            let sessions = self.sessions.lock().unwrap();
            sessions.get(random(sessions.len().max(1))).map(|session| session.access.clone())
        };
        let Some(token) = token else { return };
        let request = self.http.get(self.url(random(2), "/me")).bearer_auth(&token);
        if let Some((401, _)) = self.ask(Kind::Guarded, request, &[200, 401]).await
            && !self.ended_tokens.lock().unwrap().contains(&token)
        {
            self.wrong.lock().unwrap().push("the token of a session that goes on was refused".to_owned());
        }
    }

    async fn logout(&self) {
        let session = {
            let mut sessions = self.sessions.lock().unwrap();
            if sessions.len() <= SESSIONS { None } else { sessions.pop_front() }
        };
        let Some(session) = session else { return };
        self.ended_tokens.lock().unwrap().insert(session.access.clone());
        let replica = random(2);
        let request = self.http.post(self.url(replica, "/logout")).bearer_auth(&session.access).json(&json!({}));
        if let Some((204, _)) = self.ask(Kind::Logout, request, &[204]).await {
            self.ended.lock().unwrap().push_back((session.access, Instant::now(), replica));
        }
    }

    async fn machine_token(&self) {
        let (id, secret) = &self.machine;
        let request = self.http.post(self.url(random(2), "/oauth/token")).basic_auth(id, Some(secret));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body("grant_type=client_credentials");
        self.ask(Kind::Machine, request, &[200]).await;
    }

    /// What was logged out at one replica is refused by the other.
    async fn check_logouts(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let due = {
                let mut ended = self.ended.lock().unwrap();
                if ended.front().is_some_and(|(_, when, _)| when.elapsed() > REVOKED_WITHIN) { ended.pop_front() } else { None }
            };
            let Some((token, _, replica)) = due else { continue };
            let request = self.http.get(self.url(1 - replica, "/me")).bearer_auth(&token);
            if let Some((401, _)) = self.ask(Kind::Guarded, request, &[401]).await {
                self.held.fetch_add(1, Ordering::Relaxed);
            }
            self.ended_tokens.lock().unwrap().remove(&token);
        }
    }

    fn sample(&self, second: u64, replicas: &[Replica; 2]) -> Sample {
        let sizes = [0, 1].map(|replica: usize| replicas[replica].size());
        Sample {
            second,
            rss: sizes.map(|(rss, _)| rss),
            descriptors: sizes.map(|(_, descriptors)| descriptors),
            done: [0, 1, 2, 3, 4].map(|kind: usize| self.counts[kind].swap(0, Ordering::Relaxed)),
            unavailable: self.unavailable.swap(0, Ordering::Relaxed),
        }
    }

    /// The next step of a rotation: a key that verifies, then signs, and when both replicas sign with it the old one goes.
    async fn rotate(&self, place: &Place) {
        let listed = place.hallpass(&["key", "list", "--json"]);
        let keys: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kid = |index: usize| keys[index]["kid"].as_str().unwrap().to_owned();
        let signs = self.signs.lock().unwrap().clone();
        let newest_signs = keys.len() == 1 || keys[0]["created_at"].as_i64() > keys[1]["created_at"].as_i64();
        if keys.len() > 1 && newest_signs {
            if signs.iter().all(|signing| *signing == kid(0)) {
                place.hallpass(&["key", "retire", &kid(1)]);
            } else {
                println!("left out: a key that signs in the file does not sign in both replicas");
            }
        } else {
            place.hallpass(&["key", "rotate"]);
        }
    }
}

fn random(below: usize) -> usize {
    usize::try_from(getrandom::u32().unwrap()).unwrap() % below
}
