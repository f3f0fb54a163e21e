//! What never gets into a log, however loud it is: O3, O4 and O5 of the threats.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::program::{Place, Service};
use crate::store::{execute, on_every_store};

const EMAIL: &str = "grace.hopper@compilers.example";
const ADMIN: &str = "radia.perlman@bridges.example";
const PASSWORD: &str = "plum kettle orbit seven";
const NEXT: &str = "gravel lantern ninety moths";
const GIVEN: &str = "violet anchor sixteen drums";
const WRONG: &str = "a wrong guess of somebody";

/// Somebody who asks, and remembers every secret that went over the wire.
struct Talk<'a> {
    service: &'a Service,
    secrets: BTreeSet<String>,
}

impl Talk<'_> {
    /// The status and the body of an answer. A body is JSON if it looks like it, and a form otherwise.
    fn ask(&mut self, line: &str, headers: &[&str], body: &str) -> (u16, Value) {
        let media_type = if body.starts_with(['{', '[']) { "application/json" } else { "application/x-www-form-urlencoded" };
        let mut head = format!("{line} HTTP/1.1\r\n");
        headers.iter().for_each(|header| head += &format!("{header}\r\n"));
        if !body.is_empty() {
            head += &format!("Content-Type: {media_type}\r\nContent-Length: {}\r\n", body.len());
        }
        let answer = self.service.answer(&head, body);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let cookies = head.lines().filter_map(|line| line.strip_prefix("set-cookie: __Host-hallpass-"));
        self.secrets.extend(cookies.filter_map(|cookie| cookie.split(['=', ';']).nth(1)).map(str::to_owned));
        let body = serde_json::from_str(body).unwrap_or_default();
        self.learn(&body);
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), body)
    }

    fn learn(&mut self, body: &Value) {
        for member in ["access_token", "refresh_token", "client_secret", "secret", "otpauth_uri"] {
            self.secrets.extend(body[member].as_str().map(str::to_owned));
        }
        self.secrets.extend(body["recovery_codes"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    }

    #[track_caller]
    fn is(&mut self, status: u16, line: &str, headers: &[&str], body: &str) -> Value {
        let (answered, body) = self.ask(line, headers, body);
        assert_eq!(answered, status, "{line}: {body}");
        body
    }

    #[track_caller]
    fn login(&mut self, email: &str, password: &str) -> (String, String) {
        let body = self.is(200, "POST /login", &[], &credentials(email, password));
        (bearer(&body), text(&body, "refresh_token"))
    }

    fn cookies(&self) -> String {
        let is_refresh = |secret: &&String| secret.starts_with("hp_rt_");
        let last = |wanted: bool| {
            self.secrets.iter().rfind(|secret| is_refresh(secret) == wanted && (wanted || secret.starts_with("eyJ"))).unwrap()
        };
        format!("Cookie: __Host-hallpass-access={}; __Host-hallpass-refresh={}", last(false), last(true))
    }
}

fn credentials(email: &str, password: &str) -> String {
    json!({ "email": email, "password": password }).to_string()
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap().to_owned()
}

fn bearer(body: &Value) -> String {
    format!("Authorization: Bearer {}", text(body, "access_token"))
}

#[test]
fn o3_o4_o5_no_credential_no_query_and_nobodys_address_is_in_a_log_at_any_level() {
    on_every_store(settings, |place| {
        place.run_with(&["user", "add", EMAIL, "--scope", "a", "--password-stdin"], PASSWORD).ok();
        place.run_with(&["user", "add", ADMIN, "--scope", "a hallpass:admin", "--password-stdin"], PASSWORD).ok();
        let client = place.run(&["client", "add", "worker", "--scope", "a hallpass:introspect", "--json"]).ok().json().remove(0);
        let mut loud = place.command(&["serve", "--listen", "127.0.0.1:0"]);
        let service = Service::start(loud.env("RUST_LOG", "trace"));
        let mut talk = Talk { service: &service, secrets: BTreeSet::new() };
        talk.learn(&client);

        people(&mut talk);
        cookies(&mut talk);
        second_factors(&mut talk);
        machines(&mut talk, &client);
        administrators(&mut talk);
        malformed(&mut talk);
        broken_store(&mut talk, place);

        let mut secrets = talk.secrets;
        place.run(&["user", "export", "--with-hashes", "--output", "hashes.csv"]).ok();
        let hashes = place.read("hashes.csv");
        let hashes: Vec<_> = hashes.split(['"', ',', '\n']).filter(|text| text.starts_with("$2b$")).map(str::to_owned).collect();
        assert!(hashes.len() >= 2, "{}", hashes.len());
        secrets.extend(hashes);
        let keys: Value = serde_json::from_str(&place.read("keys.json")).unwrap();
        secrets.extend(keys["keys"].as_array().unwrap().iter().map(|key| text(key, "k")));
        assert!(secrets.len() > 30, "{}", secrets.len());
        let (code, log) = service.stop();
        assert_eq!(code, 0);
        search(&log, &secrets);
    });
}

fn settings() -> Place {
    Place::with_keys()
        .set("HALLPASS__LIMITS__LOGIN_PER_IP", "off")
        .set("HALLPASS__LIMITS__ACCOUNT_FREE_FAILURES", "1000")
        .set("HALLPASS__REGISTRATION__ENABLED", "true")
}

/// Nothing of the secrets, of what they are made of, or of what was in a query. And a log that was loud enough for it to mean something.
fn search(log: &str, secrets: &BTreeSet<String>) {
    for sign in [r#""level":"INFO""#, r#""level":"ERROR""#, r#""route":"/account/otp/confirm""#, r#""route":"/oauth/revoke""#] {
        assert!(log.contains(sign), "the log is too quiet: no {sign}");
    }
    let line = |found: &str| log.lines().find(|line| line.contains(found)).map(str::to_owned);
    for secret in secrets {
        for part in secret.split('.').chain([secret.as_str()]).filter(|part| part.len() > 12) {
            assert_eq!(line(part), None, "{part}");
        }
    }
    for prefix in
        ["hp_rt_", "hp_cs_", "eyJ", "$2b$", "otpauth", "Basic ", "Bearer ey", "__Host-hallpass-access=", "query-marker", "body-marker"]
    {
        assert_eq!(line(prefix), None, "{prefix}");
    }
    for text in [PASSWORD, NEXT, GIVEN, WRONG, "kettle", "lantern", "anchor", "guess", "hopper", "perlman", "lovelace", "hallpass-test-pw"]
    {
        assert_eq!(line(text), None, "{text}");
    }
}

fn people(talk: &mut Talk<'_>) {
    talk.is(401, "POST /login?password=query-marker", &[], &credentials(EMAIL, WRONG));
    talk.is(401, "POST /login", &[], &credentials("nobody.lovelace@engines.example", WRONG));
    let (token, refresh_token) = talk.login(EMAIL, PASSWORD);
    let refreshed = talk.is(200, "POST /refresh", &[], &json!({ "refresh_token": refresh_token }).to_string());
    talk.is(401, "POST /refresh", &[], &json!({ "refresh_token": format!("{refresh_token}x") }).to_string());
    let bare = text(&refreshed, "access_token");
    talk.is(200, &format!("GET /me?access_token={bare}&query-marker"), &[&token], "");
    talk.is(401, &format!("GET /me?access_token={bare}&query-marker"), &[], "");
    talk.is(404, &format!("GET /nowhere/{bare}/{refresh_token}?query-marker"), &[], "");
    talk.is(404, &format!("DELETE /sessions/{refresh_token}"), &[&token], "");
    talk.is(200, &format!("GET /auth/verify/{bare}?scope=a&max_age=300"), &[&token, "X-Forwarded-Uri: /x?query-marker"], "");
    talk.is(403, &format!("GET /auth/verify?scope={bare}"), &[&token], "");
    talk.is(200, "GET /sessions", &[&token], "");
    talk.is(200, "POST /step-up", &[&token], &json!({ "password": PASSWORD }).to_string());
    talk.is(401, "POST /step-up", &[&token], &json!({ "password": WRONG }).to_string());
    let change = |current: &str, new: &str| json!({ "current_password": current, "new_password": new }).to_string();
    talk.is(401, "POST /account/password", &[&token], &change(WRONG, NEXT));
    talk.is(422, "POST /account/password", &[&token], &change(PASSWORD, "kettle"));
    talk.is(204, "POST /account/password", &[&token], &change(PASSWORD, NEXT));
    talk.is(201, "POST /register", &[], &credentials("ada.lovelace@engines.example", PASSWORD));
    talk.is(409, "POST /register", &[], &credentials("ada.lovelace@engines.example", PASSWORD));
    talk.is(204, "POST /logout", &[], &json!({ "refresh_token": text(&refreshed, "refresh_token") }).to_string());
}

fn cookies(talk: &mut Talk<'_>) {
    let login = json!({ "email": EMAIL, "password": NEXT, "transport": "cookie" }).to_string();
    let (before, same) = (talk.secrets.clone(), "Sec-Fetch-Site: same-origin");
    talk.is(200, "POST /login", &[same], &login);
    let ours = Talk { service: talk.service, secrets: talk.secrets.difference(&before).cloned().collect() };
    assert_eq!(ours.secrets.len(), 2, "an access token and a refresh token");
    let jar = ours.cookies();
    talk.is(200, "GET /me", &[&jar], "");
    talk.is(403, "POST /refresh", &[&jar, "Origin: https://query-marker.example"], "");
    talk.is(200, "POST /refresh", &[&jar, same], "");
    talk.is(400, "GET /me", &[&jar, "Authorization: Bearer query-marker"], "");
    talk.is(401, "GET /me", &["Cookie: __Host-hallpass-access=query-marker"], "");
    talk.is(204, "POST /logout", &[&jar, same], "");
}

fn second_factors(talk: &mut Talk<'_>) {
    let (token, _) = talk.login(EMAIL, NEXT);
    let secret = text(&talk.is(200, "POST /account/otp", &[&token], ""), "secret");
    let device = Builder::new().with_secret(Secret::try_from_base32(&secret).unwrap()).build().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    // Of the steps that are near enough the earliest first, since none is taken twice.
    let code = |steps: u64| device.generate(now - 30 + 30 * steps).to_string();
    let codes = talk.is(200, "POST /account/otp/confirm", &[&token], &json!({ "otp": code(0) }).to_string());
    let login = |otp: &str| json!({ "email": EMAIL, "password": NEXT, "otp": otp }).to_string();
    talk.is(401, "POST /login", &[], &credentials(EMAIL, NEXT));
    talk.is(401, "POST /login", &[], &login("body-marker"));
    talk.is(200, "POST /login", &[], &login(&code(1)));
    let strong = talk.is(200, "POST /login", &[], &login(codes["recovery_codes"][0].as_str().unwrap()));
    talk.is(204, "DELETE /account/otp", &[&bearer(&strong)], "");
}

fn machines(talk: &mut Talk<'_>, client: &Value) {
    let (id, secret) = (text(client, "client_id"), text(client, "client_secret"));
    let basic = STANDARD.encode(format!("{id}:{secret}"));
    talk.secrets.insert(basic.clone());
    let basic = format!("Authorization: Basic {basic}");
    let form = format!("client_id={id}&client_secret={secret}");
    let granted = talk.is(200, "POST /oauth/token?query-marker", &[&basic], "grant_type=client_credentials");
    talk.is(200, "POST /oauth/token", &[], &format!("grant_type=client_credentials&{form}"));
    talk.is(401, "POST /oauth/token", &[], &format!("grant_type=client_credentials&client_id={id}&client_secret=hp_cs_body-marker"));
    talk.is(400, "POST /oauth/token", &[&basic], "grant_type=password&username=body-marker&password=body-marker");
    talk.is(400, "POST /oauth/token", &[&basic], "grant_type=client_credentials&scope=body-marker");
    talk.is(401, "POST /oauth/token", &[], "grant_type=client_credentials&client_id=%zz&client_secret=body-marker");
    let token = text(&granted, "access_token");
    talk.is(200, "POST /oauth/introspect", &[&basic], &format!("token={token}"));
    talk.is(200, "POST /oauth/revoke", &[], &format!("token={token}&{form}"));
    talk.is(200, "POST /oauth/introspect", &[&basic], &format!("token={token}&token_type_hint=body-marker"));
    talk.is(401, "GET /me", &[&bearer(&granted)], "");
}

fn administrators(talk: &mut Talk<'_>) {
    let (token, _) = talk.login(ADMIN, PASSWORD);
    let user = |email: &str| json!({ "email": email, "password": GIVEN, "scopes": ["a"] }).to_string();
    let made = talk.is(201, "POST /admin/users", &[&token], &user("augusta.lovelace@engines.example"));
    talk.is(409, "POST /admin/users", &[&token], &user("augusta.lovelace@engines.example"));
    talk.is(422, "POST /admin/users", &[&token], &user("body-marker"));
    let path = format!("/admin/users/{}", text(&made, "sub"));
    talk.is(204, &format!("POST {path}/password"), &[&token], &json!({ "password": NEXT }).to_string());
    talk.is(200, &format!("PATCH {path}"), &[&token], &json!({ "email": "countess.lovelace@engines.example" }).to_string());
    talk.is(400, "GET /admin/users?after=query-marker", &[&token], "");
    let made = talk.is(201, "POST /admin/clients", &[&token], &json!({ "name": "builder", "scopes": ["a"] }).to_string());
    talk.is(200, &format!("POST /admin/clients/{}/secret", text(&made, "client_id")), &[&token], "");
    talk.is(200, "GET /admin/audit?limit=200", &[&token], "");
    talk.is(204, &format!("DELETE {path}"), &[&token], "");
}

/// What the HTTP library, the JSON and the form parser stumble over, each with a secret in it.
fn malformed(talk: &mut Talk<'_>) {
    let (token, refresh_token) = talk.login(ADMIN, PASSWORD);
    for body in [
        format!("{{\"email\":\"{EMAIL}\",\"password\":\"{PASSWORD}\""),
        format!("{{\"email\":\"{EMAIL}\",\"password\":\"{PASSWORD}\",\"password\":\"body-marker\"}}"),
        format!("{{\"email\":\"{EMAIL}\",\"password\":\"{PASSWORD}\",\"body-marker\":1}}"),
        format!("{{\"email\":[\"{EMAIL}\"],\"password\":\"{PASSWORD}\"}}"),
        format!("{{\"email\":\"{EMAIL}\",\"password\":\"{PASSWORD}\\ud800\"}}"),
        format!("[\"{EMAIL}\",\"{PASSWORD}\"]"),
    ] {
        talk.is(400, "POST /login", &[], &body);
    }
    talk.is(415, "POST /login", &[], &format!("email={EMAIL}&password={PASSWORD}"));
    talk.is(413, "POST /login", &[], &credentials(EMAIL, &PASSWORD.repeat(1000)));
    talk.is(400, "GET /me", &[&token, "Authorization: Bearer query-marker"], "");
    talk.is(404, &format!("{} /nowhere", refresh_token.replace('.', "-")), &[&token], "");
    talk.is(414, &format!("GET /me?{}", "query-marker".repeat(800)), &[], "");
    let hostile = [
        &format!("X-Request-Id: {refresh_token}"),
        &format!("Traceparent: {refresh_token}"),
        &format!("Referer: https://query-marker.example/?{refresh_token}"),
        &format!("User-Agent: {refresh_token}"),
        &format!("Origin: {refresh_token}"),
    ];
    talk.is(200, "GET /livez", &hostile.map(String::as_str), "");
    for line in [format!("GET /me?{refresh_token}\u{1}"), format!("{refresh_token} {refresh_token}"), refresh_token.clone()] {
        talk.ask(&line, &[&token], "");
    }
    for header in [&format!("bad header {refresh_token}"), &format!("Content-Length: {refresh_token}"), &format!("{refresh_token}\u{0}: x")]
    {
        talk.ask("GET /me", &[&token, header], "");
    }
}

/// A store that refuses a row tells the service which, with all that is in it.
fn broken_store(talk: &mut Talk<'_>, place: &Place) {
    match place.setting("HALLPASS__DATABASE__URL") {
        Some(server) => execute(server, "ALTER TABLE session ADD CONSTRAINT never CHECK (id = '') NOT VALID".to_owned()),
        None => sqlite(
            &place.path().join("hallpass.db"),
            "CREATE TRIGGER never BEFORE INSERT ON session BEGIN SELECT RAISE(ABORT, 'never'); END",
        ),
    }
    talk.is(503, "POST /login?query-marker", &[], &credentials(ADMIN, PASSWORD));
}

fn sqlite(file: &std::path::Path, sql: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        pool.close().await;
    });
}
