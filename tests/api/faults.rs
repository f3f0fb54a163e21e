//! A store that works, but not as it should: full, read-only, ahead of time. Nobody who is logged in notices, and it mends itself.

use std::time::{Duration, Instant};

use hallpass::store::{Database, PostgresServer};

use crate::app::{EMAIL, PASSWORD, TestApp, config, on_each_store, text};

/// From here on nothing more fits.
async fn fill(app: &TestApp) {
    match app.authority.database() {
        // Not fewer than there are: SQLite takes the present size then.
        Database::Sqlite(_) => app.raw_sql("PRAGMA max_page_count = 1").await,
        Database::Postgres(_) => {
            let trigger = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON session FOR EACH ROW EXECUTE FUNCTION full_disk()";
            app.raw_sql(trigger).await;
        }
    }
}

async fn make_room(app: &TestApp) {
    match app.authority.database() {
        Database::Sqlite(_) => app.raw_sql("PRAGMA max_page_count = 1000000").await,
        Database::Postgres(_) => app.raw_sql("DROP TRIGGER full_disk ON session").await,
    }
}

on_each_store! {
    async fn l12_a_full_disk_is_503_to_who_logs_in_and_nothing_to_who_is_logged_in(app: TestApp) {
        let token = app.token().await;
        fill(&app).await;
        let mut refused = None;
        // The last page of a file has room for some.
        for _ in 0..200 {
            let answer = app.login(EMAIL, PASSWORD).await;
            match answer.status().as_u16() {
                200 => {}
                _ => {
                    refused = Some(answer);
                    break;
                }
            }
        }
        let refused = refused.expect("a login for which there is no room");
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        let body = refused.text().await.unwrap();
        assert!(!body.contains("space") && !body.contains("full"), "{body}");
        assert_eq!(app.me(&token).await, 200);
        make_room(&app).await;
        app.assert_sound().await;
    }

    async fn l15_a_failed_over_server_that_is_still_read_only_is_503_and_a_wrong_password_is_not_told_apart(app: TestApp) {
        let session = app.session().await;
        let trigger = match app.authority.database() {
            Database::Sqlite(_) => "CREATE TRIGGER read_only BEFORE UPDATE ON session BEGIN SELECT RAISE(ABORT, 'read only'); END",
            Database::Postgres(_) => "CREATE FUNCTION read_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'read only' USING ERRCODE = '25006'; END $$;
                CREATE TRIGGER read_only BEFORE UPDATE ON session FOR EACH ROW EXECUTE FUNCTION read_only()",
        };
        app.raw_sql(trigger).await;
        let refresh = text(&session, "refresh_token");
        assert_eq!(app.refresh(&refresh).await.status(), 503);
        assert_eq!(app.me(&text(&session, "access_token")).await, 200);
        match app.authority.database() {
            Database::Sqlite(_) => app.raw_sql("DROP TRIGGER read_only").await,
            Database::Postgres(_) => app.raw_sql("DROP TRIGGER read_only ON session").await,
        }
        assert_eq!(app.refresh(&refresh).await.status(), 200, "it was not used up");
    }

    async fn l21_a_database_whose_clock_is_weeks_off_decides_nothing(app: TestApp) {
        // The clock of the service stands in 2027, that of the database does not.
        if let Database::Postgres(PostgresServer { pool, .. }) = app.authority.database() {
            let theirs: i64 = sqlx::query_scalar("SELECT CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)").fetch_one(pool).await.unwrap();
            assert!((theirs - app.clock.now()).abs() > 3600, "this proves nothing from that day on");
        }
        let session = app.session().await;
        assert_eq!(app.me(&text(&session, "access_token")).await, 200);
        let again = app.refresh(&text(&session, "refresh_token")).await;
        assert_eq!(again.status(), 200);
        let again: serde_json::Value = again.json().await.unwrap();
        let logout = app.client.post(app.url("/logout")).bearer_auth(text(&again, "access_token")).send().await.unwrap();
        assert_eq!(logout.status(), 204);
        assert_eq!(app.me(&text(&again, "access_token")).await, 401);
    }

    async fn n10_a_clock_that_was_an_hour_ahead_for_a_while_has_cost_nobody_the_session(app: TestApp) {
        let (idle, busy) = (app.session().await, app.session().await);
        app.clock.advance(3600);
        assert_eq!(app.me(&text(&idle, "access_token")).await, 401, "expired");
        let ahead = app.refresh(&text(&busy, "refresh_token")).await;
        assert_eq!(ahead.status(), 200);
        let ahead: serde_json::Value = ahead.json().await.unwrap();
        while app.authority.sweep_sessions().await.unwrap() || app.authority.sweep_audit().await.unwrap() {}
        app.clock.advance(-3600);
        assert_eq!(app.me(&text(&idle, "access_token")).await, 200, "and it is not expired any more");
        for session in [&idle, &ahead] {
            assert_eq!(app.refresh(&text(session, "refresh_token")).await.status(), 200);
        }
        app.assert_sound().await;
    }
}

#[actix_web::test]
async fn l18_a_deny_list_that_cannot_be_loaded_keeps_a_replica_from_being_ready_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let database = Database::open(&url, 2).unwrap();
    database.migrate().await.unwrap();
    let sql = async |sql: &'static str| match &database {
        Database::Sqlite(file) => drop(sqlx::raw_sql(sql).execute(&file.writer).await.unwrap()),
        Database::Postgres(_) => unreachable!(),
    };
    sql("ALTER TABLE revocation RENAME TO elsewhere").await;
    let service = hallpass::serve::service(&config(&url), hallpass::clock::Clock::System).unwrap();
    let (address, handle) = (service.address, service.server.handle());
    let running = actix_web::rt::spawn(service.run());
    let status = async |path: &str| reqwest::get(format!("http://{address}{path}")).await.unwrap().status().as_u16();
    for _ in 0..15 {
        assert_eq!((status("/livez").await, status("/readyz").await), (200, 503));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sql("ALTER TABLE elsewhere RENAME TO revocation").await;
    let until = Instant::now() + Duration::from_secs(30);
    while status("/readyz").await != 200 {
        assert!(Instant::now() < until, "it must recover without a restart");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    handle.stop(false).await;
    running.await.unwrap().unwrap();
}
