//! Accounts, one at a time.

use crate::program::Place;
use crate::store::{on_every_store, sql};

const PASSWORD: &str = "plum kettle orbit seven";

fn add(place: &Place, email: &str) {
    place.run_with(&["user", "add", email, "--password-stdin"], PASSWORD).ok();
}

#[test]
fn a_person_is_added_shown_listed_disabled_enabled_and_deleted() {
    on_every_store(Place::new, |place| {
        let args = [
            "user",
            "add",
            "Ada@Example.org",
            "--role",
            "support",
            "--scope",
            "a b",
            "--scope",
            "c",
            "--scope",
            "a",
            "--password-stdin",
            "--json",
        ];
        let added = place.run_with(&args, PASSWORD).ok().json().remove(0);
        assert_eq!(added["email"], "Ada@Example.org");
        assert_eq!((added["scopes"].to_string(), added["roles"].to_string()), (r#"["a","b","c"]"#.into(), r#"["support"]"#.into()));
        assert!(added["sub"].as_str().unwrap().starts_with("usr_"));

        let show = |email: &str| place.run(&["user", "show", email, "--json"]);
        assert_eq!(show("ada@EXAMPLE.org").ok().json()[0], added);
        add(place, "bob@example.org");
        let listed = place.run(&["user", "list", "--json"]).ok().json();
        assert!(listed.len() == 2 && listed.contains(&added), "{listed:?}");
        let table = place.run(&["user", "list"]).ok().stdout;
        assert_eq!(table.lines().count(), 3);

        place.run(&["user", "disable", "ada@example.org"]).ok();
        let disabled = show("ada@example.org").ok().json()[0]["disabled_at"].as_i64().unwrap();
        assert!(disabled > 1_700_000_000);
        assert!(place.run(&["user", "disable", "ada@example.org"]).ok().stdout.starts_with("already"));
        assert_eq!(show("ada@example.org").ok().json()[0]["disabled_at"].as_i64(), Some(disabled));
        place.run(&["user", "enable", "ada@example.org"]).ok();
        assert!(show("ada@example.org").ok().json()[0]["disabled_at"].is_null());

        place.run(&["user", "delete", "ada@example.org"]).ok();
        for command in ["show", "disable", "enable", "delete"] {
            assert!(place.run(&["user", command, "ada@example.org"]).exits(1).message().contains("no account with this address"));
        }
        assert_eq!(place.run(&["user", "list", "--json"]).ok().json().len(), 1);
    });
}

#[test]
fn the_same_address_in_another_case_is_the_same_account() {
    let place = Place::new();
    add(&place, "ada@example.org");
    let ran = place.run_with(&["user", "add", "ADA@example.ORG", "--password-stdin"], PASSWORD).exits(1);
    assert!(ran.message().contains("already"), "{ran:?}");
}

#[test]
fn c27_a_weak_password_is_refused_with_every_reason_and_never_repeated() {
    let place = Place::new();
    for (password, reasons) in [
        ("letmein", &["at least 15 characters", "easily guessed"][..]),
        ("ada.lovelace@analytical.example", &["your address"]),
        ("passwordpassword", &["easily guessed"]),
        (&"x1 ".repeat(25), &["at most 72 bytes"]),
        ("", &["at least 15 characters"]),
    ] {
        let ran = place.run_with(&["user", "add", "ada.lovelace@analytical.example", "--password-stdin"], password).exits(1);
        assert!(reasons.iter().all(|reason| ran.message().contains(reason)), "{ran:?}");
        assert!(password.is_empty() || !ran.stderr.contains(password), "{ran:?}");
    }
    assert_eq!(place.run(&["user", "list", "--json"]).ok().stdout, "");
}

#[test]
fn c13_what_is_no_address_scope_or_role_is_refused() {
    let place = Place::new();
    for args in [&["nobody"][..], &["a b@c"], &["a@b@c"], &["a@b", "--scope", "x\"y"], &["a@b", "--role", "\u{e4}"], &["\u{1b}[31m@b"]] {
        let ran = place.run_with(&[&["user", "add", "--password-stdin"], args].concat(), PASSWORD).exits(1);
        assert!(!ran.message().contains('\u{1b}'), "{ran:?}");
    }
    assert_eq!(place.run(&["user", "list", "--json"]).ok().stdout, "");
}

#[test]
fn exactly_one_newline_of_a_password_from_standard_input_is_left_out() {
    let place = Place::with_keys();
    let passwords = [
        ("plain@b.example", PASSWORD.to_owned()),
        ("line@b.example", format!("{PASSWORD}\n")),
        ("lines@b.example", format!("{PASSWORD}\n\n")),
    ];
    for (email, typed) in &passwords {
        place.run_with(&["user", "add", email, "--password-stdin"], typed).ok();
    }
    let service = place.serve(&[]);
    let statuses = passwords.map(|(email, _)| service.login(email, PASSWORD).0);
    assert_eq!(statuses, [200, 200, 401]);
    assert_eq!(service.login("lines@b.example", &format!("{PASSWORD}\n")).0, 200);
}

#[test]
fn a_new_password_replaces_the_old_one_and_a_disabled_person_cannot_log_in() {
    on_every_store(Place::with_keys, |place| {
        add(place, "ada@example.org");
        let service = place.serve(&[]);
        assert_eq!(service.login("ada@example.org", PASSWORD).0, 200);
        place.run_with(&["user", "set-password", "ada@example.org", "--password-stdin"], "orbit kettle plum eight").ok();
        assert_eq!(service.login("ada@example.org", PASSWORD).0, 401);
        assert_eq!(service.login("ada@example.org", "orbit kettle plum eight").0, 200);
        place.run(&["user", "disable", "ada@example.org"]).ok();
        assert_eq!(service.login("ada@example.org", "orbit kettle plum eight").0, 401);
    });
}

#[test]
fn h12_without_a_terminal_a_password_is_asked_for_in_vain() {
    let place = Place::new();
    let plain = place.command(&[]);
    // A session of its own has no terminal, even where the tests run in one.
    let mut detached = std::process::Command::new("setsid");
    detached.args(["--wait", env!("CARGO_BIN_EXE_hallpass"), "user", "add", "ada@example.org"]).current_dir(place.path());
    detached.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = assert_cmd::Command::from_std(detached).write_stdin(format!("{PASSWORD}\n{PASSWORD}\n")).output();
    let Ok(ran) = ran else { return eprintln!("left out: setsid is not here") };
    let message = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.code() == Some(1) && message.contains("--password-stdin"), "{:?}: {message}", ran.status);
    assert_eq!(place.run(&["user", "list", "--json"]).ok().stdout, "");
}

#[test]
fn h13_hashes_are_exported_only_when_asked_for_and_into_a_file_of_mode_0600() {
    let place = Place::new();
    add(&place, "ada@example.org");
    for args in [
        &["user", "export"][..],
        &["user", "export", "--json"],
        &["user", "list", "--json"],
        &["user", "show", "ada@example.org", "--json"],
        &["user", "show", "ada@example.org"],
    ] {
        let ran = place.run(args).ok();
        assert!(ran.stdout.contains("ada@example.org") && !ran.stdout.contains("$2") && !ran.stdout.contains("hash"), "{ran:?}");
    }
    place.write("out.csv", "old");
    place.chmod("out.csv", 0o644);
    place.run(&["user", "export", "--with-hashes", "--output", "out.csv"]).ok();
    assert_eq!(place.mode("out.csv"), 0o600);
    assert!(place.read("out.csv").starts_with("email,password_hash,") && place.read("out.csv").contains(",$2b$10$"));
    assert_eq!(place.files(), ["hallpass.db", "out.csv"]);
    place.run(&["user", "export", "--output", "nowhere/out.csv"]).exits(1);
}

#[test]
fn h13_an_export_that_is_interrupted_leaves_no_hashes_behind() {
    let place = Place::new();
    let hash = "$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let people: String = (0..5000).map(|number| format!("p{number}@x.example:{hash}\n")).collect();
    place.write("people.htpasswd", people);
    place.run(&["user", "import", "people.htpasswd"]).ok();
    let begun = || place.files().iter().any(|name| name.starts_with(".hallpass-"));
    for signal in ["-TERM", "-INT", "-HUP"] {
        // One that was faster than the signal says nothing.
        let interrupted = (0..20).any(|_| {
            let args = ["user", "export", "--with-hashes", "--output", "out.csv"];
            let mut child = place.command(&args).stderr(std::process::Stdio::piped()).spawn().unwrap();
            while !begun() && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            let _ = std::process::Command::new("kill").args([signal, &child.id().to_string()]).output();
            let output = child.wait_with_output().unwrap();
            assert!(!begun(), "{signal}: {:?}", place.files());
            let text = String::from_utf8(output.stderr).unwrap();
            if output.status.success() {
                std::fs::remove_file(place.path().join("out.csv")).unwrap();
                return false;
            }
            assert_eq!((output.status.code(), text.as_str()), (Some(1), "hallpass: interrupted: out.csv was not written\n"));
            true
        });
        assert!(interrupted && !place.files().contains(&"out.csv".to_owned()), "{signal}");
    }
}

#[test]
fn an_export_says_how_many_people_leave_a_second_factor_behind() {
    on_every_store(Place::new, |place| {
        for email in ["ada@example.org", "bob@example.org", "carl@example.org"] {
            add(place, email);
        }
        let factor = |email: &str, confirmed: &str| {
            sql(
                place,
                &format!(
                    "INSERT INTO second_factor (account_id, secret, kid, created_at, confirmed_at, last_step, recovery_codes) \
                     SELECT id, 'x', 'k', 1, {confirmed}, -1, '' FROM account WHERE email = '{email}'"
                ),
            );
        };
        factor("ada@example.org", "NULL");
        assert_eq!(place.run(&["user", "export"]).ok().stderr, "", "begun is not confirmed");
        factor("bob@example.org", "1");
        for args in [&["user", "export"][..], &["user", "export", "--json", "--output", "out.jsonl"]] {
            assert!(place.run(args).ok().message().contains("people with one: 1."), "{args:?}");
        }
    });
    for command in ["import", "export"] {
        assert!(Place::new().run(&["user", command, "--help"]).ok().stdout.contains("Second factors"), "{command}");
    }
}

#[test]
fn what_is_exported_with_hashes_can_be_imported_elsewhere_and_logs_in_there() {
    let place = Place::new();
    place.run_with(&["user", "add", "ada@example.org", "--scope", "a b", "--role", "r", "--password-stdin"], PASSWORD).ok();
    for (file, json) in [("out.csv", None), ("out.jsonl", Some("--json"))] {
        let args: Vec<&str> = ["user", "export", "--with-hashes", "--output", file].into_iter().chain(json).collect();
        place.run(&args).ok();
        let elsewhere = Place::with_keys();
        elsewhere.write(file, place.read(file));
        elsewhere.run(&["user", "import", file]).ok();
        let (there, here) = (elsewhere.run(&["user", "list", "--json"]).ok().json(), place.run(&["user", "list", "--json"]).ok().json());
        for name in ["email", "scopes", "roles"] {
            assert_eq!(there[0][name], here[0][name]);
        }
        assert_eq!(elsewhere.serve(&[]).login("ada@example.org", PASSWORD).0, 200);
    }
}

#[test]
fn l19_a_database_of_a_newer_program_is_left_alone() {
    let place = Place::new();
    place.run(&["migrate"]).ok();
    place.run(&["migrate"]).ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", place.path().join("hallpass.db").display())).await.unwrap();
        sqlx::raw_sql("UPDATE _sqlx_migrations SET version = 999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
    });
    for args in [&["migrate"][..], &["user", "list"]] {
        assert!(place.run(args).exits(1).message().contains("schema version 999"));
    }
}

#[test]
fn a_database_that_is_down_is_a_failure_and_its_password_is_not_told() {
    let place = Place::new().set("HALLPASS__DATABASE__URL", "postgres://hallpass:s3cret@127.0.0.1:1/x");
    let ran = place.run(&["user", "list"]).exits(1);
    assert!(ran.message().contains("database") && !ran.stderr.contains("s3cret"), "{ran:?}");
}

#[test]
fn h4_taking_the_last_administrator_away_is_done_and_warned_of() {
    on_every_store(Place::new, |place| {
        for email in ["one@example.org", "two@example.org"] {
            place.run_with(&["user", "add", email, "--scope", "hallpass:admin", "--password-stdin"], PASSWORD).ok();
        }
        let warns = |args: &[&str]| place.run(args).ok().stderr.contains("nobody else can administrate");
        assert!(!warns(&["user", "disable", "one@example.org"]), "there is another one");
        assert!(!warns(&["user", "delete", "one@example.org"]), "disabled already");
        assert!(warns(&["user", "disable", "two@example.org"]));
        place.run(&["user", "enable", "two@example.org"]).ok();
        assert!(warns(&["user", "delete", "two@example.org"]));
        assert_eq!(place.run(&["user", "list", "--json"]).ok().stdout, "");
    });
}
