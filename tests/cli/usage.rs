//! What holds for every command: help, exit status, pipes, secrets.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::process::Stdio;

use crate::program::Place;

/// Every command without commands below it.
fn commands(place: &Place, path: &[String]) -> Vec<Vec<String>> {
    let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let help = place.run(&args).ok().stdout;
    let Some((_, list)) = help.split_once("Commands:\n") else { return vec![path.to_vec()] };
    let names = list.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap()).filter(|name| *name != "help");
    names.flat_map(|name| commands(place, &[path, &[name.to_owned()]].concat())).collect()
}

#[test]
fn the_help_of_every_command_has_an_example() {
    let place = Place::new();
    let commands = commands(&place, &[]);
    let all: Vec<String> = commands.iter().map(|command| command.join(" ")).collect();
    assert_eq!(
        all,
        [
            "serve",
            "healthcheck",
            "doctor",
            "config check",
            "config print",
            "config defaults",
            "migrate",
            "user add",
            "user list",
            "user show",
            "user disable",
            "user enable",
            "user delete",
            "user set-password",
            "user import",
            "user export",
            "session list",
            "session revoke",
            "client add",
            "client list",
            "client rotate-secret",
            "client remove",
            "key generate",
            "key list",
            "key rotate",
            "key retire",
            "key export",
            "token inspect",
            "calibrate",
            "openapi",
            "completions"
        ]
    );
    for command in &commands {
        let args: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = place.run(&args).ok().stdout;
        assert!(help.contains("Example") && help.contains(&format!("hallpass {}", command.join(" "))), "{command:?}: {help}");
    }
}

#[test]
fn what_the_help_says_sets_it_up_does() {
    let place = Place::new();
    let help = place.run(&["--help"]).ok().stdout;
    let (_, steps) = help.split_once("Set it up:").unwrap();
    let (steps, _) = steps.split_once("\n\n").unwrap();
    assert!(steps.contains("token.issuer") && steps.contains("keys.file = \"keys.json\""), "{steps}");
    let defaults = place.run(&["config", "defaults"]).ok().stdout;
    let set = defaults.replacen("# issuer", "issuer", 1).replacen("# file = ", "file = \"keys.json\" # ", 1);
    place.write("hallpass.toml", set);
    place.write("keys.json", place.run(&["key", "generate"]).ok().stdout);
    place.chmod("keys.json", 0o600);
    place.run(&["config", "check", "--config", "hallpass.toml"]).ok();
}

#[test]
fn a_command_line_that_makes_no_sense_exits_with_2_and_says_so_on_stderr() {
    let place = Place::with_keys();
    for args in [
        &[][..],
        &["frobnicate"],
        &["user"],
        &["user", "add"],
        &["session", "revoke"],
        &["client", "add"],
        &["client", "remove"],
        &["session", "revoke", "01a207fb-5ab8-76ff-9093-ed951e39519b", "--all", "a@b.example"],
        &["serve", "extra"],
        &["healthcheck", "--url", "ftp://x"],
        &["completions", "tcl"],
    ] {
        let ran = place.run(args).exits(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    }
}

#[test]
fn h12_k7_there_is_no_argument_for_a_password_a_key_or_a_token() {
    let place = Place::with_keys();
    for args in [
        &["user", "add", "a@b.example", "--password", "plum kettle orbit"][..],
        &["user", "add", "a@b.example", "plum kettle orbit"],
        &["user", "set-password", "a@b.example", "plum kettle orbit"],
        &["serve", "--key", "plum kettle orbit"],
        &["key", "generate", "--secret", "plum kettle orbit"],
    ] {
        place.run(args).exits(2);
    }
    let ran = place.run(&["token", "inspect", "eyJhbGciOiJub25lIn0.e30.plum"]).exits(2);
    assert!(!ran.stderr.contains("eyJ") && !ran.stderr.contains("plum"), "{ran:?}");
}

#[test]
fn a_reader_that_goes_away_ends_the_output_and_is_no_failure() {
    let place = Place::new();
    let mut child = place.command(&["config", "defaults"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(stderr, "");
}

#[test]
fn what_is_broken_stays_so_when_nobody_reads_about_it() {
    let place = Place::with_keys();
    place.write("people.htpasswd", "nobody:x\n");
    for json in [&[][..], &["--json"]] {
        for (command, stdin) in [(&["token", "inspect"][..], "e30.e30.x"), (&["user", "import", "people.htpasswd"], "")] {
            let (code, stderr) = place.run_unread(&[command, json].concat(), stdin.as_bytes());
            assert_eq!(code, 1, "{command:?}: {stderr}");
        }
        let broken = Place::new();
        assert_eq!(broken.run_unread(&[&["doctor"][..], json].concat(), b""), (1, String::new()));
    }
    let sound = Place::new();
    assert_eq!(sound.run_unread(&["token", "inspect"], b"e30.e30."), (0, String::new()));
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        return eprintln!("left out: there is no /dev/full here");
    };
    let output = place.command(&["doctor"]).env_remove("HALLPASS__KEYS__FILE").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("hallpass: cannot write the output"));
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        return eprintln!("left out: there is no /dev/full here");
    };
    let output = Place::new().command(&["config", "defaults"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("hallpass: cannot write the output"));
}

#[test]
fn completions_name_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.run(&["completions", shell]).ok().stdout.contains("healthcheck"), "{shell}");
    }
}

#[test]
fn calibrate_recommends_one_cost_and_prints_settings_that_can_be_pasted() {
    // The dearer ones take minutes where tests share their cores.
    let rows = Place::new().run(&["calibrate", "--up-to", "11", "--json"]).ok().json();
    assert_eq!(rows.iter().map(|row| row["cost"].as_u64().unwrap()).collect::<Vec<_>>(), [10, 11]);
    assert_eq!(rows.iter().filter(|row| row["recommended"] == true).count(), 1);
    assert!(rows.iter().all(|row| row["single_ms"].as_f64().unwrap() > 0.0 && row["logins_per_second"].as_f64().unwrap() > 0.0));
    let settings = Place::new().run(&["calibrate", "--up-to", "10"]).ok().stdout;
    assert!(settings.contains("[password]\nbcrypt_cost = 10\nhash_threads = "), "{settings}");
}
