//! `results`: the stored results of a batch, printed as they are read.

use std::io::{self, BufWriter, Write};

use batchmill_core::{JobResult, Status, format_duration};

use super::{
    Found, GroupId,
    latest::{self, Latest, Told},
};
use crate::{
    cli::Format,
    exit::Exit,
    problems::Refusal,
    stdout,
    summary::{clipped, one_line},
};

/// Characters of a message that the table shows.
const MESSAGE_SHOWN: usize = 100;

/// What somebody wants to see.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Only these; all where none is named.
    pub(crate) statuses: Vec<Status>,
    /// Only jobs that failed in one of these ways; all where none is named.
    pub(crate) groups: Vec<GroupId>,
    /// Only this generation; of each job the latest where none is named.
    pub(crate) generation: Option<u32>,
}

impl Wanted {
    fn takes(&self, result: &JobResult) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&result.status))
            && (self.groups.is_empty() || self.groups.iter().any(|group| group.has(result)))
    }
}

/// Prints to stdout. A reader who has seen enough ends it quietly.
pub(crate) fn print(found: &Found, wanted: &Wanted, format: Format) -> Result<Exit, Refusal> {
    let mut results = results(found, wanted.generation)?;
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let mut written = begin(&mut out, format);
    let (mut first, mut unknown) = (true, wanted.groups.clone());
    while written.is_ok()
        && let Some(page) = results.page()?
    {
        if !unknown.is_empty() {
            unknown.retain(|group| !page.iter().any(|told| group.has(&told.result)));
        }
        let shown: Vec<_> = page.iter().filter(|told| wanted.takes(&told.result)).collect();
        written = write_page(&mut out, format, &shown, &mut first);
    }
    let is_read = written.is_ok();
    let finished = stdout::finish(written.and_then(|()| end(&mut out, format)).and_then(|()| out.flush()));
    if is_read {
        found.refuse_unknown(&unknown)?;
    }
    Ok(finished)
}

fn results(found: &Found, generation: Option<u32>) -> Result<Latest, Refusal> {
    let Some(wanted) = generation.filter(|wanted| *wanted != found.listed.generation) else {
        return match generation {
            Some(_) => Latest::of(found),
            None => Latest::over(found, &latest::retries(found)?),
        };
    };
    let retries = latest::retries(found)?;
    let last = retries.last().map_or(0, |retry| retry.listed.generation);
    match retries.iter().find(|retry| retry.listed.generation == wanted) {
        Some(retry) => Latest::of(retry),
        None => Err(Refusal::data(format!(
            "batch {} has no generation {wanted}: 0 is the batch itself, and {} a retry of it",
            found.id(),
            if last == 0 { "there has not been".to_owned() } else { format!("1 to {last} are") },
        ))),
    }
}

fn begin(out: &mut impl Write, format: Format) -> io::Result<()> {
    if format == Format::Json { out.write_all(b"[") } else { Ok(()) }
}

fn write_page(out: &mut impl Write, format: Format, page: &[&Told<'_>], first: &mut bool) -> io::Result<()> {
    match format {
        Format::Jsonl => page.iter().try_for_each(|told| {
            serde_json::to_writer(&mut *out, &told.result.to_record(told.batch))?;
            out.write_all(b"\n")
        }),
        Format::Json => page.iter().try_for_each(|told| {
            out.write_all(if std::mem::take(first) { b"\n" } else { b",\n" })?;
            Ok(serde_json::to_writer(&mut *out, &told.result.to_record(told.batch))?)
        }),
        Format::Table => {
            let rows: Vec<[String; 5]> = page.iter().map(|told| row(told)).collect();
            let rows: Vec<[&str; 5]> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
            let table = stdout::table(["JOB", "STATUS", "ATTEMPTS", "DURATION", "ERROR"], &rows);
            // One header, above all pages.
            let from = if std::mem::take(first) { 0 } else { table.find('\n').map_or(0, |end| end + 1) };
            out.write_all(&table.as_bytes()[from..])
        }
    }
}

fn end(out: &mut impl Write, format: Format) -> io::Result<()> {
    if format == Format::Json { out.write_all(b"\n]\n") } else { Ok(()) }
}

fn row(told: &Told<'_>) -> [String; 5] {
    let result = &told.result;
    let error = result.error.as_ref().map(|error| format!("{}: {}", error.class, one_line(&error.message)));
    [
        result.job_id.to_string(),
        result.status.to_string(),
        result.attempts.to_string(),
        format_duration(result.duration),
        clipped(&error.unwrap_or_default(), MESSAGE_SHOWN),
    ]
}
