//! Keys, from the first to the retired.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::program::Place;

fn listed(place: &Place) -> Vec<(String, bool)> {
    let keys = place.run(&["key", "list", "--json"]).ok().json();
    keys.iter().map(|key| (key["kid"].as_str().unwrap().to_owned(), key["signs"].as_bool().unwrap())).collect()
}

fn rotate(place: &Place) -> Value {
    place.run(&["key", "rotate", "--json"]).ok().json().remove(0)
}

/// Key material of the file, none of which may be printed.
fn material(place: &Place) -> Vec<String> {
    let set: Value = serde_json::from_str(&place.read("keys.json")).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["k"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_generated_set_has_one_key_of_32_bytes_with_the_day_in_its_name() {
    let place = Place::new();
    let (first, second) = (place.run(&["key", "generate"]).ok(), place.run(&["key", "generate", "--kid", "mine"]).ok());
    let set: Value = serde_json::from_str(&first.stdout).unwrap();
    let key = &set["keys"][0];
    assert_eq!((key["kty"].as_str(), key["alg"].as_str(), set["keys"].as_array().unwrap().len()), (Some("oct"), Some("HS256"), 1));
    assert_eq!(key["k"].as_str().unwrap().len(), 43);
    let kid = key["kid"].as_str().unwrap();
    assert!(kid.len() == 15 && kid.starts_with("20") && kid.as_bytes()[10] == b'-', "{kid}");
    let other: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(other["keys"][0]["kid"], "mine");
    assert_ne!(other["keys"][0]["k"], key["k"]);
    place.run(&["key", "generate", "--kid", "not a name"]).exits(2);
}

#[test]
fn a_key_written_where_others_can_read_it_is_warned_about() {
    let place = Place::new();
    let made = std::fs::File::create(place.path().join("keys.json")).unwrap();
    place.chmod("keys.json", 0o644);
    let output = place.command(&["key", "generate"]).stdout(made).output().unwrap();
    assert!(output.status.success() && String::from_utf8(output.stderr).unwrap().contains("chmod 600"));
}

#[test]
fn k16_a_rotation_adds_then_promotes_and_the_old_key_can_be_retired() {
    let place = Place::with_keys();
    let old = listed(&place).remove(0).0;
    let added = rotate(&place);
    let new = added["kid"].as_str().unwrap().to_owned();
    assert_eq!((added["action"].as_str(), added["signs"].as_str()), (Some("added"), Some(old.as_str())));
    assert_eq!(listed(&place), [(old.clone(), true), (new.clone(), false)]);

    let promoted = rotate(&place);
    assert_eq!((promoted["action"].as_str(), promoted["signs"].as_str()), (Some("promoted"), Some(new.as_str())));
    let next = promoted["next"].as_str().unwrap();
    assert!(next.contains("365 s") && next.contains(&format!("`hallpass key retire {old}`")), "{next}");
    assert_eq!(listed(&place), [(new.clone(), true), (old.clone(), false)]);

    place.run(&["migrate"]).ok();
    place.run(&["key", "retire", &old]).ok();
    assert_eq!(listed(&place), [(new, true)]);
    assert_eq!(rotate(&place)["action"], "added", "the next rotation begins anew");
}

#[test]
fn a_key_that_signs_before_replicas_can_have_read_it_is_warned_about_and_an_older_one_is_not() {
    let place = Place::with_keys();
    // Every key as if it had been made this long before it was.
    let age = |seconds: i64| {
        let mut set: Value = serde_json::from_str(&place.read("keys.json")).unwrap();
        for key in set["keys"].as_array_mut().unwrap() {
            key["iat"] = (key["iat"].as_i64().unwrap() - seconds).into();
        }
        place.write("keys.json", set.to_string());
    };
    assert_eq!(place.run(&["key", "rotate"]).ok().stderr, "");
    let ran = place.run(&["key", "rotate"]).ok();
    assert!(ran.message().contains("s after it was made") && ran.message().contains("SIGHUP"), "{ran:?}");
    assert_eq!(place.run(&["key", "rotate"]).ok().stderr, "");
    age(150);
    assert_eq!(place.run(&["key", "rotate"]).ok().stderr, "");
}

#[test]
fn a_key_stays_when_there_is_no_database_that_could_tell_what_it_has_sealed() {
    let place = Place::with_keys();
    let old = listed(&place).remove(0).0;
    rotate(&place);
    rotate(&place);
    let ran = place.run(&["key", "retire", &old]).exits(1);
    assert!(ran.message().contains("the key stays") && ran.message().contains("HALLPASS__DATABASE__URL"), "{ran:?}");
    assert_eq!(listed(&place).len(), 2);
    let ran = place.run(&["key", "retire", &old, "--force"]).ok();
    assert!(ran.message().contains("recovery code"), "{ran:?}");
    assert_eq!(listed(&place).len(), 1);
}

#[test]
fn the_only_key_and_the_signing_one_are_not_retired_by_mistake() {
    let place = Place::with_keys();
    let first = listed(&place).remove(0).0;
    assert!(place.run(&["key", "retire", &first, "--force"]).exits(1).message().contains("only key"));
    let second = rotate(&place)["kid"].as_str().unwrap().to_owned();
    assert!(place.run(&["key", "retire", &first]).exits(1).message().contains("--force"));
    place.run(&["key", "retire", "unknown"]).exits(1);
    assert_eq!(listed(&place).len(), 2);
    // K18: the first key has leaked.
    place.run(&["key", "retire", &first, "--force"]).ok();
    assert_eq!(listed(&place), [(second, true)]);
}

#[test]
fn a_change_keeps_the_mode_of_the_file_follows_its_link_and_leaves_nothing_beside_it() {
    let place = Place::with_keys();
    std::fs::create_dir(place.path().join("real")).unwrap();
    std::fs::rename(place.path().join("keys.json"), place.path().join("real/keys.json")).unwrap();
    std::os::unix::fs::symlink("real/keys.json", place.path().join("keys.json")).unwrap();
    for mode in [0o600, 0o640, 0o400] {
        place.chmod("keys.json", mode);
        rotate(&place);
        assert_eq!(place.mode("real/keys.json"), mode);
    }
    assert!(place.path().join("keys.json").is_symlink());
    assert_eq!(std::fs::read_dir(place.path().join("real")).unwrap().count(), 1);
}

#[test]
fn members_that_are_not_ours_survive_a_change() {
    let place = Place::with_keys();
    let mut set: Value = serde_json::from_str(&place.read("keys.json")).unwrap();
    set["note"] = "kept".into();
    set["keys"][0]["x-owner"] = "kept too".into();
    place.write("keys.json", set.to_string());
    rotate(&place);
    let set: Value = serde_json::from_str(&place.read("keys.json")).unwrap();
    assert_eq!((&set["note"], &set["keys"][0]["x-owner"]), (&"kept".into(), &"kept too".into()));
}

#[test]
fn sixteen_rotations_at_once_end_in_a_file_that_is_whole() {
    let place = Place::with_keys();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert!([0, 1].contains(&place.run(&["key", "rotate"]).code)));
        }
    });
    // Each added or promoted one key or found the set full; none lost what another did.
    assert_eq!(listed(&place).len(), 5);
    place.run(&["config", "check"]).ok();
}

#[test]
fn a_set_that_is_full_or_broken_stays_as_it_is() {
    let place = Place::with_keys();
    for _ in 0..8 {
        rotate(&place);
    }
    let full = place.read("keys.json");
    assert!(place.run(&["key", "rotate"]).exits(1).message().contains("key retire"));
    assert_eq!(place.read("keys.json"), full);
    place.write("keys.json", &full[..full.len() / 2]);
    let broken = place.read("keys.json");
    for args in [&["key", "rotate"][..], &["key", "list"], &["key", "retire", "x"]] {
        place.run(args).exits(78);
    }
    assert_eq!(place.read("keys.json"), broken);
}

#[test]
fn k6_a_keys_file_that_others_can_read_is_warned_about_with_the_command_that_mends_it() {
    let place = Place::with_keys();
    assert_eq!(place.run(&["key", "list"]).ok().stderr, "");
    place.chmod("keys.json", 0o440);
    assert_eq!(place.run(&["key", "list"]).ok().stderr, "", "a group is how orchestrators hand secrets over");
    for mode in [0o644, 0o604, 0o660] {
        place.chmod("keys.json", mode);
        for args in [&["key", "list"][..], &["config", "check"]] {
            assert!(place.run(args).ok().message().ends_with("chmod 600 keys.json"), "{mode:o}");
        }
    }
    let service = place.serve(&[]);
    let warnings =
        service.lines.iter().filter(|line| line["level"] == "WARN" && line["message"].as_str().unwrap().contains("chmod 600 keys.json"));
    assert_eq!(warnings.count(), 1);
}

#[test]
fn k6_a_keys_file_of_another_user_is_warned_about_and_stays_theirs_when_it_is_changed() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let place = Place::with_keys();
    let file = place.path().join("keys.json");
    if chown(&file, Some(12_345), Some(12_346)).is_err() {
        return eprintln!("left out: only root can give a file away");
    }
    assert!(place.run(&["key", "list"]).ok().message().contains("belongs to user 12345"));
    rotate(&place);
    let owner = file.metadata().unwrap();
    assert_eq!((owner.uid(), owner.gid(), place.mode("keys.json")), (12_345, 12_346, 0o600));
}

#[test]
fn key_material_is_printed_by_generate_and_export_only() {
    let place = Place::with_keys();
    place.run(&["migrate"]).ok();
    let mut printed = String::new();
    let old = listed(&place).remove(0).0;
    for args in [
        &["key", "rotate"][..],
        &["key", "rotate", "--json"],
        &["key", "list"],
        &["key", "list", "--json"],
        &["config", "print"],
        &["key", "retire", &old],
    ] {
        let ran = place.run(args).ok();
        assert!(material(&place).iter().all(|k| !ran.stdout.contains(k) && !ran.stderr.contains(k)));
        printed += &ran.stdout;
    }
    assert!(printed.contains(&old));
}

#[test]
fn without_a_keys_file_there_is_nothing_to_rotate() {
    assert!(Place::new().run(&["key", "rotate"]).exits(78).message().contains("keys.file is not set"));
    let single = Place::new().set("HALLPASS__KEYS__SECRET", "base64url:C1Sd5i94wQpTnOUud8AJUpvkLXa_CFGa4yx1vgdQmeIrdL0GT5jh");
    assert!(single.run(&["key", "list"]).exits(78).message().contains("keys.secret"));
}

/// A JWK Set's keys as pairs of name and material.
fn pairs(text: &str) -> Vec<(String, String)> {
    let set: Value = serde_json::from_str(text).unwrap();
    let pair = |key: &Value| (key["kid"].as_str().unwrap().to_owned(), key["k"].as_str().unwrap().to_owned());
    set["keys"].as_array().unwrap().iter().map(pair).collect()
}

#[test]
fn keys_are_exported_in_each_format_the_one_that_signs_first_and_nothing_else_of_the_file() {
    let place = Place::with_keys();
    let mut set: Value = serde_json::from_str(&place.read("keys.json")).unwrap();
    set["keys"][0]["x-note"] = "nobody else's".into();
    place.write("keys.json", set.to_string());
    rotate(&place);
    let expected = pairs(&place.read("keys.json"));
    let export = |format: &str| {
        let ran = place.run(&["key", "export", "--format", format]).ok();
        assert!(ran.stderr.is_empty() && !ran.stdout.contains("nobody"), "{ran:?}");
        ran.stdout
    };
    assert_eq!(pairs(&export("jwks")), expected);
    let envoy = export("envoy");
    let inline = envoy.strip_prefix("local_jwks:\n  inline_string: '").unwrap().strip_suffix("'\n").unwrap();
    assert_eq!(pairs(inline), expected);
    let lines: Vec<String> = (1..)
        .zip(&expected)
        .map(|(number, (kid, k))| format!("HALLPASS_KEY_{number}_KID={kid}\nHALLPASS_KEY_{number}=base64url:{k}\n"))
        .collect();
    assert_eq!(export("env"), lines.concat());
    let decoded: Vec<(String, Vec<u8>)> = export("haproxy").lines().map(haproxy_entry).collect();
    let raw = |(kid, k): &(String, String)| (kid.clone(), URL_SAFE_NO_PAD.decode(k).unwrap());
    assert_eq!(decoded, expected.iter().map(raw).collect::<Vec<_>>());
    place.run(&["key", "export"]).exits(2);
    place.run(&["key", "export", "--format", "pem"]).exits(2);
}

/// The name in the header, which is exactly the one that tokens have, and the key.
fn haproxy_entry(line: &str) -> (String, Vec<u8>) {
    let (header, key) = line.split_once(' ').unwrap();
    let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let kid = header.strip_prefix(r#"{"typ":"at+jwt","alg":"HS256","kid":""#).unwrap().strip_suffix(r#""}"#).unwrap();
    let bytes = key.split('%').skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    (kid.to_owned(), bytes)
}

#[test]
fn a_single_secret_is_exported_under_the_name_that_its_tokens_have() {
    let k = "C1Sd5i94wQpTnOUud8AJUpvkLXa_CFGa4yx1vgdQmeIrdL0GT5jh";
    let place =
        Place::new().set("HALLPASS__KEYS__SECRET", &format!("base64url:{k}")).set("HALLPASS__TOKEN__ISSUER", "https://auth.example.com");
    let exported = place.run(&["key", "export", "--format", "jwks"]).ok().stdout;
    let [(kid, material)] = &pairs(&exported)[..] else { panic!("{exported}") };
    assert_eq!((kid.len(), material.as_str()), (12, k));
    // A service with the exported set believes what the one with the secret signs: they have the same header and the same key.
    place.write("keys.json", &exported);
    place.chmod("keys.json", 0o600);
    let file = Place::new().set("HALLPASS__KEYS__FILE", place.path().join("keys.json").to_str().unwrap());
    assert_eq!(listed(&file), [(kid.clone(), true)]);
}

#[test]
fn an_export_that_others_can_read_is_warned_about_and_without_keys_there_is_none() {
    let place = Place::with_keys();
    let made = std::fs::File::create(place.path().join("exported")).unwrap();
    place.chmod("exported", 0o644);
    let output = place.command(&["key", "export", "--format", "env"]).stdout(made).output().unwrap();
    assert!(output.status.success() && String::from_utf8(output.stderr).unwrap().contains("chmod 600"));
    Place::new().run(&["key", "export", "--format", "env"]).exits(78);
}

#[test]
fn a46_an_audience_gets_keys_of_its_own_in_each_format_and_its_service_signs_with_them() {
    let place = Place::with_keys().set("HALLPASS__TOKEN__AUDIENCE", "orders").set("HALLPASS__TOKEN__PER_AUDIENCE_KEYS", "true");
    rotate(&place);
    let master = pairs(&place.read("keys.json"));
    let export = |format: &str, audience: &str| place.run(&["key", "export", "--format", format, "--audience", audience]).ok().stdout;
    let orders = pairs(&export("jwks", "orders"));
    let kids = |pairs: &[(String, String)]| pairs.iter().map(|(kid, _)| kid.clone()).collect::<Vec<_>>();
    assert_eq!(kids(&orders), kids(&master));
    let all = [&master[..], &orders, &pairs(&export("jwks", "billing"))].concat();
    assert_eq!(all.iter().map(|(_, k)| k).collect::<std::collections::BTreeSet<_>>().len(), 6, "no two are the same");
    assert_eq!(export("env", "orders").matches(&format!("=base64url:{}\n", orders[1].1)).count(), 1);
    assert!(export("envoy", "orders").contains(&orders[0].1));
    let (kid, bytes) = haproxy_entry(export("haproxy", "orders").lines().next().unwrap());
    assert_eq!((kid, URL_SAFE_NO_PAD.encode(bytes)), orders[0]);

    // A service whose only keys are the exported ones believes what this one signs, and the others do not.
    place.run_with(&["user", "add", "ada@example.org", "--password-stdin"], "plum kettle orbit seven").ok();
    let service = place.serve(&[]);
    let (status, body) = service.login("ada@example.org", "plum kettle orbit seven");
    assert_eq!(status, 200);
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(place.run_with(&["token", "inspect", "--json"], token).ok().json()[0]["verdict"], "valid");
    for (audience, code) in [(Some("orders"), 0), (Some("billing"), 1), (None, 1)] {
        let exported = match audience {
            Some(audience) => export("jwks", audience),
            None => place.read("keys.json"),
        };
        let other = Place::with_keys().set("HALLPASS__TOKEN__AUDIENCE", "orders");
        other.write("keys.json", exported);
        other.run_with(&["token", "inspect"], token).exits(code);
    }
}

#[test]
fn keys_that_would_verify_nothing_are_exported_with_a_word_about_it() {
    let place = Place::with_keys();
    let export = ["key", "export", "--format", "env", "--audience"];
    assert!(place.run(&[&export[..], &["orders"]].concat()).ok().message().contains("token.per_audience_keys is off"));
    let place = place.set("HALLPASS__TOKEN__PER_AUDIENCE_KEYS", "true");
    assert!(place.run(&[&export[..], &["hallpass"]].concat()).ok().stderr.is_empty());
    assert!(place.run(&[&export[..], &["orders"]].concat()).ok().message().contains("token.audience is another one"));
    assert!(place.run(&export[..4]).ok().message().contains("--audience"));
    for bad in ["", "a b", "a\u{1}"] {
        place.run(&[&export[..], &[bad]].concat()).exits(2);
    }
}

#[test]
fn keys_of_audiences_need_exactly_one_audience() {
    let place = Place::with_keys().set("HALLPASS__TOKEN__PER_AUDIENCE_KEYS", "true").set("HALLPASS__TOKEN__AUDIENCE", "orders,billing");
    for args in [&["serve"][..], &["config", "check"]] {
        let message = place.run(args).exits(78).message().to_owned();
        assert!(message.contains("token.per_audience_keys") && message.contains("exactly one"), "{message}");
    }
}
