//! What an operator can see, as OpenMetrics text: the one list of it.
//!
//! It is written from a [`Snapshot`], so no figure is kept twice and a scrape costs nothing between two. Labels come from closed lists: nobody's
//! id, address or path is among them, and no stranger can make a new one.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::authority::hash_pool::{PoolLoad, PoolTotals};
use crate::authority::limits::Limited;
use crate::authority::outcomes::{Outcomes, UseCase};
use crate::http::traffic::Counts;
use crate::store::Connections;

mod page;

use page::Page;

/// What the text is (OpenMetrics 1.0).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is shown, as it is at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Requests and verifications.
    pub traffic: Counts,
    /// Logins and the like.
    pub outcomes: Outcomes,
    /// What was refused for being asked too often.
    pub limited: Limited,
    /// The hashing threads, now.
    pub hashing: PoolLoad,
    /// The hashing threads, since the start.
    pub hashed: PoolTotals,
    /// The deny list.
    pub deny_list: DenyList,
    /// What tokens are signed with.
    pub keys: Keys,
    /// Those to the database.
    pub connections: Connections,
}

/// The deny list of this process.
#[derive(Clone, Copy, Debug)]
pub struct DenyList {
    /// How many entries it has.
    pub entries: usize,
    /// When it was full, the moment before which no token may have been issued (NumericDate).
    pub floor: Option<i64>,
    /// How long ago it was last known to be complete.
    pub lag: Duration,
}

/// What tokens are signed with. Nothing of it is secret.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The same for the same keys, and for no others.
    pub fingerprint: String,
    /// How many keys verify.
    pub count: usize,
    /// How long ago the key that signs was made, where that is known.
    pub age: Option<Duration>,
}

impl Snapshot {
    /// The text.
    ///
    /// # Errors
    /// None that is known of: writing to a text does not fail.
    pub fn openmetrics(self) -> Result<String, fmt::Error> {
        let (mut registry, mut written) = (Registry::with_prefix("hallpass"), String::new());
        registry.register_collector(Box::new(self));
        text::encode(&mut written, &registry)?;
        Ok(written)
    }

    fn http(&self, page: &mut Page<'_>) -> fmt::Result {
        // A table in an order that stays the same reads better, and the encoder keeps the order it is given.
        let mut routes: Vec<_> = self.traffic.routes.iter().collect();
        routes.sort_unstable_by_key(|(pattern, _)| pattern.as_str());
        let answers = routes.iter().flat_map(|(pattern, route)| {
            let labels = |method: &str, status: u16| {
                vec![("method", method.to_owned()), ("route", pattern.to_string()), ("status", status.to_string())]
            };
            route.answers.iter().map(move |((method, status), count)| (labels(method, *status), *count))
        });
        page.counter("http_requests", "Answered requests by the pattern of the route.", answers)?;
        let durations = routes.iter().map(|(pattern, route)| (vec![("route", pattern.to_string())], route.durations));
        page.durations("http_request_duration", "From the head of a request to its answer.", durations)
    }

    fn authority(&self, page: &mut Page<'_>) -> fmt::Result {
        let verifications = self.traffic.verifications.iter().map(|(name, count)| (*name, *count));
        page.counter_by("token_verifications", "Access tokens that were looked at, by what came of it.", "result", verifications)?;
        for (use_case, name, help) in [
            (UseCase::Login, "logins", "Logins by result."),
            (UseCase::Refresh, "refreshes", "Uses of refresh tokens by result."),
            (UseCase::ClientCredentials, "client_tokens", "Tokens that clients asked for, by result."),
            (UseCase::StepUp, "step_ups", "Repeated proofs within a session, by result."),
        ] {
            page.counter_by(name, help, "result", self.outcomes.of(use_case))?;
        }
        let reuses = [(Vec::new(), self.outcomes.reuses())];
        page.counter("refresh_token_reuses", "Refresh tokens that two had: each ended its session.", reuses)?;
        let Limited { login, spraying, account, refresh, client, stranger } = self.limited;
        let limited = [
            ("login", login),
            ("spraying", spraying),
            ("account", account),
            ("refresh", refresh),
            ("client", client),
            ("stranger", stranger),
        ];
        page.counter_by("limited", "What was refused for being asked too often, by the limit.", "limit", limited)
    }

    fn keys(&self, page: &mut Page<'_>) -> fmt::Result {
        let Keys { fingerprint, count, age } = &self.keys;
        page.info(
            "keys",
            "Which keys these are: replicas with the same keys have the same fingerprint.",
            [("fingerprint", fingerprint.as_str())],
        )?;
        page.gauge("keys_verifying", "Keys that tokens are verified with.", *count as f64)?;
        match age {
            Some(age) => page.gauge_seconds("signing_key_age", "Since the key that signs was made.", age.as_secs_f64()),
            None => Ok(()),
        }
    }

    fn hashing(&self, page: &mut Page<'_>) -> fmt::Result {
        let PoolTotals { run, waited } = self.hashed;
        page.durations("password_hash", "Work on the hashing threads.", [(Vec::new(), run)])?;
        page.durations("password_queue", "Waiting for a hashing thread.", [(Vec::new(), waited)])?;
        let PoolLoad { running, waiting } = self.hashing;
        let now = [("running", running as f64), ("waiting", waiting as f64)];
        page.gauge_by("password_hashes", "Callers of the hashing threads at this moment.", "state", now)
    }

    fn state(&self, page: &mut Page<'_>) -> fmt::Result {
        let DenyList { entries, floor, lag } = self.deny_list;
        page.gauge("deny_list_entries", "Entries of the deny list.", entries as f64)?;
        page.gauge_seconds("deny_list_lag", "Since the deny list was last known to be complete.", lag.as_secs_f64())?;
        if let Some(floor) = floor {
            page.gauge_seconds("deny_list_floor", "The deny list was full: no token issued before this time is believed.", floor as f64)?;
        }
        let Connections { open, idle, max } = self.connections;
        let connections = [("busy", (open - idle) as f64), ("idle", idle as f64)];
        page.gauge_by("database_connections", "Open connections to the database.", "state", connections)?;
        page.gauge("database_connections_max", "The most connections to the database that there may be.", max as f64)
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        page.info("build", "Which hallpass this is.", [("version", env!("CARGO_PKG_VERSION"))])?;
        self.http(&mut page)?;
        self.authority(&mut page)?;
        self.hashing(&mut page)?;
        self.keys(&mut page)?;
        self.state(&mut page)
    }
}
