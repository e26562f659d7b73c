//! Accepting jobs: every record of a source is checked, indexed, and spooled unless it is read in place.

use std::{fs::File, num::NonZeroU32, sync::Arc};

use batchmill_core::{JobId, StateData};

use super::{
    bad_line::{BadLines, OnBadLine, Raw},
    duplicates::{Duplicate, Ids},
    format::Columns,
    index::{self, Defaults, IndexWriter, NotAdded},
    json::Mistake,
    jsonl::JsonLines,
    keys::{Keys, Made, MadeOfAll, Seen},
    line::{self, Line},
    open::of_broken,
    record::{Flaw, Record, Records, Spot, Text},
    spool::{Scratch, Spool},
};
use crate::problems::Refusal;

/// How jobs are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// The longest line or record, in bytes.
    pub(crate) max_line: usize,
    /// Every line is an input, whatever its names.
    pub(crate) input_is_line: bool,
    /// What a job has that does not say it.
    pub(crate) defaults: Defaults,
    /// What happens to a line that is no job.
    pub(crate) on_bad_line: OnBadLine,
    /// The columns of CSV that are keys.
    pub(crate) columns: Columns,
    /// Where copies and indexes are made.
    pub(crate) scratch: Scratch,
    /// What config wants to know of each job.
    pub(crate) keys: Option<Arc<Keys>>,
    /// How many jobs there may be: `executor.queue_limit`.
    pub(crate) queue_limit: Option<NonZeroU32>,
}

/// Says what a flow has against an input.
pub(crate) type Accept<'a> = &'a dyn Fn(StateData) -> Result<(), Vec<String>>;

/// Reads all of `records`; `in_place` is the file that they stand in, if it can be read at any place.
pub(super) fn accept(
    name: String,
    mut records: Box<dyn Records>,
    in_place: Option<File>,
    rules: Rules,
    accept: Accept<'_>,
) -> Result<JsonLines, Refusal> {
    let mut accepted = Accepted::new(name, in_place, rules)?;
    while let Some(record) = records.next().map_err(|broken| of_broken(&accepted.name, broken))? {
        accepted.take(&record, accept)?;
    }
    drop(records);
    accepted.finish()
}

/// The JSON of a record, the job that it is, and what config makes of that.
type Accepting<'a> = (&'a [u8], Line, Option<Made>);

/// What was accepted so far.
struct Accepted {
    name: String,
    rules: Rules,
    place: Place,
    index: IndexWriter,
    ids: Ids,
    /// The line of each row, for a source in which it is not the number of the job.
    lines: Vec<u32>,
    bad: BadLines,
    /// What config makes of each job, where it asks.
    made: MadeOfAll,
}

/// Where a job is read again when it starts.
enum Place {
    File(File),
    Spool(Spool),
}

impl Accepted {
    fn new(name: String, in_place: Option<File>, rules: Rules) -> Result<Self, Refusal> {
        let place = match in_place {
            Some(file) => Place::File(file),
            None => Place::Spool(Spool::create(&rules.scratch).map_err(|error| rules.scratch.refusal(&name, &error))?),
        };
        let bad = BadLines::new(name.clone(), rules.on_bad_line, rules.scratch.clone());
        let index = IndexWriter::create(&rules.scratch).map_err(|error| rules.scratch.refusal(INDEX, &error))?;
        let (ids, made) = (Ids::default(), MadeOfAll::default());
        Ok(Self { name, rules, place, index, ids, lines: Vec::new(), bad, made })
    }

    fn take(&mut self, record: &Record<'_>, accept: Accept<'_>) -> Result<(), Refusal> {
        let (bytes, line, made) = match self.read(record, accept) {
            Ok(read) => read,
            Err(flaws) => {
                let is_cut = matches!(record.text, Text::Cut(_));
                return self.bad.add(&flaws, Raw { bytes: record.raw, is_cut });
            }
        };
        if let Some(limit) = self.rules.queue_limit
            && self.index.len() >= limit.get()
        {
            let message = format!("there are more jobs than the {limit} of executor.queue_limit");
            return Err(self.bad.refuse_all(&record.flaw(Mistake { offset: None, message })));
        }
        let offset = match &mut self.place {
            Place::File(_) => record.offset,
            Place::Spool(spool) => spool.add(bytes).map_err(|error| self.rules.scratch.refusal(&self.name, &error))?,
        };
        let row = self.index.add(record.number, offset, bytes, &line, &self.rules.defaults);
        let row = row.map_err(|not_added| refusal(&self.name, &self.rules.scratch, not_added))?;
        if let Some(id) = &line.id {
            self.ids.add(row, id);
        }
        self.made.extend(made);
        self.remember_line(row, record);
        Ok(())
    }

    /// The JSON of a record, the job that it is, and what config makes of that.
    fn read<'a>(&self, record: &'a Record<'_>, accept: Accept<'_>) -> Result<Accepting<'a>, Vec<Flaw>> {
        let bytes = match &record.text {
            Text::Same(bytes) | Text::Made(bytes) => *bytes,
            Text::Bad(flaws) => return Err(flaws.clone()),
            Text::Cut(flaw) => return Err(vec![flaw.clone()]),
        };
        let flaws =
            |mistakes: Vec<Mistake>| mistakes.into_iter().map(|mistake| record.flaw(mistake)).collect::<Vec<_>>();
        let mut line = line::parse(bytes, self.rules.input_is_line).map_err(flaws)?;
        let whole = |messages: Vec<String>| {
            flaws(messages.into_iter().map(|message| Mistake { offset: None, message }).collect())
        };
        let made = self.make(record.number, &mut line);
        // The index needs no input: it stays on disk until the job starts.
        let accepted = accept(std::mem::take(&mut line.input));
        match (accepted, made) {
            (Ok(()), Ok(made)) => Ok((bytes, line, made)),
            (accepted, made) => Err(whole([accepted.err(), made.err()].into_iter().flatten().flatten().collect())),
        }
    }

    fn make(&self, number: u64, line: &mut Line) -> Result<Option<Made>, Vec<String>> {
        let Some(keys) = &self.rules.keys else { return Ok(None) };
        let Defaults { priority, tenant } = &self.rules.defaults;
        let seen = Seen {
            id: line.id.clone().unwrap_or_else(|| JobId::from(number)),
            tenant: line.tenant.as_ref().unwrap_or(tenant),
            priority: line.priority.unwrap_or(*priority),
        };
        keys.make(&seen, &mut line.input).map(Some)
    }

    /// Nothing to remember where the number of a job is its line.
    fn remember_line(&mut self, row: u32, record: &Record<'_>) {
        let Spot::At { line, .. } = record.start else { return };
        if line == record.number && self.lines.is_empty() {
            return;
        }
        let known = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        self.lines.extend((known..row).map(|row| self.index.number(row)));
        self.lines.push(u32::try_from(line).unwrap_or(u32::MAX));
    }

    /// Looks for equal ids, and lets go of what only reading needed.
    fn finish(self) -> Result<JsonLines, Refusal> {
        let Self { name, rules, place, index, ids, lines, mut bad, made } = self;
        let (file, spooled) = match place {
            Place::File(file) => (file, 0),
            Place::Spool(spool) => {
                (spool.finish().map_err(|error| rules.scratch.refusal(&name, &error))?, index::SPOOLED)
            }
        };
        let flags = spooled | if rules.input_is_line { index::INPUT_IS_LINE } else { 0 };
        let index = index.finish(flags).map_err(|error| rules.scratch.refusal(INDEX, &error))?;
        let mut jobs = JsonLines::new(name, file, index);
        if rules.keys.is_some() {
            jobs.set_made(made.finish());
        }
        let number = |row: u32| jobs.index().row(row).map_or(0, |row| row.number);
        let line = |row: u32| lines.get(row as usize).map_or_else(|| number(row), |line| *line);
        let duplicates = ids.duplicates(jobs.index(), |row| jobs.read_id(row));
        let mut rows = Vec::new();
        for duplicate in duplicates.chunk_by(|a, b| a.row == b.row) {
            let row = duplicate[0].row;
            let default = if lines.is_empty() { "line number" } else { "number" };
            let spot = Spot::line(u64::from(line(row)));
            let flaws = duplicate
                .iter()
                .map(|duplicate| Flaw::of(spot.clone(), describe(duplicate, line(duplicate.first), default)));
            let bytes = jobs.bytes(row).map_err(|error| Refusal::data(error.message))?;
            bad.add(&flaws.collect::<Vec<_>>(), Raw { bytes: &bytes, is_cut: false })?;
            rows.push(row);
        }
        let left_out = bad.finish()?;
        left_out.warn();
        jobs.leave_out(&rows, left_out, &rules.scratch)?;
        Ok(jobs)
    }
}

/// What the index is called in problems.
pub(super) const INDEX: &str = "the index of jobs";

/// Why there is no room for one more job.
pub(super) fn refusal(name: &str, scratch: &Scratch, not_added: NotAdded) -> Refusal {
    match not_added {
        NotAdded::Full => Refusal::data(format!("{name}: {}", index::FULL)),
        NotAdded::Io(error) => scratch.refusal(INDEX, &error),
    }
}

fn describe(duplicate: &Duplicate, first: u32, default: &str) -> String {
    let Duplicate { id, by_default, .. } = duplicate;
    if *by_default {
        format!("duplicate id `{id}`: line {first} has it too (a job without an id has its {default})")
    } else {
        format!("duplicate id `{id}`: line {first} has it too")
    }
}
