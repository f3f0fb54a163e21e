use hallpass::store::second_factor::{
    Removal, SecondFactor, begin, by_account, confirm, remove, reseal, sealed_by_others, take_recovery_code, take_step,
};
use hallpass::store::{Error, account};
use hallpass::token::sealing::Sealed;

use super::*;

const STEP: i64 = NOW / 30;

async fn account_of(store: &Store, address: &str) -> String {
    account::insert(&store.database, new_account(address), NOW).await.unwrap().id
}

fn sealed(text: &str) -> Sealed {
    Sealed { kid: "k1".to_owned(), text: text.to_owned() }
}

/// Hashes as they are stored: 64 digits.
fn hashes() -> Vec<String> {
    (0..10).map(|n| format!("{n:064x}")).collect()
}

async fn find(store: &Store, account_id: &str) -> SecondFactor {
    by_account(&store.database, account_id).await.unwrap().unwrap()
}

async fn confirmed(store: &Store, address: &str) -> SecondFactor {
    let account = account_of(store, address).await;
    assert!(begin(&store.database, &account, &sealed("s"), NOW).await.unwrap());
    assert!(confirm(&store.database, &find(store, &account).await, STEP, &hashes(), NOW + 1).await.unwrap());
    find(store, &account).await
}

/// How many of 16 at once succeed.
async fn winners<F: Future<Output = Result<bool, Error>> + Send + 'static>(attempt: impl Fn() -> F) -> usize {
    let mut winners = 0;
    for task in (0..16).map(|_| tokio::spawn(attempt())).collect::<Vec<_>>() {
        winners += usize::from(task.await.unwrap().unwrap());
    }
    winners
}

#[tokio::test]
async fn a_second_factor_can_be_begun_again_until_it_is_confirmed() {
    on_every_store(|store| async move {
        let database = &store.database;
        let account = account_of(&store, "a@b.com").await;
        assert!(by_account(database, &account).await.unwrap().is_none());
        assert!(begin(database, &account, &sealed("first"), NOW).await.unwrap());
        let first = find(&store, &account).await;
        assert_eq!((&first.secret, first.created_at, first.confirmed_at), (&sealed("first"), NOW, None));
        assert!(begin(database, &account, &sealed("second"), NOW + 1).await.unwrap());
        assert!(!confirm(database, &first, STEP, &hashes(), NOW + 2).await.unwrap(), "the secret that was looked at is gone");
        let second = find(&store, &account).await;
        assert!(confirm(database, &second, STEP, &hashes(), NOW + 2).await.unwrap());
        assert!(!begin(database, &account, &sealed("third"), NOW + 3).await.unwrap());
        assert_eq!(find(&store, &account).await.confirmed_at, Some(NOW + 2));
        assert!(matches!(begin(database, "usr_nobody", &sealed("s"), NOW).await, Err(Error::Conflict)));
    })
    .await;
}

#[tokio::test]
async fn a_second_factor_goes_with_its_account() {
    on_every_store(|store| async move {
        let factor = confirmed(&store, "a@b.com").await;
        assert!(delete_account(&store.database, &factor.account_id, NOW).await.unwrap());
        assert!(by_account(&store.database, &factor.account_id).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g9_g10_each_step_is_taken_once_and_none_before_the_last_one() {
    on_every_store(|store| async move {
        let factor = confirmed(&store, "a@b.com").await;
        assert!(!take_step(&store.database, &factor, STEP).await.unwrap(), "the step that confirmed");
        for step in [STEP + 1, STEP + 3] {
            let (database, factor) = (store.database.clone(), factor.clone());
            let attempt = move || {
                let (database, factor) = (database.clone(), factor.clone());
                async move { take_step(&database, &factor, step).await }
            };
            assert_eq!(winners(attempt).await, 1);
        }
        assert!(!take_step(&store.database, &factor, STEP + 2).await.unwrap());
        let earlier = SecondFactor { created_at: NOW - 1, ..factor };
        assert!(!take_step(&store.database, &earlier, STEP + 9).await.unwrap(), "another one was begun meanwhile");

        let account = account_of(&store, "b@b.com").await;
        begin(&store.database, &account, &sealed("s"), NOW).await.unwrap();
        assert!(!take_step(&store.database, &find(&store, &account).await, STEP).await.unwrap(), "not confirmed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g17_a_recovery_code_is_taken_once_and_the_others_stay() {
    on_every_store(|store| async move {
        let factor = confirmed(&store, "a@b.com").await;
        let other = confirmed(&store, "b@b.com").await;
        for hash in hashes() {
            let (database, account_id) = (store.database.clone(), factor.account_id.clone());
            let attempt = move || {
                let (database, account_id, hash) = (database.clone(), account_id.clone(), hash.clone());
                async move { take_recovery_code(&database, &account_id, &hash).await }
            };
            assert_eq!(winners(attempt).await, 1);
        }
        for no_code in [String::new(), "%".repeat(64), "_".repeat(64), hashes()[0][1..].to_owned(), hashes()[0].clone()] {
            assert!(!take_recovery_code(&store.database, &factor.account_id, &no_code).await.unwrap(), "{no_code}");
        }
        assert!(take_recovery_code(&store.database, &other.account_id, &hashes()[0]).await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_16_confirmations_at_once_one_counts() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        begin(&store.database, &account, &sealed("s"), NOW).await.unwrap();
        let (database, factor) = (store.database.clone(), find(&store, &account).await);
        let attempt = move || {
            let (database, factor) = (database.clone(), factor.clone());
            async move { confirm(&database, &factor, STEP, &hashes(), NOW).await }
        };
        assert_eq!(winners(attempt).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_sealed_anew_only_in_the_place_of_itself() {
    on_every_store(|store| async move {
        let factor = confirmed(&store, "a@b.com").await;
        let new = Sealed { kid: "k2".to_owned(), text: "anew".to_owned() };
        assert_eq!(sealed_by_others(&store.database, "k1", 9).await.unwrap().len(), 0);
        assert_eq!(sealed_by_others(&store.database, "k2", 9).await.unwrap().len(), 1);
        assert!(reseal(&store.database, &factor, &new).await.unwrap());
        assert!(!reseal(&store.database, &factor, &new).await.unwrap());
        assert_eq!(find(&store, &factor.account_id).await.secret, new);
        assert!(take_step(&store.database, &factor, STEP + 1).await.unwrap(), "it is the same secret");
    })
    .await;
}

#[tokio::test]
async fn g15_a_second_factor_is_removed_by_who_used_it_or_proved_who_they_are_before_it_was_there() {
    on_every_store(|store| async move {
        let database = &store.database;
        for (is_strong, proven_at, removed) in
            [(false, NOW + 2, Removal::Refused), (false, NOW + 1, Removal::Done), (true, NOW + 2, Removal::Done)]
        {
            let factor = confirmed(&store, &format!("{is_strong}{proven_at}@b.com")).await;
            assert_eq!(remove(database, &factor.account_id, is_strong, proven_at).await.unwrap(), removed);
            assert_eq!(by_account(database, &factor.account_id).await.unwrap().is_none(), removed == Removal::Done);
        }
        let account = account_of(&store, "a@b.com").await;
        assert_eq!(remove(database, &account, false, NOW).await.unwrap(), Removal::NothingThere);
        begin(database, &account, &sealed("s"), NOW).await.unwrap();
        assert_eq!(remove(database, &account, false, NOW + 9).await.unwrap(), Removal::Done, "not confirmed");
    })
    .await;
}
