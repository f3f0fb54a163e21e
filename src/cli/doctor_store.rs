//! Of `hallpass doctor`: the database, and the clocks of those who write to it.

use std::time::{Duration, Instant};

use super::doctor_finding::Finding;
use super::{Error, wait_for};
use crate::clock::Clock;
use crate::config::Config;
use crate::serve;
use crate::store::inspection::{self, Schema};
use crate::store::{self, Database, address};

const CHECK: &str = "store";
/// A login asks the database a handful of things.
const SLOW: Duration = Duration::from_millis(50);
/// Replicas read revocations with an overlap of 90 s: clocks that are further apart than this eat into it.
const FAR_APART: i64 = 60;
const REACH: &str = "see that the server runs and that database.url is right; the service starts without it, and nobody can log in";
const CLOCKS: &str = "let every machine keep its time by NTP: tokens count in seconds";

pub(super) fn findings(config: &Config) -> Result<Vec<Finding>, Error> {
    let url = config.database.url.expose();
    if let Err(error) = address::check(url) {
        return Ok(vec![unusable(&error)]);
    }
    if !Database::exists(url) {
        return Ok(vec![not_yet(url)]);
    }
    wait_for(async {
        let database = match serve::database(config) {
            Ok(database) => database,
            Err(error) => return Ok(vec![unusable(&error)]),
        };
        let mut findings = Vec::new();
        if let Err(error) = look(config, &database, &mut findings).await {
            findings.push(Finding::broken(CHECK, error.to_string(), REACH));
        }
        if inspection::is_exposed_on_the_way(url) {
            let finding = "whoever is between here and the database server can read along or answer in its place";
            findings.push(Finding::warning(
                CHECK,
                finding,
                "add ?sslmode=verify-full to database.url (and sslrootcert= for a CA of your own)",
            ));
        }
        database.close().await;
        Ok(findings)
    })
}

fn unusable(error: &impl ToString) -> Finding {
    Finding::broken(CHECK, error.to_string(), "set database.url to an address that can be used")
}

/// Of a file that is not there: whether it can be.
fn not_yet(url: &str) -> Finding {
    match address::check_place(url) {
        Ok(()) => Finding::warning(CHECK, "there is no database file yet", "`hallpass migrate` makes it, and so does `serve`"),
        Err(error) => {
            let remedy = "make the folder, let the user that runs hallpass write to it, or set database.url to a file elsewhere";
            Finding::broken(CHECK, error.to_string(), remedy)
        }
    }
}

async fn look(config: &Config, database: &Database, findings: &mut Vec<Finding>) -> Result<(), store::Error> {
    let schema = inspection::schema(database).await?;
    let latency = latency(database).await?;
    findings.push(latency);
    findings.push(fit(schema));
    if let Some(most) = inspection::server_connections(database).await? {
        findings.extend(connections(config.database.max_connections, most));
    }
    findings.push(server_clock(config, database).await?);
    if let Schema::Current(_) = schema {
        findings.push(writable(database).await);
        findings.push(newest(config, inspection::newest(database).await?));
    }
    Ok(())
}

/// The quickest of a few, on a connection that is there.
async fn latency(database: &Database) -> Result<Finding, store::Error> {
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let asked = Instant::now();
        inspection::schema(database).await?;
        // Two statements.
        quickest = quickest.min(asked.elapsed() / 2);
    }
    let ms = (quickest.as_secs_f64() * 10_000.0).round() / 10.0;
    let finding = format!("the database answers within {ms} ms");
    let finding = if quickest > SLOW {
        Finding::warning(CHECK, finding, "bring the database nearer: a login waits for several answers")
    } else {
        Finding::fine(CHECK, finding)
    };
    Ok(finding.with("ms", ms))
}

fn fit(schema: Schema) -> Finding {
    const MIGRATE: &str = "run `hallpass migrate`, or start `serve`, which does it too";
    match schema {
        Schema::Current(version) => {
            Finding::fine(CHECK, format!("schema version {version} is that of this program")).with("schema", version)
        }
        Schema::Missing => Finding::warning(CHECK, "the database holds no tables of hallpass yet", MIGRATE),
        Schema::Older { found, wanted } => {
            Finding::warning(CHECK, format!("schema version {found} is older than that of this program, {wanted}"), MIGRATE)
        }
        Schema::Newer(version) => Finding::broken(
            CHECK,
            format!("schema version {version} is not known to this program"),
            "run the newer hallpass that made it, or restore a backup from before",
        ),
        Schema::Foreign(version) => Finding::broken(
            CHECK,
            format!("schema version {version} was made by a different build of hallpass"),
            "run that build, or restore a backup from before",
        ),
    }
}

fn connections(ours: u32, most: i64) -> Option<Finding> {
    // One more listens for revocations.
    let ours = i64::from(ours) + 1;
    let finding = format!("this replica may open {ours} connections, and the server takes {most} from everybody together");
    (ours > most).then(|| Finding::warning(CHECK, finding, "lower database.max_connections, or raise max_connections of the server"))
}

async fn writable(database: &Database) -> Finding {
    let asked = Instant::now();
    match inspection::check_writable(database).await {
        Ok(()) => {
            let ms = (asked.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
            Finding::fine(CHECK, "every table can be written to").with("ms", ms)
        }
        Err((table, error)) => {
            let remedy =
                "see that the disk has room, that the server is no read-only replica, and that the user of database.url owns the tables";
            Finding::broken(CHECK, format!("{table} cannot be written to: {error}"), remedy)
        }
    }
}

/// The clock of the database server is used for nothing; it is a second opinion.
async fn server_clock(config: &Config, database: &Database) -> Result<Finding, store::Error> {
    let before = Clock::System.now();
    let Some(server) = inspection::clock(database).await? else {
        return Ok(Finding::fine("clock", "the database is a file and has this machine's clock"));
    };
    let after = Clock::System.now();
    // Whole seconds, cut on both sides.
    let ahead = if server > after { server - after } else { (server - before).min(0) };
    Ok(compared(config, ahead, "the database server's clock"))
}

/// What others wrote must not lie in the future.
fn newest(config: &Config, newest: Option<i64>) -> Finding {
    let ahead = newest.map_or(0, |newest| (newest - Clock::System.now()).max(0));
    compared(config, ahead, "the clock by which the newest login, event or revocation was written")
}

fn compared(config: &Config, ahead: i64, whose: &str) -> Finding {
    let leeway = i64::try_from(config.token.leeway.as_secs()).unwrap_or_default().max(1);
    let finding = format!("{whose} is {} s {} this machine's", ahead.abs(), if ahead < 0 { "behind" } else { "ahead of" });
    let finding = match ahead.abs() {
        0..=1 => Finding::fine("clock", format!("{whose} agrees with this machine's")),
        apart if apart <= leeway => Finding::fine("clock", finding),
        ..=FAR_APART => Finding::warning("clock", format!("{finding}, which is more than token.leeway"), CLOCKS),
        _ => Finding::broken("clock", finding, CLOCKS),
    };
    finding.with("ahead_seconds", ahead)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn level(finding: &Finding) -> String {
        serde_json::to_value(finding).unwrap()["level"].as_str().unwrap().to_owned()
    }

    #[test]
    fn clocks_may_differ_by_the_leeway_and_never_by_a_minute() {
        let config = Config::load_for(&[], None, std::iter::empty(), &[]).unwrap();
        for (ahead, expected) in
            [(0, "ok"), (-1, "ok"), (5, "ok"), (-5, "ok"), (6, "warning"), (-60, "warning"), (61, "broken"), (-3600, "broken")]
        {
            assert_eq!(level(&compared(&config, ahead, "that")), expected, "{ahead}");
        }
        assert_eq!(level(&newest(&config, None)), "ok");
        assert_eq!(level(&newest(&config, Some(0))), "ok", "nobody has logged in for long");
    }

    #[test]
    fn a_replica_that_may_open_more_connections_than_the_server_takes_is_told_on() {
        assert_eq!(connections(99, 100), None);
        assert_eq!(level(&connections(100, 100).unwrap()), "warning");
    }
}
