//! What no well-behaved client sends: group I of the threats.

use std::time::Duration;

use hallpass::http::envelope;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::app::{EMAIL, PASSWORD, Store, TestApp, on_each_store};
use crate::raw::{read_within, status};

const JSON: &str = "content-type: application/json\r\n";

async fn sqlite() -> TestApp {
    TestApp::spawn(Store::Sqlite, |_| ()).await.unwrap()
}

on_each_store! {
    async fn i19_no_text_of_the_json_test_suite_is_a_login_or_an_error_of_ours(app: TestApp) {
        let Ok(files) = std::fs::read_dir("../shared/vectors/json_parsing") else {
            return eprintln!("left out: ../shared/vectors/json_parsing is not here");
        };
        let mut tried = 0;
        for file in files {
            let path = file.unwrap().path();
            let body = std::fs::read(&path).unwrap();
            let expected = if body.len() > 16 * 1024 { 413 } else { 400 };
            assert_eq!(status(&app.raw_login(JSON, &body).await), expected, "{}", path.display());
            tried += 1;
        }
        assert!(tried > 300, "{tried}");
        app.assert_sound().await;
    }

    async fn i20_i21_naughty_strings_get_an_announced_answer_everywhere(app: TestApp, |config| config.limits.account_free_failures = 1000) {
        let Ok(text) = std::fs::read_to_string("../shared/vectors/blns.json") else {
            return eprintln!("left out: ../shared/vectors/blns.json is not here");
        };
        let strings: Vec<String> = serde_json::from_str(&text).unwrap();
        assert!(strings.len() > 500);
        for string in strings {
            let as_email = app.post_login(&json!({ "email": string, "password": PASSWORD })).send().await.unwrap().status();
            assert_eq!(as_email, 401, "{string:?}");
            let as_password = app.post_login(&json!({ "email": EMAIL, "password": string })).send().await.unwrap().status();
            assert!([400, 401].contains(&as_password.as_u16()), "{string:?}");
            let as_scope = app.post_login(&json!({ "email": EMAIL, "password": PASSWORD, "scope": string })).send().await.unwrap().status();
            assert!(as_scope == 400 || string.is_empty(), "{string:?}");
            if let Ok(value) = reqwest::header::HeaderValue::from_str(&format!("Bearer {string}")) {
                let as_token = app.get("/me").header("authorization", value.clone()).header("x-request-id", value).send().await.unwrap().status();
                assert!([400, 401].contains(&as_token.as_u16()), "{string:?}");
            }
        }
        app.assert_sound().await;
    }
}

#[actix_web::test]
async fn i1_i3_a_head_that_dribbles_or_never_comes_is_408_after_five_seconds() {
    let app = sqlite().await;
    let (mut dribble, mut silent) = (app.connect().await, app.connect().await);
    let started = std::time::Instant::now();
    // Each byte comes long before the time is up, and gives no more of it.
    let head = format!("GET /me HTTP/1.1\r\nhost: x\r\nx-slow: {}", "x".repeat(100));
    let dribbling = async {
        let mut answer = String::new();
        for byte in head.bytes() {
            if !answer.is_empty() || dribble.write_all(&[byte]).await.is_err() {
                break;
            }
            answer = read_within(&mut dribble, Duration::from_millis(500)).await;
        }
        answer + &read_within(&mut dribble, Duration::from_secs(12)).await
    };
    let answers = tokio::join!(dribbling, read_within(&mut silent, Duration::from_secs(12)));
    assert!(started.elapsed() < Duration::from_secs(11), "the connections must end by themselves");
    assert_eq!(status(&answers.0), 408);
    assert!(answers.1.is_empty() || status(&answers.1) == 408, "{}", answers.1);
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn i2_a_body_that_dribbles_is_408_after_ten_seconds() {
    let app = sqlite().await;
    let mut stream = app.connect().await;
    stream.write_all(format!("POST /login HTTP/1.1\r\nhost: x\r\n{JSON}content-length: 30\r\n\r\n{{\"ema").as_bytes()).await.unwrap();
    let answer = read_within(&mut stream, Duration::from_secs(20)).await;
    assert_eq!(status(&answer), 408);
    assert!(answer.contains("\"code\":\"request_timeout\""));
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn i6_a_body_above_16_kib_is_413_declared_or_not() {
    let app = sqlite().await;
    let body = |length: usize| format!("{{\"email\":\"{}\"}}", "x".repeat(length - 12));
    assert_eq!(status(&app.raw_login(JSON, body(16_384).as_bytes()).await), 400);
    assert_eq!(status(&app.raw_login(JSON, body(16_385).as_bytes()).await), 413);
    let chunked = format!(
        "POST /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{JSON}transfer-encoding: chunked\r\n\r\n4001\r\n{}\r\n0\r\n\r\n",
        body(16_385)
    );
    assert_eq!(status(&app.raw(chunked).await), 413);
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn i7_deep_json_is_malformed_not_a_stack_overflow() {
    let app = sqlite().await;
    for depth in [200, 8_000] {
        let deep = format!(r#"{{"email":"{EMAIL}","password":"{PASSWORD}","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(status(&app.raw_login(JSON, deep.as_bytes()).await), 400, "{depth}");
        let deep = format!(r#"{{"email":"{EMAIL}","password":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(status(&app.raw_login(JSON, deep.as_bytes()).await), 400, "{depth}");
    }
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn i8_a_content_encoding_is_not_unpacked() {
    let app = sqlite().await;
    for coding in ["gzip", "br", "zstd", "deflate"] {
        assert_eq!(status(&app.raw_login(&format!("{JSON}content-encoding: {coding}\r\n"), b"\x1f\x8b\x08\0").await), 415, "{coding}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn i9_i10_ambiguous_lengths_are_refused_and_nothing_bleeds_into_the_next_request() {
    let app = sqlite().await;
    let head = |headers: &str| format!("POST /login HTTP/1.1\r\nhost: x\r\n{JSON}{headers}\r\n");
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: -1\r\n",
        "content-length: +30\r\n",
        "transfer-encoding: xchunked\r\n",
    ] {
        let answer = app.raw(format!("{}0\r\n\r\nGET /me HTTP/1.1\r\nhost: x\r\n\r\n", head(headers))).await;
        assert_eq!(status(&answer), 400, "{headers}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers}: {answer}");
    }
    for chunk in ["ZZ\r\n", "fffffffffffffffff\r\nx", "\r\n\r\n"] {
        let answer = app.raw(format!("{}{chunk}", head("transfer-encoding: chunked\r\n"))).await;
        assert!([0, 400].contains(&status(&answer)), "{chunk}: {answer}");
    }
    // The body ends where it says; what follows is another request, with its own lack of a credential.
    let token = app.token().await;
    let first = format!("GET /me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 2\r\n\r\n{{}}");
    let answer = app.raw(format!("{first}GET /me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
    assert_eq!((answer.matches("HTTP/1.1 200").count(), answer.matches("HTTP/1.1 401").count()), (1, 1), "{answer}");
    app.stop().await;
}

#[actix_web::test]
async fn i13_long_targets_and_heads_are_refused() {
    let app = sqlite().await;
    assert_eq!(app.get(&format!("/me?{}", "x".repeat(8_200))).send().await.unwrap().status(), 414);
    assert_eq!(app.get(&format!("/livez?{}", "x".repeat(8_000))).send().await.unwrap().status(), 200);
    for (headers, expected) in [(96, &[200][..]), (97, &[400, 431]), (200, &[400, 431])] {
        let others = (2..headers).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
        let answer = app.raw(format!("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{others}\r\n")).await;
        assert!(expected.contains(&status(&answer)), "{headers} headers: {answer}");
    }
    let huge = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(140_000));
    assert!([0, 400, 431].contains(&status(&app.raw(huge).await)));
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn i16_i25_only_the_exact_path_is_a_route() {
    let app = sqlite().await;
    for path in ["//me", "/me/", "/ME", "/me%00", "/me;a", "/./me", "/x/../me", "/me%2f", "/me.json"] {
        let answer = app.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(status(&answer), 404, "{path}");
        assert!(!answer.contains("/ME") && !answer.contains("%00"), "i25 {path}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn i25_what_is_malformed_is_not_repeated_in_its_refusal() {
    let app = sqlite().await;
    let script = "<script>echo-me</script>";
    let query = "GET /me?echo-me HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer\r\n\r\n";
    let refused = [
        app.raw_login(JSON, script.as_bytes()).await,
        app.raw_login(JSON, format!(r#"{{"{script}":1}}"#).as_bytes()).await,
        app.raw_login(JSON, format!(r#"{{"email":"{script}"}}"#).as_bytes()).await,
        app.raw_login(JSON, format!(r#"{{"email":["{script}"],"password":"x"}}"#).as_bytes()).await,
        app.raw_login(JSON, format!(r#"{{"email":"a@b","password":"x","transport":"{script}"}}"#).as_bytes()).await,
        app.raw(query).await,
    ];
    for answer in refused {
        assert_eq!(status(&answer), 400, "{answer}");
        assert!(!answer.contains("echo-me") && answer.contains("x-content-type-options: nosniff"), "{answer}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn i27_whatever_is_expected_of_it_a_login_is_answered() {
    let app = sqlite().await;
    let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let head = |expect: &str| {
        let length = body.len();
        format!("POST /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{JSON}content-length: {length}\r\nexpect: {expect}\r\n\r\n")
    };
    let mut stream = app.connect().await;
    stream.write_all(head("100-continue").as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    tokio::time::timeout(Duration::from_secs(30), stream.read_exact(&mut go_on)).await.expect("it waits for the body").unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(status(&read_within(&mut stream, Duration::from_secs(30)).await), 200);
    // Who does not wait, and who expects what nobody knows.
    let answer = app.raw(head("100-continue") + &body).await;
    assert_eq!(status(answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n")), 200, "{answer}");
    for bogus in ["bogus", "200-ok", "100-continued", "\"", "x, y=z"] {
        let answer = app.raw(head(bogus) + &body).await;
        assert_eq!(status(answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n")), 200, "{bogus}: {answer}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn i17_i18_i30_other_protocols_do_no_harm() {
    let app = sqlite().await;
    for garbage in
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n"]
    {
        assert!([0, 400, 404, 405, 408, 505].contains(&status(&app.raw(garbage).await)));
    }
    let upgrade = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n";
    assert_eq!(status(&app.raw(upgrade).await), 200);
    let offer = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n";
    let answer = app.raw(offer).await;
    assert!(
        status(&answer) == 200 && answer.lines().any(|line| line.eq_ignore_ascii_case("connection: close")),
        "a connection that ends says so: {answer}"
    );
    app.assert_sound().await;
    app.stop().await;
}

#[actix_web::test]
async fn i28_a_thousand_pipelined_requests_are_answered() {
    let app = sqlite().await;
    let answer =
        app.raw("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(999) + "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1000);
    app.stop().await;
}

/// A route that panics exists only here, behind the same outermost layer.
#[actix_web::test]
async fn i29_o8_a_panic_is_a_500_problem_and_hurts_nobody_else() {
    use actix_web::middleware::from_fn;
    use actix_web::{App, HttpServer, web};

    let panics = || async {
        if true {
            panic!("a secret that stays inside");
        }
        "never"
    };
    let app = move || {
        App::new().route("/panic", web::get().to(panics)).route("/fine", web::get().to(|| async { "fine" })).wrap(from_fn(envelope))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    for _ in 0..3 {
        let response = reqwest::get(format!("http://{address}/panic")).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (500, "application/problem+json"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body = response.text().await.unwrap();
        assert!(!body.contains("secret"));
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((problem["code"].as_str(), problem["request_id"].as_str()), (Some("internal"), Some(id.as_str())));
        assert_eq!(reqwest::get(format!("http://{address}/fine")).await.unwrap().text().await.unwrap(), "fine");
    }
    handle.stop(false).await;
}
