//! `status BATCH` for people.

use std::{fmt::Write, time::Duration};

use batchmill_core::{BatchCounts, Verdict, WallTime, format_duration};

use super::{Host, Stage, Standing};
use crate::{
    control::{Live, LiveLimit, Paused, PausedBy},
    progress::{self, Rate, Snapshot},
    summary::{after_failures, one_line},
};

/// A block of lines. `now` is for the time that is left until a retry.
pub(crate) fn text(standing: &Standing, now: WallTime) -> String {
    // Writing to a String cannot fail; `let _` says so.
    let mut out = String::new();
    headline(&mut out, standing);
    match &standing.live {
        Some(live) => live_lines(&mut out, standing, live),
        None => stored_lines(&mut out, standing, now),
    }
    if let Some(next) = next(standing) {
        let _ = writeln!(out, "Next: {next}");
    }
    out
}

fn headline(out: &mut String, standing: &Standing) {
    let Standing { batch, flow, stage, .. } = standing;
    let _ = write!(out, "{batch}: {}", stage.as_str());
    if let Some(Host { pid, name, since }) = &standing.host {
        let _ = match pid {
            0 => write!(out, ", its host starts just now"),
            pid => write!(out, " in process {pid} on {name} since {since}"),
        };
    }
    let _ = write!(out, "; flow `{flow}`, accepted {}", standing.created);
    if let Some(ended) = standing.ended {
        let _ = write!(out, ", ended {ended}");
    }
    if let Some(parent) = &standing.parent {
        let _ = write!(out, "; generation {} of {parent}", standing.generation);
    }
    let _ = writeln!(out);
}

fn live_lines(out: &mut String, standing: &Standing, live: &Live) {
    let snapshot = Snapshot {
        counts: live.counts,
        retries: live.retries,
        elapsed: seconds(live.elapsed_seconds),
        // Said below, in more words.
        paused: None,
        limit: live.limit.and_then(std::num::NonZero::new),
        before: live.before,
        stuck_sink: live.stuck_sink.clone(),
        ..Snapshot::default()
    };
    let rate = Rate { per_second: live.rate, left: live.eta_seconds.map(seconds) };
    let _ = writeln!(out, "  {}", progress::status(&snapshot, rate));
    let why = live.concurrency_reason.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    let _ = writeln!(out, "  at most {} at once{why}", live.concurrency);
    for limit in &live.limits {
        let _ = writeln!(out, "  {}", limited(limit));
    }
    paused(out, live.paused.as_ref());
    if live.draining {
        let _ = writeln!(out, "  Draining: nothing starts any more");
    }
    for share in &standing.waiting {
        let _ = writeln!(out, "  {}", one_line(&share.text));
    }
}

/// `limit tenant: 4 at once, 60/m a key; 37 keys, 12 attempts run, 3 keys let nothing start, 1 breaker is open`
fn limited(limit: &LiveLimit) -> String {
    let many = |number: u64, one: &str, more: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {more}"),
    };
    let most = limit.concurrency.map(|most| format!("{most} at once"));
    let breaker = limit.breaker.then(|| "a breaker".to_owned());
    let terms: Vec<String> = [most, limit.rate.clone(), breaker].into_iter().flatten().collect();
    let mut said = format!("limit {}: {}", limit.name, terms.join(", "));
    if limit.has_key {
        let _ = write!(said, " a key; {}", many(limit.keys, "key", "keys"));
    }
    let separator = if limit.has_key { ", " } else { "; " };
    let _ = write!(said, "{separator}{}", many(limit.running, "attempt runs", "attempts run"));
    let shut = match (limit.shut, limit.has_key) {
        (0, _) => None,
        (_, false) => Some("nothing may start".to_owned()),
        (shut, true) => Some(many(shut, "key lets nothing start", "keys let nothing start")),
    };
    let open = (limit.open > 0).then(|| many(limit.open, "breaker is open", "breakers are open"));
    let paused = (limit.paused > 0).then(|| many(limit.paused, "key was asked to wait", "keys were asked to wait"));
    for more in [shut, open, paused].into_iter().flatten() {
        let _ = write!(said, ", {more}");
    }
    said
}

fn stored_lines(out: &mut String, standing: &Standing, now: WallTime) {
    let counts = &standing.counts;
    let _ = writeln!(out, "  {} of {} jobs have ended{}", counts.ended(), counts.submitted, ends(counts));
    if standing.host.is_some() {
        let _ = writeln!(out, "  Its host does not answer: this is what is stored");
    }
    let open = counts.submitted - counts.ended();
    if open > 0 && counts.backing_off > 0 {
        let due = standing.next_due.map(|due| due.since(now)).filter(|wait| !wait.is_zero());
        let due = due.map_or_else(|| "now".to_owned(), |wait| format!("in {}", format_duration(wait)));
        let _ = writeln!(out, "  {} for a retry, the first due {due}", wait(counts.backing_off));
    }
    match standing.lost - standing.left_running {
        0 => {}
        1 => drop(writeln!(out, "  1 job was running when an earlier host died")),
        lost => drop(writeln!(out, "  {lost} jobs were running when an earlier host died")),
    }
    paused(out, standing.paused.as_ref().filter(|_| open > 0));
    if let Some(why) = why(standing) {
        let _ = writeln!(out, "  {why}");
    }
}

/// `: 116 succeeded, 3 failed`
fn ends(counts: &BatchCounts) -> String {
    let all = [
        ("succeeded", counts.succeeded),
        ("failed", counts.failed),
        ("timed out", counts.timed_out),
        ("cancelled", counts.cancelled),
        ("skipped", counts.skipped),
        ("quarantined", counts.quarantined),
    ];
    let shown: Vec<_> = all.iter().filter(|(_, jobs)| *jobs > 0).map(|(name, jobs)| format!("{jobs} {name}")).collect();
    if shown.is_empty() { String::new() } else { format!(": {}", shown.join(", ")) }
}

fn wait(jobs: u64) -> String {
    if jobs == 1 { "1 job waits".to_owned() } else { format!("{jobs} jobs wait") }
}

fn paused(out: &mut String, paused: Option<&Paused>) {
    let _ = match paused {
        Some(Paused { by: PausedBy::Person, .. }) => writeln!(out, "  Paused by a person"),
        Some(Paused { by: PausedBy::Rule, rule, message }) => {
            writeln!(out, "  Paused by `{}`: {}", rule.as_deref().unwrap_or_default(), one_line(message))
        }
        Some(Paused { by: PausedBy::Storage, message, .. }) => {
            writeln!(out, "  Paused until there is room: {}", one_line(message))
        }
        None => Ok(()),
    };
}

/// Why it is not running.
fn why(standing: &Standing) -> Option<String> {
    Some(match (&standing.verdict, standing.stage) {
        (_, Stage::Running) | (Some(Verdict::Succeeded | Verdict::SomeFailed), _) => return None,
        (_, Stage::Abandoned) => "A new batch was started in its place (--fresh)".to_owned(),
        (Some(Verdict::Halted(reason)), _) => format!("Stopped by `{}`: {}", reason.rule, one_line(&reason.message)),
        (Some(Verdict::Cancelled), _) => "Cancelled by a person".to_owned(),
        (Some(Verdict::DeadlinePassed), _) => "The deadline of the batch passed".to_owned(),
        (Some(Verdict::StorageFailed(message)), _) => format!("Its results could not be stored: {}", one_line(message)),
        (Some(Verdict::HostFailed(message)), _) => format!("Its host could not go on: {}", one_line(message)),
        (_, Stage::Interrupted) if standing.left_running == 1 => {
            "Its host died while 1 job ran: killed, or the power went".to_owned()
        }
        (_, Stage::Interrupted) if standing.left_running > 1 => {
            format!("Its host died while {} jobs ran: killed, or the power went", standing.left_running)
        }
        _ => return None,
    })
}

/// What a person would most likely type now.
fn next(standing: &Standing) -> Option<String> {
    let batch = &standing.argument;
    let by_person_or_rule = |paused: &&Paused| paused.by != PausedBy::Storage;
    Some(match standing.stage {
        Stage::Running if standing.live.as_ref()?.paused.as_ref().filter(by_person_or_rule).is_some() => {
            format!("`batchmill unpause {batch}` lets it go on")
        }
        Stage::Running => return None,
        Stage::Interrupted => format!("`batchmill resume {batch}` goes on"),
        Stage::Finished | Stage::Halted if standing.counts.unsuccessful() > 0 => after_failures(batch),
        Stage::Finished | Stage::Halted => format!("`batchmill results {batch}` shows the results"),
        Stage::Abandoned => format!("`batchmill results {batch}` shows what it had done"),
    })
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
