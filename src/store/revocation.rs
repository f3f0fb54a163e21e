//! Table `revocation`: the deny list as it is kept and passed on between replicas.
//!
//! Rows are written together with what they follow from (see `session` and `account`), so that neither is there without the other.

use super::row::{Columns, Record};
use super::statement::{self, Step};
use super::{Database, Error, audit};
use crate::token::{MAX_LIFETIME, Revocation};

const TABLE: &str = "revocation";

/// Where PostgreSQL tells other replicas that there is something new. What is said there means nothing: what is revoked, the table says.
pub(super) const CHANNEL: &str = "revocations";

/// The most that two clocks may be apart, which is also the largest leeway of a verifier: twice, since a token may have been issued by a
/// clock that is ahead and be verified by one that is behind.
const SKEW: i64 = 2 * 60;

/// The most from reading the clock to the end of a transaction that is retried.
const TRANSACTION: i64 = 30;

/// A session that was neither refreshed nor stepped up for so many seconds has no token that is good: the grace of a refresh and the
/// differences of clocks are far shorter than the half of it.
const ISSUED: i64 = 2 * MAX_LIFETIME;

/// How long an entry is kept after it has expired, in seconds: a replica whose clock was an hour ahead for a while must not have deleted for
/// all of them, nor left out, what denies tokens again when its clock is right, nor may a clock that is set back bring to life what was revoked.
const KEPT: i64 = MAX_LIFETIME;

/// What was written this many seconds before the newest entry is read again: the clocks of two replicas may be a minute apart (the largest
/// leeway), and a statement that is retried takes up to half a minute from reading the clock to being seen.
pub const OVERLAP: i64 = 90;

/// An entry and when it was written (NumericDate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The entry.
    pub revocation: Revocation,
    /// NumericDate.
    pub recorded_at: i64,
}

impl Recorded {
    fn read<R: Columns>(row: &R) -> Result<Self, Error> {
        let record = Record::of(TABLE, "id", row)?;
        let (kind, id, until) = (record.text("kind")?, record.id().into(), record.number("until")?);
        let revocation = match kind.as_str() {
            "session" => Revocation::Session { id, until },
            "token" => Revocation::Token { id, until },
            "subject" => Revocation::Subject { id, issued_before: record.number("issued_before")?, until },
            _ => return Err(record.corrupt("kind")),
        };
        Ok(Self { revocation, recorded_at: record.number("recorded_at")? })
    }
}

/// Where a reader of the deny list stands: what was written at or before this moment has been read up to this entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    recorded_at: i64,
    kind: String,
    id: String,
}

impl Cursor {
    /// Before everything that was written at `moment` or later.
    pub fn before(moment: i64) -> Self {
        // Every kind is greater than the empty text.
        Self { recorded_at: moment, ..Self::default() }
    }

    /// Behind this entry.
    pub fn behind(recorded: &Recorded) -> Self {
        let (kind, id) = match &recorded.revocation {
            Revocation::Session { id, .. } => ("session", id),
            Revocation::Subject { id, .. } => ("subject", id),
            Revocation::Token { id, .. } => ("token", id),
        };
        Self { recorded_at: recorded.recorded_at, kind: kind.to_owned(), id: id.to_string() }
    }

    /// As text, for whoever keeps it.
    pub fn to_text(&self) -> String {
        format!("{} {} {}", self.recorded_at, self.kind, self.id)
    }

    /// Reads what [`Cursor::to_text`] writes.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let (recorded_at, kind, id) = (words.next()?.parse().ok()?, words.next()?.to_owned(), words.next()?.to_owned());
        // PostgreSQL takes no NUL in a text: it would be a failure of the store.
        (!text.contains('\0')).then_some(Self { recorded_at, kind, id })
    }
}

/// What is granted until a transaction of `now` has ended claims no later time of issue, however the clocks differ.
pub(super) fn after(now: i64) -> i64 {
    now.saturating_add(SKEW + TRANSACTION)
}

/// When every token issued up to `now` has expired for everybody, whatever life the settings gave it.
pub fn until(now: i64) -> i64 {
    now.saturating_add(MAX_LIFETIME + SKEW)
}

/// When a token that says this of its end has expired for everybody.
pub fn until_expired(expires_at: i64) -> i64 {
    expires_at.saturating_add(SKEW)
}

/// At most `limit` entries that were written since a moment and still deny something at `now`, the earliest first.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn recorded_since(database: &Database, since: i64, limit: u32, now: i64) -> Result<Vec<Recorded>, Error> {
    let select = "SELECT kind, id, issued_before, until, recorded_at FROM revocation WHERE recorded_at >= $1 AND until >= $2 \
                  ORDER BY recorded_at, kind, id LIMIT $3";
    let rows = on!(database, |pool| sqlx::query(select)
        .bind(since)
        .bind(now)
        .bind(i64::from(limit))
        .map(|row| Recorded::read(&row))
        .fetch_all(pool))?;
    rows.into_iter().collect()
}

/// At most `limit` entries behind the cursor that still deny something at `now`, or did an hour before, in the order in which they were written.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Unavailable`].
pub async fn page(database: &Database, after: &Cursor, limit: u32, now: i64) -> Result<Vec<Recorded>, Error> {
    // The first condition says nothing new; it is the one that the index answers.
    let select = "SELECT kind, id, issued_before, until, recorded_at FROM revocation WHERE recorded_at >= $1 \
                  AND (recorded_at, kind, id) > ($1, $2, $3) AND until >= $4 ORDER BY recorded_at, kind, id LIMIT $5";
    let rows = on!(database, |pool| sqlx::query(select)
        .bind(after.recorded_at)
        .bind(&after.kind)
        .bind(&after.id)
        .bind(now.saturating_sub(KEPT))
        .bind(i64::from(limit))
        .map(|row| Recorded::read(&row))
        .fetch_all(pool))?;
    rows.into_iter().collect()
}

/// Deletes at most `limit` entries that denied nothing any more an hour before `now`, and tells how many.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn sweep(database: &Database, limit: u32, now: i64) -> Result<u64, Error> {
    // One column would be ambiguous: an id may be revoked under two kinds.
    let delete = "DELETE FROM revocation WHERE until < $1 AND (kind, id) IN (SELECT kind, id FROM revocation WHERE until < $1 LIMIT $2)";
    execute!(database, sqlx::query(delete).bind(now.saturating_sub(KEPT)).bind(i64::from(limit)))
}

/// Revokes one session, whether there is a row for it or not.
pub(super) fn of_session<'v>(id: &'v str, now: i64) -> Step<'v> {
    let insert = "INSERT INTO revocation (kind, id, until, recorded_at) VALUES ('session', $1, $2, $3) ON CONFLICT (kind, id) DO NOTHING";
    statement::step(insert).announced_on(CHANNEL).text(id).number(until(now)).number(now)
}

/// Revokes what was issued to a client until now, if there is such a client, for good: the moment is later by as much as clocks differ, since
/// a token that is being granted may bear such a time, and it has no session to end it by.
pub(super) fn of_client<'v>(id: &'v str, now: i64) -> Step<'v> {
    let insert = "INSERT INTO revocation (kind, id, issued_before, until, recorded_at) SELECT 'subject', id, $2, $3, $4 FROM client \
                  WHERE id = $1 ON CONFLICT (kind, id) DO UPDATE SET issued_before = excluded.issued_before, until = excluded.until, \
                  recorded_at = excluded.recorded_at WHERE excluded.issued_before >= revocation.issued_before";
    statement::step(insert).announced_on(CHANNEL).text(id).number(after(now)).number(until(now)).number(now)
}

/// Revokes one token until a moment, and writes down why, if it was not revoked before. Only what cannot be written down is left out. False:
/// it was.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn record_token(database: &Database, id: &str, until: i64, why: &audit::Entry) -> Result<bool, Error> {
    let insert = "INSERT INTO revocation (kind, id, until, recorded_at) VALUES ('token', $1, $2, $3) ON CONFLICT (kind, id) DO NOTHING";
    let revoke = statement::step(insert).announced_on(CHANNEL).text(id).number(until).number(why.at);
    let changed = statement::transaction(database, &[revoke, audit::written(why).aside()]).await?;
    Ok(changed.first().is_some_and(|tokens| *tokens > 0))
}

/// Revokes every session of an account that ended at `now`, if there may be tokens of it: one that has long been left idle has none, and the
/// deny list has no room for thousands of these.
pub(super) fn of_ended_sessions<'v>(account_id: &'v str, now: i64) -> Step<'v> {
    let insert = "INSERT INTO revocation (kind, id, until, recorded_at) SELECT 'session', id, $3, $2 FROM session \
                  WHERE account_id = $1 AND ended_at = $2 AND (rotated_at >= $4 OR auth_time >= $4) ON CONFLICT (kind, id) DO NOTHING";
    statement::step(insert).announced_on(CHANNEL).text(account_id).number(now).number(until(now)).number(now.saturating_sub(ISSUED))
}

/// Revokes what was issued to an account before a moment, if there is such an account. A later moment overrides an earlier one.
pub(super) fn of_subject<'v>(account_id: &'v str, issued_before: i64, now: i64) -> Step<'v> {
    let insert = "INSERT INTO revocation (kind, id, issued_before, until, recorded_at) SELECT 'subject', id, $2, $3, $4 FROM account \
                  WHERE id = $1 ON CONFLICT (kind, id) DO UPDATE SET issued_before = excluded.issued_before, until = excluded.until, \
                  recorded_at = excluded.recorded_at WHERE excluded.issued_before >= revocation.issued_before";
    statement::step(insert).announced_on(CHANNEL).text(account_id).number(issued_before).number(until(now)).number(now)
}
