//! A hallpass on a port of its own, over a store of its own, with a clock that tests move.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::authority::Authority;
use hallpass::authority::password::Password;
use hallpass::authority::password_hash::StoredHash;
use hallpass::clock::{Clock, TestClock};
use hallpass::config::Config;
use hallpass::serve;
use hallpass::store::account::{self, NewAccount};
use hallpass::store::{Database, Email, PostgresServer};
use hallpass::token::KeyRing;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::proxy::Proxy;

pub const ISSUER: &str = "https://auth.example.com";
pub const EMAIL: &str = "Alice@Example.com";
pub const PASSWORD: &str = "correct horse battery staple";
/// The lowest that bcrypt has: these tests are about everything but its price.
pub const COST: u32 = 4;

/// Which store a test runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Postgres,
}

pub struct TestApp {
    pub address: SocketAddr,
    pub ops: Option<SocketAddr>,
    pub clock: TestClock,
    pub authority: Authority,
    pub client: Client,
    /// Stands between the service and PostgreSQL, to be cut.
    pub proxy: Option<Proxy>,
    config: Config,
    handle: ServerHandle,
    folder: tempfile::TempDir,
}

/// A service that answers.
pub struct Running {
    pub address: SocketAddr,
    /// The operators' own, if it has one.
    pub ops: Option<SocketAddr>,
    pub authority: Authority,
    pub handle: ServerHandle,
    /// Reads its files again, for as long as somebody runs it.
    pub reload: serve::Reload,
}

async fn run(config: &Config, clock: &TestClock) -> Running {
    let service = serve::service(config, Clock::Test(clock.clone())).unwrap();
    service.authority.database().migrate().await.unwrap();
    service.readiness.migrated();
    let (mut feed, readiness) = (service.feed, service.readiness);
    feed.poll().await.unwrap();
    readiness.heard();
    actix_web::rt::spawn(feed.run(move || readiness.heard()));
    let (address, authority, reload, handle) = (service.address, service.authority, service.reload, service.server.handle());
    let ops = service.ops.map(|ops| (ops.address, drop(actix_web::rt::spawn(ops.server))).0);
    actix_web::rt::spawn(service.server);
    Running { address, ops, authority, handle, reload }
}

impl TestApp {
    /// `None` when the store is PostgreSQL and there is none to test with; `adjust` changes settings before the start.
    pub async fn spawn(store: Store, adjust: fn(&mut Config)) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (url, proxy) = match store {
            Store::Sqlite => (format!("sqlite:{}", folder.path().join("test.db").display()), None),
            Store::Postgres => {
                let (url, proxy) = postgres().await?;
                (url, Some(proxy))
            }
        };
        let mut config = config(&url);
        adjust(&mut config);
        let clock = TestClock::at(1_800_000_000);
        let Running { address, ops, authority, handle, .. } = run(&config, &clock).await;
        let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let app = Self { address, ops, clock, authority, client, proxy, config, handle, folder };
        app.add(EMAIL, PASSWORD).await;
        Some(app)
    }

    /// A second service over the same store, with the same clock and, but for what is adjusted, the same settings.
    pub async fn replica(&self, adjust: impl FnOnce(&mut Config)) -> Running {
        let mut config = self.config.clone();
        adjust(&mut config);
        run(&config, &self.clock).await
    }

    pub async fn stop(self) {
        self.handle.stop(false).await;
        drop(self.folder);
    }

    /// The keys that it signs with.
    pub fn key_ring(&self) -> KeyRing {
        serve::key_ring(&self.config).unwrap()
    }

    /// Where the SQLite file lies.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A person with this password, the scopes `a b` and the role `r`.
    pub async fn add(&self, email: &str, password: &str) -> String {
        let hash = StoredHash::make(&Password::new(password.to_owned()), COST).unwrap();
        self.add_hashed(email, Some(hash.as_str())).await
    }

    /// A person with this text in the place of the password's hash.
    pub async fn add_hashed(&self, email: &str, hash: Option<&str>) -> String {
        let email = Email::parse(email).unwrap();
        let new = NewAccount { email, password_hash: hash.map(Into::into), scope: "a b".into(), roles: vec!["r".into()] };
        account::insert(self.authority.database(), new, self.clock.now()).await.unwrap().id
    }

    pub fn post_login(&self, body: &Value) -> RequestBuilder {
        self.client.post(self.url("/login")).json(body)
    }

    pub async fn login(&self, email: &str, password: &str) -> Response {
        self.post_login(&json!({ "email": email, "password": password })).send().await.unwrap()
    }

    /// Logs Alice in, and gives the whole answer.
    pub async fn session(&self) -> Value {
        let response = self.login(EMAIL, PASSWORD).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    pub async fn refresh(&self, refresh_token: &str) -> Response {
        self.client.post(self.url("/refresh")).json(&json!({ "refresh_token": refresh_token })).send().await.unwrap()
    }

    /// The status of `/me` with this access token.
    pub async fn me(&self, access_token: &str) -> u16 {
        self.get("/me").bearer_auth(access_token).send().await.unwrap().status().as_u16()
    }

    /// Statements that the service itself would never make.
    pub async fn raw_sql(&self, sql: &str) {
        match self.authority.database() {
            Database::Sqlite(file) => drop(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&file.writer).await.unwrap()),
            Database::Postgres(PostgresServer { pool, .. }) => drop(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap()),
        }
    }

    /// Logs Alice in, and gives her access token.
    pub async fn token(&self) -> String {
        text(&self.session().await, "access_token")
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    /// What must hold after every case: the process answers, and logging in works.
    pub async fn assert_sound(&self) {
        let me = self.get("/me").bearer_auth(self.token().await).send().await.unwrap();
        assert_eq!(me.status(), 200);
    }
}

/// A text of an answer.
pub fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap().to_owned()
}

/// What an access token says.
pub fn claims(access_token: &str) -> Value {
    let payload = access_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub fn config(url: &str) -> Config {
    let mut key = [0; 32];
    getrandom::fill(&mut key).unwrap();
    let overrides = [
        ("server.listen", "127.0.0.1:0".to_owned()),
        ("server.workers", "2".to_owned()),
        ("database.url", url.to_owned()),
        ("token.issuer", ISSUER.to_owned()),
        ("keys.secret", format!("base64url:{}", URL_SAFE_NO_PAD.encode(key))),
    ];
    let mut config = Config::load(None, std::iter::empty(), &overrides).unwrap();
    config.password.bcrypt_cost = COST;
    // The hashing threads give way to whatever else this machine does.
    config.password.queue_timeout = Duration::from_secs(30);
    // Every test comes from one address, many times a second.
    config.limits.login_per_ip = None;
    config.limits.refresh_per_session = None;
    config.limits.client = None;
    config
}

/// A new database behind a proxy, on the server that the environment names.
pub async fn postgres() -> Option<(String, Proxy)> {
    #[allow(clippy::disallowed_methods, reason = "not a setting of hallpass: where the tests find a server")]
    let Ok(server) = std::env::var("HALLPASS_TEST_POSTGRES") else {
        eprintln!("left out: PostgreSQL, since HALLPASS_TEST_POSTGRES names no server");
        return None;
    };
    let name = format!("hallpass_api_{}", uuid::Uuid::now_v7().simple());
    let admin = sqlx::PgPool::connect(&server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    let options: sqlx::postgres::PgConnectOptions = server.parse().unwrap();
    let proxy = Proxy::to(options.get_host(), options.get_port()).await;
    let rest = server.split_once("://").unwrap().1;
    let credentials = rest.split_once('@').map(|(credentials, _)| format!("{credentials}@")).unwrap_or_default();
    Some((format!("postgres://{credentials}{}/{name}?sslmode=disable", proxy.address()), proxy))
}

/// One test, over each store.
macro_rules! on_each_store {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp $(, $adjust:expr)?) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn run($app: $crate::app::TestApp) {
                $body
                $app.stop().await;
            }

            $(#[$meta])*
            #[actix_web::test]
            async fn sqlite() {
                run($crate::app::TestApp::spawn($crate::app::Store::Sqlite, on_each_store!(@adjust $($adjust)?)).await.unwrap()).await
            }

            $(#[$meta])*
            #[actix_web::test]
            async fn postgres() {
                if let Some(app) = $crate::app::TestApp::spawn($crate::app::Store::Postgres, on_each_store!(@adjust $($adjust)?)).await {
                    run(app).await
                }
            }
        }
    )+};
    (@adjust) => { |_| () };
    (@adjust $adjust:expr) => { $adjust };
}
pub(crate) use on_each_store;
