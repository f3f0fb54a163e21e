//! More than can be done: group M of the threats. The figures are in docs/benchmarks.md; here only what must hold on any machine.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::app::{EMAIL, PASSWORD, on_each_store};

on_each_store! {
    async fn m1_m2_of_300_logins_at_once_each_is_answered_or_503_and_probes_and_tokens_go_on(app: TestApp, |config| {
        config.password.bcrypt_cost = 9;
        config.password.hash_threads = 2;
        config.password.queue_timeout = Duration::from_millis(200);
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
