//! What a batch will find when it goes on, and what went wrong in it: for people who look at it from outside.

use batchmill_core::{JobResult, Pause, Position, WallTime};
use rusqlite::OptionalExtension;

use crate::{BatchReader, StoreError, batch::needed, queries, slots};

/// What waits for the next host of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outlook {
    /// Jobs without an end whose host died while they ran, as far as a later host has counted them.
    pub lost: u64,
    /// When the first retry is due.
    pub next_due: Option<WallTime>,
    /// Why the batch starts nothing, as it was last recorded.
    pub paused: Option<Pause>,
}

impl BatchReader {
    /// What waits for the next host.
    pub fn outlook(&self) -> Result<Outlook, StoreError> {
        self.run(|c| {
            let _moment = c.unchecked_transaction()?;
            let lost =
                "SELECT count(*) FROM crash WHERE NOT EXISTS (SELECT 1 FROM record WHERE record.place = crash.place)";
            let lost = c.query_row(lost, [], |row| row.get(0))?;
            let next_due: Option<i64> = c.query_row("SELECT min(due) FROM setback", [], |row| row.get(0))?;
            let paused = "SELECT body FROM event WHERE kind = 'paused' ORDER BY position DESC LIMIT 1";
            let paused: Option<Option<String>> = c.query_row(paused, [], |row| row.get(0)).optional()?;
            let paused =
                paused.flatten().map(|body| serde_json::from_str::<Option<Pause>>(&body)).transpose()?.flatten();
            Ok(Outlook { lost, next_due: next_due.map(WallTime::from_micros), paused })
        })
    }

    /// The places of the jobs that ran when the last host died, while nobody has taken the batch over: the next host will
    /// count a crash to each. Empty where it ended on purpose, or when nothing ran. Means nothing of a batch that runs.
    pub fn left_running(&self) -> Result<Vec<u64>, StoreError> {
        let incarnation = self.run(|c| Ok(needed(c, "incarnation")?))?;
        let mut places = slots::left_running(self.folder(), incarnation)?;
        self.run(|c| {
            let mut open = Vec::new();
            let mut ended = c.prepare_cached("SELECT 1 FROM record WHERE place = ?1")?;
            for place in places.drain(..) {
                if !ended.exists([place])? {
                    open.push(place);
                }
            }
            Ok(open)
        })
    }

    /// Results with an error after a position, oldest first: at most `max`. Empty at the end.
    pub fn failures(&self, after: Position, max: usize) -> Result<Vec<(Position, JobResult)>, StoreError> {
        self.run(|c| queries::failures(c, self.accepted(), after, max))
    }
}
