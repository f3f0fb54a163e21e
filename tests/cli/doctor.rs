//! `hallpass doctor`: what is wrong is found and comes with what to do about it, and nothing is changed.

use serde_json::Value;

use crate::program::Place;
use crate::store::{on_every_store, sql};

/// The findings, after checking that each of them that is not fine has a remedy of one sentence, and that the exit status fits.
#[track_caller]
fn findings(place: &Place) -> Vec<Value> {
    let ran = place.run(&["doctor", "--json"]);
    let findings = ran.json();
    for finding in &findings {
        let remedy = finding["remedy"].as_str();
        assert_eq!(remedy.is_none(), finding["level"] == "ok", "{finding}");
        assert!(remedy.is_none_or(|remedy| !remedy.is_empty() && !remedy.contains(['\n', '"'])), "{finding}");
    }
    let broken = findings.iter().any(|finding| finding["level"] == "broken");
    ran.exits(i32::from(broken));
    findings
}

/// What a check says that is not fine, as `level: finding`.
fn complaints(findings: &[Value], check: &str) -> Vec<String> {
    let of_check = findings.iter().filter(|finding| finding["check"] == check && finding["level"] != "ok");
    of_check.map(|finding| format!("{}: {}", finding["level"].as_str().unwrap(), finding["finding"].as_str().unwrap())).collect()
}

/// Exactly one complaint, which begins like this.
#[track_caller]
fn one_complaint(findings: &[Value], check: &str, begins: &str) {
    let found = complaints(findings, check);
    assert!(found.len() == 1 && found[0].starts_with(begins), "{begins}: {found:?}");
}

fn with_a_file() -> Place {
    let place = Place::with_keys();
    place.write("hallpass.db", "");
    place.chmod("hallpass.db", 0o600);
    place
}

#[test]
fn a_service_that_is_well_has_nothing_broken_and_nothing_to_look_at() {
    let behind_a_proxy = || with_a_file().set("HALLPASS__SERVER__TRUSTED_PROXIES", "127.0.0.1");
    on_every_store(behind_a_proxy, |place| {
        place.run(&["migrate"]).ok();
        place.run_with(&["user", "add", "ada@example.org", "--password-stdin"], "plum kettle orbit seven").ok();
        let found = findings(place);
        let bad: Vec<&Value> = found.iter().filter(|finding| finding["level"] != "ok").collect();
        assert!(bad.is_empty(), "{bad:?}");
        let mut checks: Vec<&str> = found.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
        checks.dedup();
        assert_eq!(checks, ["config", "keys", "proxy", "cookies", "files", "store", "clock", "store", "clock", "hashing"]);
        let hashing = &found.last().unwrap()["measured"];
        assert!(hashing["ms"].as_f64().unwrap() > 0.0 && hashing["threads"] == 1 && hashing["cost"] == 10, "{hashing}");

        let text = place.run(&["doctor"]).ok().stdout;
        assert!(text.contains("ok       keys      20") && text.ends_with("0 broken, 0 to look at\n"), "{text}");
    });
}

#[test]
fn a_store_without_tables_is_told_on_and_stays_without() {
    on_every_store(with_a_file, |place| {
        one_complaint(&findings(place), "store", "warning: the database holds no tables");
        one_complaint(&findings(place), "store", "warning: the database holds no tables");
        place.run(&["migrate"]).ok();
        sql(place, "DELETE FROM _sqlx_migrations WHERE version > 7");
        one_complaint(&findings(place), "store", "warning: schema version 7 is older");
    });
    let place = Place::with_keys();
    one_complaint(&findings(&place), "store", "warning: there is no database file yet");
    assert_eq!(place.files(), ["keys.json"], "nothing is made");
}

#[test]
fn l19_a_schema_that_this_program_does_not_know_is_broken() {
    on_every_store(with_a_file, |place| {
        place.run(&["migrate"]).ok();
        let copied = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) SELECT 9999, 'later', success, checksum, 0 FROM _sqlx_migrations LIMIT 1";
        sql(place, copied);
        one_complaint(&findings(place), "store", "broken: schema version 9999 is not known");
        sql(place, "DELETE FROM _sqlx_migrations WHERE version = 9999");
        let other = if place.setting("HALLPASS__DATABASE__URL").is_some() { "'\\x00'" } else { "x'00'" };
        sql(place, &format!("UPDATE _sqlx_migrations SET checksum = {other} WHERE version = 1"));
        one_complaint(&findings(place), "store", "broken: schema version 1 was made by a different build");
    });
}

#[test]
fn a_login_from_the_future_shows_that_a_clock_is_wrong() {
    on_every_store(with_a_file, |place| {
        place.run(&["migrate"]).ok();
        let later = |seconds: i64| {
            let at = now() + seconds;
            sql(place, &format!("DELETE FROM audit; INSERT INTO audit (id, at, event) VALUES ('x', {at}, 'test')"));
            findings(place)
        };
        one_complaint(&later(30), "clock", "warning: the clock by which the newest login");
        one_complaint(&later(3600), "clock", "broken: the clock by which the newest login");
        assert_eq!(complaints(&later(-3600), "clock"), [""; 0]);
    });
}

fn now() -> i64 {
    hallpass::clock::Clock::System.now()
}

#[test]
fn l12_a_store_that_cannot_be_written_to_is_broken() {
    on_every_store(with_a_file, |place| {
        place.run(&["migrate"]).ok();
        let read_only = match place.setting("HALLPASS__DATABASE__URL") {
            Some(url) => {
                let name = url.rsplit_once('/').unwrap().1;
                sql(place, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
                None
            }
            None => Some("sqlite:hallpass.db?mode=ro"),
        };
        let mut command = place.command(&["doctor", "--json"]);
        command.envs(read_only.map(|url| ("HALLPASS__DATABASE__URL", url)));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        one_complaint(&found, "store", "broken: account cannot be written to");
    });
}

#[test]
fn l2_a_store_that_does_not_answer_is_broken_and_the_rest_is_looked_at_all_the_same() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let url = format!("postgres://hallpass:s3cret@127.0.0.1:{port}/x");
    let place = Place::with_keys().set("HALLPASS__DATABASE__URL", &url);
    let found = findings(&place);
    one_complaint(&found, "store", "broken: the database is not available");
    assert!(found.iter().any(|finding| finding["check"] == "hashing"));
    assert!(!format!("{found:?}").contains("s3cret"));

    let place = Place::with_keys();
    place.write("hallpass.db", "this is no database, and long enough for SQLite to see it".repeat(20));
    place.chmod("hallpass.db", 0o600);
    one_complaint(&findings(&place), "store", "broken: the database is not available");
}

#[test]
fn a_database_that_could_not_be_made_or_whose_address_cannot_be_read_is_broken() {
    for (url, says) in [
        ("sqlite:nowhere/x.db", "broken: database.url (sqlite:nowhere/x.db) cannot be created"),
        ("sqlite:keys.json/x.db", "broken: database.url (sqlite:keys.json/x.db) cannot be created"),
        ("sqlite:", "broken: database.url (sqlite:) names no file"),
        ("sqlite:x.db?mode=foo", "broken: database.url (sqlite:x.db) cannot be read"),
        ("postgres://u:s3cret@127.0.0.1:notaport/d", "broken: database.url (postgres://[redacted]@127.0.0.1:notaport/d) cannot be read"),
    ] {
        let place = Place::with_keys().set("HALLPASS__DATABASE__URL", url);
        one_complaint(&findings(&place), "store", says);
        assert_eq!(place.files(), ["keys.json"], "nothing is made");
    }
}

#[test]
fn settings_that_cannot_be_used_are_all_named_and_what_can_be_looked_at_is() {
    let place = Place::with_keys().set("HALLPASS__PASSWORD__BCRYPT_COST", "31").set("HALLPASS__TOKEN__LEEWAY", "1h");
    let found = findings(&place);
    let config = complaints(&found, "config");
    assert_eq!(config.len(), 2, "{config:?}");
    assert!(config.iter().any(|text| text.contains("password.bcrypt_cost")) && config.iter().any(|text| text.contains("token.leeway")));
    assert!(found.iter().any(|finding| finding["check"] == "keys" && finding["level"] == "ok"));
    assert!(!found.iter().any(|finding| finding["check"] == "hashing"), "that would take days");

    let place = Place::with_keys().set("HALLPASS__SERVER__LISTNE", "127.0.0.1:1");
    assert_eq!(findings(&place).len(), 1, "nothing can be read: told once");
}

#[test]
fn k1_k2_k6_keys_that_are_missing_unreadable_readable_by_all_or_old_are_told_on() {
    let place = Place::with_keys();
    place.chmod("keys.json", 0o644);
    one_complaint(&findings(&place), "keys", "warning: the keys file can be read or changed by other users");
    place.chmod("keys.json", 0o600);

    let mut set: Value = serde_json::from_str(&place.read("keys.json")).unwrap();
    set["keys"][0]["iat"] = (now() - 400 * 86_400).into();
    place.write("keys.json", set.to_string());
    let kid = set["keys"][0]["kid"].as_str().unwrap().to_owned();
    one_complaint(&findings(&place), "keys", &format!("warning: {kid} has been there for 400 days, and still signs"));
    set["keys"][0].as_object_mut().unwrap().remove("iat");
    place.write("keys.json", set.to_string());
    one_complaint(&findings(&place), "keys", &format!("warning: the age of {kid} is unknown"));

    place.write("keys.json", "{}");
    one_complaint(&findings(&place), "keys", "broken: keys.file: the keys are not a JWK Set");
    std::fs::remove_file(place.path().join("keys.json")).unwrap();
    one_complaint(&findings(&place), "keys", "broken: keys.file: cannot read keys.json");
}

#[test]
fn files_with_secrets_that_others_can_read_are_told_on() {
    let place = with_a_file();
    place.run(&["migrate"]).ok();
    place.chmod("hallpass.db", 0o644);
    place.write("hallpass.toml", "[database]\nurl = \"sqlite:hallpass.db\"\n");
    place.chmod("hallpass.toml", 0o644);
    let place = place.set("HALLPASS_CONFIG", "hallpass.toml");
    one_complaint(&findings(&place), "files", "warning: the database file holds password hashes, and other users");
    place.write("hallpass.toml", "[database]\nurl = \"postgres://hallpass:s3cret@127.0.0.1:1/x\"\n");
    let found = findings(&place);
    one_complaint(&found, "files", "warning: the settings file holds a secret, and other users");
    assert!(!format!("{found:?}").contains("s3cret"));
}

#[test]
fn a_proxy_whose_word_is_not_taken_is_told_on() {
    one_complaint(&findings(&with_a_file()), "proxy", "warning: token.issuer is https and there is no TLS here");
}

#[test]
fn k6_the_key_of_a_certificate_and_files_that_variables_name_are_told_on_when_others_can_read_them() {
    let secret = "base64url:C1Sd5i94wQpTnOUud8AJUpvkLXa_CFGa4yx1vgdQmeIrdL0GT5jh";
    for (variable, content, says) in [
        ("HALLPASS__SERVER__TLS_KEY_FILE", "", "server.tls_key_file holds the private key of the certificate"),
        ("HALLPASS__KEYS__SECRET_FILE", secret, "HALLPASS__KEYS__SECRET_FILE names a file with a secret"),
        ("HALLPASS__DATABASE__URL_FILE", "sqlite:hallpass.db", "HALLPASS__DATABASE__URL_FILE names a file with a secret"),
    ] {
        let place = Place::new().set("HALLPASS__TOKEN__ISSUER", "https://auth.example.com").set(variable, "secret.txt");
        place.write("secret.txt", content);
        place.chmod("secret.txt", 0o644);
        let found = findings(&place);
        one_complaint(&found, "files", &format!("warning: {says}, and other users of this machine can read or change it"));
        assert!(!format!("{found:?}").contains("U3Boa"), "{found:?}");
        for mode in [0o600, 0o640] {
            place.chmod("secret.txt", mode);
            assert_eq!(complaints(&findings(&place), "files"), [""; 0]);
        }
    }
}

#[test]
fn an_issuer_of_plain_http_for_other_machines_is_told_on() {
    let place = with_a_file().set("HALLPASS__TOKEN__ISSUER", "http://127.0.0.1:8080").set("HALLPASS__SERVER__LISTEN", "0.0.0.0:8080");
    let found = findings(&place);
    assert!(complaints(&found, "proxy").iter().any(|text| text.contains("names this one over plain http")), "{found:?}");
    one_complaint(&found, "cookies", "warning: cookies are `Secure`");
}
