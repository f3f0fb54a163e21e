//! The store goes away: group L of the threats. Tokens are verified all the same, and nobody is told that a password was wrong.

use std::time::{Duration, Instant};

use hallpass::clock::Clock;
use hallpass::store::Email;
use hallpass::store::account::{self, NewAccount};
use hallpass::token::{Claims, Signer, claims::Login};
use serde_json::Value;

use crate::app::{EMAIL, PASSWORD, Store, TestApp, on_each_store};

/// Takes the store away from under the running service: the proxy is cut, or the table is renamed by another process.
pub async fn take_away(app: &TestApp) {
    match &app.proxy {
        Some(proxy) => proxy.cut(),
        None => rename(app, "ALTER TABLE account RENAME TO elsewhere").await,
    }
}

/// And waits until it is ready again.
pub async fn give_back(app: &TestApp) {
    match &app.proxy {
        Some(proxy) => proxy.pass(),
        None => rename(app, "ALTER TABLE elsewhere RENAME TO account").await,
    }
    let until = Instant::now() + Duration::from_secs(15);
    while status_of(app, "/readyz").await != 200 {
        assert!(Instant::now() < until, "it must recover without a restart");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn rename(app: &TestApp, sql: &'static str) {
    let url = format!("sqlite:{}", app.folder().join("test.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn status_of(app: &TestApp, path: &str) -> u16 {
    app.get(path).send().await.unwrap().status().as_u16()
}

on_each_store! {
    async fn l1_l2_l3_without_a_store_tokens_are_verified_and_logins_are_503(app: TestApp) {
        let token = app.token().await;
        take_away(&app).await;
        for _ in 0..20 {
            assert_eq!(app.get("/me").bearer_auth(&token).send().await.unwrap().status(), 200, "l1");
        }
        for (email, password) in [(EMAIL, PASSWORD), (EMAIL, "wrong"), ("nobody@example.com", PASSWORD)] {
            let started = Instant::now();
            let response = app.login(email, password).await;
            assert_eq!(response.status(), 503, "l2");
            assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() <= 3);
            assert!(started.elapsed() < Duration::from_secs(10), "an outage must not hang");
            let text = response.text().await.unwrap();
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(problem["code"], "temporarily_unavailable");
            assert!(!text.contains("SQL") && !text.contains("account") && !text.contains("postgres"), "{text}");
        }
        assert_eq!((status_of(&app, "/livez").await, status_of(&app, "/readyz").await), (200, 503), "l3");
        let page = crate::metrics::scrape(&app).await;
        assert!(page.contains(r#"hallpass_logins_total{result="store_unavailable"} 3"#), "l3: {page}");

        give_back(&app).await;
        app.assert_sound().await;
    }
}

#[actix_web::test]
async fn l5_a_database_that_hangs_is_503_and_tokens_are_verified() {
    let Some(app) = TestApp::spawn(Store::Postgres, |_| ()).await else { return };
    let token = app.token().await;
    app.proxy.as_ref().unwrap().hang();
    let started = Instant::now();
    let (login, me) = tokio::join!(app.login(EMAIL, PASSWORD), app.get("/me").bearer_auth(&token).send());
    assert_eq!((login.status().as_u16(), me.unwrap().status().as_u16()), (503, 200));
    assert!(started.elapsed() < Duration::from_secs(15));
    app.proxy.as_ref().unwrap().pass();
    let until = Instant::now() + Duration::from_secs(20);
    while app.login(EMAIL, PASSWORD).await.status() != 200 {
        assert!(Instant::now() < until, "it must recover without a restart");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    app.stop().await;
}

on_each_store! {
    async fn l2_without_a_store_a_refresh_is_503_and_the_token_is_as_good_as_before(app: TestApp) {
        let token = app.session().await["refresh_token"].as_str().unwrap().to_owned();
        take_away(&app).await;
        for _ in 0..3 {
            let response = app.refresh(&token).await;
            assert_eq!((response.status().as_u16(), response.headers().contains_key("retry-after")), (503, true));
        }
        give_back(&app).await;
        let until = Instant::now() + Duration::from_secs(15);
        loop {
            match app.refresh(&token).await.status().as_u16() {
                200 => break,
                status => assert!(status == 503 && Instant::now() < until, "{status}"),
            }
        }
    }

    async fn l20_a_damaged_row_is_a_wrong_login_and_harms_nobody_else(app: TestApp) {
        app.add("damaged@example.com", PASSWORD).await;
        let damage = "UPDATE account SET scopes = 'a  \"b' WHERE email = 'damaged@example.com'";
        match app.authority.database() {
            hallpass::store::Database::Sqlite(file) => sqlx::raw_sql(damage).execute(&file.writer).await.map(|_| ()).unwrap(),
            hallpass::store::Database::Postgres(hallpass::store::PostgresServer { pool, .. }) => sqlx::raw_sql(damage).execute(pool).await.map(|_| ()).unwrap(),
        }
        assert_eq!(app.login("damaged@example.com", PASSWORD).await.status(), 401);
        app.assert_sound().await;
    }

    async fn c37_a_login_never_fails_because_its_hash_cannot_be_upgraded(app: TestApp, |config| config.password.bcrypt_cost = crate::app::COST + 1) {
        app.add("old@example.com", PASSWORD).await;
        match app.authority.database() {
            hallpass::store::Database::Sqlite(file) => {
                let trigger = "CREATE TRIGGER no_update BEFORE UPDATE OF password_hash ON account BEGIN SELECT RAISE(ABORT, 'read only'); END";
                sqlx::raw_sql(trigger).execute(&file.writer).await.map(|_| ()).unwrap();
            }
            hallpass::store::Database::Postgres(hallpass::store::PostgresServer { pool, .. }) => {
                let trigger = "CREATE FUNCTION no_update() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'read only'; END $$;
                    CREATE TRIGGER no_update BEFORE UPDATE OF password_hash ON account FOR EACH ROW EXECUTE FUNCTION no_update()";
                sqlx::raw_sql(trigger).execute(pool).await.map(|_| ()).unwrap();
            }
        }
        assert_eq!(app.login("old@example.com", PASSWORD).await.status(), 200);
    }
}

/// A service as the program runs it, over a store that is not there.
struct Storeless {
    address: std::net::SocketAddr,
    authority: hallpass::authority::Authority,
    handle: actix_web::dev::ServerHandle,
    running: actix_web::rt::task::JoinHandle<Result<(), hallpass::serve::Error>>,
    /// What any replica with its keys would have issued.
    token: String,
}

impl Storeless {
    fn start(url: &str) -> Self {
        let mut config = crate::app::config(url);
        config.server.workers = 1;
        let now = Clock::System.now();
        let login = Login { sid: "01a207fb-5ab8-76ff-9093-ed951e39519b", auth_time: now, amr: &["pwd"], acr: "1", roles: &[] };
        let claims = Claims {
            iss: &config.token.issuer,
            sub: "usr_1",
            aud: &config.token.audience,
            exp: now + 300,
            iat: now,
            jti: "1",
            client_id: "hallpass",
            scope: "",
            login: Some(login),
        };
        let token = Signer::new(&hallpass::serve::key_ring(&config).unwrap()).unwrap().sign(&claims).unwrap();
        let service = hallpass::serve::service(&config, Clock::System).unwrap();
        let (address, authority, handle) = (service.address, service.authority.clone(), service.server.handle());
        Self { address, authority, handle, running: actix_web::rt::spawn(service.run()), token }
    }

    async fn status(&self, path: &str, token: &str) -> u16 {
        let request = reqwest::Client::new().get(format!("http://{}{path}", self.address));
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        request.send().await.unwrap().status().as_u16()
    }

    async fn verifies_and_is_not_ready(&self) {
        let forged = format!("{}x", self.token);
        assert_eq!((self.status("/me", &self.token).await, self.status("/auth/verify", &self.token).await), (200, 200));
        assert_eq!((self.status("/me", "").await, self.status("/me", &forged).await), (401, 401));
        assert_eq!((self.status("/livez", "").await, self.status("/readyz", "").await), (200, 503));
    }

    async fn stop(self) {
        self.handle.stop(false).await;
        self.running.await.unwrap().unwrap();
    }
}

#[actix_web::test]
async fn l4_a_database_that_is_down_at_the_start_keeps_nobody_from_being_verified() {
    let service = Storeless::start("postgres://nobody@127.0.0.1:1/nowhere?sslmode=disable");
    service.verifies_and_is_not_ready().await;
    service.stop().await;
}

#[actix_web::test]
async fn l4_a_service_that_was_started_without_its_database_is_ready_once_it_comes() {
    let Some((url, proxy)) = crate::app::postgres().await else { return };
    proxy.cut();
    let service = Storeless::start(&url);
    service.verifies_and_is_not_ready().await;
    proxy.pass();
    let until = Instant::now() + Duration::from_secs(60);
    while service.status("/readyz", "").await != 200 {
        assert!(Instant::now() < until, "it must come up without a restart");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The schema is there, and it is of use.
    let email = Email::parse(EMAIL).unwrap();
    let new = NewAccount { email, password_hash: None, scope: String::new(), roles: Vec::new() };
    account::insert(service.authority.database(), new, Clock::System.now()).await.unwrap();
    let login = reqwest::Client::new().post(format!("http://{}/login", service.address));
    let login = login.json(&serde_json::json!({ "email": EMAIL, "password": PASSWORD })).send().await.unwrap();
    assert_eq!((login.status().as_u16(), service.status("/me", &service.token).await), (401, 200));
    service.stop().await;
}

#[actix_web::test]
async fn n7_what_is_revoked_before_during_and_after_an_outage_reaches_the_other_replica() {
    let Some(app) = TestApp::spawn(Store::Postgres, |_| ()).await else { return };
    let (replica, proxy) = (app.replica(|_| ()).await, app.proxy.clone().unwrap());
    let logout = async |token: &str| {
        let request = app.client.post(app.url("/logout")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let tokens = [app.token().await, app.token().await, app.token().await];
    assert_eq!(logout(&tokens[0]).await, 204);
    proxy.cut();
    assert_eq!(logout(&tokens[1]).await, 503, "what cannot be recorded is not called done");
    proxy.pass();
    let until = Instant::now() + Duration::from_secs(20);
    for token in &tokens[1..] {
        while logout(token).await != 204 {
            assert!(Instant::now() < until, "it must recover without a restart");
        }
    }
    for token in &tokens {
        let me = || app.client.get(format!("http://{}/me", replica.address)).bearer_auth(token).send();
        while me().await.unwrap().status() != 401 {
            assert!(Instant::now() < until, "the other replica does not learn of it");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    replica.handle.stop(false).await;
    app.stop().await;
}
