//! Being told by PostgreSQL that revocations were written, on a connection of its own beside the pool.
//!
//! What is said means nothing: anybody with a connection may say it, so it is a reason to look and never a fact. SQLite is for one process
//! and tells nobody anything.

use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};

use super::revocation::CHANNEL;
use super::{Database, Error, new_id, statement};

/// After so long a silence the line is asked whether it is still there: a peer that is gone says nothing either.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an announcement of our own may take to come back.
const ECHO_LIMIT: Duration = Duration::from_secs(2);

/// A connection that hears.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// Whether this database can tell anything.
    pub fn is_possible(database: &Database) -> bool {
        matches!(database, Database::Postgres(_))
    }

    /// Connects, and makes sure that what is announced arrives: a connection pooler in between may accept LISTEN and deliver nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always for SQLite.
    pub async fn connect(database: &Database) -> Result<Self, Error> {
        let Database::Postgres(server) = database else {
            return Err(Error::unavailable("SQLite announces nothing"));
        };
        within(statement::LIMIT, Self::connect_to(&server.pool)).await
    }

    async fn connect_to(pool: &PgPool) -> Result<Self, Error> {
        // A pool of one: the connection is held for good, and a small pool for statements must not be short of it.
        let options =
            PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).acquire_timeout(statement::ACQUIRE_LIMIT);
        let own = options.connect_lazy_with(pool.connect_options().as_ref().clone());
        let mut listener = PgListener::connect_with(&own).await?;
        // A line that breaks is an error, so that what was missed is read after the next one is there.
        listener.eager_reconnect(false);
        let echo = new_id("echo-", 0);
        listener.listen_all([CHANNEL, &echo]).await?;
        sqlx::query("SELECT pg_notify($1, '')").bind(&echo).execute(pool).await?;
        let mut listener = Self(listener);
        let heard = within(ECHO_LIMIT, async {
            while listener.next().await? != echo {}
            Ok(())
        });
        heard
            .await
            .map_err(|_| Error::unavailable("LISTEN is accepted, but nothing arrives (is there a pooler by transaction in between?)"))?;
        Ok(listener)
    }

    /// Waits until something is announced.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the line is broken, and this is of no use any more.
    pub async fn heard(&mut self) -> Result<(), Error> {
        loop {
            match tokio::time::timeout(SILENCE, self.next()).await {
                Ok(heard) => return heard.map(|_| ()),
                Err(_) => within(statement::LIMIT, async { Ok(self.0.execute("SELECT 1").await?) }).await.map(|_| ())?,
            }
        }
    }

    /// The channel of the next announcement.
    async fn next(&mut self) -> Result<String, Error> {
        let heard = self.0.try_recv().await?;
        heard.map(|heard| heard.channel().to_owned()).ok_or_else(|| Error::unavailable("the connection was lost"))
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(limit, work).await.map_err(|_| Error::unavailable("no answer within the time limit"))?
}
