//! The physical lines of a file, with bounded memory however long a line is.

use std::io::{self, BufRead};

use super::{
    line,
    record::{Flaw, Spot},
};

/// A line without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Physical<'a> {
    /// From 1.
    pub(crate) number: u64,
    /// Where it starts in the file.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Its bytes; only the first of them where it is longer than the limit.
    pub(crate) bytes: &'a [u8],
    limit: usize,
}

impl Physical<'_> {
    /// Where it starts, for messages.
    pub(crate) fn start(&self) -> Spot {
        Spot::line(self.number)
    }

    /// What is wrong with a line that is longer than the limit.
    pub(crate) fn too_long(&self) -> Option<Flaw> {
        let is_cut = self.length > self.bytes.len() as u64;
        is_cut.then(|| Flaw::too_long("line", self.start(), self.length, self.limit))
    }
}

/// Reads lines of at most `limit` bytes; longer ones are measured, not kept.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    limit: usize,
    number: u64,
    /// Where the line starts, and where the next one does.
    start: u64,
    end: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit, number: 0, start: 0, end: 0, line: Vec::new() }
    }

    /// The next line that is not blank; `None` at the end. Blank ones are counted.
    pub(crate) fn next_filled(&mut self) -> io::Result<Option<Physical<'_>>> {
        self.next_that(|bytes| !line::is_blank(bytes))
    }

    /// The next line whose bytes are `wanted`; `None` at the end. A last line needs no newline.
    fn next_that(&mut self, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Option<Physical<'_>>> {
        loop {
            let Some(length) = self.read()? else { return Ok(None) };
            if wanted(&self.line) || length > self.line.len() as u64 {
                return Ok(Some(self.physical(length)));
            }
        }
    }

    fn physical(&self, length: u64) -> Physical<'_> {
        Physical { number: self.number, offset: self.start, length, bytes: &self.line, limit: self.limit }
    }

    /// Reads one line; its length, `None` at the end.
    fn read(&mut self) -> io::Result<Option<u64>> {
        self.line.clear();
        let (mut length, mut ended) = (0_u64, false);
        while !ended {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                break;
            }
            let newline = memchr::memchr(b'\n', buffer);
            let part = &buffer[..newline.unwrap_or(buffer.len())];
            let room = self.limit.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            length += part.len() as u64;
            let used = part.len() + usize::from(newline.is_some());
            ended = newline.is_some();
            self.reader.consume(used);
        }
        if length == 0 && !ended {
            return Ok(None);
        }
        self.number += 1;
        self.start = self.end;
        self.end += length + u64::from(ended);
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, buffer: usize) -> Vec<(u64, u64, u64, String)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(buffer, text.as_bytes()), 4);
        let mut all = Vec::new();
        while let Some(line) = lines.next_that(|_| true).unwrap() {
            let bytes = String::from_utf8(line.bytes.to_vec()).unwrap();
            all.push((line.number, line.offset, line.length, bytes));
        }
        all
    }

    #[test]
    fn lines_have_number_place_and_bytes_whatever_the_buffer() {
        for buffer in [1, 2, 3, 64] {
            assert_eq!(
                read("ab\n\nabcde\nabcd\nx", buffer),
                [
                    (1, 0, 2, "ab".into()),
                    (2, 3, 0, String::new()),
                    (3, 4, 5, "abcd".into()),
                    (4, 10, 4, "abcd".into()),
                    (5, 15, 1, "x".into()),
                ]
            );
        }
        assert_eq!(read("", 8), []);
        assert_eq!(read("\n", 8), [(1, 0, 0, String::new())]);
    }
}
