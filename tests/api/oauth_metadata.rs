//! `GET /.well-known/oauth-authorization-server`: F27 and F28 of the threats.

use serde_json::{Value, json};

use crate::app::{ISSUER, on_each_store};

const PATH: &str = "/.well-known/oauth-authorization-server";

on_each_store! {
    async fn f27_the_metadata_follow_from_the_issuer_and_from_no_header(app: TestApp) {
        let plain = app.get(PATH).send().await.unwrap();
        assert_eq!(plain.headers()["content-type"], "application/json");
        let metadata: Value = plain.json().await.unwrap();
        assert_eq!(metadata["issuer"], ISSUER);
        let forged = app.get(&format!("{PATH}?issuer=https://evil.example"))
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "host=evil.example;proto=http");
        assert_eq!(forged.send().await.unwrap().json::<Value>().await.unwrap(), metadata);
        assert_eq!(app.client.head(app.url(PATH)).send().await.unwrap().status(), 200);
    }

    async fn f27_only_what_is_there_is_named(app: TestApp) {
        let metadata: Value = app.get(PATH).send().await.unwrap().json().await.unwrap();
        for (name, value) in metadata.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint")) {
            let path = value.as_str().unwrap().strip_prefix(ISSUER).unwrap();
            assert_eq!(app.form(path, &[("grant_type", "client_credentials")]).send().await.unwrap().status(), 401, "{name}");
        }
        assert_eq!(metadata["grant_types_supported"], json!(["client_credentials", "refresh_token"]));
        assert_eq!(metadata["response_types_supported"], json!([]));
        for absent in ["jwks_uri", "authorization_endpoint", "registration_endpoint", "userinfo_endpoint"] {
            assert!(metadata.get(absent).is_none(), "{absent}");
        }
    }

    async fn f28_no_key_is_ever_published(app: TestApp) {
        for path in ["/.well-known/jwks.json", "/jwks", "/.well-known/openid-configuration", "/oauth/jwks"] {
            let response = app.get(path).send().await.unwrap();
            assert_eq!(response.status(), 404, "{path}");
            assert!(!response.text().await.unwrap().contains("oct"));
        }
    }
}
