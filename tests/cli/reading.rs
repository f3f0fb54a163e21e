//! Commands that only look leave the database as it is; those that change what is there say too when it is not.

use crate::program::Place;
use crate::store::{on_every_store, sql};

const READING: [&[&str]; 5] = [
    &["user", "list"],
    &["user", "show", "ada@example.org"],
    &["user", "export"],
    &["session", "list", "ada@example.org"],
    &["client", "list"],
];

const CHANGING: [&[&str]; 8] = [
    &["user", "disable", "ada@example.org"],
    &["user", "enable", "ada@example.org"],
    &["user", "delete", "ada@example.org"],
    &["user", "set-password", "ada@example.org", "--password-stdin"],
    &["session", "revoke", "01a207fb-5ab8-76ff-9093-ed951e39519b"],
    &["session", "revoke", "--all", "ada@example.org"],
    &["client", "rotate-secret", "worker"],
    &["client", "remove", "worker"],
];

/// Each of them refuses in one sentence that says this, and what to do.
#[track_caller]
fn all_refuse<'a>(place: &Place, commands: impl IntoIterator<Item = &'a &'a [&'a str]>, says: &str) {
    for args in commands {
        let ran = place.run(args).exits(1);
        assert!(ran.message().contains(says) && ran.message().contains("hallpass migrate") && ran.stdout.is_empty(), "{ran:?}");
    }
}

#[test]
fn a_wrong_folder_is_no_empty_service_and_stays_empty() {
    let place = Place::new();
    all_refuse(&place, READING.iter().chain(&CHANGING), "there is no database at database.url (sqlite:hallpass.db)");
    assert_eq!(place.files(), [""; 0], "nothing is made");
    let place = Place::new().set("HALLPASS__DATABASE__URL", "sqlite:");
    place.run(&["user", "list"]).exits(78);
}

#[test]
fn a_schema_that_is_missing_or_older_is_left_as_it_is_until_something_is_to_be_written() {
    let empty = || {
        let place = Place::new();
        place.write("hallpass.db", "");
        place
    };
    on_every_store(empty, |place| {
        all_refuse(place, &READING, "the database holds no tables of hallpass yet");
        place.run(&["migrate"]).ok();
        place.run_with(&["user", "add", "ada@example.org", "--password-stdin"], "plum kettle orbit seven").ok();
        sql(place, "DELETE FROM _sqlx_migrations WHERE version > 7");
        all_refuse(place, &READING, "schema version 7, which is older");
        all_refuse(place, &READING, "schema version 7, which is older");
    });
}

#[test]
fn what_changes_somebody_brings_an_older_schema_up_to_date_and_what_adds_makes_the_database() {
    for (args, stdin) in
        [(&["user", "add", "ada@example.org", "--password-stdin"][..], "plum kettle orbit seven"), (&["client", "add", "worker"], "")]
    {
        let place = Place::new();
        place.run_with(args, stdin).ok();
        assert!(place.files().contains(&"hallpass.db".to_owned()), "{args:?}");
    }
    for args in CHANGING {
        let place = Place::new();
        place.write("hallpass.db", "");
        assert!(place.run_with(args, "orbit kettle plum eight").exits(1).message().contains("there is no"), "{args:?}");
        place.run(&["user", "list"]).ok();
    }
}
