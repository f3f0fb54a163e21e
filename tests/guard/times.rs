//! Clocks that differ, and dates far away.

use hallpass::guard::testing::TestIssuer;
use hallpass::token::InvalidToken;

/// A token made when the clock of the issuer stands so many seconds from that of whoever verifies it.
fn verified(skew: i64) -> Result<(), InvalidToken> {
    let issuer = TestIssuer::new();
    let now = issuer.clock().now();
    issuer.clock().advance(skew);
    let token = issuer.person("usr_1").sign();
    issuer.verifier().verify(token, now).map(|_| ())
}

#[test]
fn n12_a_replica_that_is_four_seconds_ahead_is_believed_and_one_that_is_twenty_is_not() {
    assert_eq!(verified(4), Ok(()));
    assert_eq!(verified(-4), Ok(()));
    assert_eq!(verified(20), Err(InvalidToken::IssuedInFuture));
    assert_eq!(verified(-20), Ok(()), "it only lives shorter");
}

#[test]
fn n11_2038_2106_leap_seconds_and_summer_time_are_seconds_like_any_other() {
    // 2^31, 2^32, the last leap second, a change to summer time in Europe, year 9999.
    for moment in [1_i64 << 31, 1 << 32, 1_483_228_800, 1_774_746_000, 253_402_300_799] {
        let issuer = TestIssuer::new();
        let far = moment - issuer.clock().now();
        for second in -2..=2 {
            issuer.clock().advance(far + second);
            let token = issuer.person("usr_1").sign();
            let now = issuer.clock().now();
            assert_eq!(now, moment + second);
            for later in [0, 1, 299, 304] {
                assert!(issuer.verifier().verify(&token, now + later).is_ok(), "{moment} {second} {later}");
            }
            assert_eq!(issuer.verifier().verify(&token, now + 305).map(|_| ()), Err(InvalidToken::Expired));
            issuer.clock().advance(-far - second);
        }
    }
}
