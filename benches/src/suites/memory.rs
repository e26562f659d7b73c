//! What a queued job costs, in the real program: its peak of resident memory over a batch of a million jobs from a file,
//! less that of a small batch, by job. And what a job costs that waits for its retry, beside a task that sleeps.

use std::path::PathBuf;

use super::Suite;
use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    sides::{program, waiting::Waiting},
    tools::{Need, Tools},
};

pub(super) const SUITE: Suite = Suite {
    name: "memory",
    about: "resident memory of queued jobs, from a file of 100 bytes a job, in the real program, and of jobs in backoff",
    needs: &[Need::Host],
    cases,
    only_by_name: false,
};

const JOBS: u32 = 1_000_000;
/// The base: all the same, with few jobs, but so many that every bounded queue of the program has been full.
const FEW: u32 = 10_000;
/// With its line break.
const LINE_BYTES: usize = 100;
const BYTES_MAX: f64 = 100.0;

const FLOW: &str = "version: 1\nname: memory\nnodes:\n  add: {set: '{y: (.n + 1)}'}\noutput: '{y}'\n";

const INPUT_ONLY: &str = "lines that are inputs";
const ALL_KEYS: &str = "lines with id, priority and tenant";

const TASKS: &str = "by hand: a task a job in a JoinSet, which sleeps before it tries again";
const SLEEPS: &str = "tokio: tasks that only sleep";
const IN_BACKOFF: &str = "batchmill: jobs that wait for their retry";
/// Of a task.
const BACKOFF_MAX: f64 = 0.3;

fn cases(tools: &Tools) -> Vec<Case> {
    let host = tools.path(Need::Host);
    let side = |line: fn(u32) -> String| {
        let host = host.clone();
        move |jobs| bytes_a_job(&host, jobs, line)
    };
    let case = Case::new("a million jobs from a file of 100 MB", Unit::BytesPerJob)
        .side(Kind::Batchmill, INPUT_ONLY, JOBS, side(input_only))
        .side(Kind::Batchmill, ALL_KEYS, JOBS, side(all_keys))
        .goal_of(INPUT_ONLY, Bound::AtMost(BYTES_MAX))
        .goal_of(ALL_KEYS, Bound::AtMost(BYTES_MAX))
        .without_warm_up();
    vec![case, backlog()]
}

/// Each in a process of its own, which holds nothing else.
fn backlog() -> Case {
    Case::new("a backlog of a million jobs in backoff", Unit::BytesPerJob)
        .side(Kind::ByHand, TASKS, JOBS, |jobs| Waiting::Tasks.bytes_each(jobs))
        .side(Kind::ByHand, SLEEPS, JOBS, |jobs| Waiting::Sleeps.bytes_each(jobs))
        .side(Kind::Batchmill, IN_BACKOFF, JOBS, |jobs| Waiting::Jobs.bytes_each(jobs))
        .goal(IN_BACKOFF, TASKS, Bound::AtMost(BACKOFF_MAX))
        .without_warm_up()
}

/// A line that is an input of 100 bytes.
pub(super) fn input_only(job: u32) -> String {
    padded(&format!("{{\"n\":{job},\"text\":\""), "\"}")
}

fn all_keys(job: u32) -> String {
    let (priority, tenant) = (job % 256, job % 10);
    let keys = format!("\"id\":\"job-{job}\",\"priority\":{priority},\"tenant\":\"t{tenant}\"");
    padded(&format!("{{{keys},\"input\":{{\"n\":{job},\"s\":\""), "\"}}")
}

/// A line of a fixed length.
fn padded(head: &str, tail: &str) -> String {
    let padding = LINE_BYTES.saturating_sub(head.len() + tail.len() + 1);
    format!("{head}{}{tail}\n", "x".repeat(padding))
}

/// The peak of a batch less that of a small one, by the jobs between them.
pub(super) fn bytes_a_job(
    host: &Result<PathBuf, String>,
    jobs: u32,
    line: fn(u32) -> String,
) -> Result<Sample, String> {
    let few = FEW.min(jobs / 2).max(1);
    let base = program::peak(host, FLOW, few, line)?;
    let full = program::peak(host, FLOW, jobs, line)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (full, base) = (full as f64, base as f64);
    Ok(Sample::of((full - base) / f64::from((jobs - few).max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_length_that_makes_100_megabytes() {
        for line in [input_only(0), input_only(9_999_999), all_keys(0), all_keys(999_999)] {
            assert_eq!(line.len(), LINE_BYTES, "{line}");
            assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
        }
    }
}
