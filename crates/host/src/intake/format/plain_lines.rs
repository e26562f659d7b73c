//! `lines:FILE`: each line is a value, whatever it holds.

use std::io::BufRead;

use crate::intake::{
    cursor::MARK,
    line,
    lines::Lines,
    record::{Broken, Flaw, Record, Records, Spot, Text},
};

/// Lines that become `{"line": "…"}`. They end with LF or CRLF; blank ones are skipped, but count.
#[derive(Debug)]
pub(crate) struct PlainLines<R> {
    lines: Lines<R>,
    made: Vec<u8>,
}

impl<R: BufRead> PlainLines<R> {
    pub(crate) fn new(reader: R, max_line: usize) -> Self {
        Self { lines: Lines::new(reader, max_line), made: Vec::new() }
    }
}

impl<R: BufRead> Records for PlainLines<R> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Broken> {
        let Some(line) = self.lines.next_filled()? else { return Ok(None) };
        let start = line.start();
        let text = match line.too_long() {
            Some(flaw) => Text::Cut(flaw),
            None => match value(line.bytes, line.number == 1, &start) {
                Ok(value) => {
                    made(&mut self.made, "line", value);
                    Text::Made(&self.made)
                }
                Err(flaw) => Text::Bad(vec![flaw]),
            },
        };
        Ok(Some(Record { number: line.number, start, offset: line.offset, raw: line.bytes, text }))
    }
}

fn value<'a>(raw: &'a [u8], is_first: bool, start: &Spot) -> Result<&'a str, Flaw> {
    if is_first && raw.starts_with(MARK) {
        return Err(Flaw::at(start.clone(), line::MARK_MEND));
    }
    let text = line::text(raw).map_err(|mistake| start.flaw(raw, mistake))?;
    Ok(text.strip_suffix('\r').unwrap_or(text))
}

/// `{"name":"value"}` into `buffer`.
pub(super) fn made(buffer: &mut Vec<u8>, name: &str, value: &str) {
    buffer.clear();
    buffer.extend_from_slice(b"{\"");
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b"\":");
    serde_json::to_writer(&mut *buffer, value).expect("a text is JSON, and memory takes it");
    buffer.push(b'}');
}
