//! CSV by RFC 4180, with what spreadsheets write besides, one record at a time.
//!
//! Not the `csv` crate, which is made to take what it gets: it has no bound for a record, so that one quote that is never
//! closed reads the rest of the file into memory; it takes that quote, and text behind a closing one, without a word; and it
//! knows no columns. Jobs that are not what their author wrote must not run. Where both take a file, they read the same
//! (tested).

use std::io::BufRead;

use crate::intake::{
    cursor::Cursor,
    record::{Broken, Flaw, Spot},
};

/// Reads records of at most so many bytes.
#[derive(Debug)]
pub(super) struct Cells<R> {
    cursor: Cursor<R>,
    delimiter: u8,
    limit: usize,
    /// The record that was read last.
    start: Spot,
    length: u64,
    raw: Vec<u8>,
    /// The contents of its fields, one behind the other, and where each ends and starts in the file.
    content: Vec<u8>,
    fields: Vec<(usize, Spot)>,
    /// The quote that was opened last.
    quote: Spot,
    flaw: Option<Flaw>,
}

/// One field.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub(super) start: Spot,
    bytes: &'a [u8],
}

impl<'a> Cell<'a> {
    pub(super) fn text(&self) -> Result<&'a str, Flaw> {
        std::str::from_utf8(self.bytes).map_err(|error| {
            let at = error.valid_up_to();
            let message = format!("not UTF-8: byte 0x{:02X} at byte {} of the field", self.bytes[at], at + 1);
            Flaw::at(self.start.clone(), message)
        })
    }
}

/// Where in a field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// Behind a quote that closes, unless another one follows.
    Closed,
}

impl<R> Cells<R> {
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn start(&self) -> Spot {
        self.start.clone()
    }

    /// The record as it stands in the file, without the line break at its end.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    pub(super) fn at(&self, number: usize) -> Cell<'_> {
        let (end, start) = &self.fields[number];
        let begin = number.checked_sub(1).map_or(0, |before| self.fields[before].0);
        Cell { start: start.clone(), bytes: &self.content[begin..*end] }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Cell<'_>> {
        (0..self.len()).map(|number| self.at(number))
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.raw.capacity() + self.content.capacity() + self.fields.capacity() * size_of::<(usize, Spot)>()
    }

    /// What is wrong with a record, called `what`, that was not kept whole.
    pub(super) fn too_long(&self, what: &str) -> Option<Flaw> {
        let is_cut = self.length > self.raw.len() as u64;
        is_cut.then(|| Flaw::too_long(what, self.start(), self.length, self.limit))
    }

    /// Whether the quotes of the record can be understood.
    pub(super) fn sound(&self) -> Result<(), Vec<Flaw>> {
        self.flaw.clone().map_or(Ok(()), |flaw| Err(vec![flaw]))
    }
}

impl<R: BufRead> Cells<R> {
    pub(super) fn new(reader: R, delimiter: u8, limit: usize) -> Self {
        let (cursor, start) = (Cursor::new(reader), Spot::line(1));
        let (raw, content, fields) = (Vec::new(), Vec::new(), Vec::new());
        Self { cursor, delimiter, limit, quote: start.clone(), start, length: 0, raw, content, fields, flaw: None }
    }

    /// Reads the next record that is no blank line; false at the end.
    pub(super) fn read(&mut self) -> Result<bool, Broken> {
        while let Some(byte @ (b'\r' | b'\n')) = self.cursor.peek()? {
            self.cursor.pass(byte);
        }
        if self.cursor.peek()?.is_none() {
            return Ok(false);
        }
        self.begin();
        let mut state = State::Start;
        loop {
            let byte = match (self.cursor.peek()?, state) {
                (None, State::Quoted) => {
                    return Err(Flaw::at(self.quote.clone(), "the quote that opens here is never closed").into());
                }
                (Some(byte), State::Quoted) => byte,
                (None | Some(b'\r' | b'\n'), _) => {
                    self.end_field();
                    return Ok(true);
                }
                (Some(byte), _) => byte,
            };
            state = self.step(state, byte);
            if self.raw.len() < self.limit {
                self.raw.push(byte);
            }
            self.length += 1;
            self.cursor.pass(byte);
            if state == State::Start {
                self.begin_field();
            }
        }
    }

    /// What `byte` does in `state`.
    fn step(&mut self, state: State, byte: u8) -> State {
        match (state, byte) {
            (State::Start, b'"') => {
                self.quote = self.cursor.spot();
                State::Quoted
            }
            (State::Quoted, b'"') => State::Closed,
            (State::Closed, b'"') => self.push(byte, State::Quoted),
            (State::Quoted, _) => self.push(byte, State::Quoted),
            (_, byte) if byte == self.delimiter => {
                self.end_field();
                State::Start
            }
            (State::Closed, _) => {
                let message = "text behind a closing quote; a quote in a quoted field is written twice";
                let spot = self.cursor.spot();
                self.flaw.get_or_insert_with(|| Flaw::at(spot, message));
                self.push(byte, State::Plain)
            }
            (_, _) => self.push(byte, State::Plain),
        }
    }

    fn push(&mut self, byte: u8, state: State) -> State {
        if self.content.len() < self.limit {
            self.content.push(byte);
        }
        state
    }

    fn begin(&mut self) {
        self.raw.clear();
        self.content.clear();
        self.fields.clear();
        (self.length, self.flaw, self.start) = (0, None, self.cursor.spot());
        self.begin_field();
    }

    /// Beyond the limit no field is kept: the record is refused anyway.
    fn begin_field(&mut self) {
        if self.length <= self.limit as u64 {
            self.fields.push((self.content.len(), self.cursor.spot()));
        }
    }

    fn end_field(&mut self) {
        if let Some((end, _)) = self.fields.last_mut() {
            *end = self.content.len();
        }
    }
}
