//! Reads byte by byte and knows where it is.

use std::io::{self, BufRead, Read};

use super::record::Spot;

/// A place in a stream of bytes.
#[derive(Debug)]
pub(crate) struct Cursor<R> {
    reader: R,
    line: u64,
    column: u64,
}

impl<R: BufRead> Cursor<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, line: 1, column: 1 }
    }

    /// Where the next byte is.
    pub(crate) fn spot(&self) -> Spot {
        Spot::At { line: self.line, column: self.column }
    }

    /// The next byte, which stays; `None` at the end.
    pub(crate) fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.reader.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Passes the byte that [`peek`](Self::peek) gave.
    pub(crate) fn pass(&mut self, byte: u8) {
        self.reader.consume(1);
        match byte {
            b'\n' => (self.line, self.column) = (self.line + 1, 1),
            // The further bytes of a character are no column of their own.
            0x80..=0xBF => {}
            _ => self.column += 1,
        }
    }
}

/// The byte order mark that some programs write before UTF-8.
pub(crate) const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Takes a byte order mark off the beginning; whether there was one.
pub(crate) fn without_mark<R: BufRead>(mut reader: R) -> io::Result<(impl BufRead + use<R>, bool)> {
    let mut head = Vec::new();
    reader.by_ref().take(MARK.len() as u64).read_to_end(&mut head)?;
    let has_mark = head == MARK;
    if has_mark {
        head.clear();
    }
    Ok((io::Cursor::new(head).chain(reader), has_mark))
}
