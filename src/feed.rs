//! The deny list between replicas: what one of them revokes, all of them refuse within two seconds.
//!
//! Every process reads what was written lately, as soon as the store announces it and every few seconds in any case, and adds it to the list
//! in its memory, which guarded requests look into without waiting. Entries may be read twice, late and in any order; an announcement that
//! is lost, repeated or forged changes nothing but when they are read. It decides nothing about who is revoked.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::store::revocation::{Cursor, OVERLAP};
use crate::store::revocation_tail::Tail;
use crate::store::{self, Database, revocation};
use crate::token::RevocationList;

mod bell;

use bell::Bell;

/// The least between two looks into the store, and how many times as long as the last one took: a flood of announcements costs the store a
/// fifth of one connection's time at most.
const SHORTEST_REST: Duration = Duration::from_millis(20);
const REST_FACTOR: u32 = 4;
/// The most, so that a slow look does not put the next one off for long.
const LONGEST_REST: Duration = Duration::from_millis(500);
/// How many rows one statement reads.
const PAGE: u32 = 2000;
/// How long between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How many rows one statement deletes.
const SWEEP_ROWS: u32 = 1000;
/// A floor that goes on rising is told of once in so many seconds.
const ALARM_EVERY: i64 = 3600;

/// Keeps the deny list of this process up to date.
#[derive(Debug)]
pub struct Feed {
    database: Database,
    revocations: RevocationList,
    clock: Clock,
    /// When the newest entry known was written (NumericDate).
    newest: i64,
    /// The floor that was last told of.
    alarmed: Option<i64>,
    /// For those who follow from elsewhere.
    tail: Tail,
}

impl Feed {
    /// A feed from this store into this list. It knows nothing before the first poll.
    pub fn new(database: Database, revocations: RevocationList, clock: Clock) -> Self {
        Self { database, revocations, clock, newest: 0, alarmed: None, tail: Tail::default() }
    }

    /// The same feed, which also tells this tail what it reads.
    pub fn with_tail(self, tail: Tail) -> Self {
        Self { tail, ..self }
    }

    /// Reads what was written lately; the first time, all that still denies something.
    ///
    /// # Errors
    /// [`store::Error`]: the list may lack what was not read.
    pub async fn poll(&mut self) -> Result<(), store::Error> {
        let now = self.clock.now();
        // Never later than now: an entry from the future, by a clock that was wrong, must not hide those that others write until then.
        let mut cursor = Cursor::before(self.newest.min(now).saturating_sub(OVERLAP));
        loop {
            let page = revocation::page(&self.database, &cursor, PAGE, now).await?;
            let Some(last) = page.last() else { break };
            self.revocations.add(page.iter().map(|recorded| &recorded.revocation), last.recorded_at.min(now));
            self.tail.append(&page);
            self.newest = self.newest.max(last.recorded_at);
            cursor = Cursor::behind(last);
            if page.len() < PAGE as usize {
                break;
            }
        }
        // What others wrote since then by a right clock is still to be read, however long this process does not hear of it.
        self.newest = self.newest.min(now);
        self.tail.heard(self.newest);
        self.alarm();
        Ok(())
    }

    /// Polls for ever; `heard` is called each time the list is known to be complete.
    pub async fn run(self, heard: impl Fn()) {
        let (bell, database) = (Arc::new(Bell::default()), self.database.clone());
        // A task of the runtime's own, which ends with this one: when the runtime ends, its connection has to be dropped inside of it.
        let mut listening = JoinSet::new();
        let rung = Arc::clone(&bell);
        listening.spawn(async move { rung.listen(&database).await });
        self.poll_at(&bell, heard).await;
    }

    async fn poll_at(mut self, bell: &Bell, heard: impl Fn()) {
        let (mut is_deaf, mut swept) = (false, Instant::now());
        loop {
            let started = Instant::now();
            match self.poll().await {
                Ok(()) => {
                    heard();
                    if std::mem::take(&mut is_deaf) {
                        log::info!("the deny list is up to date again");
                    }
                }
                // Said once: what cannot be read now cannot be read a second later either.
                Err(error) if !is_deaf => {
                    is_deaf = true;
                    log::error!("the deny list cannot be kept up to date: {error}");
                }
                Err(_) => {}
            }
            sleep((started.elapsed() * REST_FACTOR).clamp(SHORTEST_REST, LONGEST_REST)).await;
            if swept.elapsed() >= SWEEP_EVERY && !is_deaf && !self.sweep().await {
                swept = Instant::now();
            }
            bell.wait(started).await;
        }
    }

    /// Says that the list is full, since people are refused for it.
    fn alarm(&mut self) {
        let Some(floor) = self.revocations.floor() else { return };
        if self.alarmed.is_none_or(|alarmed| floor.saturating_sub(alarmed) >= ALARM_EVERY) {
            self.alarmed = Some(floor);
            log::error!(
                floor;
                "the deny list is full: access tokens issued before the floor are refused, whoever's they are, and people have to refresh"
            );
        }
    }

    /// Forgets what can deny nothing any more, here and a batch of it in the store. True: there may be more.
    async fn sweep(&self) -> bool {
        let now = self.clock.now();
        self.revocations.sweep(now);
        match revocation::sweep(&self.database, SWEEP_ROWS, now).await {
            Ok(swept) => swept >= u64::from(SWEEP_ROWS),
            Err(error) => {
                log::warn!("the deny list was not swept: {error}");
                false
            }
        }
    }
}
