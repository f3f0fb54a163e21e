use hallpass::store::account::{by_email, list};
use hallpass::store::import::{Outcome, accounts};
use hallpass::store::{Error, account};

use super::*;

#[tokio::test]
async fn an_import_tells_row_by_row_what_was_made_and_what_was_there() {
    on_every_store(|store| async move {
        account::insert(&store.database, new_account("old@b.com"), NOW).await.unwrap();
        let rows = ["one@b.com", "OLD@b.com", "two@b.com", "Two@B.com"].map(new_account).to_vec();
        let outcomes = accounts(&store.database, rows, NOW + 5).await.unwrap();
        let Outcome::Created(id) = &outcomes[0] else { panic!("{outcomes:?}") };
        let one = by_email(&store.database, &email("one@b.com")).await.unwrap().unwrap();
        assert_eq!((&one.id, one.created_at, one.password_changed_at), (id, NOW + 5, Some(NOW + 5)));
        assert_eq!((one.password_hash.unwrap().expose(), one.scope.as_str()), ("$2b$04$hash", "read write"));
        assert_eq!(outcomes[1], Outcome::Existed);
        assert!(matches!(outcomes[2], Outcome::Created(_)));
        assert_eq!(outcomes[3], Outcome::Existed);
        let old = by_email(&store.database, &email("old@b.com")).await.unwrap().unwrap();
        assert_eq!(old.email.as_typed(), "old@b.com", "an account that was there is not touched");
        assert_eq!(accounts(&store.database, vec![], NOW).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn one_row_that_cannot_be_stored_stops_the_whole_batch() {
    on_every_store(|store| async move {
        let mut rows: Vec<_> = (0..600).map(|index| new_account(&format!("p{index}@b.com"))).collect();
        rows[599].scope = "a  b".to_owned();
        let refused = accounts(&store.database, rows, NOW).await;
        assert!(matches!(refused, Err(Error::Invalid { column: "scopes", .. })), "{refused:?}");
        assert!(list(&store.database, None, 1).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_failure_in_the_middle_of_a_batch_leaves_nothing_behind() {
    on_every_store(|store| async move {
        if store.is_sqlite() {
            store
                .raw("CREATE TRIGGER fault BEFORE INSERT ON account WHEN NEW.email = 'p700@b.com' BEGIN SELECT RAISE(ABORT, 'no'); END")
                .await;
        } else {
            store.raw("CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$").await;
            let when = "WHEN (NEW.email = 'p700@b.com') EXECUTE FUNCTION fault()";
            store.raw(&format!("CREATE TRIGGER fault BEFORE INSERT ON account FOR EACH ROW {when}")).await;
        }
        let rows: Vec<_> = (0..1000).map(|index| new_account(&format!("p{index}@b.com"))).collect();
        let failed = accounts(&store.database, rows.clone(), NOW).await;
        assert!(matches!(failed, Err(Error::Unavailable { .. })), "{failed:?}");
        assert!(list(&store.database, None, 1).await.unwrap().is_empty());
        assert!(accounts(&store.database, rows[..700].to_vec(), NOW).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_accounts_go_in_as_one_batch() {
    on_every_store(|store| async move {
        let rows: Vec<_> = (0..100_000).map(|index| new_account(&format!("person.{index}@example.org"))).collect();
        let last = rows[99_000..].to_vec();
        let outcomes = accounts(&store.database, rows, NOW).await.unwrap();
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Created(_))).count(), 100_000);
        let again = accounts(&store.database, last, NOW).await.unwrap();
        assert_eq!(again, vec![Outcome::Existed; 1000]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_imports_of_the_same_people_in_opposite_order_both_end_well() {
    on_every_store(|store| async move {
        let rows: Vec<_> = (0..2000).map(|index| new_account(&format!("p{index}@b.com"))).collect();
        let reversed = rows.iter().rev().cloned().collect();
        let database = store.database.clone();
        let other = tokio::spawn(async move { accounts(&database, reversed, NOW).await.unwrap() });
        let mut outcomes = accounts(&store.database, rows, NOW).await.unwrap();
        outcomes.extend(other.await.unwrap());
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Created(_))).count(), 2000);
    })
    .await;
}
