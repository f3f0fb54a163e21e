//! More than can be done: group M of the threats. The figures are in docs/benchmarks.md; here only what must hold on any machine.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::app::{EMAIL, PASSWORD, on_each_store};

on_each_store! {
    async fn m1_m2_m4_m8_of_300_logins_at_once_each_is_answered_or_503_and_probes_and_tokens_go_on(app: TestApp, |config| {
        config.password.bcrypt_cost = 9;
        config.password.hash_threads = 2;
        config.password.queue_timeout = Duration::from_millis(200);
        config.limits.account_free_failures = 1000;
    }) {
        let token = app.token().await;
        let logins = join_all((0..300).map(|n| {
            // m4: a third asks for accounts that do not exist, and waits in the same queue.
            let email = if n % 3 == 0 { "nobody@example.com" } else { EMAIL };
            app.login(email, PASSWORD)
        }));
        let others = async {
            let mut statuses = Vec::new();
            for _ in 0..20 {
                statuses.push(app.get("/livez").send().await.unwrap().status().as_u16());
                statuses.push(app.get("/me").bearer_auth(&token).send().await.unwrap().status().as_u16());
            }
            statuses
        };
        let (logins, others) = tokio::join!(logins, others);
        assert!(others.iter().all(|status| *status == 200), "{others:?}");
        let mut refused = 0;
        for response in logins {
            match response.status().as_u16() {
                200 | 401 => (),
                503 => {
                    refused += 1;
                    assert!(response.headers().contains_key("retry-after"));
                    assert_eq!(response.json::<Value>().await.unwrap()["code"], "temporarily_unavailable");
                }
                other => panic!("{other}"),
            }
        }
        assert!(refused > 0, "the queue is bounded");
        // m8: when the flood is over, everything is as before.
        app.assert_sound().await;
    }
}

on_each_store! {
    async fn c33_who_hangs_up_while_waiting_is_not_hashed(app: TestApp, |config| {
        config.password.bcrypt_cost = 10;
        config.password.hash_threads = 1;
        config.password.queue_timeout = Duration::from_secs(20);
        config.limits.account_free_failures = 1000;
    }) {
        use tokio::io::AsyncWriteExt as _;

        let before = app.authority.hashed_rounds();
        let body = serde_json::json!({ "email": "nobody@example.com", "password": PASSWORD }).to_string();
        let request = format!("POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let mut callers = Vec::new();
        for _ in 0..20 {
            let mut stream = app.connect().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            callers.push(stream);
        }
        while app.authority.waiting_for_hashes() < 15 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(callers);
        while app.authority.waiting_for_hashes() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Somebody who stays is next, and of the twenty only those were hashed whose turn had come before they left.
        assert_eq!(app.login("nobody@example.com", PASSWORD).await.status(), 401);
        let hashed = (app.authority.hashed_rounds() - before) >> 10;
        assert!(hashed <= 7, "{hashed} hashes were made");
    }
}
