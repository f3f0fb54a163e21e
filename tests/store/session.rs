use hallpass::store::revocation::{self, Recorded, recorded_since, until};
use hallpass::store::session::{Ending, Session, by_account, by_id, end, insert, rotate, sweep};
use hallpass::store::{Error, account, new_id};
use hallpass::token::Revocation;

use super::*;

async fn account_of(store: &Store, address: &str) -> String {
    account::insert(&store.database, new_account(address), NOW).await.unwrap().id
}

fn session_of(account_id: &str, now: i64) -> Session {
    Session {
        id: new_id("", now),
        account_id: account_id.to_owned(),
        seed: [7; 32],
        generation: 0,
        scope: Some("read".to_owned()),
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        acr: "2".to_owned(),
        password_changed_at: Some(NOW),
        created_at: now,
        auth_time: now,
        rotated_at: now,
        ended_at: None,
    }
}

async fn begin(store: &Store, account_id: &str) -> Session {
    let session = session_of(account_id, NOW);
    assert!(insert(&store.database, &session).await.unwrap());
    session
}

async fn find(store: &Store, id: &str) -> Session {
    by_id(&store.database, id).await.unwrap().unwrap()
}

async fn revoked(store: &Store) -> Vec<Revocation> {
    let mut recorded = recorded_since(&store.database, 0, NOW).await.unwrap();
    recorded.sort_by_key(|recorded| format!("{recorded:?}"));
    recorded.into_iter().map(|Recorded { revocation, .. }| revocation).collect()
}

fn of_session(session: &Session, now: i64) -> Revocation {
    Revocation::Session { id: session.id.clone(), until: until(now) }
}

#[tokio::test]
async fn a_session_comes_back_as_it_was_stored() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let (full, bare) = (begin(&store, &account).await, Session { scope: None, amr: vec![], ..session_of(&account, NOW + 1) });
        assert!(insert(&store.database, &bare).await.unwrap());
        for made in [&full, &bare] {
            let found = find(&store, &made.id).await;
            assert_eq!((&found.account_id, found.seed, found.generation), (&account, [7; 32], 0));
            assert_eq!((&found.scope, &found.amr, found.acr.as_str()), (&made.scope, &made.amr, "2"));
            assert_eq!((found.created_at, found.auth_time, found.rotated_at), (made.created_at, made.auth_time, made.rotated_at));
            assert_eq!((found.password_changed_at, found.ended_at), (Some(NOW), None));
        }
        let ids: Vec<String> = by_account(&store.database, &account).await.unwrap().into_iter().map(|session| session.id).collect();
        assert_eq!(ids, [bare.id, full.id.clone()], "the newest first");
        assert!(by_id(&store.database, "nobody").await.unwrap().is_none());
        assert!(matches!(insert(&store.database, &full).await, Err(Error::Conflict)));
    })
    .await;
}

#[tokio::test]
async fn a_session_begins_only_for_an_account_that_is_still_what_it_was() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let other_password = Session { password_changed_at: Some(NOW - 1), ..session_of(&account, NOW) };
        let no_password = Session { password_changed_at: None, ..session_of(&account, NOW) };
        for session in [other_password, no_password, session_of("usr_nobody", NOW)] {
            assert!(!insert(&store.database, &session).await.unwrap());
        }
        account::set_disabled_at(&store.database, &account, Some(NOW)).await.unwrap();
        assert!(!insert(&store.database, &session_of(&account, NOW)).await.unwrap());
        account::set_disabled_at(&store.database, &account, None).await.unwrap();
        assert!(insert(&store.database, &session_of(&account, NOW)).await.unwrap());

        let passwordless = NewAccount { password_hash: None, ..new_account("p@b.com") };
        let passwordless = account::insert(&store.database, passwordless, NOW).await.unwrap().id;
        let session = Session { password_changed_at: None, ..session_of(&passwordless, NOW) };
        assert!(insert(&store.database, &session).await.unwrap());
        assert_eq!(find(&store, &session.id).await.password_changed_at, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d2_of_32_rotations_of_one_generation_at_once_exactly_one_wins() {
    on_every_store(|store| async move {
        let session = begin(&store, &account_of(&store, "a@b.com").await).await;
        for generation in 0..3 {
            let tasks: Vec<_> = (0..32)
                .map(|_| {
                    let (database, id) = (store.database.clone(), session.id.clone());
                    tokio::spawn(async move { rotate(&database, &id, generation, NOW + 5).await })
                })
                .collect();
            let mut won = 0;
            for task in tasks {
                won += u32::from(task.await.unwrap().unwrap());
            }
            assert_eq!(won, 1);
        }
        let found = find(&store, &session.id).await;
        assert_eq!((found.generation, found.rotated_at, found.auth_time), (3, NOW + 5, NOW));
    })
    .await;
}

#[tokio::test]
async fn d17_an_ended_session_is_revoked_cannot_be_rotated_and_keeps_the_time_of_its_end() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let (ended, other) = (begin(&store, &account).await, begin(&store, &account).await);
        for now in [NOW + 1, NOW + 2] {
            end(&store.database, &account, Ending::This { id: &ended.id }, now).await.unwrap();
        }
        assert_eq!(find(&store, &ended.id).await.ended_at, Some(NOW + 1));
        assert!(!rotate(&store.database, &ended.id, 0, NOW + 2).await.unwrap());
        assert_eq!(revoked(&store).await, [of_session(&ended, NOW + 1)]);
        assert!(rotate(&store.database, &other.id, 0, NOW + 2).await.unwrap());
        let left = by_account(&store.database, &account).await.unwrap();
        assert_eq!(left.iter().map(|session| &session.id).collect::<Vec<_>>(), [&other.id]);
    })
    .await;
}

#[tokio::test]
async fn d19_nobody_ends_a_session_of_somebody_else() {
    on_every_store(|store| async move {
        let (mine, theirs) = (account_of(&store, "a@b.com").await, account_of(&store, "c@d.com").await);
        let session = begin(&store, &theirs).await;
        end(&store.database, &mine, Ending::This { id: &session.id }, NOW).await.unwrap();
        end(&store.database, &mine, Ending::All, NOW).await.unwrap();
        end(&store.database, &mine, Ending::Others { id: "x" }, NOW).await.unwrap();
        assert_eq!(find(&store, &session.id).await.ended_at, None);
    })
    .await;
}

#[tokio::test]
async fn d20_all_sessions_or_all_but_one_end_together() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let sessions = [begin(&store, &account).await, begin(&store, &account).await, begin(&store, &account).await];
        end(&store.database, &account, Ending::Others { id: &sessions[1].id }, NOW + 1).await.unwrap();
        assert_eq!(revoked(&store).await, [of_session(&sessions[0], NOW + 1), of_session(&sessions[2], NOW + 1)]);
        assert_eq!(by_account(&store.database, &account).await.unwrap().len(), 1);
        end(&store.database, &account, Ending::All, NOW + 2).await.unwrap();
        assert!(by_account(&store.database, &account).await.unwrap().is_empty());
        assert_eq!(revoked(&store).await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn c30_c31_what_ends_an_account_or_its_password_ends_and_revokes_its_sessions() {
    on_every_store(|store| async move {
        for change in ["disable", "password", "delete"] {
            store.raw("DELETE FROM revocation").await;
            let account = account_of(&store, &format!("{change}@b.com")).await;
            let session = begin(&store, &account).await;
            let bystander = begin(&store, &account_of(&store, &format!("by.{change}@b.com")).await).await;
            let now = NOW + 7;
            let done = match change {
                "disable" => account::set_disabled_at(&store.database, &account, Some(now)).await,
                "password" => account::set_password_hash(&store.database, &account, &Secret::from("x"), now).await,
                _ => account::delete(&store.database, &account, now).await,
            };
            assert!(done.unwrap(), "{change}");
            let subject = |issued_before| Revocation::Subject { id: account.clone(), issued_before, until: until(now) };
            if change == "delete" {
                assert!(by_id(&store.database, &session.id).await.unwrap().is_none());
                assert_eq!(revoked(&store).await, [subject(now + 150)]);
            } else {
                assert_eq!(find(&store, &session.id).await.ended_at, Some(now), "{change}");
                assert_eq!(revoked(&store).await, [of_session(&session, now), subject(now)], "{change}");
            }
            assert_eq!(find(&store, &bystander.id).await.ended_at, None, "{change}");
        }
        store.raw("DELETE FROM revocation").await;
        assert!(!account::delete(&store.database, "usr_nobody", NOW).await.unwrap());
        assert!(!account::set_disabled_at(&store.database, "usr_nobody", Some(NOW)).await.unwrap());
        assert!(revoked(&store).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_later_revocation_of_a_subject_overrides_an_earlier_one_and_never_the_other_way_round() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        for (now, stands) in [(NOW + 5, NOW + 5), (NOW + 9, NOW + 9), (NOW + 1, NOW + 9)] {
            account::set_disabled_at(&store.database, &account, Some(now)).await.unwrap();
            assert_eq!(revoked(&store).await, [Revocation::Subject { id: account.clone(), issued_before: stands, until: until(stands) }]);
        }
    })
    .await;
}

#[tokio::test]
async fn revocations_are_asked_for_by_when_they_were_written_and_swept_when_they_deny_nothing() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        for second in 0..5 {
            let session = begin(&store, &account).await;
            end(&store.database, &account, Ending::This { id: &session.id }, NOW + second).await.unwrap();
        }
        let since = async |since, now| recorded_since(&store.database, since, now).await.unwrap().len();
        assert_eq!((since(0, NOW).await, since(NOW + 3, NOW).await, since(NOW + 5, NOW).await), (5, 2, 0));
        let over = until(NOW + 1) + 1;
        assert_eq!(since(0, over).await, 3);
        assert_eq!(revocation::sweep(&store.database, 1, over).await.unwrap(), 1);
        assert_eq!(revocation::sweep(&store.database, 1000, over).await.unwrap(), 1);
        assert_eq!((revocation::sweep(&store.database, 1000, over).await.unwrap(), since(0, NOW).await), (0, 3));
    })
    .await;
}

#[tokio::test]
async fn d23_dead_sessions_are_swept_in_batches_and_live_ones_are_not() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let (live, ended, old) = (begin(&store, &account).await, begin(&store, &account).await, session_of(&account, NOW - 100));
        assert!(insert(&store.database, &old).await.unwrap());
        end(&store.database, &account, Ending::This { id: &ended.id }, NOW + 1).await.unwrap();
        let swept = async |limit, ended_before, created_before| sweep(&store.database, limit, ended_before, created_before).await.unwrap();
        assert_eq!(swept(1000, NOW + 1, NOW - 100).await, 0);
        assert_eq!((swept(1, NOW + 2, NOW).await, swept(1, NOW + 2, NOW).await, swept(1, NOW + 2, NOW).await), (1, 1, 0));
        assert!(by_id(&store.database, &ended.id).await.unwrap().is_none() && by_id(&store.database, &old.id).await.unwrap().is_none());
        find(&store, &live.id).await;
        // A session that was swept can still be logged out of, for the access tokens that are out.
        end(&store.database, &account, Ending::This { id: &old.id }, NOW + 3).await.unwrap();
        assert!(revoked(&store).await.contains(&of_session(&old, NOW + 3)));
    })
    .await;
}

#[tokio::test]
async fn l20_a_damaged_session_is_reported_with_column_and_id_and_without_its_seed() {
    on_every_store(|store| async move {
        let session = begin(&store, &account_of(&store, "a@b.com").await).await;
        for (column, value) in
            [("seed", "'AAAA'"), ("seed", "'not base64!'"), ("generation", "-1"), ("generation", "4294967296"), ("scope", "'a  b'")]
        {
            store.raw("CREATE TABLE intact AS SELECT * FROM session").await;
            store.raw(&format!("UPDATE session SET {column} = {value}")).await;
            let error = by_id(&store.database, &session.id).await.unwrap_err();
            assert_eq!(error.to_string(), format!("column {column} of row {} in table session cannot be used", session.id));
            store.raw("DELETE FROM session; INSERT INTO session SELECT * FROM intact; DROP TABLE intact").await;
        }
        find(&store, &session.id).await;
    })
    .await;
}

#[tokio::test]
async fn a_revocation_that_names_no_known_claim_or_has_no_time_cannot_be_written() {
    on_every_store(|store| async move {
        for values in ["'other', 'x', NULL, 1, 1", "'subject', 'x', NULL, 1, 1", "'session', 'x', 1, 1, 1", "'token', NULL, NULL, 1, 1"] {
            let insert = format!("INSERT INTO revocation (kind, id, issued_before, until, recorded_at) VALUES ({values})");
            let refused = match &store.database {
                Database::Sqlite(pool) => sqlx::raw_sql(AssertSqlSafe(insert)).execute(pool).await.is_err(),
                Database::Postgres(pool) => sqlx::raw_sql(AssertSqlSafe(insert)).execute(pool).await.is_err(),
            };
            assert!(refused, "{values}");
        }
    })
    .await;
}
