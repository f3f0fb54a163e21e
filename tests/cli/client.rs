//! Clients, made and removed from the command line.

use serde_json::{Value, json};

use crate::program::Place;
use crate::store::on_every_store;

fn added(place: &Place, args: &[&str]) -> Value {
    place.run(&[&["client", "add"], args, &["--json"]].concat()).ok().json().remove(0)
}

#[test]
fn a_client_is_added_listed_given_another_secret_and_removed() {
    on_every_store(Place::new, |place| {
        let worker = added(place, &["worker", "--scope", "a b", "--scope", "a"]);
        assert_eq!((&worker["name"], &worker["scopes"]), (&json!("worker"), &json!(["a", "b"])));
        let (id, secret) = (worker["client_id"].as_str().unwrap(), worker["client_secret"].as_str().unwrap());
        assert!(id.starts_with("cli_") && secret.starts_with("hp_cs_") && secret.len() == 49);
        let plain = place.run(&["client", "add", "other"]).ok();
        assert!(plain.stdout.starts_with("client_id      cli_") && plain.stdout.contains("\nclient_secret  hp_cs_"), "{plain:?}");
        assert!(plain.stderr.contains("not shown again") && !plain.stderr.contains("hp_cs_"));

        let rotated = place.run(&["client", "rotate-secret", "worker", "--json"]).ok().json().remove(0);
        assert_eq!(rotated["client_id"], worker["client_id"]);
        assert_ne!(rotated["client_secret"], worker["client_secret"]);
        let listed = place.run(&["client", "list", "--json"]).ok();
        assert!(!listed.stdout.contains("hp_cs_") && !listed.stdout.contains("hash"));
        let listed = listed.json();
        // Of two that were made in one second, either may come first.
        let named = |name: &str| listed.iter().find(|record| record["name"] == name).unwrap();
        assert_eq!((&named("worker")["client_id"], &named("worker")["secrets"]), (&worker["client_id"], &json!(2)));
        assert_eq!((&named("other")["secrets"], &named("other")["scopes"]), (&json!(1), &json!([])));
        let table = place.run(&["client", "list"]).ok().stdout;
        assert!(table.starts_with("CLIENT ID ") && table.lines().count() == 3, "{table}");

        assert_eq!(place.run(&["client", "remove", id]).ok().stdout, format!("removed worker ({id})\n"));
        assert_eq!(place.run(&["client", "list", "--json"]).ok().json().len(), 1);
    });
}

#[test]
fn a_secret_that_could_not_be_shown_is_a_failure_that_says_how_to_get_another() {
    on_every_store(Place::new, |place| {
        for (args, what, secrets) in [
            (&["client", "add", "worker"][..], "the client was added", 1),
            (&["client", "rotate-secret", "worker"], "the secret was changed", 2),
            (&["client", "rotate-secret", "worker", "--json"], "the secret was changed", 2),
        ] {
            let (code, stderr) = place.run_unread(args, b"");
            assert_eq!(code, 1, "{args:?}: {stderr}");
            assert!(stderr.contains(what) && stderr.contains("client rotate-secret") && stderr.lines().count() == 1, "{stderr}");
            assert_eq!(place.run(&["client", "list", "--json"]).ok().json()[0]["secrets"], secrets);
        }
    });
}

#[test]
fn what_is_taken_malformed_or_not_there_is_a_failure() {
    on_every_store(Place::new, |place| {
        added(place, &["worker"]);
        assert!(place.run(&["client", "add", "worker"]).exits(1).message().contains("a client with this name already"));
        for name in ["", "a b", "cli_x"] {
            assert!(place.run(&["client", "add", name]).exits(1).message().contains("A name is"), "{name}");
        }
        assert!(place.run(&["client", "add", "x", "--scope", "a\"b"]).exits(1).message().contains("A scope is"));
        for who in ["nobody", "cli_01a207fb-5ab8-76ff-9093-ed951e39519b", "", "cli_x"] {
            for command in ["rotate-secret", "remove"] {
                assert!(place.run(&["client", command, who]).exits(1).message().contains("no client with this id or name"), "{who}");
            }
        }
    });
}
