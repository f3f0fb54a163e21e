use hallpass::store::account::{OwnPassword, set_own_password_hash};
use hallpass::store::audit::{self, Entry};
use hallpass::store::revocation::{self, Recorded, recorded_since, until};
use hallpass::store::session::{
    Ending, Session, StepUp, by_account, by_id, end, end_all_and_record, insert, insert_alone, of_account_in_force, rotate, step_up, sweep,
};
use hallpass::store::{Device, Error, account, new_id};
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
        step_up: None,
        rotated_at: now,
        ended_at: None,
        device: Device::new("192.0.2.1".parse().ok(), Some("curl/8.5.0")),
    }
}

/// The session after one more refresh.
fn refreshed(session: &Session, now: i64) -> Session {
    Session { generation: session.generation + 1, rotated_at: now, ..session.clone() }
}

async fn begin(store: &Store, account_id: &str) -> Session {
    let session = session_of(account_id, NOW);
    assert!(insert(&store.database, &session).await.unwrap().is_some());
    session
}

async fn find(store: &Store, id: &str) -> Session {
    by_id(&store.database, id).await.unwrap().unwrap()
}

async fn revoked(store: &Store) -> Vec<Revocation> {
    let mut recorded = recorded_since(&store.database, 0, 5000, NOW).await.unwrap();
    recorded.sort_by_key(|recorded| format!("{recorded:?}"));
    recorded.into_iter().map(|Recorded { revocation, .. }| revocation).collect()
}

fn of_session(session: &Session, now: i64) -> Revocation {
    Revocation::Session { id: session.id.as_str().into(), until: until(now) }
}

#[tokio::test]
async fn a_session_comes_back_as_it_was_stored() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let (full, bare) = (
            begin(&store, &account).await,
            Session { scope: None, amr: vec![], device: Device::default(), ..session_of(&account, NOW + 1) },
        );
        assert!(insert(&store.database, &bare).await.unwrap().is_some());
        for made in [&full, &bare] {
            let found = find(&store, &made.id).await;
            assert_eq!((&found.account_id, found.seed, found.generation), (&account, [7; 32], 0));
            assert_eq!((&found.scope, &found.amr, found.acr.as_str()), (&made.scope, &made.amr, "2"));
            assert_eq!((found.created_at, found.auth_time, found.rotated_at), (made.created_at, made.auth_time, made.rotated_at));
            assert_eq!((found.password_changed_at, found.ended_at, &found.device), (Some(NOW), None, &made.device));
        }
        let ids: Vec<String> = by_account(&store.database, &account).await.unwrap().into_iter().map(|session| session.id).collect();
        assert_eq!(ids, [bare.id.clone(), full.id.clone()], "the newest first");
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
            assert!(insert(&store.database, &session).await.unwrap().is_none());
        }
        set_disabled_at(&store.database, &account, Some(NOW)).await.unwrap();
        assert_eq!(insert(&store.database, &session_of(&account, NOW)).await.unwrap(), None);
        set_disabled_at(&store.database, &account, None).await.unwrap();
        assert_eq!(insert(&store.database, &session_of(&account, NOW)).await.unwrap(), Some(0));

        let passwordless = NewAccount { password_hash: None, ..new_account("p@b.com") };
        let passwordless = account::insert(&store.database, passwordless, NOW).await.unwrap().id;
        let session = Session { password_changed_at: None, ..session_of(&passwordless, NOW) };
        assert!(insert(&store.database, &session).await.unwrap().is_some());
        assert_eq!(find(&store, &session.id).await.password_changed_at, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d2_of_32_rotations_of_one_generation_at_once_exactly_one_wins() {
    on_every_store(|store| async move {
        let session = begin(&store, &account_of(&store, "a@b.com").await).await;
        let elsewhere = Device::new("2001:db8::1".parse().ok(), Some("another"));
        for generation in 0..3 {
            let device = elsewhere.clone();
            let next = refreshed(&Session { generation, device, ..session.clone() }, NOW + 5);
            let tasks: Vec<_> = (0..32)
                .map(|_| {
                    let (database, next) = (store.database.clone(), next.clone());
                    tokio::spawn(async move { rotate(&database, &next).await })
                })
                .collect();
            let mut won = 0;
            for task in tasks {
                won += u32::from(task.await.unwrap().unwrap());
            }
            assert_eq!(won, 1);
        }
        let found = find(&store, &session.id).await;
        assert_eq!((found.generation, found.rotated_at, found.auth_time, found.device), (3, NOW + 5, NOW, elsewhere));
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
        assert!(!rotate(&store.database, &refreshed(&ended, NOW + 2)).await.unwrap());
        assert_eq!(revoked(&store).await, [of_session(&ended, NOW + 1)]);
        assert!(rotate(&store.database, &refreshed(&other, NOW + 2)).await.unwrap());
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
                "disable" => set_disabled_at(&store.database, &account, Some(now)).await,
                "password" => account::set_password_hash(&store.database, &account, &Secret::from("x"), now).await,
                _ => delete_account(&store.database, &account, now).await,
            };
            assert!(done.unwrap(), "{change}");
            let subject = |issued_before| Revocation::Subject { id: account.as_str().into(), issued_before, until: until(now) };
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
        assert!(!delete_account(&store.database, "usr_nobody", NOW).await.unwrap());
        assert!(!set_disabled_at(&store.database, "usr_nobody", Some(NOW)).await.unwrap());
        assert!(revoked(&store).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_later_revocation_of_a_subject_overrides_an_earlier_one_and_never_the_other_way_round() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        for (now, stands) in [(NOW + 5, NOW + 5), (NOW + 9, NOW + 9), (NOW + 1, NOW + 9)] {
            account::set_password_hash(&store.database, &account, &Secret::from("x"), now).await.unwrap();
            assert_eq!(
                revoked(&store).await,
                [Revocation::Subject { id: account.as_str().into(), issued_before: stands, until: until(stands) }]
            );
        }
    })
    .await;
}

#[tokio::test]
async fn m9_ending_all_sessions_revokes_only_those_that_may_have_tokens() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let since = NOW - 7200;
        for rotated_at in [since - 1, since, NOW] {
            let session = Session { rotated_at, auth_time: NOW - 9000, ..session_of(&account, NOW - 9000) };
            assert!(insert(&store.database, &session).await.unwrap().is_some());
        }
        let stepped_up = Session { rotated_at: since - 1, auth_time: since, ..session_of(&account, NOW - 9000) };
        assert!(insert(&store.database, &stepped_up).await.unwrap().is_some());
        end(&store.database, &account, Ending::All, NOW).await.unwrap();
        assert_eq!((by_account(&store.database, &account).await.unwrap().len(), revoked(&store).await.len()), (0, 3));
    })
    .await;
}

#[tokio::test]
async fn what_an_operator_ends_is_revoked_also_where_an_older_database_knows_no_session_of_it() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let why = Entry::new("session_revoked", Some(&account), None, Some("all"), NOW);
        assert!(!end_all_and_record(&store.database, &account, &why, NOW).await.unwrap(), "nothing to write down");
        let subject = Revocation::Subject { id: account.clone(), issued_before: NOW, until: until(NOW) };
        assert_eq!(revoked(&store).await, [subject]);
        let session = begin(&store, &account).await;
        assert!(end_all_and_record(&store.database, &account, &why, NOW).await.unwrap());
        assert!(revoked(&store).await.contains(&of_session(&session, NOW)));
        assert_eq!(audit::list(&store.database, None, None, 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn m9_an_account_has_a_thousand_sessions_at_most_and_the_oldest_gives_way() {
    on_every_store(|store| async move {
        let (account, other) = (account_of(&store, "a@b.com").await, account_of(&store, "c@d.com").await);
        begin(&store, &other).await;
        let oldest = begin(&store, &account).await;
        let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)";
        let columns = "account_id, seed, generation, scope, amr, acr, password_changed_at, created_at, auth_time, rotated_at";
        store
            .raw(&format!(
                "INSERT INTO session (id, {columns}) {numbers} SELECT 'f' || (1000 + i), {columns} FROM n, session WHERE id = '{}'",
                oldest.id
            ))
            .await;
        assert_eq!(by_account(&store.database, &account).await.unwrap().len(), 1000);
        let newest = Session { id: "fff".to_owned(), ..session_of(&account, NOW + 1) };
        assert_eq!(insert(&store.database, &newest).await.unwrap(), Some(1));
        let left = by_account(&store.database, &account).await.unwrap();
        assert_eq!((left.len(), left[0].id.as_str(), find(&store, &oldest.id).await.ended_at), (1000, "fff", Some(NOW + 1)));
        assert_eq!(revoked(&store).await, [Revocation::Session { id: oldest.id, until: until(NOW + 1) }]);
        assert_eq!(by_account(&store.database, &other).await.unwrap().len(), 1);
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
        let since = async |since, now| recorded_since(&store.database, since, 100, now).await.unwrap().len();
        assert_eq!((since(0, NOW).await, since(NOW + 3, NOW).await, since(NOW + 5, NOW).await), (5, 2, 0));
        let first_two = recorded_since(&store.database, 0, 2, NOW).await.unwrap();
        assert_eq!(first_two.iter().map(|recorded| recorded.recorded_at).collect::<Vec<_>>(), [NOW, NOW + 1]);
        let over = until(NOW + 1) + 1;
        assert_eq!(since(0, over).await, 3);
        assert_eq!(revocation::sweep(&store.database, 1000, over).await.unwrap(), 0, "a clock that was an hour ahead costs nothing");
        let over = over + 3600;
        assert_eq!(revocation::sweep(&store.database, 1, over).await.unwrap(), 1);
        assert_eq!(revocation::sweep(&store.database, 1000, over).await.unwrap(), 1);
        assert_eq!((revocation::sweep(&store.database, 1000, over).await.unwrap(), since(0, NOW).await), (0, 3));
    })
    .await;
}

#[tokio::test]
async fn d23_l23_dead_sessions_are_swept_in_batches_and_live_ones_are_not() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let (live, ended, old) = (begin(&store, &account).await, begin(&store, &account).await, session_of(&account, NOW - 100));
        assert!(insert(&store.database, &old).await.unwrap().is_some());
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
                Database::Sqlite(file) => sqlx::raw_sql(AssertSqlSafe(insert)).execute(&file.writer).await.is_err(),
                Database::Postgres(PostgresServer { pool, .. }) => sqlx::raw_sql(AssertSqlSafe(insert)).execute(pool).await.is_err(),
            };
            assert!(refused, "{values}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_is_in_force_only_under_its_own_account_as_the_login_found_it() {
    on_every_store(|store| async move {
        let (mine, theirs) = (account_of(&store, "a@b.com").await, account_of(&store, "c@d.com").await);
        let (session, ended) = (begin(&store, &mine).await, begin(&store, &mine).await);
        end(&store.database, &mine, Ending::This { id: &ended.id }, NOW).await.unwrap();
        let in_force = async |id: &str, account: &str| of_account_in_force(&store.database, id, account).await.unwrap().is_some();
        assert!(in_force(&session.id, &mine).await);
        for (id, account) in [(&session.id, &theirs), (&ended.id, &mine), (&mine, &mine), (&session.id, &"usr_nobody".to_owned())] {
            assert!(!in_force(id, account).await, "{id} {account}");
        }
        // Each by itself, without what the store does besides when it is asked to.
        for change in ["disabled_at = 1", "password_changed_at = password_changed_at + 1", "password_changed_at = NULL"] {
            store.raw(&format!("UPDATE account SET {change}")).await;
            assert!(!in_force(&session.id, &mine).await, "{change}");
            store.raw(&format!("UPDATE account SET disabled_at = NULL, password_changed_at = {NOW}")).await;
            assert!(in_force(&session.id, &mine).await, "{change}");
        }
        store.raw("UPDATE account SET password_changed_at = NULL; UPDATE session SET password_changed_at = NULL").await;
        assert!(in_force(&session.id, &mine).await, "an account that never had a password");
    })
    .await;
}

#[tokio::test]
async fn d15_a_session_that_is_to_be_alone_ends_the_others_of_its_account_and_revokes_them() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let (one, two) = (begin(&store, &account).await, begin(&store, &account).await);
        let theirs = begin(&store, &account_of(&store, "c@d.com").await).await;
        let alone = session_of(&account, NOW + 3);
        assert!(insert_alone(&store.database, &alone).await.unwrap().is_some());
        let left = by_account(&store.database, &account).await.unwrap();
        assert_eq!(left.iter().map(|session| &session.id).collect::<Vec<_>>(), [&alone.id]);
        assert_eq!(find(&store, &one.id).await.ended_at, Some(NOW + 3));
        assert_eq!(revoked(&store).await, [of_session(&one, NOW + 3), of_session(&two, NOW + 3)]);
        assert_eq!(find(&store, &theirs.id).await.ended_at, None);
        // A login that comes to nothing ends nobody.
        let late = Session { password_changed_at: Some(NOW - 1), ..session_of(&account, NOW + 4) };
        assert!(insert_alone(&store.database, &late).await.unwrap().is_none());
        assert_eq!(find(&store, &alone.id).await.ended_at, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d16_of_32_sessions_that_are_to_be_alone_at_once_exactly_one_stays() {
    on_every_store(|store| async move {
        for round in 0..5 {
            let account = account_of(&store, &format!("{round}@b.com")).await;
            let tasks: Vec<_> = (0..32)
                .map(|_| {
                    let (database, session) = (store.database.clone(), session_of(&account, NOW));
                    tokio::spawn(async move { insert_alone(&database, &session).await.unwrap().is_some() })
                })
                .collect();
            for task in tasks {
                assert!(task.await.unwrap(), "all of them were right");
            }
            assert_eq!(by_account(&store.database, &account).await.unwrap().len(), 1);
            let ended = format!("SELECT 1 FROM session WHERE account_id = '{account}' AND ended_at IS NOT NULL");
            assert_eq!(store.count(&ended).await, 31);
        }
        assert_eq!(revoked(&store).await.len(), 5 * 31);
    })
    .await;
}

#[tokio::test]
async fn c30_a_password_that_is_set_out_of_a_session_ends_all_others_and_moves_this_one_along() {
    on_every_store(|store| async move {
        let id = account_of(&store, "a@b.com").await;
        let (this, other) = (begin(&store, &id).await, begin(&store, &id).await);
        let theirs = begin(&store, &account_of(&store, "c@d.com").await).await;
        let account = async || account::by_id(&store.database, &id).await.unwrap().unwrap();
        let before = account().await;
        let hash = Secret::from("$2b$04$another");
        let set = async |account: &account::Account, session: &Session| {
            let new = OwnPassword { account, session_id: &session.id, hash: &hash };
            set_own_password_hash(&store.database, new, NOW).await.unwrap()
        };
        for session in [&theirs, &session_of(&id, NOW)] {
            assert!(!set(&before, session).await, "a session of nobody or somebody else");
        }
        assert_eq!((find(&store, &this.id).await.ended_at, find(&store, &other.id).await.ended_at), (None, None));
        assert!(set(&before, &this).await);
        let after = account().await;
        // The account was made within the same second, and the time tells the two passwords apart all the same.
        assert_eq!((after.password_hash.as_ref().unwrap().expose(), after.password_changed_at), (hash.expose(), Some(NOW + 1)));
        let moved = find(&store, &this.id).await;
        assert_eq!((moved.password_changed_at, moved.ended_at, moved.generation), (Some(NOW + 1), None, 0));
        assert_eq!(find(&store, &other.id).await.ended_at, Some(NOW));
        assert_eq!(revoked(&store).await, [of_session(&other, NOW)], "and not the subject, whose tokens of this session stay good");
        assert_eq!(find(&store, &theirs.id).await.ended_at, None);

        assert!(!set(&before, &this).await, "the password is another one already");
        assert!(insert(&store.database, &session_of(&id, NOW)).await.unwrap().is_none(), "a login with the old password");
        set_disabled_at(&store.database, &id, Some(NOW)).await.unwrap();
        assert!(!set(&account().await, &this).await, "disabled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c30_no_login_with_the_old_password_outlives_a_change_that_comes_at_the_same_time() {
    on_every_store(|store| async move {
        for round in 0..10 {
            let id = account_of(&store, &format!("{round}@b.com")).await;
            let this = begin(&store, &id).await;
            let account = account::by_id(&store.database, &id).await.unwrap().unwrap();
            let logins: Vec<_> = (0..16)
                .map(|_| {
                    let (database, session) = (store.database.clone(), session_of(&id, NOW));
                    tokio::spawn(async move { insert(&database, &session).await.unwrap().map(|_| session.id) })
                })
                .collect();
            let hash = Secret::from(format!("$2b$04$another{round}").as_str());
            let new = OwnPassword { account: &account, session_id: &this.id, hash: &hash };
            assert!(set_own_password_hash(&store.database, new, NOW + 1).await.unwrap());
            let revoked = revoked(&store).await;
            for login in logins {
                if let Some(id) = login.await.unwrap() {
                    assert_eq!(find(&store, &id).await.ended_at, Some(NOW + 1), "either before the change, or not at all");
                    assert!(revoked.contains(&Revocation::Session { id, until: until(NOW + 1) }));
                }
            }
            let left = by_account(&store.database, &id).await.unwrap();
            assert_eq!(left.iter().map(|session| &session.id).collect::<Vec<_>>(), [&this.id]);
        }
    })
    .await;
}

#[tokio::test]
async fn two_passwords_of_one_second_are_told_apart_by_their_time() {
    on_every_store(|store| async move {
        let id = account_of(&store, "a@b.com").await;
        for (now, changed_at) in [(NOW, NOW + 1), (NOW, NOW + 2), (NOW + 9, NOW + 9), (NOW + 3, NOW + 10)] {
            let before = account::by_id(&store.database, &id).await.unwrap().unwrap().password_changed_at;
            assert!(account::set_password_hash(&store.database, &id, &Secret::from("x"), now).await.unwrap());
            assert_eq!(account::by_id(&store.database, &id).await.unwrap().unwrap().password_changed_at, Some(changed_at));
            let late = Session { password_changed_at: before, ..session_of(&id, now) };
            assert!(insert(&store.database, &late).await.unwrap().is_none(), "a login with the password before");
        }
        let passwordless = NewAccount { password_hash: None, ..new_account("p@b.com") };
        let id = account::insert(&store.database, passwordless, NOW).await.unwrap().id;
        assert!(account::set_password_hash(&store.database, &id, &Secret::from("x"), NOW).await.unwrap());
        assert_eq!(account::by_id(&store.database, &id).await.unwrap().unwrap().password_changed_at, Some(NOW));
    })
    .await;
}

#[tokio::test]
async fn g5_a_step_up_is_kept_by_a_session_that_is_live_and_whose_account_is_still_what_it_was() {
    on_every_store(|store| async move {
        let account = account_of(&store, "a@b.com").await;
        let (session, other) = (begin(&store, &account).await, begin(&store, &account).await);
        let proof = StepUp { amr: vec!["pwd".to_owned(), "otp".to_owned()], acr: "2".to_owned() };
        assert!(step_up(&store.database, &session.id, &proof, NOW + 9).await.unwrap());
        let found = find(&store, &session.id).await;
        assert_eq!((found.auth_time, found.step_up.as_ref(), found.created_at), (NOW + 9, Some(&proof), NOW));
        assert_eq!((found.amr, found.acr, found.generation), (session.amr.clone(), session.acr.clone(), 0));
        assert_eq!(find(&store, &other.id).await.step_up, None);
        assert!(rotate(&store.database, &refreshed(&session, NOW + 10)).await.unwrap());
        assert_eq!(find(&store, &session.id).await.step_up, Some(proof.clone()));

        end(&store.database, &account, Ending::This { id: &other.id }, NOW).await.unwrap();
        assert!(!step_up(&store.database, &other.id, &proof, NOW).await.unwrap());
        for changed in ["disabled_at = 1", "disabled_at = NULL, password_changed_at = 1", "password_changed_at = NULL"] {
            store.raw(&format!("UPDATE account SET {changed}")).await;
            assert!(!step_up(&store.database, &session.id, &proof, NOW + 20).await.unwrap(), "{changed}");
        }
        assert!(!step_up(&store.database, "nobody", &proof, NOW).await.unwrap());
        assert_eq!(find(&store, &session.id).await.auth_time, NOW + 9);
    })
    .await;
}
