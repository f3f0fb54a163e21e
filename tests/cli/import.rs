//! Bringing people from elsewhere.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::program::{Place, Ran};
use crate::store::on_every_store;

/// A usable hash, of a password that does not matter.
const HASH: &str = "$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn import(place: &Place, file: &str, content: impl AsRef<[u8]>) -> Ran {
    place.write(file, content);
    place.run(&["user", "import", file, "--json"])
}

fn counts(ran: &Ran) -> (u64, u64, u64) {
    let summary = &ran.json()[0];
    let count = |name: &str| summary[name].as_u64().unwrap();
    (count("imported"), count("refused"), count("cheap"))
}

/// Line number and reason of what was refused.
fn refused(ran: &Ran) -> Vec<(u64, String)> {
    let lines = ran.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    lines.map(|line| (line["line"].as_u64().unwrap(), line["reason"].as_str().unwrap().to_owned())).collect()
}

fn refused_lines(ran: &Ran) -> Vec<u64> {
    refused(ran).into_iter().map(|(line, _)| line).collect()
}

fn csv(rows: &[(&str, &str)]) -> String {
    rows.iter().fold("email,password_hash\n".to_owned(), |text, (email, hash)| text + email + "," + hash + "\n")
}

/// The addresses in the order of the list: of one import that of the file, of two commands within a second any.
fn emails(place: &Place) -> Vec<String> {
    place.run(&["user", "list", "--json"]).ok().json().iter().map(|record| record["email"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn people_of_apache_python_and_node_keep_their_passwords_and_their_hashes_are_upgraded() {
    on_every_store(Place::with_keys, |place| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/fixtures");
        for (file, cheap) in [("apache.htpasswd", 1), ("python-bcrypt.csv", 1), ("bcryptjs.jsonl", 1)] {
            let path = fixtures.join(file);
            let ran = place.run(&["user", "import", path.to_str().unwrap(), "--json"]).ok();
            assert_eq!(counts(&ran), (2, 0, cheap), "{file}");
        }
        let service = place.serve(&[]);
        for domain in ["apache", "python", "node"] {
            assert_eq!(service.login(&format!("ada@{domain}.example"), "plum kettle orbit").0, 200, "{domain}");
            assert_eq!(service.login(&format!("grace@{domain}.example"), "Größe: 8 €").0, 200, "{domain}");
            assert_eq!(service.login(&format!("grace@{domain}.example"), "plum kettle orbit").0, 401, "{domain}");
            let shown = place.run(&["user", "show", &format!("ada@{domain}.example")]).ok().stdout;
            assert!(shown.contains("bcrypt, cost 10"), "{shown}");
        }
        let node = place.run(&["user", "show", "ada@node.example", "--json"]).ok().json().remove(0);
        assert_eq!((node["scopes"].to_string(), node["roles"].to_string()), (r#"["orders:read"]"#.into(), r#"["support"]"#.into()));
    });
}

#[test]
fn c8_people_with_more_than_72_bytes_come_along_from_where_passwords_were_cut() {
    /// Made by Apache 2.4.71: `htpasswd -nbB -C 5 …`, which says nothing of the 8 bytes that it left out.
    const LINES: &str = "ada@long.example:$2y$05$3AtvOkjduz2bgy.Au94F6uDhg2qwK32Z5hv0ICzdOko1sDINKket2\n";
    on_every_store(Place::with_keys, |place| {
        let password = &"correct horse battery staple ".repeat(3)[..80];
        place.write("strict.htpasswd", LINES.replace("ada", "eve"));
        place.write("people.htpasswd", LINES);
        place.run(&["user", "import", "strict.htpasswd"]).ok();
        place.run(&["user", "import", "people.htpasswd", "--truncated"]).ok();
        let shown = || place.run(&["user", "show", "ada@long.example"]).ok().stdout;
        assert!(shown().contains("bcrypt, cost 5, cut at 72 bytes until the next login"), "{}", shown());

        let exported = place.run(&["user", "export", "--with-hashes", "--json"]).ok();
        let moved = Place::with_keys();
        moved.write("all.jsonl", exported.stdout);
        moved.run(&["user", "import", "all.jsonl"]).ok();
        assert_eq!(moved.serve(&[]).login("ada@long.example", password).0, 200, "the mark goes along");

        let service = place.serve(&[]);
        assert_eq!(service.login("eve@long.example", password).0, 401);
        assert_eq!(service.login("ada@long.example", password).0, 200);
        assert!(shown().contains("bcrypt, cost 10\n"), "{}", shown());
        assert_eq!(service.login("ada@long.example", &password[..72]).0, 401, "all of it counts now");
        assert_eq!(service.login("ada@long.example", password).0, 200);
    });
}

#[test]
fn a_file_that_htpasswd_has_just_written_can_be_imported() {
    let place = Place::with_keys();
    let made = Command::new("htpasswd")
        .args(["-bcB", "-C", "6", "made.htpasswd", "eve@example.org", "a fresh one"])
        .current_dir(place.path())
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        return eprintln!("left out: there is no htpasswd here");
    }
    place.run(&["user", "import", "made.htpasswd"]).ok();
    assert_eq!(place.serve(&[]).login("eve@example.org", "a fresh one").0, 200);
}

#[test]
fn h7_every_published_malformed_hash_is_refused_by_line_and_the_others_are_imported() {
    let Ok(text) = std::fs::read_to_string("../shared/vectors/bcrypt_published.json") else {
        return eprintln!("left out: ../shared/vectors/bcrypt_published.json is not here");
    };
    let published: Value = serde_json::from_str(&text).unwrap();
    let malformed = published["malformed"].as_array().unwrap();
    assert_eq!(malformed.len(), 20);
    let place = Place::new();
    let mut file = String::new();
    for (number, hash) in malformed.iter().enumerate() {
        writeln!(file, "{}", serde_json::json!({ "email": format!("bad{number}@x.example"), "password_hash": hash })).unwrap();
        writeln!(file, "{}", serde_json::json!({ "email": format!("good{number}@x.example"), "password_hash": HASH })).unwrap();
    }
    let ran = import(&place, "people.jsonl", &file).exits(1);
    assert_eq!(counts(&ran), (20, 20, 0));
    assert_eq!(refused_lines(&ran), (0..20).map(|number| 2 * number + 1).collect::<Vec<u64>>());
    assert!(emails(&place).iter().all(|email| email.starts_with("good")));
    for hash in malformed.iter().filter_map(Value::as_str).filter(|hash| hash.len() > 8) {
        assert!(!ran.stderr.contains(hash), "a reason repeats the hash");
    }
}

#[test]
fn h8_h9_costs_above_14_and_sign_extended_hashes_are_refused_and_cheap_ones_counted() {
    let at = |cost: &str| HASH.replace("$10$", &format!("${cost}$"));
    let hashes = [at("31"), at("15"), at("03"), HASH.replace("$2b$", "$2x$"), at("04"), at("09"), at("10"), at("14")];
    let rows: Vec<(String, String)> = hashes.into_iter().enumerate().map(|(number, hash)| (format!("p{number}@x.example"), hash)).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(email, hash)| (email.as_str(), hash.as_str())).collect();
    let ran = import(&Place::new(), "people.csv", csv(&rows)).exits(1);
    assert_eq!(counts(&ran), (4, 4, 2));
    let reasons = refused(&ran);
    assert_eq!(reasons.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5]);
    for ((_, reason), part) in reasons.iter().zip(["above 14", "above 14", "below 4", "$2x$"]) {
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn h10_a_file_of_windows_with_repeats_nul_and_nonsense_is_reported_line_by_line() {
    let mut file = b"\xef\xbb\xbfroles,password_hash,email\r\n".to_vec();
    let long = format!("{},{HASH},long@x.example", "r".repeat(5000));
    for line in [
        format!("admin ops,{HASH},ada@x.example").as_bytes(), // 2
        format!(",{HASH},ADA@x.example").as_bytes(),          // 3: the same
        b"",                                                  // 4: nothing
        format!(",{HASH},a\0b@x.example").as_bytes(),         // 5
        format!(",{HASH},\u{e4}@x.example").as_bytes(),       // 6: not ASCII
        b",\xff,x@x.example",                                 // 7: not UTF-8
        long.as_bytes(),                                      // 8
        format!("{HASH},b@x.example").as_bytes(),             // 9: two cells
        format!(",\"{HASH}\",\"bob@x.example\"").as_bytes(),  // 10
        format!(",{HASH},=cmd|' /C calc'!A0").as_bytes(),     // 11
    ] {
        file.extend_from_slice(line);
        file.extend_from_slice(b"\r\n");
    }
    let place = Place::new();
    let ran = import(&place, "people.csv", &file).exits(1);
    assert_eq!((counts(&ran), refused_lines(&ran)), ((2, 7, 0), vec![3, 5, 6, 7, 8, 9, 11]));
    assert_eq!(emails(&place), ["ada@x.example", "bob@x.example"]);
    assert_eq!(place.run(&["user", "show", "ada@x.example", "--json"]).ok().json()[0]["roles"].to_string(), r#"["admin","ops"]"#);
}

#[test]
fn h11_people_who_are_there_are_never_overwritten() {
    on_every_store(Place::with_keys, |place| {
        place.run_with(&["user", "add", "ada@x.example", "--role", "admin", "--password-stdin"], "plum kettle orbit seven").ok();
        let before = place.run(&["user", "show", "ada@x.example", "--json"]).ok().stdout;
        for again in [false, true] {
            let ran = import(place, "people.csv", csv(&[("Ada@X.example", HASH), ("bob@x.example", HASH)])).exits(1);
            assert_eq!(counts(&ran), if again { (0, 2, 0) } else { (1, 1, 0) });
            assert!(refused(&ran)[0].1.contains("already"));
        }
        assert_eq!(place.run(&["user", "show", "ada@x.example", "--json"]).ok().stdout, before);
        assert_eq!(place.serve(&[]).login("ada@x.example", "plum kettle orbit seven").0, 200);
    });
}

#[test]
fn a_dry_run_reports_what_the_import_then_does_and_changes_nothing() {
    on_every_store(Place::new, |place| {
        place.run_with(&["user", "add", "ada@x.example", "--password-stdin"], "plum kettle orbit seven").ok();
        place.write(
            "people.csv",
            csv(&[("ADA@x.example", HASH), ("bob@x.example", HASH), ("BOB@x.example", HASH), ("carl@x.example", "x")]),
        );
        let dry = place.run(&["user", "import", "people.csv", "--dry-run", "--json"]).exits(1);
        assert_eq!(emails(place), ["ada@x.example"]);
        let real = place.run(&["user", "import", "people.csv", "--json"]).exits(1);
        assert_eq!((counts(&dry), &dry.stderr), (counts(&real), &real.stderr));
        assert_eq!((counts(&real), refused_lines(&real)), ((1, 3, 0), vec![2, 4, 5]));
        let mut emails = emails(place);
        emails.sort();
        assert_eq!(emails, ["ada@x.example", "bob@x.example"]);
    });
}

#[test]
fn scopes_and_roles_that_no_token_can_hold_are_refused_with_the_limit_and_the_longest_can_log_in() {
    let fixture = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/fixtures/python-bcrypt.csv")).unwrap();
    let hash = fixture.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    let place = Place::with_keys();
    let mut file = "email,password_hash,scopes,roles\n".to_owned();
    for (email, scopes, roles) in [("fits", 1024, 512), ("scopes", 1025, 1), ("roles", 1, 513)] {
        writeln!(file, "{email}@x.example,{hash},{},{}", "s".repeat(scopes), "r".repeat(roles)).unwrap();
    }
    place.write("people.csv", &file);
    for dry_run in [&["--dry-run"][..], &[]] {
        let ran = place.run(&[&["user", "import", "people.csv", "--json"], dry_run].concat()).exits(1);
        assert_eq!((counts(&ran).0, refused_lines(&ran)), (1, vec![3, 4]));
        let reasons = refused(&ran);
        assert!(reasons[0].1.contains("scopes") && reasons[0].1.contains("1024"), "{reasons:?}");
        assert!(reasons[1].1.contains("roles") && reasons[1].1.contains("512"), "{reasons:?}");
    }
    assert_eq!(place.serve(&[]).login("fits@x.example", "plum kettle orbit").0, 200);
}

#[test]
fn a_dry_run_into_a_database_that_is_not_there_does_not_make_one() {
    let place = Place::new();
    place.write("people.csv", csv(&[("ada@x.example", HASH)]));
    let ran = place.run(&["user", "import", "people.csv", "--dry-run"]).ok();
    assert!(ran.stdout.contains("1 imported, 0 refused (dry run: nothing was changed)"), "{ran:?}");
    assert_eq!(place.files(), ["people.csv"]);
}

#[test]
fn more_rows_than_one_transaction_holds_are_imported_in_order_and_reported_by_line() {
    on_every_store(Place::new, |place| {
        let mut file = String::new();
        for number in 1..=3500 {
            let hash = if number % 1000 == 0 { "x" } else { HASH };
            writeln!(file, "p{number}@x.example:{hash}").unwrap();
        }
        let ran = import(place, "people.htpasswd", &file).exits(1);
        assert_eq!((counts(&ran), refused_lines(&ran)), ((3497, 3, 0), vec![1000, 2000, 3000]));
        let listed = emails(place);
        assert_eq!((listed.len(), listed[0].as_str(), listed[3496].as_str()), (3497, "p1@x.example", "p3500@x.example"));
    });
}

#[test]
fn a_file_that_cannot_be_understood_imports_nothing() {
    let place = Place::new();
    for (file, content) in [
        ("a.csv", format!("ada@x.example,{HASH}\n")),
        ("b.csv", format!("email,password_hash,scope\nada@x.example,{HASH},x\n")),
        ("c.csv", "\0\n".to_owned()),
        ("d.csv", format!("email,password_hash\rada@x.example,{HASH}\r")),
    ] {
        let ran = import(&place, file, content).exits(1);
        assert!(ran.stdout.is_empty() && ran.message().starts_with("hallpass: line 1:") && !ran.stderr.contains("$2"), "{ran:?}");
    }
    place.write("people.txt", "");
    assert!(place.run(&["user", "import", "people.txt"]).exits(2).message().contains("--format"));
    assert!(place.run(&["user", "import", "missing.csv"]).exits(1).message().contains("missing.csv"));
    assert_eq!(emails(&place), [""; 0]);
}

#[test]
fn a_row_that_goes_on_after_a_carriage_return_or_in_the_next_line_is_reported_and_never_cut() {
    let place = Place::new();
    let file = [
        "email,password_hash,roles\n".to_owned(),
        format!("ada@x.example,{HASH},ops\rbob@x.example,{HASH},ops\n"), // 2
        format!("carl@x.example,{HASH},\"admin\nops\"\n"),               // 3, 4
        format!("dora@x.example,{HASH},ops\n"),
    ];
    let ran = import(&place, "people.csv", file.concat()).exits(1);
    assert_eq!((counts(&ran), refused_lines(&ran)), ((1, 3, 0), vec![2, 3, 4]));
    let reasons = refused(&ran);
    assert!(reasons[0].1.contains("carriage return") && reasons[1].1.contains("a quote is not closed"), "{reasons:?}");
    assert_eq!(emails(&place), ["dora@x.example"]);
}

#[test]
fn standard_input_can_be_imported_too() {
    let place = Place::new();
    let ran = place
        .run_with(&["user", "import", "-", "--format", "htpasswd"], format!("# people\nada@x.example:{HASH}\n\nbob:{HASH}\n"))
        .exits(1);
    assert_eq!(ran.stdout, "1 imported, 1 refused\n");
    assert!(ran.message().starts_with("line 4: not an e-mail address"), "{ran:?}");
}
