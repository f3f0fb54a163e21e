use hallpass::store::client::{Client, Edit, NewClient, by_id, by_name, delete, edit, insert, list, rotate_secret};
use hallpass::store::revocation::{recorded_since, until};
use hallpass::store::{Error, audit, revocation};
use hallpass::token::Revocation;
use hallpass::token::client_secret::SecretHash;

use super::*;

fn new(name: &str) -> NewClient {
    NewClient { name: name.to_owned(), scope: "a b".to_owned(), secret_hash: SecretHash::of("one") }
}

async fn find(store: &Store, id: &str) -> Client {
    by_id(&store.database, id).await.unwrap().unwrap()
}

async fn revoked(store: &Store) -> Vec<Revocation> {
    recorded_since(&store.database, 0, 100, NOW).await.unwrap().into_iter().map(|recorded| recorded.revocation).collect()
}

fn subject(id: &str, now: i64) -> Revocation {
    Revocation::Subject { id: id.into(), issued_before: now + 150, until: until(now) }
}

#[tokio::test]
async fn a_client_is_found_by_id_and_by_name_as_it_was_stored() {
    on_every_store(|store| async move {
        let made = insert(&store.database, new("worker"), NOW).await.unwrap();
        assert!(made.id.starts_with("cli_"));
        for found in [find(&store, &made.id).await, by_name(&store.database, "worker").await.unwrap().unwrap()] {
            assert_eq!((&found.id, found.name.as_str(), found.scope.as_str()), (&made.id, "worker", "a b"));
            assert_eq!((found.created_at, found.secret_rotated_at, found.disabled_at), (NOW, None, None));
            assert!(found.secret_hash.matches(&SecretHash::of("one")) && found.previous_secret_hash.is_none());
        }
        assert!(by_name(&store.database, "Worker").await.unwrap().is_none());
        assert!(matches!(insert(&store.database, new("worker"), NOW).await, Err(Error::Conflict)));
        let spaced = NewClient { scope: "a  b".into(), ..new("other") };
        assert!(matches!(insert(&store.database, spaced, NOW).await, Err(Error::Invalid { column: "scopes", .. })));
    })
    .await;
}

#[tokio::test]
async fn clients_are_listed_in_the_order_they_were_made_page_by_page() {
    on_every_store(|store| async move {
        let mut made = Vec::new();
        for index in 0..5 {
            made.push(insert(&store.database, new(&format!("c{index}")), NOW).await.unwrap().id);
        }
        let first = list(&store.database, None, 3).await.unwrap();
        let second = list(&store.database, Some(&first[2].id), 3).await.unwrap();
        assert_eq!(first.iter().chain(&second).map(|client| client.id.clone()).collect::<Vec<_>>(), made);
    })
    .await;
}

#[tokio::test]
async fn f16_two_secrets_live_and_a_second_rotation_drops_the_oldest() {
    on_every_store(|store| async move {
        let id = insert(&store.database, new("worker"), NOW).await.unwrap().id;
        for (secret, previous, at) in [("two", "one", NOW + 1), ("three", "two", NOW + 2)] {
            let before = find(&store, &id).await;
            assert!(rotate_secret(&store.database, &before, &SecretHash::of(secret), at).await.unwrap());
            assert!(!rotate_secret(&store.database, &before, &SecretHash::of("at the same time"), at).await.unwrap());
            let client = find(&store, &id).await;
            assert!(client.secret_hash.matches(&SecretHash::of(secret)));
            assert!(client.previous_secret_hash.unwrap().matches(&SecretHash::of(previous)));
            assert_eq!(client.secret_rotated_at, Some(at));
        }
        let nobody = Client { id: "cli_x".to_owned(), ..find(&store, &id).await };
        assert!(!rotate_secret(&store.database, &nobody, &SecretHash::of("x"), NOW).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn f13_disabling_and_removing_a_client_revoke_its_tokens() {
    on_every_store(|store| async move {
        let id = insert(&store.database, new("worker"), NOW).await.unwrap().id;
        let enabled = find(&store, &id).await;
        let set = async |before: &Client, disabled_at| {
            let after = Client { disabled_at, ..before.clone() };
            edit(&store.database, Edit { before, after: &after, why: &[] }, NOW).await.unwrap()
        };
        assert_eq!(
            (set(&enabled, Some(NOW)).await, set(&enabled, Some(NOW + 5)).await),
            (true, false),
            "the first one is the one that counts"
        );
        let disabled = find(&store, &id).await;
        assert_eq!((disabled.disabled_at, revoked(&store).await), (Some(NOW), vec![subject(&id, NOW)]));
        assert_eq!((set(&disabled, None).await, set(&disabled, None).await, find(&store, &id).await.disabled_at), (true, false, None));
        let why = |at| audit::Entry::new("client_removed", None, None, None, at).with_client(Some(&id));
        assert!(delete(&store.database, &id, &why(NOW + 10), NOW + 10).await.unwrap());
        assert_eq!(revoked(&store).await, [subject(&id, NOW + 10)]);
        assert!(by_id(&store.database, &id).await.unwrap().is_none());
        assert!(!delete(&store.database, "cli_x", &why(NOW), NOW).await.unwrap());
        assert_eq!(revoked(&store).await.len(), 1, "nothing to revoke for nobody");

        let id = insert(&store.database, new("other"), NOW).await.unwrap().id;
        let before = find(&store, &id).await;
        let after = Client { disabled_at: Some(NOW + 20), ..before.clone() };
        assert!(edit(&store.database, Edit { before: &before, after: &after, why: &[] }, NOW + 20).await.unwrap());
        assert!(delete(&store.database, &id, &why(NOW + 16), NOW + 16).await.unwrap());
        let written = audit::list(&store.database, None, None, 10).await.unwrap();
        assert_eq!(written.first().map(|entry| entry.at), Some(NOW + 16), "also by a clock that is behind the one that disabled it");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_token_is_written_down_once_with_the_client() {
    on_every_store(|store| async move {
        let why = || audit::Entry::new("token_revoked", None, None, None, NOW).with_client(Some("cli_a"));
        let record = async |entry: audit::Entry| revocation::record_token(&store.database, "jti", NOW + 300, &entry).await.unwrap();
        let first = why();
        assert_eq!((record(first.clone()).await, record(why()).await), (true, false));
        assert_eq!(revoked(&store).await, [Revocation::Token { id: "jti".into(), until: NOW + 300 }]);
        assert_eq!(audit::list(&store.database, None, None, 10).await.unwrap(), [first]);
    })
    .await;
}

#[tokio::test]
async fn l20_a_damaged_row_is_told_by_table_column_and_id() {
    on_every_store(|store| async move {
        let id = insert(&store.database, new("worker"), NOW).await.unwrap().id;
        store.raw("UPDATE client SET secret_hash = 'x'").await;
        let damaged = by_id(&store.database, &id).await.unwrap_err();
        assert!(matches!(&damaged, Error::Corrupt { table: "client", column: "secret_hash", id: named } if *named == id), "{damaged:?}");
    })
    .await;
}
