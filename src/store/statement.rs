//! How a statement, or several that belong together, is run: never longer than the limit, and again when the server has rolled it back for
//! somebody else's sake.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use sqlx::Connection as _;
use tokio::runtime::Handle;

use super::{Database, Error};

/// How long to wait for a free connection or a new one.
pub(super) const ACQUIRE_LIMIT: Duration = Duration::from_secs(2);
/// How long the PostgreSQL server works on one statement before it gives up by itself.
pub(super) const STATEMENT_LIMIT: Duration = Duration::from_secs(3);
/// Both together: the limit that holds even when the server accepts everything and answers nothing.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

const RETRIES: u32 = 3;

/// Runs what `attempt` makes, up to three times more after a serialization failure or a deadlock: then the server has undone it.
/// No other error is retried, because its outcome may be unknown.
pub(super) async fn run<T, F>(limit: Duration, mut attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut retries = 0;
    loop {
        // Boxed: both drivers' futures are large, and every request of every use case would carry room for the largest from its start.
        match tokio::time::timeout(limit, Box::pin(attempt())).await {
            Err(_) => return Err(Error::unavailable("no answer within the time limit")),
            Ok(Err(error)) if retries < RETRIES && was_rolled_back(&error) => {
                retries += 1;
                tokio::time::sleep(pause(retries)).await;
            }
            Ok(outcome) => return outcome.map_err(Error::from),
        }
    }
}

/// Runs what opens connections, waits for them or gives them back as if on the runtime `home`, whoever waits for the outcome.
pub(super) async fn at_home<F: Future>(home: &Handle, work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _home = home.enter();
        work.as_mut().poll(context)
    })
    .await
}

fn was_rolled_back(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// 0 to 20, 40 or 80 ms: random, so that two statements that met once do not meet again.
fn pause(retry: u32) -> Duration {
    let most = 10 << retry;
    Duration::from_millis(u64::from(getrandom::u32().unwrap_or_default() % most))
}

/// One statement of a transaction, with what it binds in order.
pub(super) struct Step<'v> {
    sql: &'static str,
    values: Vec<Value<'v>>,
    /// On which channel other processes are told when it changed something.
    announced_on: Option<&'static str>,
    part: Part,
}

/// What a statement does for the transaction it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// One of those that belong together.
    Plain,
    /// Belongs to them, and says nothing of what they did.
    Uncounted,
    /// Says whether any of it happens.
    Decides,
    /// Only accompanies the others.
    Aside,
}

enum Value<'v> {
    Text(Option<&'v str>),
    Number(i64),
}

/// A statement that binds nothing yet.
pub(super) fn step<'v>(sql: &'static str) -> Step<'v> {
    Step { sql, values: Vec::new(), announced_on: None, part: Part::Plain }
}

impl<'v> Step<'v> {
    /// Binds a text.
    pub(super) fn text(self, text: &'v str) -> Self {
        self.optional_text(Some(text))
    }

    /// Binds a text or NULL.
    pub(super) fn optional_text(mut self, text: Option<&'v str>) -> Self {
        self.values.push(Value::Text(text));
        self
    }

    /// Binds a number.
    pub(super) fn number(mut self, number: i64) -> Self {
        self.values.push(Value::Number(number));
        self
    }

    /// Tells whoever listens on this channel, once the transaction holds, if the step changed something.
    pub(super) fn announced_on(mut self, channel: &'static str) -> Self {
        self.announced_on = Some(channel);
        self
    }

    /// Only accompanies the others: it is left out when the first step changed nothing, and when it fails, the others hold.
    pub(super) fn aside(mut self) -> Self {
        self.part = Part::Aside;
        self
    }

    /// Says whether anything happens: when it changes nothing, the whole transaction is undone.
    pub(super) fn decides(mut self) -> Self {
        self.part = Part::Decides;
        self
    }

    /// It is not among the counts: it only waits for other transactions that change the same row, or says nothing of whether there is
    /// something to accompany.
    pub(super) fn uncounted(mut self) -> Self {
        self.part = Part::Uncounted;
        self
    }
}

/// Runs all steps or none, and tells how many rows each changed, but for those aside; no counts at all when a step that decides has undone
/// them. The first one must write: SQLite gives a transaction that reads first no chance to wait for the write lock.
///
/// Announcing is the one thing that the two databases do not share: SQLite is for one process, which has nobody to tell. PostgreSQL delivers
/// when it commits, and once for any number of equal announcements.
pub(super) async fn transaction(database: &Database, steps: &[Step<'_>]) -> Result<Vec<u64>, Error> {
    let can_announce = matches!(database, Database::Postgres(_));
    on_writer!(database, |pool| async {
        let mut transaction = pool.begin().await?;
        let mut changed = Vec::with_capacity(steps.len());
        for step in steps {
            let query = step.values.iter().fold(sqlx::query(step.sql), |query, value| match value {
                Value::Text(text) => query.bind(*text),
                Value::Number(number) => query.bind(*number),
            });
            if step.part == Part::Aside {
                if changed.first() != Some(&0) {
                    // A savepoint: on PostgreSQL a statement that fails takes the whole transaction with it.
                    let mut savepoint = transaction.begin().await?;
                    match query.execute(&mut *savepoint).await {
                        Ok(_) => savepoint.commit().await?,
                        Err(error) => {
                            savepoint.rollback().await?;
                            log::error!("a statement was left out of a transaction: {}", Error::from(error));
                        }
                    }
                }
                continue;
            }
            let rows = query.execute(&mut *transaction).await?.rows_affected();
            if let Some(channel) = step.announced_on.filter(|_| can_announce && rows > 0) {
                sqlx::query("SELECT pg_notify($1, '')").bind(channel).execute(&mut *transaction).await?;
            }
            if step.part == Part::Decides && rows == 0 {
                transaction.rollback().await?;
                return Ok(Vec::new());
            }
            if step.part != Part::Uncounted {
                changed.push(rows);
            }
        }
        transaction.commit().await?;
        Ok(changed)
    })
}
