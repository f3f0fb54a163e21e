use hallpass::store::account::{Account, by_email, by_id, insert, list, set_password_hash, upgrade_password_hash};
use hallpass::store::{Error, new_id};

use super::*;

fn hash_of(account: &Account) -> Option<&str> {
    account.password_hash.as_ref().map(Secret::expose)
}

async fn find(store: &Store, id: &str) -> Account {
    by_id(&store.database, id).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_account_comes_back_as_it_was_stored() {
    on_every_store(|store| async move {
        let new = NewAccount { roles: vec!["editor".to_owned(), "auditor".to_owned()], ..new_account("Ada@Example.org") };
        let made = insert(&store.database, new, NOW).await.unwrap();
        assert!(made.id.starts_with("usr_0"), "{}", made.id);
        for account in [find(&store, &made.id).await, by_email(&store.database, &email("ada@example.org")).await.unwrap().unwrap()] {
            assert_eq!(account.id, made.id);
            assert_eq!(account.email.as_typed(), "Ada@Example.org");
            assert_eq!(hash_of(&account), Some("$2b$04$hash"));
            assert_eq!(account.scope, "read write");
            assert_eq!(account.roles, ["editor", "auditor"]);
            assert_eq!((account.created_at, account.disabled_at, account.password_changed_at), (NOW, None, Some(NOW)));
        }

        let bare = NewAccount { password_hash: None, scope: String::new(), ..new_account("bare@example.org") };
        let bare = insert(&store.database, bare, NOW).await.unwrap();
        let bare = find(&store, &bare.id).await;
        assert_eq!((hash_of(&bare), bare.scope.as_str(), bare.roles.len(), bare.password_changed_at), (None, "", 0, None));

        assert!(by_id(&store.database, "usr_nobody").await.unwrap().is_none());
        assert!(by_email(&store.database, &email("nobody@example.org")).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn c14_an_address_in_another_case_is_the_same_account() {
    on_every_store(|store| async move {
        insert(&store.database, new_account("A@B.com"), NOW).await.unwrap();
        assert!(by_email(&store.database, &email("a@b.COM")).await.unwrap().is_some());
        let again = insert(&store.database, new_account("a@b.com"), NOW).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn c17_quotes_and_wildcards_in_an_address_are_plain_text() {
    on_every_store(|store| async move {
        insert(&store.database, new_account("victim@b.com"), NOW).await.unwrap();
        for address in ["%@b.com", "______@b.com", "victim@b.co_", "'/**/or/**/1=1--@b.com", "\";drop/**/table/**/account;--@b.com"] {
            assert!(by_email(&store.database, &email(address)).await.unwrap().is_none(), "{address}");
        }
        assert!(by_id(&store.database, "usr_' or '1'='1").await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_32_people_who_take_one_address_at_once_exactly_one_gets_it() {
    on_every_store(|store| async move {
        let tasks: Vec<_> = (0..32)
            .map(|index| {
                let (database, address) = (store.database.clone(), if index % 2 == 0 { "a@b.com" } else { "A@B.COM" });
                tokio::spawn(async move { insert(&database, new_account(address), NOW).await })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert!(matches!(error, Error::Conflict), "{error:?}"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(list(&store.database, None, 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_32_upgrades_of_one_hash_at_once_exactly_one_wins() {
    on_every_store(|store| async move {
        let id = insert(&store.database, new_account("a@b.com"), NOW).await.unwrap().id;
        let tasks: Vec<_> = (0..32)
            .map(|index| {
                let (database, id) = (store.database.clone(), id.clone());
                let new = Secret::from(format!("$2b$12$new{index}"));
                tokio::spawn(async move { upgrade_password_hash(&database, &id, &Secret::from("$2b$04$hash"), &new).await })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            won += u32::from(task.await.unwrap().unwrap());
        }
        assert_eq!(won, 1);
        assert!(hash_of(&find(&store, &id).await).unwrap().starts_with("$2b$12$new"));
    })
    .await;
}

#[tokio::test]
async fn lists_page_in_the_order_of_creation() {
    on_every_store(|store| async move {
        let mut ids = Vec::new();
        for index in 0..7 {
            ids.push(insert(&store.database, new_account(&format!("p{index}@b.com")), NOW + index).await.unwrap().id);
        }
        let (mut seen, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let page = list(&store.database, after.as_deref(), 3).await.unwrap();
            assert!(page.len() <= 3);
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            seen.extend(page.into_iter().map(|account| account.id));
        }
        assert_eq!(seen, ids);
        assert!(list(&store.database, None, 0).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_account_can_be_disabled_enabled_and_deleted() {
    on_every_store(|store| async move {
        let id = insert(&store.database, new_account("a@b.com"), NOW).await.unwrap().id;
        assert!(set_disabled_at(&store.database, &id, Some(NOW + 1)).await.unwrap());
        assert_eq!(find(&store, &id).await.disabled_at, Some(NOW + 1));
        assert!(set_disabled_at(&store.database, &id, None).await.unwrap());
        assert_eq!(find(&store, &id).await.disabled_at, None);

        assert!(delete_account(&store.database, &id, NOW).await.unwrap());
        assert!(by_id(&store.database, &id).await.unwrap().is_none());
        assert!(!delete_account(&store.database, &id, NOW).await.unwrap());
        assert!(!set_disabled_at(&store.database, &id, Some(NOW)).await.unwrap());
        assert!(!set_password_hash(&store.database, &id, &Secret::from("x"), NOW).await.unwrap());
        insert(&store.database, new_account("a@b.com"), NOW).await.expect("the address is free again");
    })
    .await;
}

#[tokio::test]
async fn a_new_password_is_dated_and_a_new_hash_of_the_same_one_is_not() {
    on_every_store(|store| async move {
        let (first, second, third) = (Secret::from("$2b$04$hash"), Secret::from("$2b$12$second"), Secret::from("$2b$12$third"));
        let id = insert(&store.database, new_account("a@b.com"), NOW).await.unwrap().id;
        assert!(upgrade_password_hash(&store.database, &id, &first, &second).await.unwrap());
        let account = find(&store, &id).await;
        assert_eq!((hash_of(&account), account.password_changed_at), (Some("$2b$12$second"), Some(NOW)));

        assert!(set_password_hash(&store.database, &id, &third, NOW + 9).await.unwrap());
        let account = find(&store, &id).await;
        assert_eq!((hash_of(&account), account.password_changed_at), (Some("$2b$12$third"), Some(NOW + 9)));

        // The login that is still upgrading the old password comes too late.
        assert!(!upgrade_password_hash(&store.database, &id, &second, &first).await.unwrap());
        assert_eq!(hash_of(&find(&store, &id).await), Some("$2b$12$third"));
    })
    .await;
}

#[tokio::test]
async fn scopes_and_roles_that_could_not_be_read_back_are_not_stored() {
    on_every_store(|store| async move {
        for scope in ["a  b", " a", "a\"", "a\n", "\u{e4}"] {
            let refused = insert(&store.database, NewAccount { scope: scope.to_owned(), ..new_account("a@b.com") }, NOW).await;
            assert!(matches!(refused, Err(Error::Invalid { column: "scopes", .. })), "{scope:?}");
        }
        for role in ["", "a b", "a\\"] {
            let refused = insert(&store.database, NewAccount { roles: vec![role.to_owned()], ..new_account("a@b.com") }, NOW).await;
            assert!(matches!(refused, Err(Error::Invalid { column: "roles", .. })), "{role:?}");
        }
        assert!(list(&store.database, None, 1).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn l20_a_corrupt_row_is_reported_with_table_column_and_id() {
    on_every_store(|store| async move {
        let id = insert(&store.database, new_account("a@b.com"), NOW).await.unwrap().id;
        if store.is_sqlite() {
            // A copy without constraints, in which NULL and text in place of a number are possible.
            store.raw("ALTER TABLE account RENAME TO strict; CREATE TABLE account AS SELECT * FROM strict").await;
        } else {
            let columns = ["email", "scopes", "roles", "created_at"];
            let lifted: Vec<_> = columns.iter().map(|column| format!("ALTER COLUMN {column} DROP NOT NULL")).collect();
            store.raw(&format!("ALTER TABLE account {}", lifted.join(", "))).await;
        }
        let mut damages = vec![
            ("scopes", "'a  b'"),
            ("scopes", "'{\"json\"}'"),
            ("scopes", "NULL"),
            ("roles", "' '"),
            ("roles", "NULL"),
            ("email", "'not an address'"),
            ("email", "NULL"),
            ("created_at", "NULL"),
        ];
        if store.is_sqlite() {
            damages.extend([("created_at", "'yesterday'"), ("disabled_at", "'soon'"), ("disabled_at", "1.5"), ("password_hash", "x'ff'")]);
        }
        for (column, value) in damages {
            store.raw("CREATE TABLE intact AS SELECT * FROM account").await;
            store.raw(&format!("UPDATE account SET {column} = {value}")).await;
            for error in [
                by_id(&store.database, &id).await.unwrap_err(),
                by_email(&store.database, &email("a@b.com")).await.unwrap_err(),
                list(&store.database, None, 9).await.unwrap_err(),
            ] {
                let Error::Corrupt { table: "account", column: found, id: row } = &error else { panic!("{column} = {value}: {error:?}") };
                assert_eq!((*found, row), (column, &id), "{value}");
            }
            store.raw("DELETE FROM account; INSERT INTO account SELECT * FROM intact; DROP TABLE intact").await;
            assert!(by_id(&store.database, &id).await.unwrap().is_some());
        }
        if store.is_sqlite() {
            store.raw("UPDATE account SET id = NULL").await;
            let error = by_email(&store.database, &email("a@b.com")).await.unwrap_err();
            assert_eq!(error.to_string(), "column id of row ? in table account cannot be used");
        }
    })
    .await;
}

#[tokio::test]
async fn an_unusable_hash_is_no_corrupt_row() {
    on_every_store(|store| async move {
        for (index, hash) in ["", "plain text", "$2b$31$x", "\u{e4}\u{1f600}"].into_iter().enumerate() {
            let new = NewAccount { password_hash: Some(Secret::from(hash)), ..new_account(&format!("{index}@b.com")) };
            let id = insert(&store.database, new, NOW).await.unwrap().id;
            assert_eq!(hash_of(&find(&store, &id).await), Some(hash));
        }
    })
    .await;
}

#[test]
fn ids_made_one_after_another_sort_in_that_order() {
    let ids: Vec<String> = (0..1000).map(|_| new_id("usr_", NOW)).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(ids.iter().all(|id| id.len() == 40 && id.as_bytes()[18] == b'7'), "{}", ids[0]);
    assert!(new_id("cli_", -1).starts_with("cli_0"));
}
