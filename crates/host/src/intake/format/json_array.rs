//! `FILE.json`: one list of jobs, of any size, of which one job at a time is in memory.

use std::io::BufRead;

use crate::intake::{
    cursor::{Cursor, without_mark},
    line,
    record::{Broken, Flaw, Record, Records, Spot, Text},
};

/// The jobs of a JSON list.
///
/// It only finds where each element begins and ends; what is in it is read by the rules of a job line. An element that
/// spans lines gets blanks for its line breaks, so that its places stay what they are.
#[derive(Debug)]
pub(crate) struct JsonArray<R> {
    cursor: Cursor<R>,
    max_line: usize,
    at: At,
    number: u64,
    raw: Vec<u8>,
    flat: Vec<u8>,
}

/// Where in the list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Begin { has_mark: bool },
    First,
    Next,
    End,
}

const NEVER_CLOSED: &str = "not JSON: the list is never closed";

/// What one element was like.
struct Element {
    start: Spot,
    length: u64,
    has_breaks: bool,
    /// A line break inside a text, which JSON does not allow.
    torn: Option<Spot>,
}

/// Reads the list in `reader`.
pub(crate) fn json_array(reader: impl BufRead, max_line: usize) -> std::io::Result<JsonArray<impl BufRead>> {
    let (reader, has_mark) = without_mark(reader)?;
    let (cursor, at) = (Cursor::new(reader), At::Begin { has_mark });
    Ok(JsonArray { cursor, max_line, at, number: 0, raw: Vec::new(), flat: Vec::new() })
}

impl<R: BufRead> Records for JsonArray<R> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Broken> {
        if !self.find_element()? {
            return Ok(None);
        }
        let element = self.read_element()?;
        self.number += 1;
        self.at = At::Next;
        let start = element.start.clone();
        if element.has_breaks {
            self.flat.clear();
            // Outside of texts, where all of them are, a line break is a space like others.
            self.flat.extend(self.raw.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        }
        let text = self.text(element);
        Ok(Some(Record { number: self.number, start, offset: 0, raw: &self.raw, text }))
    }
}

impl<R: BufRead> JsonArray<R> {
    /// Goes to the first byte of the next element; false at the end of the list.
    fn find_element(&mut self) -> Result<bool, Broken> {
        if let At::Begin { has_mark } = self.at {
            self.open(has_mark)?;
        }
        match (self.at, self.peek()?) {
            (At::First | At::Next, Some(b']')) => self.close(),
            (At::Next, Some(b',')) => {
                self.cursor.pass(b',');
                if self.peek()? == Some(b']') {
                    return Err(self.broken("not JSON: a comma before the end of the list"));
                }
            }
            (At::Next, Some(_)) => return Err(self.broken("not JSON: expected `,` or `]` after a job")),
            (At::First | At::Next, None) => return Err(self.broken(NEVER_CLOSED)),
            _ => {}
        }
        match self.at {
            At::End => self.expect_end().map(|()| false),
            _ => Ok(true),
        }
    }

    fn expect_end(&mut self) -> Result<(), Broken> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.broken("not JSON: there is something after the end of the list")),
        }
    }

    fn open(&mut self, has_mark: bool) -> Result<(), Broken> {
        if has_mark {
            return Err(self.broken(line::MARK_MEND));
        }
        match self.peek()? {
            Some(b'[') => {
                self.cursor.pass(b'[');
                self.at = At::First;
                Ok(())
            }
            None => Err(Flaw::whole("is empty; a JSON file of jobs is a list, `[]` if there are none").into()),
            Some(_) => Err(self
                .broken("a JSON file of jobs must be a list, [ … ]; a file with one job a line must be named .jsonl")),
        }
    }

    fn close(&mut self) {
        self.cursor.pass(b']');
        self.at = At::End;
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Result<Option<u8>, Broken> {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.cursor.peek()? {
            self.cursor.pass(byte);
        }
        Ok(self.cursor.peek()?)
    }

    fn broken(&self, message: &str) -> Broken {
        Flaw::at(self.cursor.spot(), message).into()
    }

    /// Reads up to the comma or bracket that ends the element, which stays.
    fn read_element(&mut self) -> Result<Element, Broken> {
        let start = self.cursor.spot();
        self.raw.clear();
        let (mut length, mut depth, mut in_text, mut escaped) = (0_u64, 0_u64, false, false);
        let (mut has_breaks, mut torn) = (false, None);
        loop {
            let Some(byte) = self.cursor.peek()? else {
                let within = depth > 0 || in_text;
                let torn = Flaw::at(start, "not JSON: the list ends within the job that begins here");
                return Err(if within { torn.into() } else { self.broken(NEVER_CLOSED) });
            };
            match byte {
                b'\n' | b'\r' if in_text => torn = torn.or_else(|| Some(self.cursor.spot())),
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b',' | b']' if depth == 0 => break,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'\n' | b'\r' => has_breaks = true,
                _ => {}
            }
            if self.raw.len() < self.max_line {
                self.raw.push(byte);
            }
            length += 1;
            self.cursor.pass(byte);
        }
        if length == 0 {
            return Err(self.broken("not JSON: expected a job"));
        }
        Ok(Element { start, length, has_breaks, torn })
    }

    fn text(&self, element: Element) -> Text<'_> {
        if element.length > self.raw.len() as u64 {
            return Text::Cut(Flaw::too_long("job", element.start, element.length, self.max_line));
        }
        if let Some(spot) = element.torn {
            return Text::Bad(vec![Flaw::at(spot, "not JSON: a line break inside a text; write \\n")]);
        }
        Text::Same(if element.has_breaks { &self.flat } else { &self.raw })
    }
}
