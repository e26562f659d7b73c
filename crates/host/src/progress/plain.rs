//! Progress in words: the plain line, what stands beside the bar, and the answer to a signal USR1.

use std::fmt::Write;

use batchmill_core::{Pause, format_duration};
use batchmill_executor::Limit;

use super::{Snapshot, pace::Rate};

/// `120 of 500 (24%), 38.2/s, 9.9s left, 8 running, 3 failed, 5 retries`
pub(crate) fn line(snapshot: &Snapshot, rate: Rate) -> String {
    let counts = &snapshot.counts;
    let (ended, expected) = (counts.ended(), snapshot.expected());
    let mut line = format!("{ended} of {expected} ({}%)", percent(ended, expected));
    add_details(&mut line, snapshot, rate);
    line
}

/// What stands beside the bar, which shows the counts itself.
pub(super) fn details(snapshot: &Snapshot, rate: Rate) -> String {
    let mut line = String::new();
    add_details(&mut line, snapshot, rate);
    line.trim_start_matches(", ").to_owned()
}

fn add_details(line: &mut String, snapshot: &Snapshot, rate: Rate) {
    let counts = &snapshot.counts;
    // Writing to a String cannot fail.
    let _ = match &snapshot.paused {
        Some(Pause::Rule(reason)) => write!(line, ", paused by `{}`", reason.rule),
        Some(_) => write!(line, ", paused"),
        None => Ok(()),
    };
    if let Some(stuck) = &snapshot.stuck_sink {
        let _ = write!(line, ", sink `{}` takes nothing: {}", stuck.sink, stuck.message);
    }
    let _ = write!(line, ", {:.1}/s", rate.per_second);
    if let Some(left) = rate.left.filter(|left| !left.is_zero()) {
        let _ = write!(line, ", {} left", format_duration(left));
    }
    let _ = write!(line, ", {} running", counts.running);
    if let Some(limit) = &snapshot.at_most {
        let _ = write!(line, " of at most {}", limit.attempts);
    }
    let _ = write!(line, ", {} failed", counts.unsuccessful());
    let _ = write!(line, ", {} {}", snapshot.retries, if snapshot.retries == 1 { "retry" } else { "retries" });
}

/// Every counter, for a person who asks by a signal.
pub(crate) fn status(snapshot: &Snapshot, rate: Rate) -> String {
    let counts = &snapshot.counts;
    let all = [
        ("succeeded", counts.succeeded),
        ("failed", counts.failed),
        ("timed out", counts.timed_out),
        ("cancelled", counts.cancelled),
        ("skipped", counts.skipped),
        ("quarantined", counts.quarantined),
        ("pending", counts.pending),
        ("running", counts.running),
        ("recording", counts.recording),
        ("backing off", counts.backing_off),
    ];
    let shown: Vec<_> = all.iter().filter(|(_, jobs)| *jobs > 0).map(|(name, jobs)| format!("{jobs} {name}")).collect();
    let shown = if shown.is_empty() { "no job".to_owned() } else { shown.join(", ") };
    let mut status = format!("{}\n  after {}: {shown}", line(snapshot, rate), format_duration(snapshot.elapsed));
    if let Some(Limit { attempts, reason: Some(reason), .. }) = &snapshot.at_most {
        let _ = write!(status, "\n  at most {attempts} at once: {reason}");
    }
    if let Some(Pause::Rule(reason)) = &snapshot.paused {
        let _ = write!(status, "\n  paused by `{}`: {}", reason.rule, reason.message);
    }
    status
}

/// Rounded down: 100% is only said when it is true.
fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 100 } else { u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(100) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use batchmill_core::StopReason;

    use super::{super::StuckSink, *};

    fn snapshot() -> Snapshot {
        let mut snapshot = Snapshot { retries: 5, elapsed: Duration::from_secs(12), ..Snapshot::default() };
        let counts = &mut snapshot.counts;
        (counts.submitted, counts.succeeded, counts.failed, counts.timed_out) = (500, 116, 3, 1);
        (counts.running, counts.pending) = (8, 372);
        snapshot
    }

    #[test]
    fn a_line_says_what_a_person_wants_to_know() {
        let rate = Rate { per_second: 38.24, left: Some(Duration::from_millis(9_950)) };
        assert_eq!(line(&snapshot(), rate), "120 of 500 (24%), 38.2/s, 9.9s left, 8 running, 4 failed, 5 retries");
        assert_eq!(details(&snapshot(), rate), "38.2/s, 9.9s left, 8 running, 4 failed, 5 retries");
        assert_eq!(line(&Snapshot::default(), Rate::default()), "0 of 0 (100%), 0.0/s, 0 running, 0 failed, 0 retries");
    }

    #[test]
    fn the_status_names_every_counter_that_is_not_zero() {
        assert_eq!(
            status(&snapshot(), Rate::default()),
            "120 of 500 (24%), 0.0/s, 8 running, 4 failed, 5 retries\n  after 12.0s: 116 succeeded, 3 failed, 1 timed out, 372 pending, 8 running"
        );
    }

    #[test]
    fn a_pause_is_named_with_its_rule() {
        let mut snapshot = snapshot();
        snapshot.paused = Some(Pause::Rule(StopReason::new("pause,fail=4", "4 of 500 jobs failed")));
        let line = "120 of 500 (24%), paused by `pause,fail=4`, 0.0/s, 8 running, 4 failed, 5 retries";
        assert_eq!(super::line(&snapshot, Rate::default()), line);
        let status = status(&snapshot, Rate::default());
        assert!(status.ends_with("8 running\n  paused by `pause,fail=4`: 4 of 500 jobs failed"), "{status}");
        snapshot.paused = Some(Pause::Requested);
        assert!(super::line(&snapshot, Rate::default()).contains("(24%), paused, 0.0/s"));
    }

    #[test]
    fn what_a_batch_without_running_jobs_waits_for_is_said() {
        let mut snapshot = snapshot();
        snapshot.stuck_sink = Some(StuckSink { sink: "output".into(), message: "r.jsonl: no space".into() });
        let line =
            "120 of 500 (24%), sink `output` takes nothing: r.jsonl: no space, 0.0/s, 8 running, 4 failed, 5 retries";
        assert_eq!(super::line(&snapshot, Rate::default()), line);
    }

    #[test]
    fn a_hundred_percent_is_only_said_when_it_is_true() {
        assert_eq!((percent(999, 1000), percent(1000, 1000), percent(0, 0)), (99, 100, 100));
    }
}
