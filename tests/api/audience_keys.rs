//! A key for each audience: what the service signs, only that audience's key verifies, and that key makes tokens for no other.

use hallpass::config::Config;
use hallpass::token::{AccessToken, Claims, InvalidToken, KeyRing, Signer, Verifier};
use serde_json::json;

use crate::app::{EMAIL, ISSUER, PASSWORD, TestApp, claims, on_each_store, text};

const SECRET: &str = "base64url:C1Sd5i94wQpTnOUud8AJUpvkLXa_CFGa4yx1vgdQmeIrdL0GT5jh";

fn audience_keys(config: &mut Config) {
    config.keys.secret = Some(SECRET.into());
    config.token.audience = vec!["orders".to_owned()];
    config.token.per_audience_keys = true;
}

fn master() -> KeyRing {
    KeyRing::from_secret(SECRET).unwrap()
}

fn of(audience: &str) -> KeyRing {
    master().for_audience(audience).unwrap()
}

/// What a service that is called `audience` and holds these keys makes of a token.
fn verified(keys: KeyRing, audience: &str, token: &str, app: &TestApp) -> Result<AccessToken, InvalidToken> {
    Verifier::new(keys, ISSUER, &[audience]).unwrap().verify(token, app.clock.now())
}

fn forged(keys: &KeyRing, audience: &str, now: i64) -> String {
    let aud = [audience.to_owned()];
    let claims = Claims {
        iss: ISSUER,
        sub: "cli_mallory",
        aud: &aud,
        exp: now + 60,
        iat: now,
        jti: "forged",
        client_id: "cli_mallory",
        scope: "hallpass:admin",
        login: None,
    };
    Signer::new(keys).unwrap().sign(&claims).unwrap()
}

on_each_store! {
    async fn a46_only_the_key_of_its_audience_verifies_a_token(app: TestApp, audience_keys) {
        let token = app.token().await;
        assert!(verified(of("orders"), "orders", &token, &app).is_ok());
        // Even a verifier that was told to believe tokens for orders.
        for keys in [of("billing"), master(), of("order"), of("orders").for_audience("orders").unwrap()] {
            assert_eq!(verified(keys, "orders", &token, &app).unwrap_err(), InvalidToken::Signature);
        }
    }

    async fn a46_the_key_of_one_audience_makes_no_token_for_another(app: TestApp, audience_keys) {
        let now = app.clock.now();
        assert!(verified(of("orders"), "orders", &forged(&of("orders"), "orders", now), &app).is_ok());
        let token = forged(&of("orders"), "billing", now);
        assert_eq!(verified(of("billing"), "billing", &token, &app).unwrap_err(), InvalidToken::Signature);
        // And those of the ring itself or of another audience open nothing here, whatever they say.
        for keys in [master(), of("billing"), of("hallpass")] {
            for audience in ["orders", "billing", "hallpass"] {
                assert_eq!(app.me(&forged(&keys, audience, now)).await, 401);
            }
        }
        assert_eq!(app.me(&forged(&of("orders"), "billing", now)).await, 401);
    }

    async fn with_keys_of_audiences_the_service_believes_its_own_tokens_everywhere(app: TestApp, audience_keys) {
        let session = app.session().await;
        let token = text(&session, "access_token");
        assert_eq!(app.me(&token).await, 200);
        for path in ["/account", "/sessions", "/auth/verify?scope=a"] {
            assert_eq!(app.get(path).bearer_auth(&token).send().await.unwrap().status(), 200, "{path}");
        }
        let machine = app.machine("watcher", "hallpass:introspect hallpass:revocations").await;
        let told: serde_json::Value = app.introspect(&machine, &token).await.json().await.unwrap();
        assert_eq!((&told["active"], &told["aud"]), (&true.into(), &claims(&token)["aud"]));
        let machine_token = app.machine_token(&machine).await;
        assert_eq!(app.get("/revocations").bearer_auth(&machine_token).send().await.unwrap().status(), 200);
        assert_eq!(app.revoke(&machine, &machine_token).await.status(), 200);
        assert_eq!(app.get("/revocations").bearer_auth(&machine_token).send().await.unwrap().status(), 401);

        let stepped = app.client.post(app.url("/step-up")).bearer_auth(&token).json(&json!({ "password": PASSWORD })).send().await.unwrap();
        assert_eq!(stepped.status(), 200);
        let refreshed = app.refresh(&text(&session, "refresh_token")).await;
        assert_eq!(refreshed.status(), 200);
        let refreshed: serde_json::Value = refreshed.json().await.unwrap();
        // An old one still ends its session.
        app.clock.advance(3600);
        assert_eq!(app.me(&token).await, 401);
        assert_eq!(app.client.post(app.url("/logout")).bearer_auth(&token).send().await.unwrap().status(), 204);
        assert_eq!(app.refresh(&text(&refreshed, "refresh_token")).await.status(), 401);
        assert_eq!(app.login(EMAIL, PASSWORD).await.status(), 200);
    }

    async fn what_is_sealed_or_computed_from_the_ring_does_not_change_with_the_setting(app: TestApp, audience_keys) {
        let (session, token) = (app.session().await, app.token().await);
        // The same service, with the setting turned off.
        let plain = app.replica(|config| config.token.per_audience_keys = false).await;
        let url = format!("http://{}", plain.address);
        let me = app.client.get(format!("{url}/me")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(me.status(), 401);
        let body = json!({ "refresh_token": text(&session, "refresh_token") });
        let refreshed = app.client.post(format!("{url}/refresh")).json(&body).send().await.unwrap();
        assert_eq!(refreshed.status(), 200);
        let refreshed: serde_json::Value = refreshed.json().await.unwrap();
        let plainly = text(&refreshed, "access_token");
        assert!(verified(master(), "orders", &plainly, &app).is_ok() && verified(of("orders"), "orders", &plainly, &app).is_err());
        plain.handle.stop(false).await;
    }
}
