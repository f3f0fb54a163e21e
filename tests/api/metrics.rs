//! What an operator can see: O6 and L3 of the threats.

use std::collections::BTreeMap;

use crate::app::{EMAIL, PASSWORD, TestApp, on_each_store, text};

const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub async fn scrape(app: &TestApp) -> String {
    let response = app.get("/metrics").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (200, TYPE));
    response.text().await.unwrap()
}

/// The figures by their name and labels, of a text that is as OpenMetrics has it.
pub fn samples(page: &str) -> BTreeMap<String, f64> {
    assert!(page.ends_with("# EOF\n"));
    let mut samples = BTreeMap::new();
    let mut family = String::new();
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ") {
            family = name.split_once(' ').unwrap().0.to_owned();
        }
        if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(&family) && name.starts_with("hallpass_"), "{line}");
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    samples
}

fn post_form(app: &TestApp, form: &str) -> reqwest::RequestBuilder {
    let request = app.client.post(app.url("/oauth/token")).header("content-type", "application/x-www-form-urlencoded");
    request.body(form.to_owned())
}

async fn grown(app: &TestApp, before: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut now = samples(&scrape(app).await);
    now.retain(|name, value| {
        *value -= before.get(name).copied().unwrap_or_default();
        *value != 0.0
    });
    now
}

on_each_store! {
    async fn what_happens_is_counted_by_route_and_result(app: TestApp, |config| config.limits.account_free_failures = 2) {
        let before = samples(&scrape(&app).await);
        let session = app.session().await;
        for _ in 0..3 {
            app.login(EMAIL, "wrong").await;
        }
        assert_eq!(app.me(&text(&session, "access_token")).await, 200);
        assert_eq!(app.me("x").await, 401);
        let refreshed = app.refresh(&text(&session, "refresh_token")).await;
        assert_eq!(refreshed.status(), 200);
        app.clock.advance(11);
        for _ in 0..2 {
            assert_eq!(app.refresh(&text(&session, "refresh_token")).await.status(), 401);
        }
        assert_eq!(app.me(&text(&session, "access_token")).await, 401);
        let form = "grant_type=client_credentials&client_id=cli_x&client_secret=x";
        assert_eq!(post_form(&app, form).send().await.unwrap().status(), 401);

        let grown = grown(&app, &before).await;
        for (name, count) in [
            (r#"http_requests_total{method="POST",route="/login",status="200"}"#, 1.0),
            (r#"http_requests_total{method="POST",route="/login",status="401"}"#, 2.0),
            (r#"http_requests_total{method="POST",route="/login",status="429"}"#, 1.0),
            (r#"http_requests_total{method="GET",route="/me",status="200"}"#, 1.0),
            (r#"http_requests_total{method="GET",route="/me",status="401"}"#, 2.0),
            (r#"http_request_duration_seconds_count{route="/login"}"#, 4.0),
            (r#"http_request_duration_seconds_bucket{le="+Inf",route="/login"}"#, 4.0),
            (r#"logins_total{result="ok"}"#, 1.0),
            (r#"logins_total{result="invalid_credentials"}"#, 2.0),
            (r#"logins_total{result="too_many_requests"}"#, 1.0),
            (r#"limited_total{limit="account"}"#, 1.0),
            (r#"refreshes_total{result="ok"}"#, 1.0),
            (r#"refreshes_total{result="invalid_refresh_token"}"#, 2.0),
            ("refresh_token_reuses_total", 1.0),
            (r#"client_tokens_total{result="invalid_client"}"#, 1.0),
            (r#"token_verifications_total{result="ok"}"#, 1.0),
            (r#"token_verifications_total{result="not_three_segments"}"#, 1.0),
            (r#"token_verifications_total{result="revoked"}"#, 1.0),
            ("password_hash_seconds_count", 3.0),
            ("password_queue_seconds_count", 3.0),
            ("deny_list_entries", 1.0),
        ] {
            assert_eq!(grown.get(&format!("hallpass_{name}")), Some(&count), "{name}\n{grown:#?}");
        }
        let all = samples(&scrape(&app).await);
        assert_eq!(all[&format!(r#"hallpass_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"))], 1.0);
        assert!(all["hallpass_deny_list_lag_seconds"] < 60.0 && all["hallpass_database_connections_max"] >= 10.0);
        assert!(all[r#"hallpass_database_connections{state="idle"}"#] + all[r#"hallpass_database_connections{state="busy"}"#] > 0.0);
    }

    async fn o6_whatever_strangers_send_the_labels_are_few_and_say_nothing_of_anybody(app: TestApp, |config| config.limits.account_free_failures = 1000) {
        let session = app.session().await;
        let names = |page: &str| samples(page).into_keys().collect::<Vec<_>>();
        let ask = async |n: usize| {
            let path = format!("/nowhere-{n}?access_token={}", text(&session, "access_token"));
            app.client.request(format!("M{n}").parse().unwrap(), app.url(&path)).send().await.unwrap();
            app.get(&format!("/sessions/{n}?q={n}")).send().await.unwrap();
            app.client.delete(app.url(&format!("/sessions/{n}"))).bearer_auth(text(&session, "access_token")).send().await.unwrap();
            app.get(&format!("/auth/verify/{n}?scope=s{n}")).bearer_auth(format!("{n}.{n}.{n}")).send().await.unwrap();
            app.login(&format!("somebody-{n}@example.org"), "wrong").await;
            let form = format!("client_id=cli_{n}&client_secret=hp_cs_x&grant_type=g{n}");
            post_form(&app, &form).header("user-agent", format!("agent-{n}")).send().await.unwrap();
        };
        ask(0).await;
        scrape(&app).await;
        let before = names(&scrape(&app).await);
        for n in 1..30 {
            ask(n).await;
        }
        let page = scrape(&app).await;
        assert_eq!(names(&page), before, "a series for each of what strangers invent would fill the memory");
        let session_id = text(&session, "session_id");
        for secret in ["nowhere", "somebody", "example", "usr_", "cli_", "agent", "127.0.0.1", "M2", "eyJ", "hp_rt_", "$2b$", PASSWORD, &session_id] {
            assert!(!page.contains(secret), "{secret}");
        }
        assert!(page.contains(r#"method="other",route="unmatched",status="404""#) && page.contains(r#"route="/sessions/{id}""#));
    }

    async fn h23_operators_with_an_address_of_their_own_find_metrics_and_probes_there_and_nobody_else_does(
        app: TestApp,
        |config| config.server.ops_listen = Some("127.0.0.1:0".parse().unwrap())
    ) {
        let token = app.token().await;
        assert_eq!(app.get("/metrics").send().await.unwrap().status(), 404);
        let document: serde_json::Value = app.get("/openapi.json").send().await.unwrap().json().await.unwrap();
        assert!(document["paths"].get("/metrics").is_none() && document["paths"].get("/livez").is_some());
        let ops = format!("http://{}", app.ops.unwrap());
        let status = async |path: &str| app.client.get(format!("{ops}{path}")).bearer_auth(&token).send().await.unwrap().status().as_u16();
        for path in ["/metrics", "/livez", "/readyz", "/healthz"] {
            assert_eq!(status(path).await, 200, "{path}");
        }
        for path in ["/me", "/login", "/admin/users", "/auth/verify", "/revocations", "/openapi.json", "/docs"] {
            assert_eq!(status(path).await, 404, "{path}");
        }
        let response = app.client.post(format!("{ops}/metrics")).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["x-content-type-options"].to_str().unwrap()), (405, "nosniff"));
        let page = app.client.get(format!("{ops}/metrics")).send().await.unwrap().text().await.unwrap();
        let counted = samples(&page);
        assert_eq!(counted[r#"hallpass_logins_total{result="ok"}"#], 1.0);
        assert_eq!(counted[r#"hallpass_http_requests_total{method="GET",route="unmatched",status="404"}"#], 8.0);
    }
}

/// The metrics that a text of PromQL names, with their labels.
fn named(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("hallpass_") {
        let rest = &expression[at..];
        let end = rest.find(|char| !is_name(char)).unwrap_or(rest.len());
        let labels = rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let labels = labels.split(',').filter_map(|label| label.split(['=', '!']).next()).map(|label| label.trim().to_owned());
        found.push((rest[..end].to_owned(), labels.filter(|label| !label.is_empty()).collect()));
    }
    found
}

#[actix_web::test]
async fn dashboard_and_alerts_ask_for_metrics_and_labels_that_there_are() {
    let app = TestApp::spawn(crate::app::Store::Sqlite, |_| ()).await.unwrap();
    let keys = app.folder().join("keys.json");
    let made_at = app.clock.now() - 1000;
    let key = serde_json::json!({ "kty": "oct", "alg": "HS256", "kid": "one", "iat": made_at, "k": "MVbAapCCwfLkEREk523QkHHKc2q1EAIQS3OQ6a6y-ZA" });
    std::fs::write(&keys, serde_json::json!({ "keys": [key] }).to_string()).unwrap();
    let replica = app.replica(|config| config.keys = hallpass::config::Keys { file: Some(keys), secret: None }).await;
    let url = format!("http://{}/metrics", replica.address);
    // A first request, which the second scrape counts.
    app.client.get(&url).send().await.unwrap();
    let page = app.client.get(url).send().await.unwrap().text().await.unwrap();
    assert_eq!(samples(&page)["hallpass_signing_key_age_seconds"], 1000.0);
    assert!(page.contains(&format!("hallpass_keys_info{{fingerprint=\"{}\"}} 1", replica.authority.key_summary().fingerprint)));
    // Only there while it is: a full list has one.
    let page = page + "hallpass_deny_list_floor_seconds 1\n";
    let dashboard: serde_json::Value = serde_json::from_str(include_str!("../../deploy/grafana.json")).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(expressions.len() > 20);
    let alerts = include_str!("../../deploy/alerts.yaml");
    assert!(alerts.matches("- alert: ").count() > 8 && alerts.matches("remedy: ").count() == alerts.matches("- alert: ").count());
    let series = |name: &str| page.lines().filter(|line| line.split(['{', ' ']).next() == Some(name)).collect::<Vec<_>>();
    let mut asked = std::collections::BTreeSet::new();
    let rules = alerts.lines().filter(|line| !line.trim_start().starts_with(['#', 's', 'r']));
    for expression in expressions.into_iter().chain(rules) {
        for (name, labels) in named(expression) {
            let series = series(&name);
            assert!(!series.is_empty(), "{expression}: there is no {name}");
            for label in labels.iter().filter(|label| *label != "job") {
                assert!(series.iter().any(|line| line.contains(&format!("{label}=\""))), "{name} has no label {label}");
            }
            asked.insert(name);
        }
    }
    // And every family is shown somewhere.
    for family in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(|line| line.split(' ').next()) {
        assert!(asked.iter().any(|name| name.starts_with(family)), "{family} is on no panel");
    }
    replica.handle.stop(false).await;
    app.stop().await;
}
