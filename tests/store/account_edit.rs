use hallpass::store::account::{Account, by_email, by_id, insert};
use hallpass::store::account_edit::{ADMIN, Edit, LastAdmin, delete, edit, has_another_admin};
use hallpass::store::audit::{Entry, list};

use super::*;

async fn admin(store: &Store, address: &str) -> Account {
    insert(&store.database, NewAccount { scope: format!("a {ADMIN} b"), ..new_account(address) }, NOW).await.unwrap()
}

fn why(account: &Account) -> Entry {
    Entry::new("account_deleted", Some(&account.id), None, None, NOW).by(Some("usr_admin"), Some("192.0.2.1"))
}

async fn change(store: &Store, before: &Account, after: &Account, last_admin: LastAdmin) -> bool {
    let why = [why(before)];
    edit(&store.database, Edit { before, after, last_admin, why: &why }, NOW + 1).await.unwrap()
}

async fn admins(store: &Store) -> usize {
    store.count("SELECT id FROM account WHERE disabled_at IS NULL AND scopes LIKE '%hallpass:admin%'").await
}

#[tokio::test]
async fn an_account_is_changed_only_if_it_is_still_as_it_was_found() {
    on_every_store(|store| async move {
        let before = insert(&store.database, new_account("a@b.com"), NOW).await.unwrap();
        let after = Account {
            email: email("New@B.com"),
            scope: "x".into(),
            roles: vec!["r".into(), "s".into()],
            disabled_at: Some(NOW + 1),
            ..before.clone()
        };
        assert!(change(&store, &before, &after, LastAdmin::Stays).await);
        let now_is = by_email(&store.database, &email("new@b.com")).await.unwrap().unwrap();
        assert_eq!(
            (now_is.email.as_typed(), now_is.scope.as_str(), &now_is.roles, now_is.disabled_at),
            ("New@B.com", "x", &after.roles, Some(NOW + 1))
        );
        assert!(!change(&store, &before, &Account { scope: "stale".into(), ..before.clone() }, LastAdmin::MayGo).await);
        for stale in [
            Account { email: email("other@b.com"), ..after.clone() },
            Account { scope: "y".into(), ..after.clone() },
            Account { roles: vec![], ..after.clone() },
            Account { disabled_at: None, ..after.clone() },
        ] {
            assert!(!change(&store, &stale, &after, LastAdmin::MayGo).await);
        }
        let events = list(&store.database, None, None, 10).await.unwrap();
        assert_eq!(events.len(), 1, "what did not happen is not written down");
        assert_eq!((events[0].actor.as_deref(), events[0].ip.as_deref()), (Some("usr_admin"), Some("192.0.2.1")));
    })
    .await;
}

#[tokio::test]
async fn h4_the_last_admin_stays_and_nothing_of_theirs_is_touched() {
    on_every_store(|store| async move {
        let last = admin(&store, "last@b.com").await;
        let bystander =
            insert(&store.database, NewAccount { scope: "Hallpass:Admin hallpass:admins".into(), ..new_account("by@b.com") }, NOW)
                .await
                .unwrap();
        let without_password = NewAccount { password_hash: None, scope: ADMIN.into(), ..new_account("no@b.com") };
        insert(&store.database, without_password, NOW).await.unwrap();
        let disabled = admin(&store, "disabled@b.com").await;
        assert!(set_disabled_at(&store.database, &disabled.id, Some(NOW)).await.unwrap());
        store.raw("DELETE FROM revocation").await;

        let disable = Account { disabled_at: Some(NOW + 1), ..last.clone() };
        let strip = Account { scope: "a b".into(), ..last.clone() };
        assert!(!change(&store, &last, &disable, LastAdmin::Stays).await && !change(&store, &last, &strip, LastAdmin::Stays).await);
        assert!(!delete(&store.database, &last.id, LastAdmin::Stays, &why(&last)).await.unwrap());
        assert!(!has_another_admin(&store.database, &last.id).await.unwrap());
        assert_eq!(store.count("SELECT id FROM revocation").await, 0, "no session of theirs has ended");
        assert!(list(&store.database, None, None, 10).await.unwrap().is_empty());
        assert!(change(&store, &last, &Account { scope: format!("{ADMIN} z"), ..last.clone() }, LastAdmin::Stays).await, "the rest may go");

        assert!(delete(&store.database, &bystander.id, LastAdmin::Stays, &why(&bystander)).await.unwrap());
        assert!(delete(&store.database, &disabled.id, LastAdmin::Stays, &why(&disabled)).await.unwrap());
        let other = admin(&store, "other@b.com").await;
        assert!(has_another_admin(&store.database, &last.id).await.unwrap());
        assert!(delete(&store.database, &last.id, LastAdmin::Stays, &why(&last)).await.unwrap());
        assert!(delete(&store.database, &other.id, LastAdmin::MayGo, &why(&other)).await.unwrap(), "the operator may");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h4_of_32_admins_who_are_taken_away_at_once_one_stays() {
    on_every_store(|store| async move {
        let mut there = Vec::new();
        for index in 0..32 {
            there.push(admin(&store, &format!("{index}@b.com")).await);
        }
        let tasks: Vec<_> = there
            .into_iter()
            .enumerate()
            .map(|(index, before)| {
                let store = store.clone();
                tokio::spawn(async move {
                    match index % 3 {
                        0 => delete(&store.database, &before.id, LastAdmin::Stays, &why(&before)).await.unwrap(),
                        1 => change(&store, &before, &Account { disabled_at: Some(NOW), ..before.clone() }, LastAdmin::Stays).await,
                        _ => change(&store, &before, &Account { scope: String::new(), ..before.clone() }, LastAdmin::Stays).await,
                    }
                })
            })
            .collect();
        let mut gone = 0;
        for task in tasks {
            gone += u32::from(task.await.unwrap());
        }
        assert_eq!((gone, admins(&store).await), (31, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c31_of_32_ways_to_end_one_account_at_once_none_fails() {
    on_every_store(|store| async move {
        let account = insert(&store.database, new_account("a@b.com"), NOW).await.unwrap();
        let tasks: Vec<_> = (0..32)
            .map(|index| {
                let (store, account) = (store.clone(), account.clone());
                tokio::spawn(async move {
                    if index == 16 {
                        return delete(&store.database, &account.id, LastAdmin::Stays, &why(&account)).await.unwrap();
                    }
                    let disabled_at = (index % 2 == 0).then_some(NOW);
                    set_disabled_at(&store.database, &account.id, disabled_at).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(by_id(&store.database, &account.id).await.unwrap().is_none());
    })
    .await;
}
