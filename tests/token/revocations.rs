//! Revoked tokens are refused by the verifier that consults the list, and by every clone of it.

use hallpass::token::{InvalidToken, Revocation, RevocationList};

use crate::forge::{NOW, good, verifier};

#[test]
fn each_kind_of_revocation_refuses_the_token_it_speaks_of_and_no_other() {
    let until = NOW + 400;
    let of = |id: &str| {
        [
            Revocation::Session { id: id.into(), until },
            Revocation::Token { id: id.into(), until },
            Revocation::Subject { id: id.into(), issued_before: NOW + 1, until },
        ]
    };
    let [mut session, mut token, mut subject] = [false; 3];
    for id in ["s1", "t1", "usr_1", "hallpass", "s", ""] {
        for (kind, refused) in of(id).iter().zip([&mut session, &mut token, &mut subject]) {
            let verifier = verifier().with_revocations(RevocationList::new());
            verifier.revocations().add([kind], NOW);
            match verifier.verify(good(), NOW) {
                Ok(_) => {}
                Err(reason) => {
                    assert_eq!(reason, InvalidToken::Revoked);
                    let expected = matches!(
                        (kind, id),
                        (Revocation::Session { .. }, "s1") | (Revocation::Token { .. }, "t1") | (Revocation::Subject { .. }, "usr_1")
                    );
                    assert!(expected, "{kind:?}");
                    *refused = true;
                }
            }
        }
    }
    assert!(session && token && subject);
}

#[test]
fn a_subject_that_was_cut_off_may_come_back_with_a_newer_token() {
    let verifier = verifier();
    verifier.revocations().add(&[Revocation::Subject { id: "usr_1".into(), issued_before: NOW, until: NOW + 400 }], NOW);
    assert!(verifier.verify(good(), NOW).is_ok());
    verifier.revocations().add(&[Revocation::Subject { id: "usr_1".into(), issued_before: NOW + 1, until: NOW + 400 }], NOW);
    assert_eq!(verifier.verify(good(), NOW).unwrap_err(), InvalidToken::Revoked);
}

#[test]
fn a_token_that_is_revoked_until_it_expires_is_not_believed_within_the_leeway_after_that() {
    let verifier = verifier();
    let token = verifier.verify(good(), NOW).unwrap();
    verifier.revocations().add(&[Revocation::Token { id: token.id().to_owned(), until: token.expires_at() }], NOW);
    let late = token.expires_at() + 4;
    verifier.revocations().sweep(late);
    assert_eq!(verifier.verify(good(), late).unwrap_err(), InvalidToken::Revoked);
    assert!(self::verifier().verify(good(), late).is_ok());
}

#[test]
fn q10_every_clone_on_every_thread_sees_a_revocation_at_once() {
    let verifier = verifier();
    let clones: Vec<_> = (0..4).map(|_| verifier.clone()).collect();
    verifier.revocations().add(&[Revocation::Session { id: "s1".into(), until: NOW + 400 }], NOW);
    std::thread::scope(|scope| {
        for clone in &clones {
            scope.spawn(|| assert_eq!(clone.verify(good(), NOW).unwrap_err(), InvalidToken::Revoked));
        }
    });
}

#[test]
fn concurrent_additions_are_all_kept() {
    let list = RevocationList::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let list = list.clone();
            scope.spawn(move || {
                (0..50).for_each(|number| list.add(&[Revocation::Token { id: format!("{thread}-{number}"), until: NOW }], NOW))
            });
        }
    });
    assert_eq!(list.len(), 200);
}
