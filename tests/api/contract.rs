//! What every answer has, whatever was asked.

use serde_json::Value;

use crate::app::on_each_store;

/// Every path with the methods it has; what the exposure test walks over.
pub const ROUTES: [(&str, &str); 32] = [
    ("/login", "POST"),
    ("/refresh", "POST"),
    ("/logout", "POST"),
    ("/me", "GET, HEAD"),
    ("/account", "GET, HEAD"),
    ("/account/password", "POST"),
    ("/step-up", "POST"),
    ("/account/otp", "POST, DELETE"),
    ("/account/otp/confirm", "POST"),
    ("/sessions", "GET, HEAD"),
    ("/sessions/{id}", "DELETE"),
    ("/revocations", "GET, HEAD"),
    ("/register", "POST"),
    ("/admin/users", "GET, HEAD, POST"),
    ("/admin/users/{sub}", "GET, HEAD, PATCH, DELETE"),
    ("/admin/users/{sub}/logout", "POST"),
    ("/admin/users/{sub}/password", "POST"),
    ("/admin/users/{sub}/otp", "DELETE"),
    ("/admin/clients", "GET, HEAD, POST"),
    ("/admin/clients/{id}", "PATCH, DELETE"),
    ("/admin/clients/{id}/secret", "POST"),
    ("/admin/audit", "GET, HEAD"),
    ("/oauth/token", "POST"),
    ("/oauth/introspect", "POST"),
    ("/oauth/revoke", "POST"),
    ("/.well-known/oauth-authorization-server", "GET, HEAD"),
    ("/livez", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
    ("/healthz", "GET, HEAD"),
    ("/metrics", "GET, HEAD"),
    ("/openapi.json", "GET, HEAD"),
    ("/docs", "GET, HEAD"),
];

on_each_store! {
    async fn e25_o10_every_answer_has_the_headers_of_the_contract(app: TestApp) {
        for path in ["/me", "/livez", "/readyz", "/login", "/nothing/here"] {
            let response = app.get(path).send().await.unwrap();
            let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
            assert_eq!(header("referrer-policy").as_deref(), Some("no-referrer"), "{path}");
            assert_eq!(header("content-security-policy").as_deref(), Some("default-src 'none'; frame-ancestors 'none'"), "{path}");
            assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{path}");
            assert_eq!(header("server"), None, "o10 {path}");
            assert_eq!(header("x-request-id").unwrap().len(), 36, "{path}");
        }
    }

    async fn o9_the_request_id_is_the_callers_if_harmless_and_stands_in_problems(app: TestApp) {
        for (sent, kept) in [("abc-123", true), ("a_b", false), ("x y", false)] {
            let response = app.get("/me").header("x-request-id", sent).send().await.unwrap();
            let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
            assert_eq!(id == sent, kept);
            assert_eq!(response.json::<Value>().await.unwrap()["request_id"], id);
        }
    }

    async fn i24_i25_problems_are_of_one_form_whatever_is_asked_for(app: TestApp) {
        for (path, status, code) in [("/me", 401, "missing_token"), ("/nothing", 404, "not_found"), ("/login", 405, "method_not_allowed")] {
            let response = app.get(path).header("accept", "text/html").send().await.unwrap();
            assert_eq!(response.headers()["content-type"], "application/problem+json", "i24 {path}");
            let problem: Value = response.json().await.unwrap();
            assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(status), Some(code)), "{path}");
            assert_eq!(problem["type"], format!("urn:hallpass:error:{code}"));
            assert!(problem["title"].as_str().unwrap().ends_with('.'));
        }
    }

    async fn i15_i14_a_wrong_method_is_405_with_allow_and_echoes_nothing(app: TestApp, |config| config.registration.enabled = true) {
        for (path, allow) in ROUTES {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get"] {
                if allow.split(", ").any(|allowed| allowed == method) {
                    continue;
                }
                let request = app.client.request(reqwest::Method::from_bytes(method.as_bytes()).unwrap(), app.url(path)).header("x-secret", "echo-me");
                let response = request.send().await.unwrap();
                assert_eq!(response.status(), 405, "{method} {path}");
                assert_eq!(response.headers()["allow"], allow, "{method} {path}");
                assert!(!response.text().await.unwrap().contains("echo-me"));
            }
            // No client lets us ask for this.
            let answer = app.raw(format!("CONNECT {path} HTTP/1.1\r\nhost: x\r\nx-secret: echo-me\r\nconnection: close\r\n\r\n")).await;
            assert_eq!(crate::raw::status(&answer), 405, "CONNECT {path}: {answer}");
            assert!(answer.contains(&format!("allow: {allow}\r\n")) && !answer.contains("echo-me"), "CONNECT {path}: {answer}");
        }
    }

    async fn exposure_every_route_is_public_by_the_list_or_refuses_without_a_credential(app: TestApp, |config| config.registration.enabled = true) {
        for path in hallpass::endpoints::PUBLIC {
            assert!(ROUTES.iter().any(|(known, _)| *known == path), "{path}");
        }
        for (path, allow) in ROUTES {
            for method in allow.split(", ") {
                let response = app.client.request(method.parse().unwrap(), app.url(path)).send().await.unwrap();
                let public = hallpass::endpoints::PUBLIC.contains(&path);
                assert_eq!(response.status() == 401, !public, "{method} {path}");
            }
        }
    }

    async fn probes_answer(app: TestApp) {
        for path in ["/livez", "/healthz", "/readyz"] {
            let response = app.get(path).send().await.unwrap();
            assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (200, r#"{"status":"ok"}"#), "{path}");
        }
    }
}
