//! `examples/orders`, a service that follows the deny list, against a hallpass that comes and goes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use hallpass::follower::{Follow, Follower};
use hallpass::guard::WhenStale;
use hallpass::token::Verifier;
use reqwest::Response;
use serde_json::{Value, json};

use crate::app::{ISSUER, TestApp, on_each_store, text};
use crate::proxy::Proxy;

#[path = "../../examples/orders/app.rs"]
mod service;

/// The service, with a line to hallpass that can be cut.
struct Orders {
    address: SocketAddr,
    follower: Follower,
    line: Proxy,
    handle: ServerHandle,
}

impl Orders {
    async fn start(app: &TestApp, when_stale: WhenStale) -> Self {
        let line = Proxy::to("127.0.0.1", app.address.port()).await;
        Self::start_over(app, when_stale, line).await
    }

    async fn start_over(app: &TestApp, when_stale: WhenStale, line: Proxy) -> Self {
        let machine = app.machine("orders", "hallpass:revocations").await;
        app.raw_sql("UPDATE account SET scopes = 'orders:read orders:write'").await;
        let verifier = Verifier::new(app.key_ring(), ISSUER, &["hallpass"]).unwrap();
        let follow = Follow::new(&verifier, &format!("http://{}", line.address()), &machine.id, &machine.secret);
        let follow = follow.when_stale(when_stale).stale_after(Duration::from_secs(3)).with_clock(app.clock.clone().into());
        let follower = follow.start().unwrap();
        let (guard, freshness) =
            (service::guard(verifier, follower.freshness()).with_clock(app.clock.clone().into()), Data::new(follower.freshness()));
        let orders = Data::new(service::Orders::default());
        let server = HttpServer::new(move || {
            App::new().app_data(guard.clone()).app_data(freshness.clone()).app_data(orders.clone()).configure(service::routes)
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { address, follower, line, handle }
    }

    async fn ask(&self, app: &TestApp, token: &str) -> Response {
        app.client.get(format!("http://{}/orders", self.address)).bearer_auth(token).send().await.unwrap()
    }

    async fn status(&self, app: &TestApp, token: &str) -> u16 {
        self.ask(app, token).await.status().as_u16()
    }

    async fn status_becomes(&self, app: &TestApp, token: &str, expected: u16) {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match self.status(app, token).await {
                status if status == expected => return,
                status => assert!(Instant::now() < until, "it stays {status} and does not become {expected}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_stale(&self, app: &TestApp) -> bool {
        let status: Value = app.client.get(format!("http://{}/status", self.address)).send().await.unwrap().json().await.unwrap();
        status["is_stale"].as_bool().unwrap()
    }

    async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn log_out(app: &TestApp, token: &str) {
    assert_eq!(app.client.post(app.url("/logout")).bearer_auth(token).send().await.unwrap().status(), 204);
}

on_each_store! {
    async fn each_route_asks_for_what_it_needs_and_refuses_in_its_own_words(app: TestApp) {
        let orders = Orders::start(&app, WhenStale::Serve).await;
        let token = app.token().await;
        let url = |path: &str| format!("http://{}{path}", orders.address);
        let added = app.client.post(url("/orders")).bearer_auth(&token).json(&json!({ "item": "tea" })).send().await.unwrap();
        assert_eq!(added.status(), 201);
        assert_eq!(orders.ask(&app, &token).await.json::<Value>().await.unwrap(), json!([{ "item": "tea" }]));
        let support = app.client.get(url("/support/orders")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(support.status(), 403);
        let refused = app.client.get(url("/orders")).send().await.unwrap();
        assert_eq!((refused.status().as_u16(), &refused.headers()["www-authenticate"]), (401, &r#"Bearer realm="hallpass""#.parse().unwrap()));
        assert_eq!(refused.json::<Value>().await.unwrap(), json!({ "error": { "reason": "missing_token", "text": "This needs an access token." } }));
        let session = app.session().await;
        app.clock.advance(301);
        let aged = text(&app.refresh(&text(&session, "refresh_token")).await.json().await.unwrap(), "access_token");
        let cancel = |token: String| app.client.delete(url("/orders/0")).bearer_auth(token).send();
        assert_eq!(cancel(aged).await.unwrap().status(), 401, "the login is too old");
        assert_eq!(cancel(app.token().await).await.unwrap().status(), 204);
        orders.stop().await;
    }

    async fn n6_who_logs_out_at_hallpass_is_refused_by_a_service_that_follows_it(app: TestApp) {
        let early = app.token().await;
        log_out(&app, &early).await;
        let orders = Orders::start(&app, WhenStale::Serve).await;
        orders.follower.caught_up().await;
        assert_eq!(orders.status(&app, &early).await, 401, "what was revoked before it started");
        let (token, other) = (app.token().await, app.token().await);
        assert_eq!((orders.status(&app, &token).await, orders.status(&app, &other).await), (200, 200));
        log_out(&app, &token).await;
        orders.status_becomes(&app, &token, 401).await;
        assert_eq!(orders.status(&app, &other).await, 200, "and nobody else");
        let account = app.authority.accounts().by_email(crate::app::EMAIL).await.unwrap();
        app.authority.accounts().disable(&account).await.unwrap();
        orders.status_becomes(&app, &other, 401).await;
        orders.stop().await;
    }

    async fn l1_n8_without_hallpass_it_goes_on_and_when_hallpass_is_back_nothing_was_forgotten(app: TestApp) {
        let orders = Orders::start(&app, WhenStale::Serve).await;
        orders.follower.caught_up().await;
        let (before, during, never) = (app.token().await, app.token().await, app.token().await);
        log_out(&app, &before).await;
        orders.status_becomes(&app, &before, 401).await;
        orders.line.cut();
        log_out(&app, &during).await;
        let until = Instant::now() + Duration::from_secs(30);
        while !orders.is_stale(&app).await {
            assert!(Instant::now() < until, "it must be seen that nothing is heard");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for (token, expected) in [(&before, 401), (&never, 200), (&during, 200)] {
            assert_eq!(orders.status(&app, token).await, expected);
        }
        orders.line.pass();
        orders.status_becomes(&app, &during, 401).await;
        assert_eq!((orders.status(&app, &before).await, orders.status(&app, &never).await), (401, 200));
        assert!(!orders.is_stale(&app).await);
        orders.stop().await;
    }

    async fn who_asked_for_it_gets_503_while_nothing_is_heard(app: TestApp) {
        let line = Proxy::to("127.0.0.1", app.address.port()).await;
        line.cut();
        let orders = Orders::start_over(&app, WhenStale::Refuse, line).await;
        let token = app.token().await;
        assert_eq!(orders.status(&app, &token).await, 503, "before it was complete for the first time");
        orders.line.pass();
        orders.follower.caught_up().await;
        assert_eq!(orders.status(&app, &token).await, 200);
        orders.line.hang();
        orders.status_becomes(&app, &token, 503).await;
        let response = orders.ask(&app, &token).await;
        assert_eq!((&response.headers()["retry-after"], response.headers().contains_key("www-authenticate")), (&"3".parse().unwrap(), false));
        assert_eq!(response.json::<Value>().await.unwrap()["error"]["reason"], "temporarily_unavailable");
        assert_eq!(orders.status(&app, &format!("{token}x")).await, 401, "a bad token is none, fresh or stale");
        orders.line.pass();
        orders.status_becomes(&app, &token, 200).await;
        orders.stop().await;
    }
}
