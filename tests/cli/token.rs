//! Looking into tokens.

use crate::program::Place;

const PASSWORD: &str = "plum kettle orbit seven";

/// A place with somebody in it, and a token of theirs.
fn place_and_token() -> (Place, String) {
    let place = Place::with_keys();
    place.run_with(&["user", "add", "ada@example.org", "--scope", "orders:read", "--password-stdin"], PASSWORD).ok();
    let service = place.serve(&[]);
    let (status, body) = service.login("ada@example.org", PASSWORD);
    assert_eq!(status, 200);
    (place, body["access_token"].as_str().unwrap().to_owned())
}

#[test]
fn a_token_is_valid_for_the_service_that_signed_it_and_invalid_for_a_reason_elsewhere() {
    let (place, token) = place_and_token();
    for args in [&["token", "inspect"][..], &["token", "inspect", "-"]] {
        let ran = place.run_with(args, format!("{token}\n")).ok();
        assert!(ran.stdout.contains("verdict  valid\n") && ran.stdout.contains("Z (in "), "{ran:?}");
    }
    let inspected = place.run_with(&["token", "inspect", "--json"], &token).ok().json().remove(0);
    assert_eq!((&inspected["verdict"], &inspected["claims"]["scope"]), (&"valid".into(), &"orders:read".into()));
    assert!(inspected["times"]["exp"].as_str().unwrap().ends_with('Z'));

    let elsewhere = place.set("HALLPASS__TOKEN__ISSUER", "https://other.example.com");
    let ran = elsewhere.run_with(&["token", "inspect"], &token).exits(1);
    assert!(ran.stdout.contains("verdict  not valid: the token is from another issuer"), "{ran:?}");
    let ran = Place::with_keys().run_with(&["token", "inspect", "--json"], &token).exits(1);
    assert_eq!(ran.json()[0]["reason"], "the token's header is not one that a key of this ring writes");
}

#[test]
fn without_a_configuration_a_token_is_decoded_and_called_not_verified() {
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtYWxsb3J5XHUwMDFiWzMxbSIsImV4cCI6MX0.";
    let ran = Place::new().run_with(&["token", "inspect"], token).ok();
    assert!(ran.stdout.contains("not verified") && ran.stdout.contains("1970-01-01T00:00:01Z"), "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}'));
    assert_eq!(Place::new().run_with(&["token", "inspect", "--json"], token).ok().json()[0]["verdict"], "not_verified");
}

#[test]
fn what_is_no_token_is_a_failure() {
    for text in ["", "x", "a.b.c", "\u{202e}", "e30"] {
        Place::new().run_with(&["token", "inspect"], text).exits(1);
        Place::with_keys().run_with(&["token", "inspect"], text).exits(1);
    }
}

#[test]
fn whoever_names_a_settings_file_wants_the_token_verified() {
    let place = Place::new();
    place.write("hallpass.toml", "[log]\nformat = \"text\"\n");
    place.run_with(&["token", "inspect", "--config", "hallpass.toml"], "e30.e30.x").exits(78);
}
