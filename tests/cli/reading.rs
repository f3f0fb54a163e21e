//! Commands that only look leave the database as it is, or say that it is not there.

use crate::program::Place;
use crate::store::{on_every_store, sql};

const READING: [&[&str]; 5] = [
    &["user", "list"],
    &["user", "show", "ada@example.org"],
    &["user", "export"],
    &["session", "list", "ada@example.org"],
    &["client", "list"],
];

/// Each of them refuses in one sentence that says this, and what to do.
#[track_caller]
fn all_refuse(place: &Place, says: &str) {
    for args in READING {
        let ran = place.run(args).exits(1);
        assert!(ran.message().contains(says) && ran.message().contains("hallpass migrate") && ran.stdout.is_empty(), "{ran:?}");
    }
}

#[test]
fn a_wrong_folder_is_no_empty_service_and_stays_empty() {
    let place = Place::new();
    all_refuse(&place, "there is no database at database.url (sqlite:hallpass.db)");
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
        all_refuse(place, "the database holds no tables of hallpass yet");
        place.run(&["migrate"]).ok();
        place.run_with(&["user", "add", "ada@example.org", "--password-stdin"], "plum kettle orbit seven").ok();
        sql(place, "DELETE FROM _sqlx_migrations WHERE version > 7");
        all_refuse(place, "schema version 7, which is older");
        all_refuse(place, "schema version 7, which is older");
    });
}
