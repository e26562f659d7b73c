//! `status` for programs, and the list of all batches.

use batchmill_core::{BatchCounts, BatchId, WallTime};
use serde::Serialize;
use serde_json::Value;

use super::{Host, Standing};
use crate::{
    control::{Live, Paused, Reasoned},
    stdout,
    summary::{Reason, verdict_and_reason},
};

/// Fields are added, never renamed or removed.
#[derive(Serialize)]
struct Shown<'a> {
    batch: &'a BatchId,
    flow: &'a str,
    standing: &'static str,
    counts: BatchCounts,
    created_at: WallTime,
    ended_at: Option<WallTime>,
    parent: Option<&'a BatchId>,
    generation: u32,
    host: Option<ShownHost<'a>>,
    verdict: Option<&'static str>,
    reason: Option<Reason<'a>>,
    paused: Option<&'a Paused>,
    lost: u64,
    left_running: u64,
    next_due_at: Option<WallTime>,
    live: Option<&'a Live>,
    waiting: &'a [Reasoned],
}

#[derive(Serialize)]
struct ShownHost<'a> {
    pid: u32,
    name: &'a str,
    since: WallTime,
}

/// One batch as data.
pub(crate) fn json(standing: &Standing) -> Value {
    let live = standing.live.as_deref();
    let (verdict, reason) = standing.verdict.as_ref().map(verdict_and_reason).unzip();
    let host = standing.host.as_ref().map(|Host { pid, name, since }| ShownHost { pid: *pid, name, since: *since });
    let shown = Shown {
        batch: &standing.batch,
        flow: &standing.flow,
        standing: standing.stage.as_str(),
        counts: live.map_or(standing.counts, |live| live.counts),
        created_at: standing.created,
        ended_at: standing.ended,
        parent: standing.parent.as_ref(),
        generation: standing.generation,
        host,
        verdict,
        reason: reason.flatten(),
        paused: live.map_or(standing.paused.as_ref(), |live| live.paused.as_ref()),
        lost: standing.lost,
        left_running: standing.left_running,
        next_due_at: standing.next_due,
        live,
        waiting: &standing.waiting,
    };
    serde_json::to_value(shown).expect("numbers and texts are JSON")
}

/// All batches, one a line.
pub(crate) fn list(standings: &[Standing]) -> String {
    if standings.is_empty() {
        return "No batches.\n".to_owned();
    }
    let rows: Vec<[String; 7]> = standings.iter().map(row).collect();
    let rows: Vec<[&str; 7]> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    stdout::table(["BATCH", "FLOW", "STANDING", "JOBS", "ENDED", "FAILED", "ACCEPTED"], &rows)
}

fn row(standing: &Standing) -> [String; 7] {
    let counts = standing.live.as_ref().map_or(standing.counts, |live| live.counts);
    let live_pause = || standing.live.as_ref().is_some_and(|live| live.paused.is_some());
    let stage = if live_pause() { "paused" } else { standing.stage.as_str() };
    [
        standing.batch.to_string(),
        standing.flow.clone(),
        stage.to_owned(),
        counts.submitted.to_string(),
        counts.ended().to_string(),
        counts.unsuccessful().to_string(),
        standing.created.to_string(),
    ]
}
