//! How one statement is run: never longer than the limit, and again when the server has rolled it back for somebody else's sake.

use std::time::Duration;

use super::Error;

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
        match tokio::time::timeout(limit, attempt()).await {
            Err(_) => return Err(Error::unavailable("no answer within the time limit")),
            Ok(Err(error)) if retries < RETRIES && was_rolled_back(&error) => {
                retries += 1;
                tokio::time::sleep(pause(retries)).await;
            }
            Ok(outcome) => return outcome.map_err(Error::from),
        }
    }
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
