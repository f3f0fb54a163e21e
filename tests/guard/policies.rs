//! Each requirement of a [`Policy`], in an extractor and in the middleware, with the exact challenge of its refusal.

use std::time::Duration;

use actix_web::web;
use hallpass::guard::testing::TestIssuer;
use hallpass::guard::{Policy, Protect, Require};

use crate::wire::{Server, serve};

struct Scoped;
impl Policy for Scoped {
    const SCOPE: &'static str = "orders:read orders:write";
}
struct Roled;
impl Policy for Roled {
    const ROLE: Option<&'static str> = Some("admin");
}
struct Person;
impl Policy for Person {
    const PERSON: bool = true;
}
struct Fresh;
impl Policy for Fresh {
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(300));
}
struct Strong;
impl Policy for Strong {
    const ACR: Option<&'static str> = Some("2");
}
struct Everything;
impl Policy for Everything {
    const SCOPE: &'static str = "orders:refund";
    const ROLE: Option<&'static str> = Some("admin");
    const PERSON: bool = true;
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(300));
    const ACR: Option<&'static str> = Some("2");
}

/// `/extracted` and `/wrapped`, both under `P`.
fn under<P: Policy>(issuer: &TestIssuer) -> Server {
    let guard = issuer.guard();
    serve(1, move |config| {
        let wrapped = web::scope("/wrapped").wrap(Protect::<P>::new()).route("", web::get().to(|| async { "reached" }));
        config.app_data(guard.clone()).route("/extracted", web::get().to(|_: Require<P>| async { "reached" })).service(wrapped);
    })
}

#[track_caller]
fn passes(server: &Server, token: &str) {
    for path in ["/extracted", "/wrapped"] {
        assert_eq!(server.get_with(path, token).body, "reached", "{path}");
    }
}

#[track_caller]
fn refused(server: &Server, token: &str, expected: (u16, &str, &str)) {
    for path in ["/extracted", "/wrapped"] {
        let answer = server.get_with(path, token);
        let (status, code, challenge) = answer.refusal();
        assert_eq!((status, code.as_str(), challenge), expected, "{path}");
    }
}

#[test]
fn a_scope_that_is_not_granted_is_named() {
    let issuer = TestIssuer::new();
    let server = under::<Scoped>(&issuer);
    passes(&server, &issuer.person("usr_1").scope("orders:write other orders:read").sign());
    passes(&server, &issuer.client("cli_1").scope("orders:read orders:write").sign());
    let expected = (403, "insufficient_scope", r#"Bearer realm="hallpass", error="insufficient_scope", scope="orders:read orders:write""#);
    for scope in ["", "orders:read", "orders:write", "orders", "orders:reader orders:write", "ORDERS:READ ORDERS:WRITE"] {
        refused(&server, &issuer.person("usr_1").scope(scope).sign(), expected);
    }
}

#[test]
fn a_role_that_is_missing_is_not_named() {
    let issuer = TestIssuer::new();
    let server = under::<Roled>(&issuer);
    passes(&server, &issuer.person("usr_1").roles(&["clerk", "admin"]).sign());
    let expected = (403, "insufficient_scope", r#"Bearer realm="hallpass", error="insufficient_scope""#);
    for roles in [&[][..], &["Admin"], &["adm"], &["administrator", "admin "]] {
        refused(&server, &issuer.person("usr_1").roles(roles).sign(), expected);
    }
    refused(&server, &issuer.person("admin").scope("admin").sign(), expected);
}

#[test]
fn a45_a_client_does_not_pass_for_a_person() {
    let issuer = TestIssuer::new();
    let server = under::<Person>(&issuer);
    passes(&server, &issuer.person("usr_1").sign());
    let expected = (403, "user_token_required", r#"Bearer realm="hallpass", error="insufficient_scope""#);
    refused(&server, &issuer.client("cli_1").sign(), expected);
    refused(&server, &issuer.client("usr_1").sign(), expected);
}

#[test]
fn g1_g3_a_login_that_is_too_old_or_says_no_time_is_asked_for_again() {
    let issuer = TestIssuer::new();
    let server = under::<Fresh>(&issuer);
    let aged = |seconds| issuer.person("usr_1").authenticated_ago(Duration::from_secs(seconds)).sign();
    passes(&server, &aged(0));
    passes(&server, &aged(300));
    let expected =
        (401, "insufficient_user_authentication", r#"Bearer realm="hallpass", error="insufficient_user_authentication", max_age="300""#);
    refused(&server, &aged(301), expected);
    refused(&server, &issuer.person("usr_1").without("auth_time").sign(), expected);
    refused(&server, &issuer.client("cli_1").sign(), expected);
    let token = aged(290);
    issuer.clock().advance(10);
    passes(&server, &token);
    issuer.clock().advance(1);
    refused(&server, &token, expected);
}

#[test]
fn g3_a_login_that_is_too_weak_or_says_nothing_is_asked_for_again() {
    let issuer = TestIssuer::new();
    let server = under::<Strong>(&issuer);
    passes(&server, &issuer.person("usr_1").claim("acr", "2").sign());
    passes(&server, &issuer.person("usr_1").claim("acr", "3").sign());
    let expected =
        (401, "insufficient_user_authentication", r#"Bearer realm="hallpass", error="insufficient_user_authentication", acr_values="2""#);
    for weak in ["0", "1", "10", "22", "two"] {
        refused(&server, &issuer.person("usr_1").claim("acr", weak).sign(), expected);
    }
    refused(&server, &issuer.person("usr_1").without("acr").sign(), expected);
}

#[test]
fn what_a_new_login_cannot_mend_is_said_first() {
    let issuer = TestIssuer::new();
    let server = under::<Everything>(&issuer);
    let fresh = || issuer.person("usr_1").scope("orders:refund").roles(&["admin"]).claim("acr", "2");
    passes(&server, &fresh().sign());
    let old = || fresh().authenticated_ago(Duration::from_secs(3000)).claim("acr", "1");
    let challenge = r#"Bearer realm="hallpass", error="insufficient_user_authentication", acr_values="2", max_age="300""#;
    refused(&server, &old().sign(), (401, "insufficient_user_authentication", challenge));
    refused(&server, &old().roles(&[]).sign(), (403, "insufficient_scope", r#"Bearer realm="hallpass", error="insufficient_scope""#));
    let scope = r#"Bearer realm="hallpass", error="insufficient_scope", scope="orders:refund""#;
    refused(&server, &old().scope("").roles(&[]).sign(), (403, "insufficient_scope", scope));
    refused(
        &server,
        &issuer.client("cli_1").sign(),
        (403, "user_token_required", r#"Bearer realm="hallpass", error="insufficient_scope""#),
    );
}

#[test]
fn tokens_for_tests_are_as_real_as_any() {
    let issuer = TestIssuer::new();
    let server = under::<hallpass::guard::Anyone>(&issuer);
    passes(&server, &issuer.person("usr_1").sign());
    passes(&server, &issuer.client("cli_1").sign());
    let invalid =
        (401, "invalid_token", r#"Bearer realm="hallpass", error="invalid_token", error_description="The access token is invalid""#);
    let expired =
        (401, "invalid_token", r#"Bearer realm="hallpass", error="invalid_token", error_description="The access token has expired""#);
    refused(&server, &TestIssuer::new().person("usr_1").sign(), invalid);
    refused(&server, &issuer.person("usr_1").claim("aud", "other").sign(), invalid);
    refused(&server, &issuer.person("usr_1").without("jti").sign(), invalid);
    refused(&server, &issuer.person("usr_1").expired().sign(), expired);
    let token = issuer.person("usr_1").sign();
    issuer.clock().advance(304);
    passes(&server, &token);
    issuer.clock().advance(1);
    refused(&server, &token, expired);
}
