//! Group B: how the credential is carried.

use actix_web::web::{self, ServiceConfig};
use hallpass::guard::{AccessToken, MaybeAccessToken, Protect};
use hallpass::token::MAX_TOKEN_BYTES;
use serde_json::json;

use crate::forge::{forge, good, header, with, without};
use crate::logs;
use crate::wire::{Answer, Server, guard, parameters, serve};

const BARE: &str = r#"Bearer realm="hallpass""#;
const INVALID: &str = r#"Bearer realm="hallpass", error="invalid_token", error_description="The access token is invalid""#;
const MALFORMED: &str = r#"Bearer realm="hallpass", error="invalid_request""#;

/// `/` takes a token, `/maybe` perhaps one, `/in` lies behind the middleware.
fn routes(config: &mut ServiceConfig) {
    async fn subject(token: AccessToken) -> String {
        token.subject().to_owned()
    }
    async fn maybe(token: MaybeAccessToken) -> String {
        token.as_ref().map_or("anonymous", AccessToken::subject).to_owned()
    }
    let inside = web::scope("/in")
        .wrap(Protect::<hallpass::guard::Anyone>::new())
        .route("", web::get().to(subject))
        .route("", web::head().to(subject));
    config
        .app_data(guard())
        .route("/", web::get().to(subject))
        .route("/", web::head().to(subject))
        .route("/", web::post().to(subject))
        .route("/", web::delete().to(|_: AccessToken| async { "deleted" }))
        .route("/maybe", web::get().to(maybe))
        .service(inside);
}

const GUARDED: [&str; 3] = ["/", "/maybe", "/in"];

#[track_caller]
fn missing(answer: &Answer) {
    assert_eq!(answer.refusal(), (401, "missing_token".into(), BARE));
}

#[track_caller]
fn invalid(answer: &Answer) {
    assert_eq!(answer.refusal(), (401, "invalid_token".into(), INVALID));
}

#[track_caller]
fn malformed(answer: &Answer) {
    assert_eq!(answer.refusal(), (400, "invalid_request".into(), MALFORMED));
}

/// The good token still passes, on a new connection.
#[track_caller]
fn alive(server: &Server) {
    for path in GUARDED {
        let answer = server.get_with(path, good());
        assert_eq!((answer.status, answer.body.as_str()), (200, "usr_1"));
    }
}

#[test]
fn b1_without_a_header_the_challenge_is_bare() {
    let server = serve(1, routes);
    missing(&server.get("/"));
    missing(&server.get("/in"));
    assert_eq!(server.get("/maybe").body, "anonymous");
    alive(&server);
}

#[test]
fn b2_b3_the_scheme_is_bearer_in_any_case_and_spaces_may_repeat() {
    let server = serve(1, routes);
    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer  ", "Bearer     "] {
        for path in GUARDED {
            let answer = server.get_as(path, format!("{scheme}{}", good()));
            assert_eq!((answer.status, answer.body.as_str()), (200, "usr_1"), "{scheme:?}");
        }
    }
}

#[test]
fn b4_bearer_without_a_token_is_malformed() {
    let server = serve(1, routes);
    for value in ["Bearer".to_owned(), "Bearer ".into(), "Bearer   ".into(), format!("Bearer\t{}", good()), format!("Bearer,{}", good())] {
        GUARDED.iter().for_each(|path| malformed(&server.get_as(path, &value)));
    }
    alive(&server);
}

#[test]
fn b5_b6_b7_b19_an_empty_header_another_scheme_or_another_header_is_no_credential() {
    let server = serve(1, routes);
    let good = good();
    for value in ["", " ", "Basic dXNlcjpwdw==", "Digest username=\"x\"", "DPoP T", "Token T"] {
        missing(&server.get_as("/", value));
        missing(&server.get_as("/in", value));
        assert_eq!(server.get_as("/maybe", value).body, "anonymous");
    }
    for value in [format!("Bearer{good}"), format!("Bearerx {good}"), format!("DPoP {good}"), format!("Token {good}")] {
        missing(&server.get_as("/", value));
    }
    missing(&server.request("GET /", &[format!("Proxy-Authorization: Bearer {good}").as_bytes()]));
    missing(&server.request("GET /", &[format!("X-Authorization: Bearer {good}").as_bytes()]));
    missing(&server.request("GET /", &[format!("Cookie: Authorization={good}; __Host-hallpass-access={good}").as_bytes()]));
}

#[test]
fn b8_several_authorization_headers_are_refused_whatever_they_hold() {
    let server = serve(1, routes);
    let (good, bad) = (format!("Authorization: Bearer {}", good()), "Authorization: Bearer a.b.c".to_owned());
    let lower = good
        .to_ascii_lowercase()
        .replace(&good.to_ascii_lowercase()["authorization: bearer ".len()..], &good["Authorization: Bearer ".len()..]);
    let basic = "Authorization: Basic dXNlcjpwdw==".to_owned();
    let empty = "Authorization:".to_owned();
    for [first, second] in [
        [&good, &good],
        [&good, &bad],
        [&bad, &good],
        [&good, &lower],
        [&basic, &good],
        [&good, &basic],
        [&empty, &good],
        [&good, &empty],
        [&empty, &empty],
    ] {
        for path in GUARDED {
            malformed(&server.request(&format!("GET {path}"), &[first.as_bytes(), second.as_bytes()]));
        }
    }
    alive(&server);
}

#[test]
fn b9_b20_a_list_or_decorated_token_is_no_token() {
    let server = serve(1, routes);
    let good = good();
    let values = [
        format!("Bearer {good}, Bearer {good}"),
        format!("Bearer {good},{good}"),
        format!("Bearer {good} {good}"),
        format!("Bearer {good},"),
        format!("Bearer {good};"),
        format!("Bearer \"{good}\""),
        format!("Bearer '{good}'"),
        format!("Bearer {good}, realm=\"x\""),
        format!("Bearer token={good}"),
        format!("Bearer Bearer {good}"),
    ];
    for value in values {
        GUARDED.iter().for_each(|path| invalid(&server.get_as(path, &value)));
    }
    alive(&server);
}

#[test]
fn b10_b11_b13_query_and_form_are_never_read_and_never_logged() {
    // From here on everything is kept.
    logs::lines();
    let server = serve(1, routes);
    let good = good();
    assert_eq!(server.get_with("/?access_token=a.b.c", &good).status, 200);
    missing(&server.get(&format!("/?access_token={good}")));
    missing(&server.get(&format!("/in?access_token={good}")));
    assert_eq!(server.get(&format!("/maybe?access_token={good}")).body, "anonymous");
    invalid(&server.get_with(&format!("/?access_token={good}"), "a.b.c"));
    let form = format!("access_token={good}");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    missing(&server.send(request));
    log::trace!("the last line of b11");
    let (lines, signature) = (logs::lines(), good.rsplit('.').next().unwrap());
    assert!(lines.iter().any(|line| line.contains("the last line of b11")), "the log is too quiet");
    assert_eq!(lines.iter().find(|line| line.contains(signature)), None);
}

#[test]
fn b14_bytes_beyond_ascii_are_an_invalid_token() {
    let server = serve(1, routes);
    for token in [&b"\xff"[..], b"\xc3\xa9.\xc3\xa9.\xc3\xa9", b"a.b.\xff", &[good().as_bytes(), b"\xff"].concat()] {
        GUARDED.iter().for_each(|path| invalid(&server.get_with(path, token)));
    }
    alive(&server);
}

#[test]
fn b15_what_is_no_header_never_reaches_the_guard() {
    let server = serve(1, routes);
    let good = good();
    let lines = [
        format!("Authorization: Bearer {good}\0"),
        format!("Authorization: Bearer \r{good}"),
        format!("Authorization: Bearer\r\n {good}"),
        format!("Authorization : Bearer {good}"),
        format!(" Authorization: Bearer {good}"),
        format!("Authorization\0: Bearer {good}"),
    ];
    for line in lines {
        assert_eq!(server.request("GET /", &[line.as_bytes()]).status, 400, "{line:?}");
    }
    alive(&server);
}

#[test]
fn b16_a_bare_line_feed_smuggles_nothing_into_the_token() {
    let server = serve(1, routes);
    let answer = server.request("GET /", &[b"Authorization: Bearer a\nX-Admin: 1"]);
    assert!(matches!(answer.status, 400 | 401), "{answer:?}");
    let twice = format!("Authorization: Bearer {}\nAuthorization: Bearer {}", good(), good());
    assert_eq!(server.request("GET /", &[twice.as_bytes()]).status, 400);
    alive(&server);
}

#[test]
fn b17_b18_a_token_may_have_8192_bytes_and_a_header_may_not_have_131072() {
    let server = serve(1, routes);
    let longest =
        (4000..MAX_TOKEN_BYTES).map(|filler| with("x", json!("x".repeat(filler)))).find(|token| token.len() == MAX_TOKEN_BYTES).unwrap();
    assert_eq!(server.get_with("/", &longest).body, "usr_1");
    invalid(&server.get_with("/", longest + "x"));
    invalid(&server.get_with("/", "x".repeat(MAX_TOKEN_BYTES + 1)));
    assert_eq!(server.get_with("/", "x".repeat(132_000)).status, 431);
    alive(&server);
}

#[test]
fn b21_b22_no_method_goes_around_the_guard() {
    let server = serve(1, routes);
    for path in ["/", "/in"] {
        let head = server.request(&format!("HEAD {path}"), &[]);
        assert_eq!((head.status, head.challenge(), head.body.as_str()), (401, BARE, ""));
        assert!(
            server.request(&format!("OPTIONS {path}"), &[b"Origin: https://a.example", b"Access-Control-Request-Method: GET"]).status
                >= 400
        );
    }
    for method in ["OPTIONS", "TRACE", "PUT", "PROPFIND", "get"] {
        missing(&server.request(&format!("{method} /in"), &[]));
    }
    let bearer = format!("Authorization: Bearer {}", good());
    let overridden = server.request("POST /", &[bearer.as_bytes(), b"X-HTTP-Method-Override: DELETE", b"Content-Length: 0"]);
    assert_eq!(overridden.body, "usr_1");
}

#[test]
fn b23_b24_no_refusal_reflects_what_was_sent() {
    let server = serve(1, routes);
    let marked = |header: &str| forge(header, r#"{"iss":"MARK\"MARK\\"}"#, &crate::forge::K0);
    let tokens = [
        marked(r#"{"typ":"at+jwt","alg":"HS256","kid":"MARK\"\\, error=\"x"}"#),
        marked(&header("k0")),
        r#"MARK"\.MARK.MARK"#.to_owned(),
        without("sid"),
        with("sub", json!("MARK\n")),
        with("scope", json!("MARK\"")),
    ];
    for token in tokens {
        let answer = server.get_with("/", token);
        invalid(&answer);
        assert!(!answer.body.contains("MARK"));
    }
    let expired = server.get_with("/", with("exp", json!(crate::forge::NOW - 5)));
    let described = parameters(expired.challenge())["error_description"].clone();
    assert_eq!((expired.code().as_str(), described.as_str()), ("invalid_token", "The access token has expired"));
}

#[test]
fn a_refusal_says_nothing_of_why_but_that_a_token_expired() {
    let server = serve(1, routes);
    let causes = [
        "a.b.c".to_owned(),
        forge(header("k0"), "{}", b"another"),
        forge(header("k9"), "{}", b"another"),
        with("iss", json!("https://evil.example")),
        with("aud", json!("other")),
        with("nbf", json!(crate::forge::NOW + 60)),
        without("jti"),
        with("sub", json!(1)),
    ];
    let answers: Vec<String> =
        causes.iter().map(|token| server.get_with("/", token)).map(|answer| format!("{:?}{}", answer.refusal(), answer.body)).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[test]
fn a_thousand_requests_on_one_connection_are_each_judged_alone() {
    let server = serve(1, routes);
    let mut requests = String::new();
    for number in 0..1000 {
        let token = if number % 2 == 0 { good() } else { "a.b.c".to_owned() };
        let last = if number == 999 { "Connection: close\r\n" } else { "" };
        requests += &format!("GET / HTTP/1.1\r\nHost: test\r\n{last}Authorization: Bearer {token}\r\n\r\n");
    }
    let answers = server.exchange(requests, |_| false);
    let answers = String::from_utf8(answers).unwrap();
    let verdicts: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(verdicts, ["200", "401"].repeat(500));
}
