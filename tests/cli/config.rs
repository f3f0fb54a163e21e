//! Settings as the program reads them: from a file, from the environment, from secrets in files.

use crate::program::Place;

#[test]
fn k1_without_a_key_nothing_starts_and_the_message_has_the_command_that_makes_one() {
    let place = Place::new().set("HALLPASS__TOKEN__ISSUER", "https://auth.example.com");
    for args in [&["serve"][..], &["config", "check"]] {
        let ran = place.run(args).exits(78);
        assert!(ran.message().contains("hallpass key generate > keys.json"), "{ran:?}");
    }
    assert_eq!(place.files(), [""; 0], "nothing may be made up in its place");
}

#[test]
fn k2_k4_a_weak_or_a_known_key_is_refused_with_78() {
    let known = "base64url:YS1zdHJpbmctc2VjcmV0LWF0LWxlYXN0LTI1Ni1iaXRzLWxvbmc";
    for (secret, reason) in
        [("base64url:c2hvcnQ", "shorter than 32 bytes"), (known, "publicly known"), ("thisshouldbeasecret", "base64url:")]
    {
        let place = Place::new().set("HALLPASS__TOKEN__ISSUER", "https://auth.example.com").set("HALLPASS__KEYS__SECRET", secret);
        let ran = place.run(&["config", "check"]).exits(78);
        assert!(ran.message().contains(reason) && !ran.stderr.contains(secret), "{ran:?}");
    }
}

#[test]
fn an_address_of_a_database_that_serve_refuses_is_refused_by_check_in_the_same_sentence() {
    for url in [
        "postgres://u:s3cret@127.0.0.1:notaport/d",
        "postgres://u:s3cret@127.0.0.1/d?sslmode=foo",
        "sqlite:x.db?mode=foo",
        "sqlite:",
        "sqlite:nowhere/x.db",
        "sqlite:keys.json/x.db",
    ] {
        let place = Place::with_keys().set("HALLPASS__DATABASE__URL", url);
        let refused = place.run(&["serve", "--listen", "127.0.0.1:0"]).exits(78);
        let checked = place.run(&["config", "check"]).exits(78);
        assert!(checked.message().contains("database.url") && !checked.stderr.contains("s3cret"), "{checked:?}");
        assert_eq!(checked.message(), refused.message());
        assert_eq!(place.files(), ["keys.json"], "nothing is made");
    }
}

#[test]
fn k5_a_secret_from_a_file_loses_one_newline_and_no_more() {
    let place = Place::new().set("HALLPASS__TOKEN__ISSUER", "https://auth.example.com").set("HALLPASS__KEYS__SECRET_FILE", "secret");
    let secret = "base64url:C1Sd5i94wQpTnOUud8AJUpvkLXa_CFGa4yx1vgdQmeI";
    for (end, code) in [("", 0), ("\n", 0), ("\r\n", 0), ("\n\n", 78), (" ", 78)] {
        place.write("secret", format!("{secret}{end}"));
        place.run(&["config", "check"]).exits(code);
    }
}

#[test]
fn k10_a_typo_is_refused_in_one_sentence() {
    let place = Place::with_keys().set("HALLPASS__SERVER__LISTNE", "127.0.0.1:1");
    for args in [&["serve"][..], &["config", "print"], &["user", "list"], &["healthcheck"]] {
        assert!(place.run(args).exits(78).message().contains("SERVER__LISTNE"));
    }
}

#[test]
fn check_says_which_key_signs_and_print_shows_no_secret() {
    let place = Place::with_keys().set("HALLPASS__DATABASE__URL", "postgres://hallpass:s3cret@127.0.0.1/x");
    let kid = place.run(&["key", "list", "--json"]).ok().json()[0]["kid"].as_str().unwrap().to_owned();
    assert!(place.run(&["config", "check"]).ok().stdout.contains(&kid));
    let printed = place.run(&["config", "print"]).ok().stdout;
    assert!(printed.contains("issuer = \"https://auth.example.com\"") && !printed.contains("s3cret"), "{printed}");
}

#[test]
fn k6_check_warns_of_a_keys_file_that_others_can_read_as_hallpass() {
    let place = Place::with_keys();
    place.chmod("keys.json", 0o644);
    let ran = place.run(&["config", "check"]).ok();
    assert!(ran.message().starts_with("hallpass: the keys file can be read or changed by other users"), "{ran:?}");
}

#[test]
fn the_printed_defaults_are_a_file_that_works_with_a_key_and_an_issuer() {
    let place = Place::with_keys();
    place.write("hallpass.toml", place.run(&["config", "defaults"]).ok().stdout);
    place.run(&["config", "check", "--config", "hallpass.toml"]).ok();
    let place = place.set("HALLPASS_CONFIG", "hallpass.toml");
    place.run(&["config", "check"]).ok();
    place.run(&["config", "check", "--config", ""]).ok();
    assert!(place.run(&["config", "check", "--config", "missing.toml"]).exits(78).message().contains("missing.toml"));
}
