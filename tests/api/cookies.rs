//! Cookie mode over real HTTP: group E of the threats, login CSRF and fixation.

use std::collections::BTreeMap;

use hallpass::config::SameSite;
use hallpass::store::session;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE, VARY};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::app::{EMAIL, ISSUER, PASSWORD, TestApp, claims, on_each_store, text};

const ACCESS: &str = "__Host-hallpass-access";
const REFRESH: &str = "__Host-hallpass-refresh";
const APP: &str = "https://app.example.com";

/// What a browser does with cookies, as far as these tests need it: it keeps, sends, replaces and forgets them.
#[derive(Clone, Debug, Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    fn header(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// A request of a page of the issuer's origin.
    fn post(&self, app: &TestApp, path: &str) -> RequestBuilder {
        self.bare(app, Method::POST, path).header("sec-fetch-site", "same-origin").header(ORIGIN, ISSUER)
    }

    /// A request that does not say where it comes from.
    fn bare(&self, app: &TestApp, method: Method, path: &str) -> RequestBuilder {
        let request = app.client.request(method, app.url(path));
        if self.0.is_empty() { request } else { request.header(COOKIE, self.header()) }
    }

    fn take(&mut self, response: &Response) {
        for cookie in set_cookies(response) {
            if cookie.max_age == 0 {
                self.0.remove(&cookie.name)
            } else {
                self.0.insert(cookie.name, cookie.value)
            };
        }
    }

    async fn me(&self, app: &TestApp) -> (u16, Value) {
        let response = self.bare(app, Method::GET, "/me").send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    fn without(&self, name: &str) -> Self {
        let mut jar = self.clone();
        jar.0.remove(name).unwrap();
        jar
    }
}

struct SetCookie {
    name: String,
    value: String,
    max_age: u64,
    rest: String,
}

fn set_cookies(response: &Response) -> Vec<SetCookie> {
    let parse = |text: &str| {
        let (pair, rest) = text.split_once("; Max-Age=").unwrap();
        let ((name, value), (max_age, rest)) = (pair.split_once('=').unwrap(), rest.split_once("; ").unwrap());
        SetCookie { name: name.into(), value: value.into(), max_age: max_age.parse().unwrap(), rest: rest.into() }
    };
    response.headers().get_all(SET_COOKIE).iter().map(|value| parse(value.to_str().unwrap())).collect()
}

fn credentials() -> Value {
    json!({ "email": EMAIL, "password": PASSWORD, "transport": "cookie" })
}

/// Logs Alice in by cookie.
async fn login(app: &TestApp) -> (Jar, Value) {
    login_with(app, Jar::default()).await
}

async fn login_with(app: &TestApp, mut jar: Jar) -> (Jar, Value) {
    let response = jar.post(app, "/login").json(&credentials()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    jar.take(&response);
    (jar, response.json().await.unwrap())
}

async fn refused(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(set_cookies(&response).len(), 0, "a refusal touches no cookie");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    (status, text(&response.json().await.unwrap(), "code"))
}

fn csrf_failed() -> (u16, String) {
    (403, "csrf_failed".to_owned())
}

fn malformed() -> (u16, String) {
    (400, "invalid_request".to_owned())
}

async fn is_ended(app: &TestApp, session_id: &str) -> bool {
    session::by_id(app.authority.database(), session_id).await.unwrap().unwrap().ended_at.is_some()
}

/// The headers by which no page of ours, and none that is allowed, is to be recognised.
const FOREIGN: [&[(&str, &str)]; 11] = [
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[("sec-fetch-site", "none")],
    &[("sec-fetch-site", "cross-site"), ("origin", ISSUER)],
    &[("sec-fetch-site", "same-site"), ("origin", "https://evil.example.com")],
    &[],
    &[("origin", "null")],
    &[("origin", "https://evil.example")],
    &[("origin", "https://auth.example.com.evil")],
    &[("origin", "http://auth.example.com")],
    &[("origin", "https://auth.example.com:8443")],
];

fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

on_each_store! {
    async fn e1_e2_the_tokens_come_as_cookies_that_nothing_but_the_browser_reads(app: TestApp) {
        let response = Jar::default().post(&app, "/login").json(&credentials()).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["cache-control"], &response.headers()["pragma"]), (200, &"no-store".parse().unwrap(), &"no-cache".parse().unwrap()));
        let cookies = set_cookies(&response);
        assert_eq!(cookies.iter().map(|cookie| (cookie.name.as_str(), cookie.max_age)).collect::<Vec<_>>(), [(ACCESS, 300), (REFRESH, 7 * 86_400)]);
        for cookie in &cookies {
            assert_eq!(cookie.rest, "Path=/; SameSite=Strict; Secure; HttpOnly", "and no Domain");
            assert!(cookie.name.len() + cookie.value.len() <= 4096);
        }
        let body: Value = response.json().await.unwrap();
        let names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["expires_at", "expires_in", "refresh_expires_in", "scope", "session_id", "token_type"]);
        assert_eq!(claims(&cookies[0].value)["sid"], body["session_id"]);
        assert!(cookies[1].value.starts_with("hp_rt_"));
    }

    async fn e1_same_site_is_lax_by_setting(app: TestApp, |config| config.cookies.same_site = SameSite::Lax) {
        let response = Jar::default().post(&app, "/login").json(&credentials()).send().await.unwrap();
        assert!(set_cookies(&response).iter().all(|cookie| cookie.rest == "Path=/; SameSite=Lax; Secure; HttpOnly"));
    }

    async fn e1_the_longest_token_that_is_minted_fits_a_cookie(app: TestApp) {
        let mut longest = 0;
        for words in (100..500).step_by(7) {
            let scope = (0..words).map(|n| format!("scope{n}")).collect::<Vec<_>>().join(" ");
            app.raw_sql(&format!("UPDATE account SET scopes = '{scope}'")).await;
            let response = Jar::default().post(&app, "/login").json(&credentials()).send().await.unwrap();
            if response.status() == 500 {
                break;
            }
            longest = set_cookies(&response).iter().map(|cookie| cookie.name.len() + cookie.value.len()).max().unwrap();
            assert!(longest <= 4096);
        }
        assert!(longest > 3900, "{longest}");
    }

    async fn e6_a_browser_logs_in_asks_refreshes_and_logs_out(app: TestApp) {
        let (mut jar, body) = login(&app).await;
        let (status, me) = jar.me(&app).await;
        assert_eq!((status, &me["session_id"]), (200, &body["session_id"]));
        app.clock.advance(60);
        let before = jar.clone();
        let response = jar.post(&app, "/refresh").send().await.unwrap();
        assert_eq!(response.status(), 200);
        jar.take(&response);
        let next: Value = response.json().await.unwrap();
        assert!(next.get("access_token").is_none() && next.get("refresh_token").is_none());
        assert_eq!(next["session_id"], body["session_id"]);
        assert!(jar.0[ACCESS] != before.0[ACCESS] && jar.0[REFRESH] != before.0[REFRESH]);
        assert_eq!(jar.me(&app).await.0, 200);
        let response = jar.post(&app, "/logout").send().await.unwrap();
        assert_eq!(response.status(), 204);
        let kept = jar.clone();
        jar.take(&response);
        assert!(jar.0.is_empty());
        assert_eq!(kept.me(&app).await.0, 401);
        assert_eq!(refused(kept.post(&app, "/refresh")).await, (401, "invalid_refresh_token".to_owned()));
        assert_eq!(jar.me(&app).await.1["code"], "missing_token");
        app.assert_sound().await;
    }

    async fn e4_e5_e8_e9_no_other_page_logs_out_or_refreshes(app: TestApp) {
        let (jar, body) = login(&app).await;
        for headers in FOREIGN {
            for jar in [jar.clone(), jar.without(ACCESS), jar.without(REFRESH)] {
                assert_eq!(refused(with(jar.bare(&app, Method::POST, "/logout"), headers)).await, csrf_failed(), "{headers:?}");
                assert_eq!(refused(with(jar.bare(&app, Method::POST, "/logout"), headers).json(&json!({ "which": "all" }))).await, csrf_failed(), "{headers:?}");
            }
            assert_eq!(refused(with(jar.bare(&app, Method::POST, "/refresh"), headers)).await, csrf_failed(), "{headers:?}");
            assert_eq!(refused(with(jar.bare(&app, Method::POST, "/refresh"), headers).json(&json!({}))).await, csrf_failed(), "{headers:?}");
        }
        assert!(!is_ended(&app, &text(&body, "session_id")).await);
        let row = session::by_id(app.authority.database(), &text(&body, "session_id")).await.unwrap().unwrap();
        assert_eq!(row.generation, 0, "nothing was used up");
        assert_eq!(jar.me(&app).await.0, 200);
    }

    async fn e4_e5_e8_e9_no_other_page_uses_a_guarded_route_that_changes_something(app: TestApp) {
        let (jar, body) = login(&app).await;
        let (password, session) = (json!({ "current_password": PASSWORD, "new_password": "another horse battery staple" }), format!("/sessions/{}", text(&body, "session_id")));
        for headers in FOREIGN {
            assert_eq!(refused(with(jar.bare(&app, Method::POST, "/account/password"), headers).json(&password)).await, csrf_failed(), "{headers:?}");
            assert_eq!(refused(with(jar.bare(&app, Method::DELETE, &session), headers)).await, csrf_failed(), "{headers:?}");
        }
        assert_eq!(jar.bare(&app, Method::GET, "/account").send().await.unwrap().status(), 200);
        assert_eq!(jar.post(&app, "/account/password").json(&password).send().await.unwrap().status(), 204);
        let delete = jar.bare(&app, Method::DELETE, &session).header("sec-fetch-site", "same-origin");
        assert_eq!((delete.send().await.unwrap().status().as_u16(), jar.me(&app).await.0), (204, 401));
    }

    async fn e7_without_fetch_metadata_the_origin_is_enough(app: TestApp) {
        let (mut jar, _) = login(&app).await;
        let response = jar.bare(&app, Method::POST, "/refresh").header(ORIGIN, ISSUER).send().await.unwrap();
        assert_eq!(response.status(), 200);
        jar.take(&response);
        assert_eq!(jar.bare(&app, Method::POST, "/logout").header(ORIGIN, ISSUER).send().await.unwrap().status(), 204);
    }

    async fn e10_e21_an_origin_of_the_setting_may_use_the_cookies_and_one_that_looks_like_it_may_not(app: TestApp, |config| config.server.cors_origins = vec![APP.to_owned()]) {
        for site in [&[][..], &[("sec-fetch-site", "same-site")], &[("sec-fetch-site", "cross-site")]] {
            let (jar, _) = login(&app).await;
            for origin in ["https://evilapp.example.com", "https://app.example.com.evil", "https://x.app.example.com", "http://app.example.com", "null"] {
                assert_eq!(refused(with(jar.bare(&app, Method::POST, "/logout"), site).header(ORIGIN, origin)).await, csrf_failed(), "{origin}");
                assert_eq!(refused(with(Jar::default().bare(&app, Method::POST, "/login"), site).header(ORIGIN, origin).json(&credentials())).await, csrf_failed());
            }
            let again = with(Jar::default().bare(&app, Method::POST, "/login"), site).header(ORIGIN, APP).json(&credentials()).send().await.unwrap();
            assert_eq!((again.status().as_u16(), set_cookies(&again).len()), (200, 2));
            assert_eq!(with(jar.bare(&app, Method::POST, "/logout"), site).header(ORIGIN, APP).send().await.unwrap().status(), 204);
        }
    }

    async fn c25_a_foreign_page_logs_nobody_in_and_no_password_is_hashed_for_it(app: TestApp) {
        let rounds = app.authority.hashed_rounds();
        for headers in FOREIGN {
            assert_eq!(refused(with(app.client.post(app.url("/login")), headers).json(&credentials())).await, csrf_failed(), "{headers:?}");
        }
        assert_eq!(app.authority.hashed_rounds(), rounds);
        let body = app.client.post(app.url("/login")).header("sec-fetch-site", "cross-site").json(&json!({ "email": EMAIL, "password": PASSWORD }));
        assert_eq!(body.send().await.unwrap().status(), 200, "in bodies a foreign page may log in as whom it likes: it keeps nothing in the browser");
    }

    async fn e14_a_form_is_no_json(app: TestApp) {
        let (jar, _) = login(&app).await;
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            for (path, body) in [("/login", credentials()), ("/refresh", json!({})), ("/logout", json!({}))] {
                let request = jar.post(&app, path).header("content-type", media_type).body(body.to_string());
                assert_eq!(refused(request).await, (415, "unsupported_media_type".to_owned()), "{media_type} {path}");
            }
        }
    }

    async fn e13_nothing_changes_by_get(app: TestApp) {
        let (jar, _) = login(&app).await;
        for path in ["/logout", "/refresh", "/login"] {
            assert_eq!(refused(jar.bare(&app, Method::GET, path)).await, (405, "method_not_allowed".to_owned()));
        }
        assert_eq!(jar.me(&app).await.0, 200);
    }

    async fn c24_a_login_ends_the_session_that_the_browser_had_and_begins_another(app: TestApp) {
        let (jar, planted) = login(&app).await;
        app.add("mallory@example.com", PASSWORD).await;
        for old in [jar.clone(), jar.without(ACCESS)] {
            let (new, body) = login_with(&app, old).await;
            assert_ne!(body["session_id"], planted["session_id"]);
            assert!(is_ended(&app, &text(&planted, "session_id")).await);
            assert_eq!(jar.me(&app).await.0, 401, "its access tokens are denied");
            assert_eq!((new.0.len(), new.me(&app).await.0), (2, 200));
        }
        // Whoever's session it was.
        let theirs = app.post_login(&json!({ "email": "mallory@example.com", "password": PASSWORD })).send().await.unwrap().json::<Value>().await.unwrap();
        let planted = Jar(BTreeMap::from([(REFRESH.to_owned(), text(&theirs, "refresh_token"))]));
        let (_, body) = login_with(&app, planted).await;
        assert_ne!(body["session_id"], theirs["session_id"]);
        assert!(is_ended(&app, &text(&theirs, "session_id")).await);
    }

    async fn c24_a_login_that_fails_ends_nothing_and_one_with_a_broken_cookie_succeeds(app: TestApp) {
        let (jar, body) = login(&app).await;
        let wrong = jar.post(&app, "/login").json(&json!({ "email": EMAIL, "password": "wrong horse battery staple", "transport": "cookie" }));
        assert_eq!(refused(wrong).await, (401, "invalid_credentials".to_owned()));
        assert!(!is_ended(&app, &text(&body, "session_id")).await);
        let by_body = jar.post(&app, "/login").json(&json!({ "email": EMAIL, "password": PASSWORD }));
        assert_eq!(by_body.send().await.unwrap().status(), 200);
        assert!(!is_ended(&app, &text(&body, "session_id")).await, "the cookies were not asked to change");
        for broken in ["", "x", "hp_rt_", "%zz", "\"\"", &"x".repeat(4000)] {
            login_with(&app, Jar(BTreeMap::from([(REFRESH.to_owned(), broken.to_owned())]))).await;
        }
    }

    async fn b12_two_credentials_at_once_are_refused(app: TestApp) {
        let (jar, _) = login(&app).await;
        let other = app.session().await;
        let (bearer, token) = (text(&other, "access_token"), json!({ "refresh_token": text(&other, "refresh_token") }));
        assert_eq!(refused(jar.post(&app, "/refresh").json(&token)).await, malformed());
        assert_eq!(refused(jar.without(ACCESS).post(&app, "/refresh").json(&token)).await, malformed());
        for jar in [jar.clone(), jar.without(ACCESS), jar.without(REFRESH)] {
            assert_eq!(refused(jar.post(&app, "/logout").json(&token)).await, malformed());
            assert_eq!(jar.post(&app, "/logout").bearer_auth(&bearer).send().await.unwrap().status(), 400);
        }
        assert_eq!(jar.bare(&app, Method::GET, "/me").bearer_auth(&bearer).send().await.unwrap().status(), 400);
        assert_eq!(jar.bare(&app, Method::GET, "/me").bearer_auth(&jar.0[ACCESS]).send().await.unwrap().status(), 400, "even if they are alike");
        assert_eq!(jar.me(&app).await.0, 200);
        assert_eq!(app.me(&bearer).await, 200);
    }

    async fn e15_two_cookies_of_one_name_are_refused(app: TestApp) {
        let (jar, _) = login(&app).await;
        let (access, refresh) = (format!("{ACCESS}={}", jar.0[ACCESS]), format!("{REFRESH}={}", jar.0[REFRESH]));
        let post = |path: &str, cookies: &str| app.client.post(app.url(path)).header("sec-fetch-site", "same-origin").header(COOKIE, cookies);
        assert_eq!(refused(post("/refresh", &format!("{refresh}; {refresh}"))).await, malformed());
        assert_eq!(refused(post("/refresh", &refresh).header(COOKIE, &refresh)).await, malformed());
        assert_eq!(refused(post("/logout", &format!("{refresh}; {REFRESH}=x"))).await, malformed());
        assert_eq!(refused(post("/login", &format!("{refresh}; {REFRESH}=x")).json(&credentials())).await, malformed());
        for request in [post("/logout", &format!("{access}; {access}")), app.get("/me").header(COOKIE, format!("{access}; {access}"))] {
            assert_eq!(request.send().await.unwrap().status(), 400);
        }
        assert_eq!(jar.me(&app).await.0, 200);
    }

    async fn e16_e17_monstrous_and_misspelt_cookies_are_no_credentials_and_harm_nobody(app: TestApp) {
        let (jar, _) = login(&app).await;
        let hundred: String = (0..100).map(|number| format!("c{number}=%zz%; ")).collect();
        let good = app.get("/me").header(COOKIE, format!("{hundred}{}; big={}", jar.header(), "x".repeat(10_240)));
        assert_eq!(good.send().await.unwrap().status(), 200);
        for value in ["", "%", "%zz", "%00", "\"", "a.b.c", &"x".repeat(10_240)] {
            for (name, path, status) in [(ACCESS, "/me", 401), (REFRESH, "/refresh", 401), (REFRESH, "/logout", 401), (ACCESS, "/logout", 401)] {
                let method = if path == "/me" { Method::GET } else { Method::POST };
                let request = app.client.request(method, app.url(path)).header(COOKIE, format!("{hundred}{name}={value}"));
                assert_eq!(request.header("sec-fetch-site", "same-origin").send().await.unwrap().status(), status, "{name}={value} {path}");
            }
        }
        for (name, value) in &jar.0 {
            let lower = name.replace("__Host-", "__host-");
            assert_eq!(refused(app.get("/me").header(COOKIE, format!("{lower}={value}"))).await, (401, "missing_token".to_owned()));
            let refresh = app.client.post(app.url("/refresh")).header("sec-fetch-site", "same-origin").header(COOKIE, format!("{lower}={value}"));
            assert_eq!(refused(refresh).await, malformed());
        }
        let raw = app.raw([b"POST /refresh HTTP/1.1\r\nhost: x\r\nconnection: close\r\nsec-fetch-site: same-origin\r\ncookie: __Host-hallpass-refresh=\xff\xfe\r\n\r\n".as_slice()].concat()).await;
        assert_eq!(crate::raw::status(&raw), 401);
        app.assert_sound().await;
    }

    async fn e22_every_answer_says_that_it_depends_on_the_origin(app: TestApp) {
        let (jar, _) = login(&app).await;
        for request in [
            jar.bare(&app, Method::GET, "/me"),
            app.get("/me"),
            jar.post(&app, "/refresh"),
            app.client.post(app.url("/logout")),
            jar.bare(&app, Method::POST, "/logout"),
            app.get("/nothing"),
        ] {
            let response = request.send().await.unwrap();
            assert_eq!(response.headers().get_all(VARY).iter().collect::<Vec<_>>(), ["Origin, Sec-Fetch-Site"], "{}", response.url());
        }
    }

    async fn g5_a_step_up_by_cookie_replaces_the_access_cookie_only_and_a_foreign_page_cannot_do_it(app: TestApp) {
        let mut jar = Jar::default();
        let login = json!({ "email": EMAIL, "password": PASSWORD, "transport": "cookie" });
        jar.take(&jar.post(&app, "/login").json(&login).send().await.unwrap());
        let before = jar.clone();
        app.clock.advance(100);
        let body = json!({ "password": PASSWORD });
        let foreign = jar.bare(&app, Method::POST, "/step-up").header("sec-fetch-site", "cross-site").json(&body).send().await.unwrap();
        assert_eq!((foreign.status().as_u16(), set_cookies(&foreign).len()), (403, 0));
        let response = jar.post(&app, "/step-up").json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        jar.take(&response);
        let answer: Value = response.json().await.unwrap();
        assert_eq!((answer.get("access_token"), answer.get("refresh_token")), (None, None));
        assert_ne!(jar.0[ACCESS], before.0[ACCESS]);
        assert_eq!(jar.0[REFRESH], before.0[REFRESH]);
        assert_eq!(jar.me(&app).await.1["auth_time"], app.clock.now());
    }

    async fn e23_logout_clears_both_cookies_with_the_attributes_that_set_them(app: TestApp) {
        for kept in [None, Some(ACCESS), Some(REFRESH)] {
            let (mut jar, body) = login(&app).await;
            jar.0.retain(|name, _| kept.is_none_or(|kept| name == kept));
            let response = jar.post(&app, "/logout").send().await.unwrap();
            assert_eq!(response.status(), 204);
            let cleared: Vec<_> = set_cookies(&response).into_iter().map(|cookie| (cookie.name, cookie.value, cookie.max_age, cookie.rest)).collect();
            let gone = |name: &str| (name.to_owned(), String::new(), 0, "Path=/; SameSite=Strict; Secure; HttpOnly".to_owned());
            assert_eq!(cleared, [gone(ACCESS), gone(REFRESH)]);
            assert!(is_ended(&app, &text(&body, "session_id")).await, "{kept:?}");
        }
    }

    async fn e23_an_access_cookie_that_is_not_believed_keeps_nobody_from_logging_out(app: TestApp) {
        let (jar, _) = login(&app).await;
        let refresh = jar.header().split("; ").find(|cookie| cookie.starts_with(REFRESH)).unwrap().to_owned();
        let logout = |cookies: String| app.client.post(app.url("/logout")).header("sec-fetch-site", "same-origin").header(COOKIE, cookies).send();
        let response = logout(format!("{ACCESS}=x.y.z; {refresh}")).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers().get_all("set-cookie").iter().count()), (204, 2));
        assert_eq!(jar.post(&app, "/refresh").send().await.unwrap().status(), 401, "the session is over");
        let alone = logout(format!("{ACCESS}=x.y.z")).await.unwrap();
        assert_eq!((alone.status().as_u16(), alone.headers().get_all("set-cookie").iter().count()), (401, 2));
    }

    async fn logout_clears_only_what_is_over(app: TestApp) {
        let (jar, body) = login(&app).await;
        let (other, _) = login(&app).await;
        let response = jar.post(&app, "/logout").json(&json!({ "which": "others" })).send().await.unwrap();
        assert_eq!((response.status().as_u16(), set_cookies(&response).len()), (204, 0), "this session goes on");
        assert_eq!((jar.me(&app).await.0, other.me(&app).await.0), (200, 401));
        let response = jar.post(&app, "/logout").json(&json!({ "which": "all" })).send().await.unwrap();
        assert_eq!((response.status().as_u16(), set_cookies(&response).len()), (204, 2));
        assert!(is_ended(&app, &text(&body, "session_id")).await);
        // Whoever is out already, and by a token that means nothing any more, is rid of the cookies too.
        let stale = Jar(BTreeMap::from([(REFRESH.to_owned(), "hp_rt_x".to_owned())]));
        let response = stale.post(&app, "/logout").send().await.unwrap();
        assert_eq!((response.status().as_u16(), set_cookies(&response).len()), (401, 2));
        assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="hallpass""#);
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "invalid_refresh_token");
        let bearer = app.client.post(app.url("/logout")).bearer_auth(app.token().await).send().await.unwrap();
        assert_eq!((bearer.status().as_u16(), set_cookies(&bearer).len()), (204, 0), "who sent no cookie is sent none");
    }

    async fn an_outage_takes_no_cookie_away(app: TestApp) {
        let (jar, body) = login(&app).await;
        app.raw_sql("ALTER TABLE session RENAME TO elsewhere").await;
        for (path, body) in [("/logout", json!({})), ("/refresh", json!({})), ("/login", credentials())] {
            assert_eq!(refused(jar.post(&app, path).json(&body)).await, (503, "temporarily_unavailable".to_owned()), "{path}");
        }
        app.raw_sql("ALTER TABLE elsewhere RENAME TO session").await;
        assert!(!is_ended(&app, &text(&body, "session_id")).await);
        assert_eq!(jar.post(&app, "/logout").send().await.unwrap().status(), 204, "what was not recorded can be tried again");
    }

    async fn an_expired_access_cookie_still_logs_out(app: TestApp) {
        let (jar, body) = login(&app).await;
        app.clock.advance(3600);
        assert_eq!(jar.me(&app).await.0, 401);
        assert_eq!(jar.without(REFRESH).post(&app, "/logout").send().await.unwrap().status(), 204);
        assert!(is_ended(&app, &text(&body, "session_id")).await);
    }

    async fn d22_who_comes_second_gets_the_same_cookies_and_loses_none(app: TestApp) {
        let (jar, _) = login(&app).await;
        let answers = futures_util::future::join_all((0..16).map(|_| jar.post(&app, "/refresh").send())).await;
        let mut successors = std::collections::BTreeSet::new();
        for answer in answers {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 200);
            let cookies = set_cookies(&answer);
            assert!(cookies.len() == 2 && cookies.iter().all(|cookie| cookie.max_age > 0));
            successors.insert(cookies[1].value.clone());
        }
        assert_eq!(successors.len(), 1);
        let mut late = jar.clone();
        late.take(&jar.post(&app, "/refresh").send().await.unwrap());
        assert!(successors.contains(&late.0[REFRESH]));
        app.clock.advance(11);
        // Even reuse takes no cookie away: the browser may have newer ones, of another login, by the time that the answer arrives.
        assert_eq!(refused(jar.post(&app, "/refresh")).await, (401, "invalid_refresh_token".to_owned()));
        assert_eq!(late.me(&app).await.0, 401);
    }
}
