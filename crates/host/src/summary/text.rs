//! The summary as a person would write it.

use std::fmt::Write;

use batchmill_core::{BatchCounts, Pause, Verdict, format_duration};

use batchmill_executor::Undelivered;

use super::{
    BadLines, Next, Summary, after_failures,
    group::{Group, clipped},
};
use crate::{paint::Paint, progress::throughput};

/// Groups that are shown; the report has all.
const GROUPS_SHOWN: usize = 10;
/// Slowest jobs that are shown, if there are more jobs than these.
const SLOWEST_SHOWN: usize = 3;
/// Characters of an example.
const MESSAGE_SHOWN: usize = 160;

/// Writes the summary, one block of lines.
pub(crate) fn text(summary: &Summary, paint: Paint) -> String {
    let mut out = String::new();
    headline(&mut out, summary, paint);
    resumed(&mut out, summary);
    bad_lines(&mut out, summary, paint);
    verdict(&mut out, summary, paint);
    not_run(&mut out, summary, paint);
    errors(&mut out, summary, paint);
    slowest(&mut out, summary, paint);
    places(&mut out, summary, paint);
    out
}

// Writing to a String cannot fail; `let _` below says so.

fn headline(out: &mut String, summary: &Summary, paint: Paint) {
    let counts = &summary.counts;
    let rate = throughput(counts, summary.before(), summary.duration);
    let jobs = if counts.submitted == 1 { "job" } else { "jobs" };
    let some = summary.trial().map(|some| format!("a trial: {some} of ")).unwrap_or_default();
    let took = format_duration(summary.duration);
    let _ = write!(out, "{}: {some}{} {jobs} in {took}", paint.bold(summary.batch.as_str()), counts.submitted);
    if counts.ended() > 1 {
        let _ = write!(out, ", {rate:.1}/s");
    }
    let _ = writeln!(out);
    let left_out = summary.trial().map_or(0, |some| (counts.submitted - some).min(counts.pending));
    let rest = if left_out > 0 { "; the rest has not run" } else { "" };
    let _ = writeln!(out, "  {}{rest}", shares(counts, left_out, summary.retries, paint));
}

/// `487 succeeded, 11 failed, 2 timed out, 14 retries`
fn shares(counts: &BatchCounts, left_out: u64, retries: u64, paint: Paint) -> String {
    let waiting = counts.pending - left_out + counts.running + counts.recording + counts.backing_off;
    let all = [
        (counts.failed, paint.red("failed")),
        (counts.timed_out, paint.red("timed out")),
        (counts.quarantined, paint.red("quarantined")),
        (counts.cancelled, paint.yellow("cancelled")),
        (counts.skipped, paint.yellow("skipped")),
        (waiting, paint.yellow("not run to their end")),
        (retries, if retries == 1 { "retry" } else { "retries" }.to_owned()),
    ];
    let mut shares = vec![format!("{} {}", counts.succeeded, paint.green("succeeded"))];
    shares.extend(all.iter().filter(|(jobs, _)| *jobs > 0).map(|(jobs, name)| format!("{jobs} {name}")));
    shares.join(", ")
}

/// `resumed: 12 jobs had ended, 3 jobs ran when the host was lost`
fn resumed(out: &mut String, summary: &Summary) {
    if let Some(resumed) = &summary.resumed {
        let _ = writeln!(out, "  {resumed}");
    }
}

/// `3 bad lines left out, kept in out.jsonl.quarantine.jsonl`
fn bad_lines(out: &mut String, summary: &Summary, paint: Paint) {
    let BadLines { lines, quarantine, .. } = &summary.bad_lines;
    if *lines > 0 {
        let what = if *lines == 1 { "bad line left out" } else { "bad lines left out" };
        let kept = quarantine.as_ref().map(|path| format!(", kept in {path}")).unwrap_or_default();
        let _ = writeln!(out, "  {lines} {}{kept}", paint.yellow(what));
    }
}

fn verdict(out: &mut String, summary: &Summary, paint: Paint) {
    // What ran to its end all the same was not held up.
    let held_up = matches!(summary.verdict, Verdict::Drained | Verdict::DeadlinePassed | Verdict::Cancelled);
    if let Some(Pause::Rule(reason)) = summary.paused.as_ref().filter(|_| held_up) {
        let _ = writeln!(out, "  {} by `{}`: {}", paint.yellow("Paused"), reason.rule, one_line(&reason.message));
    }
    let _ = match &summary.verdict {
        Verdict::Halted(reason) if reason.success => {
            writeln!(out, "  {} as asked by `{}`: {}", paint.green("Stopped"), reason.rule, one_line(&reason.message))
        }
        Verdict::Halted(reason) => {
            writeln!(out, "  {} by `{}`: {}", paint.red("Stopped"), reason.rule, one_line(&reason.message))
        }
        Verdict::Cancelled => writeln!(out, "  {}", paint.yellow("Cancelled")),
        Verdict::DeadlinePassed => writeln!(out, "  {}", paint.red("The deadline of the batch passed")),
        Verdict::Drained => writeln!(out, "  {} before the end", paint.yellow("Interrupted")),
        Verdict::StorageFailed(message) => {
            writeln!(out, "  {}: {}", paint.red("Results could not be stored"), one_line(message))
        }
        Verdict::Fenced => writeln!(out, "  {}: another host goes on with it", paint.red("Taken over")),
        Verdict::HostFailed(message) => {
            writeln!(out, "  {}: {}", paint.red("The host could not go on"), one_line(message))
        }
        _ => Ok(()),
    };
}

fn not_run(out: &mut String, summary: &Summary, paint: Paint) {
    let groups = summary.collected.unrun.with(&summary.left);
    if groups.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}", paint.bold("Not run"));
    let width = groups.iter().map(|group| group.jobs.to_string().len()).max().unwrap_or(0);
    for group in groups {
        let _ = writeln!(out, "  {:>width$} {}", group.jobs, clipped(&one_line(&group.message), MESSAGE_SHOWN));
    }
}

fn errors(out: &mut String, summary: &Summary, paint: Paint) {
    let groups = summary.collected.groups.sorted();
    if groups.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}", paint.bold("Errors"));
    let width = groups.iter().map(|group| group.jobs.to_string().len()).max().unwrap_or(0);
    for group in groups.iter().take(GROUPS_SHOWN) {
        let _ = writeln!(out, "  {:>width$} × {}", group.jobs, error_line(group, paint));
    }
    let hidden: u64 = groups.iter().skip(GROUPS_SHOWN).map(|group| group.jobs).sum();
    let others = hidden + summary.collected.groups.others;
    if others > 0 {
        let _ = writeln!(out, "  {others:>width$} × other kinds of errors");
    }
}

/// ``transient at `shrink`: job 17: exited with status 3``
fn error_line(group: &Group, paint: Paint) -> String {
    let node = group.node.as_ref().map(|node| format!(" at `{node}`")).unwrap_or_default();
    let message = clipped(&one_line(&group.message), MESSAGE_SHOWN);
    format!("{}{node}, for example job {}: {message}", paint.red(group.class.as_str()), group.example)
}

fn slowest(out: &mut String, summary: &Summary, paint: Paint) {
    let jobs = summary.collected.slowest.sorted();
    if jobs.len() <= SLOWEST_SHOWN {
        return;
    }
    let shown: Vec<_> = jobs
        .iter()
        .take(SLOWEST_SHOWN)
        .map(|(id, duration)| format!("job {id} ({})", format_duration(*duration)))
        .collect();
    let _ = writeln!(out, "{} {}", paint.bold("Slowest:"), shown.join(", "));
}

fn places(out: &mut String, summary: &Summary, paint: Paint) {
    for Undelivered { sink, missing, message, interrupted, .. } in &summary.undelivered {
        let message = one_line(message);
        let _ = if *interrupted {
            writeln!(out, "{}: sink `{sink}` lacks {missing} until a resume: {message}", paint.yellow("Not delivered"))
        } else {
            let what = paint.red("Results could not be stored");
            writeln!(out, "{what}: {message}; sink `{sink}` lacks {missing}, the store has them")
        };
    }
    if let Some(place) = &summary.results {
        let _ = writeln!(out, "{} {place}", paint.bold("Results:"));
    }
    if let Some(next) = next(summary) {
        let _ = writeln!(out, "{} {next}", paint.bold("Next:"));
    }
}

/// What a person would most likely type now.
fn next(summary: &Summary) -> Option<String> {
    let counts = &summary.counts;
    match (summary.kept(), &summary.results) {
        _ if summary.goes_on() => summary.next.as_ref().map(Next::to_string),
        (Some(batch), _) if counts.unsuccessful() > 0 => Some(after_failures(batch)),
        (None, Some(place)) if counts.unsuccessful() > 0 => Some(format!(
            "`jq -c 'select(.error) | [.job_id, .error.class, .error.message]' {}` lists the failed jobs",
            quoted(place)
        )),
        (_, Some(place)) if counts.succeeded > 0 => Some(format!("`jq .output {}` shows the outputs", quoted(place))),
        _ => None,
    }
}

/// As a shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Messages come from programs: what they bring must not move a terminal's cursor.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).collect()
}
