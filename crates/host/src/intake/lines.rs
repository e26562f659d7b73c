//! The physical lines of a file, with bounded memory however long a line is.

use std::io::{self, BufRead};

/// A line without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Physical<'a> {
    /// From 1.
    pub(crate) number: u64,
    /// Where it starts in the file.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Its bytes; `None` where it is longer than the limit.
    pub(crate) bytes: Option<&'a [u8]>,
}

/// Reads lines of at most `limit` bytes; longer ones are measured, not kept.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    limit: usize,
    number: u64,
    offset: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit, number: 0, offset: 0, line: Vec::new() }
    }

    /// The next line; `None` at the end. A last line needs no newline.
    pub(crate) fn next(&mut self) -> io::Result<Option<Physical<'_>>> {
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
            let newline = buffer.iter().position(|byte| *byte == b'\n');
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
        let offset = self.offset;
        self.number += 1;
        self.offset += length + u64::from(ended);
        let bytes = (length == self.line.len() as u64).then_some(self.line.as_slice());
        Ok(Some(Physical { number: self.number, offset, length, bytes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, buffer: usize) -> Vec<(u64, u64, u64, Option<String>)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(buffer, text.as_bytes()), 4);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let bytes = line.bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
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
                    (1, 0, 2, Some("ab".into())),
                    (2, 3, 0, Some(String::new())),
                    (3, 4, 5, None),
                    (4, 10, 4, Some("abcd".into())),
                    (5, 15, 1, Some("x".into())),
                ]
            );
        }
        assert_eq!(read("", 8), []);
        assert_eq!(read("\n", 8), [(1, 0, 0, Some(String::new()))]);
    }
}
