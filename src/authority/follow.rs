//! The deny list for other services: all of it once, and from then on what is new.
//!
//! What was revoked a while ago is read from the store, page by page; what is new comes out of memory, and whoever waits for it holds no
//! connection to the store. A position is good at every replica and after a restart: one that this process did not give is taken up in the
//! store, some time before it, so entries may come twice and none is left out.

use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Authority, Error};
use crate::store::revocation::{self, Cursor, OVERLAP};
use crate::store::revocation_tail::Mark;
use crate::token::Revocation;

/// The most entries of one answer. Followers take an answer with less than half of it for all that there was.
const PAGE: u32 = 2000;
/// What is told must have been complete this short a time ago: else whoever follows would take an old list for a new one.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// Where a follower stands: behind `mark`, but for what is still to be read from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    mark: Mark,
    behind: Option<Cursor>,
}

/// What is new, and where that ends.
#[derive(Debug)]
pub struct Changes {
    /// The entries; some of them may be known.
    pub entries: Vec<Revocation>,
    /// To ask for what comes next.
    pub position: Position,
}

/// Text that is no position of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPosition;

impl Authority {
    /// What was revoked behind this position, or everything that still denies something. When there is nothing new, it waits for it.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait, and while this process itself does not know what is new. [`Error::StoreUnavailable`].
    pub async fn follow(&self, after: Option<Position>, wait: Duration) -> Result<Changes, Error> {
        let tail = &self.tokens.tail;
        if let Some(Position { mark, behind: None }) = &after
            && let Some((entries, _)) = tail.since(mark, 1)
        {
            if entries.is_empty() && !wait.is_zero() && !tail.wait(mark, wait).await {
                return Err(Error::Busy);
            }
            if let Some((entries, mark)) = tail.since(mark, PAGE as usize) {
                return self.fresh(Changes { entries, position: Position { mark, behind: None } });
            }
        }
        // Before the store is read: what is written from here on is behind the mark.
        let end = tail.end();
        let (mark, from) = match after {
            None => (end, Cursor::before(0)),
            Some(Position { mark, behind: Some(cursor) }) => (mark, cursor),
            Some(Position { mark, behind: None }) => (end, Cursor::before(mark.moment.min(self.clock.now()).saturating_sub(OVERLAP))),
        };
        let page = revocation::page(&self.database, &from, PAGE, self.clock.now()).await?;
        let behind = page.last().filter(|_| page.len() == PAGE as usize).map(Cursor::behind);
        let entries = page.into_iter().map(|recorded| recorded.revocation).collect();
        self.fresh(Changes { entries, position: Position { mark, behind } })
    }

    fn fresh(&self, changes: Changes) -> Result<Changes, Error> {
        if self.tokens.tail.is_fresh(STALE_AFTER) { Ok(changes) } else { Err(Error::Busy) }
    }

    /// Whoever waits is answered now: the process ends.
    pub fn stop_waiting(&self) {
        self.tokens.tail.close();
    }
}

impl Position {
    /// As text of letters that need no escapes in a query.
    pub fn to_text(&self) -> String {
        let Mark { instance, count, moment } = self.mark;
        let behind = self.behind.as_ref().map(|cursor| format!(" {}", cursor.to_text())).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(format!("1 {instance:x} {count} {moment}{behind}"))
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoPosition)?;
        let text = String::from_utf8(bytes).map_err(|_| NoPosition)?;
        let mut words = text.splitn(5, ' ');
        let mut word = || words.next().ok_or(NoPosition);
        if word()? != "1" {
            return Err(NoPosition);
        }
        let instance = u64::from_str_radix(word()?, 16).map_err(|_| NoPosition)?;
        let (count, moment) = (word()?.parse().map_err(|_| NoPosition)?, word()?.parse().map_err(|_| NoPosition)?);
        let behind = words.next().map(|text| Cursor::from_text(text).ok_or(NoPosition)).transpose()?;
        Ok(Self { mark: Mark { instance, count, moment }, behind })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text_and_other_text_is_none() {
        let mark = Mark { instance: u64::MAX, count: 7, moment: -3 };
        for behind in [None, Cursor::from_text("1800000000 session ses_1"), Cursor::from_text("-5  ")] {
            let position = Position { mark, behind };
            assert_eq!(position.to_text().parse(), Ok(position));
        }
        for text in
            ["", "0", "1", "!", "1 2 3 4", "MSAx", "MSAxIDIgMyA0", &URL_SAFE_NO_PAD.encode("2 1 1 1"), &URL_SAFE_NO_PAD.encode("1 x 1 1")]
        {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }
}
