//! How often one address, one session and one client may ask, whatever they ask for. In this process only: with N replicas behind a balancer
//! it is up to N times as often. What must not be that way, the tries of one account, is counted in the store (`throttle`).
//!
//! Nothing here waits, and nothing that only verifies tokens comes by here.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Error;
use super::rate::{Bucket, Place, Table, nanoseconds};
use crate::clock::{Clock, Stopwatch};
use crate::config::{self, Rate};

/// Somebody who tries one password over many accounts comes out of one network, if not from one address: so many accounts it may fail at.
const SPRAYING: Rate = Rate { count: 100, per: SPRAYED };
/// For this long an account that was tried is not counted again.
const SPRAYED: Duration = Duration::from_secs(3600);

/// The limits of one process. Clones share them.
#[derive(Clone, Debug)]
pub struct Limits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    logins: Limiter,
    sprayed: Limiter,
    /// Until when an account that was tried out of a network is known there.
    tried: Table,
    refreshes: Limiter,
    clients: Limiter,
    /// Those who are no client, whatever they say.
    strangers: Limiter,
    since: Stopwatch,
    /// Tries of an account that had to wait.
    delayed: AtomicU64,
}

#[derive(Debug)]
struct Limiter {
    /// None: off.
    bucket: Option<Bucket>,
    table: Table,
    limited: AtomicU64,
}

/// How often something was refused since the start, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limited {
    /// Logins and registrations, for their address or, within a session, for that.
    pub login: u64,
    /// Logins and registrations, for the many accounts that their network failed at.
    pub spraying: u64,
    /// Tries of an account that failed too often.
    pub account: u64,
    /// Refreshes, for their session.
    pub refresh: u64,
    /// Requests of clients.
    pub client: u64,
    /// Requests of those who are no client, for their address.
    pub stranger: u64,
}

/// What a client asks for. Each has a budget of its own, so that asking about tokens keeps nobody from getting one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Request {
    Token,
    Introspection,
    Revocation,
    Administration,
}

/// An account that counts for a network, by this try or by one before it, to be given back if the login is right.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(super) struct Counted(Option<Taken>);

#[derive(Clone, Copy, Debug)]
struct Taken {
    /// Of the account in the network.
    pair: Place,
    /// Of the network.
    sprayed: Place,
    by_this_try: bool,
}

impl Limits {
    /// As the settings say.
    pub fn new(settings: &config::Limits, clock: &Clock) -> Self {
        Self(Arc::new(Inner {
            logins: Limiter::new(settings.login_per_ip),
            sprayed: Limiter::new(settings.login_per_ip.map(|_| SPRAYING)),
            tried: Table::default(),
            refreshes: Limiter::new(settings.refresh_per_session),
            clients: Limiter::new(settings.client),
            strangers: Limiter::new(settings.client),
            since: clock.stopwatch(),
            delayed: AtomicU64::new(0),
        }))
    }

    /// How often something was refused.
    pub fn limited(&self) -> Limited {
        let Inner { logins, sprayed, refreshes, clients, strangers, delayed, .. } = &*self.0;
        Limited {
            login: logins.limited(),
            spraying: sprayed.limited(),
            account: delayed.load(Ordering::Relaxed),
            refresh: refreshes.limited(),
            client: clients.limited(),
            stranger: strangers.limited(),
        }
    }

    /// A try of this account from this address, by whoever has no session. The account may be any text.
    pub(super) fn login(&self, from: Option<IpAddr>, account: &str) -> Result<Counted, Error> {
        let (inner, now, network) = (&*self.0, self.now(), Network::of(from));
        inner.logins.take(inner.logins.table.place(network.narrow, network.wide), now)?;
        if inner.sprayed.bucket.is_none() {
            return Ok(Counted(None));
        }
        let pair = inner.tried.place((network.wide, account.to_ascii_lowercase()), network.wide);
        let sprayed = inner.sprayed.table.place(network.wide, network.wide);
        // What finds no room is counted every time. Both under the lock of the first: of those who try one account at once one is counted,
        // and who is refused is not known.
        inner.tried.change(pair, now, |known_until, is_shared| {
            let by_this_try = is_shared || *known_until <= now;
            if by_this_try {
                inner.sprayed.take(sprayed, now)?;
            }
            if !is_shared && *known_until <= now {
                *known_until = now.saturating_add(nanoseconds(SPRAYED));
            }
            Ok(Counted(Some(Taken { pair, sprayed, by_this_try })))
        })
    }

    /// Nobody looked at the password: what this try took is given back, and nothing that one before it took, or whoever overloads the service
    /// would be given tries for it.
    pub(super) fn was_not_tried(&self, counted: Counted) {
        if counted.0.is_some_and(|taken| taken.by_this_try) {
            self.was_right(counted);
        }
    }

    /// Whoever proves who they are sprays nothing: a network that many share is not limited for its size. What an earlier try took, with a
    /// typing error or without the second factor, is given back too; of several that are right at once, by one.
    pub(super) fn was_right(&self, counted: Counted) {
        let (inner, now) = (&*self.0, self.now());
        if let (Some(Taken { pair, sprayed, .. }), Some(bucket)) = (counted.0, inner.sprayed.bucket) {
            inner.tried.change(pair, now, |known_until, is_shared| {
                if is_shared || *known_until > now {
                    inner.sprayed.table.change(sprayed, now, |full_at, _| *full_at = full_at.saturating_sub(bucket.one));
                }
                if !is_shared {
                    *known_until = 0;
                }
            });
        }
    }

    /// Something that costs as much as a login, by whoever has this session or account. Not counted for the address, so that whoever is in is
    /// not kept from it by others there.
    pub(super) fn as_a_login_of(&self, id: &str) -> Result<(), Error> {
        let Inner { logins, .. } = &*self.0;
        logins.take(logins.table.place(id, id), self.now())
    }

    /// A refresh of this session.
    pub(super) fn refresh(&self, session: uuid::Uuid) -> Result<(), Error> {
        let Inner { refreshes, .. } = &*self.0;
        refreshes.take(refreshes.table.place(session, session), self.now())
    }

    /// Whoever says that they are this client, before it is looked up. A client that was right lately is not held up by what others at its
    /// address were wrong about; whoever was not is.
    pub(super) fn may_be_client(&self, request: Request, id: &str, from: Option<IpAddr>) -> Result<(), Error> {
        let (inner, now) = (&*self.0, self.now());
        let client = inner.clients.table.place((request, id), id);
        inner.clients.look(client, now)?;
        if inner.clients.table.full_at(client).is_some() { Ok(()) } else { inner.strangers.look(inner.stranger(from), now) }
    }

    /// A request of this client, which is who it says.
    pub(super) fn client(&self, request: Request, id: &str) -> Result<(), Error> {
        let Inner { clients, .. } = &*self.0;
        clients.take(clients.table.place((request, id), id), self.now())
    }

    /// A request of somebody who is no client.
    pub(super) fn stranger(&self, from: Option<IpAddr>) -> Result<(), Error> {
        self.0.strangers.take(self.0.stranger(from), self.now())
    }

    /// A try of an account that has to wait.
    pub(super) fn count_delayed(&self) {
        self.0.delayed.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        nanoseconds(self.0.since.elapsed())
    }
}

impl Inner {
    fn stranger(&self, from: Option<IpAddr>) -> Place {
        let network = Network::of(from);
        self.strangers.table.place(network.narrow, network.wide)
    }
}

impl Limiter {
    fn new(rate: Option<Rate>) -> Self {
        Self { bucket: rate.map(Bucket::from), table: Table::default(), limited: AtomicU64::new(0) }
    }

    fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// Takes one.
    fn take(&self, place: Place, now: u64) -> Result<(), Error> {
        let Some(bucket) = self.bucket else { return Ok(()) };
        let taken = self.table.change(place, now, |full_at, _| bucket.take(*full_at, now).map(|later| *full_at = later));
        taken.map_err(|wait| self.refuse(wait))
    }

    /// Whether there is one to take.
    fn look(&self, place: Place, now: u64) -> Result<(), Error> {
        let (Some(bucket), Some(full_at)) = (self.bucket, self.table.full_at(place)) else { return Ok(()) };
        bucket.take(full_at, now).map(|_| ()).map_err(|wait| self.refuse(wait))
    }

    /// Whole seconds, and after those there is one.
    fn refuse(&self, wait: u64) -> Error {
        self.limited.fetch_add(1, Ordering::Relaxed);
        Error::TooManyRequests { retry_after: wait.div_ceil(1_000_000_000) }
    }
}

/// Where an address belongs: what one subscriber has, and what one site has. The first number tells the two kinds of addresses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    /// An IPv4 address, an IPv6 network of 64 bits.
    narrow: (u8, u64),
    /// 24 bits of IPv4, 48 of IPv6.
    wide: (u8, u64),
}

impl Network {
    fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self { narrow: (0, 0), wide: (0, 0) },
            Some(IpAddr::V4(address)) => {
                let bits = u64::from(address.to_bits());
                Self { narrow: (4, bits), wide: (4, bits >> 8) }
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments().map(u64::from);
                let site = a << 32 | b << 16 | c;
                Self { narrow: (6, site << 16 | d), wide: (6, site) }
            }
        }
    }
}
