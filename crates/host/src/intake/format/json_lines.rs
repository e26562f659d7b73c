//! JSON Lines: a job a line.

use std::io::BufRead;

use crate::intake::{
    line,
    lines::{Lines, Physical},
    record::{Broken, Flaw, Record, Records, Spot, Text},
};

/// Jobs that stand one a line. Blank lines are skipped, but count.
#[derive(Debug)]
pub(crate) struct JobLines<R> {
    lines: Lines<R>,
    max_line: usize,
}

impl<R: BufRead> JobLines<R> {
    pub(crate) fn new(reader: R, max_line: usize) -> Self {
        Self { lines: Lines::new(reader, max_line), max_line }
    }
}

impl<R: BufRead> Records for JobLines<R> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Broken> {
        let Some(Physical { number, offset, length, bytes: raw }) =
            self.lines.next_that(|bytes| !line::is_blank(bytes))?
        else {
            return Ok(None);
        };
        let start = Spot::line(number);
        let text = if raw.len() as u64 == length {
            Text::Same(raw)
        } else {
            Text::Cut(Flaw::too_long("line", start.clone(), length, self.max_line))
        };
        Ok(Some(Record { number, start, offset, raw, text }))
    }
}
