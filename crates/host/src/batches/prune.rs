//! `prune`: batches that ended long ago are removed.

use std::{path::Path, time::Duration};

use batchmill_core::WallTime;
use batchmill_store_sqlite::Listed;
use serde_json::{Value, json};

use super::find;
use crate::{problems::Refusal, refusal, stdout};

/// What was removed, or would be.
#[derive(Debug)]
pub(crate) struct Pruned {
    batches: Vec<Listed>,
    dry_run: bool,
}

/// Removes what ended `older` before `now`.
pub(crate) fn prune(state: &Path, now: WallTime, older: Duration, dry_run: bool) -> Result<Pruned, Refusal> {
    let Some(dir) = find::open(state)? else { return Err(find::no_directory(state)) };
    let micros = i64::try_from(older.as_micros()).unwrap_or(i64::MAX);
    let before = WallTime::from_micros(now.as_micros().saturating_sub(micros));
    let batches = dir.prune(before, dry_run).map_err(|error| refusal::of_store(&error))?;
    Ok(Pruned { batches, dry_run })
}

impl Pruned {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let done = match (self.dry_run, self.batches.len()) {
            (_, 0) => return "Nothing to remove.\n".to_owned(),
            (true, 1) => "1 batch would be removed.".to_owned(),
            (true, many) => format!("{many} batches would be removed."),
            (false, 1) => "1 batch removed.".to_owned(),
            (false, many) => format!("{many} batches removed."),
        };
        let rows: Vec<[String; 4]> = self.batches.iter().map(row).collect();
        let rows: Vec<[&str; 4]> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
        format!("{}{done}\n", stdout::table(["BATCH", "FLOW", "JOBS", "ENDED"], &rows))
    }

    /// Fields are added, never renamed or removed.
    pub(crate) fn json(&self) -> Vec<Value> {
        let object = |listed: &Listed| {
            json!({"batch": listed.id, "flow": listed.flow, "jobs": listed.jobs, "ended_at": listed.ended,
                "removed": !self.dry_run})
        };
        self.batches.iter().map(object).collect()
    }
}

fn row(listed: &Listed) -> [String; 4] {
    let ended = listed.ended.map(|ended| ended.to_string()).unwrap_or_default();
    [listed.id.to_string(), listed.flow.clone(), listed.jobs.to_string(), ended]
}
