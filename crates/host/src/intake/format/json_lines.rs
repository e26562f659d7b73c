//! JSON Lines: a job a line.

use std::io::BufRead;

use crate::intake::{
    lines::Lines,
    record::{Broken, Record, Records, Text},
};

/// Jobs that stand one a line. Blank lines are skipped, but count.
#[derive(Debug)]
pub(crate) struct JobLines<R> {
    lines: Lines<R>,
}

impl<R: BufRead> JobLines<R> {
    pub(crate) fn new(reader: R, max_line: usize) -> Self {
        Self { lines: Lines::new(reader, max_line) }
    }
}

impl<R: BufRead> Records for JobLines<R> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Broken> {
        let Some(line) = self.lines.next_filled()? else { return Ok(None) };
        let text = line.too_long().map_or(Text::Same(line.bytes), Text::Cut);
        Ok(Some(Record { number: line.number, start: line.start(), offset: line.offset, raw: line.bytes, text }))
    }
}
