//! What every format comes down to: one job after the other, as JSON on a line, with its number and its place.

use std::io;

use super::json::Mistake;
use crate::problems::Place;

/// Reads the jobs of a source, one at a time, whatever its format.
pub(crate) trait Records {
    /// The next one; `None` at the end.
    fn next(&mut self) -> Result<Option<Record<'_>>, Broken>;
}

/// A job as its source has it.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// From 1: its id where it brings none.
    pub(crate) number: u64,
    /// Where it starts.
    pub(crate) start: Spot,
    /// The same in bytes, for a source that is read in place.
    pub(crate) offset: u64,
    /// Its bytes in the source; their beginning where there are more than allowed.
    pub(crate) raw: &'a [u8],
    pub(crate) text: Text<'a>,
}

/// The JSON of a job, on one line.
#[derive(Debug)]
pub(crate) enum Text<'a> {
    /// The bytes of the source, or as many: what is wrong at one of them is wrong there in the source.
    Same(&'a [u8]),
    /// Made of what the source has.
    Made(&'a [u8]),
    /// There is none: everything that is wrong.
    Bad(Vec<Flaw>),
    /// There is more of it than allowed.
    Cut(Flaw),
}

/// A place in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spot {
    /// In the file, both from 1. Columns count characters, as editors do.
    At { line: u64, column: u64 },
    /// A file of its own, by its path.
    File(String),
}

/// Something wrong in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// `None` for the file as a whole.
    pub(crate) spot: Option<Spot>,
    /// Whether the column says something, or only the line.
    pub(crate) has_column: bool,
    pub(crate) message: String,
}

/// Why a source cannot be read on, whatever is done about bad lines.
#[derive(Debug)]
pub(crate) enum Broken {
    Unreadable(io::Error),
    /// Where the next job begins is not known any more.
    Flaws(Vec<Flaw>),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Flaw> for Broken {
    fn from(flaw: Flaw) -> Self {
        Self::Flaws(vec![flaw])
    }
}

impl Spot {
    /// The begin of a line.
    pub(crate) fn line(number: u64) -> Self {
        Self::At { line: number, column: 1 }
    }

    /// A mistake in `raw`, which starts here.
    pub(crate) fn flaw(&self, raw: &[u8], mistake: Mistake) -> Flaw {
        match mistake.offset {
            Some(offset) => Flaw::at(self.after(&raw[..offset.min(raw.len())]), mistake.message),
            None => Flaw::of(self.clone(), mistake.message),
        }
    }

    /// The spot `raw` further on.
    fn after(&self, raw: &[u8]) -> Self {
        let Self::At { line, column } = *self else { return self.clone() };
        let breaks = raw.iter().filter(|byte| **byte == b'\n').count() as u64;
        let last = raw.iter().rposition(|byte| *byte == b'\n').map_or(raw, |at| &raw[at + 1..]);
        let characters = String::from_utf8_lossy(last).chars().count() as u64;
        let column = if breaks > 0 { 1 + characters } else { column + characters };
        Self::At { line: line + breaks, column }
    }
}

impl Flaw {
    pub(crate) fn at(spot: Spot, message: impl Into<String>) -> Self {
        Self { spot: Some(spot), has_column: true, message: message.into() }
    }

    /// A flaw of a whole line or record.
    pub(crate) fn of(spot: Spot, message: impl Into<String>) -> Self {
        Self { spot: Some(spot), has_column: false, message: message.into() }
    }

    /// A flaw of the source as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { spot: None, has_column: false, message: message.into() }
    }

    /// `what` is longer than allowed.
    pub(crate) fn too_long(what: &str, spot: Spot, length: u64, limit: usize) -> Self {
        Self::of(spot, format!("the {what} has {length} bytes, at most {limit} are allowed; --max-line raises it"))
    }

    /// Its place in the source `file`.
    pub(crate) fn place(&self, file: &str) -> Place {
        match &self.spot {
            None => Place { file: file.to_owned(), line: None, column: None },
            Some(Spot::File(path)) => Place { file: path.clone(), line: None, column: None },
            Some(Spot::At { line, column }) => {
                Place { file: file.to_owned(), line: Some(*line), column: self.has_column.then_some(*column) }
            }
        }
    }
}

impl Record<'_> {
    /// A mistake in its text, as a flaw of the source.
    pub(crate) fn flaw(&self, mistake: Mistake) -> Flaw {
        match self.text {
            Text::Same(_) => self.start.flaw(self.raw, mistake),
            Text::Made(_) | Text::Bad(_) | Text::Cut(_) => Flaw::of(self.start.clone(), mistake.message),
        }
    }
}
