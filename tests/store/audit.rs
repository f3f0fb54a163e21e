use hallpass::store::audit::{Entry, insert, list, sweep};

use super::*;

async fn happened(store: &Store, event: &'static str, account: Option<&str>, now: i64) -> Entry {
    let entry = Entry::new(event, account, Some("session"), Some("word"), now);
    insert(&store.database, &entry).await.unwrap();
    entry
}

fn ids(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
}

#[tokio::test]
async fn o7_events_come_back_as_they_were_written_the_newest_first_page_by_page() {
    on_every_store(|store| async move {
        let mut written = Vec::new();
        for second in 0..25 {
            written.push(happened(&store, "login", Some(if second % 2 == 0 { "usr_a" } else { "usr_b" }), NOW + second / 5).await);
        }
        written.reverse();
        let (mut read, mut before) = (Vec::new(), None);
        loop {
            let page = list(&store.database, None, before.as_deref(), 10).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id.clone());
            read.extend(page);
        }
        assert_eq!(read, written);
        let of_a = list(&store.database, Some("usr_a"), Some(&written[20].id), 100).await.unwrap();
        assert_eq!(ids(&of_a), [&written[22].id, &written[24].id]);
        assert!(list(&store.database, Some("usr_nobody"), None, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_event_may_be_of_nobody_and_outlives_the_account() {
    on_every_store(|store| async move {
        let bare = Entry::new("login", None, None, None, NOW);
        insert(&store.database, &bare).await.unwrap();
        let account = hallpass::store::account::insert(&store.database, new_account("a@b.com"), NOW).await.unwrap().id;
        let of_account = happened(&store, "login", Some(&account), NOW + 1).await;
        delete_account(&store.database, &account, NOW + 2).await.unwrap();
        assert_eq!(list(&store.database, None, None, 10).await.unwrap()[1..], [of_account, bare]);
    })
    .await;
}

#[tokio::test]
async fn events_are_swept_in_batches_by_their_age() {
    on_every_store(|store| async move {
        for second in 0..5 {
            happened(&store, "login", None, NOW + second).await;
        }
        let swept = async |limit, before| sweep(&store.database, limit, before).await.unwrap();
        assert_eq!((swept(2, NOW + 3).await, swept(2, NOW + 3).await, swept(2, NOW + 3).await), (2, 1, 0));
        assert_eq!(list(&store.database, None, None, 10).await.unwrap().len(), 2);
    })
    .await;
}
