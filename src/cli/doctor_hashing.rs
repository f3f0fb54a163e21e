//! Of `hallpass doctor`: what a login costs on this machine.

use super::calibrate::{self, Row};
use super::doctor_finding::Finding;
use super::{Error, wait_for};
use crate::config::{self, Config};

const CHECK: &str = "hashing";
/// A login that takes longer makes people try again, and a flood of them more.
const SLOW_MS: f64 = 1000.0;
/// A hash that takes less gives a thief too many guesses.
const QUICK_MS: f64 = 30.0;

pub(super) fn findings(config: &Config) -> Result<Vec<Finding>, Error> {
    let (cost, threads) = (config.password.bcrypt_cost, config.password.hash_threads);
    let measured = wait_for(calibrate::measure(cost, threads))?;
    let cores = config::Password::default().hash_threads;
    let mut findings = vec![judged(&measured)];
    if threads > cores {
        let finding = format!("{threads} hashing threads share {cores} cores, so each login takes longer and none more get through");
        findings.push(Finding::warning(CHECK, finding, format!("set password.hash_threads to {cores}, or leave it out")));
    }
    Ok(findings)
}

fn judged(row: &Row) -> Finding {
    let Row { cost, single_ms, logins_per_second, threads, .. } = row;
    let finding = format!("a login takes {single_ms} ms at cost {cost}; {threads} threads do {logins_per_second} a second");
    let finding = if *single_ms > SLOW_MS {
        Finding::warning(
            CHECK,
            finding,
            "give the service more of a core, or lower password.bcrypt_cost to what `hallpass calibrate` recommends",
        )
    } else if *single_ms < QUICK_MS {
        Finding::warning(CHECK, finding, "raise password.bcrypt_cost to what `hallpass calibrate` recommends")
    } else {
        Finding::fine(CHECK, finding)
    };
    finding.with("cost", *cost).with("ms", *single_ms).with("threads", *threads).with("logins_per_second", *logins_per_second)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_login_may_be_neither_too_slow_nor_too_quick() {
        let level = |single_ms| {
            let row = Row { cost: 12, single_ms, logins_per_second: 4.0, threads: 1, recommended: false };
            serde_json::to_value(judged(&row)).unwrap()["level"].clone()
        };
        assert_eq!((level(29.0), level(250.0), level(1001.0)), ("warning".into(), "ok".into(), "warning".into()));
    }
}
