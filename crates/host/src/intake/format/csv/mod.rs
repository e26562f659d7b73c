//! `FILE.csv`: a header that names the columns, and a job a record.

mod columns;
mod records;

use std::io::{self, BufRead};

use batchmill_core::{JobId, Priority, Tenant};
use serde_json::Value;

pub(crate) use columns::Columns;

use self::{
    columns::Header,
    records::{Cell, Cells},
};
use crate::intake::{
    cursor::without_mark,
    record::{Broken, Flaw, Record, Records, Text},
};

/// The jobs of a CSV file. Blank lines are no records; the number of a record is that of the job.
#[derive(Debug)]
pub(crate) struct Csv<R> {
    cells: Cells<R>,
    columns: Columns,
    /// `None` until it was read.
    header: Option<Header>,
    number: u64,
    made: Vec<u8>,
}

/// Reads the CSV in `reader`. A byte order mark, as spreadsheets write it, is no part of the first name.
pub(crate) fn csv(reader: impl BufRead, columns: Columns, max_line: usize) -> io::Result<Csv<impl BufRead>> {
    let (reader, _) = without_mark(reader)?;
    let cells = Cells::new(reader, columns.delimiter, max_line);
    Ok(Csv { cells, columns, header: None, number: 0, made: Vec::new() })
}

impl<R: BufRead> Records for Csv<R> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Broken> {
        if self.header.is_none() {
            self.header = Some(self.read_header()?);
        }
        let (true, Some(header)) = (self.cells.read()?, &self.header) else { return Ok(None) };
        self.number += 1;
        let text = if let Some(flaw) = self.cells.too_long("record") {
            Text::Cut(flaw)
        } else {
            match self.cells.sound().and_then(|()| job(&self.cells, header, &mut self.made)) {
                Ok(()) => Text::Made(&self.made),
                Err(flaws) => Text::Bad(flaws),
            }
        };
        Ok(Some(Record { number: self.number, start: self.cells.start(), offset: 0, raw: self.cells.raw(), text }))
    }
}

impl<R: BufRead> Csv<R> {
    fn read_header(&mut self) -> Result<Header, Broken> {
        if !self.cells.read()? {
            return Err(Flaw::whole("is empty; the first record of a CSV file names its columns").into());
        }
        if let Some(flaw) = self.cells.too_long("header") {
            return Err(flaw.into());
        }
        self.cells.sound().map_err(Broken::Flaws)?;
        Header::of(&self.cells, &self.columns).map_err(Broken::Flaws)
    }
}

#[cfg(test)]
impl<R> Csv<R> {
    /// How much memory is held.
    pub(super) fn kept(&self) -> usize {
        self.cells.kept() + self.made.capacity()
    }
}

/// Writes the JSON of a record's job: every column is a text of its input.
fn job<R>(cells: &Cells<R>, header: &Header, made: &mut Vec<u8>) -> Result<(), Vec<Flaw>> {
    if cells.len() != header.names.len() {
        let fields = |count: usize| if count == 1 { "1 field".to_owned() } else { format!("{count} fields") };
        let message = format!("the record has {}, the header has {}", fields(cells.len()), fields(header.names.len()));
        return Err(vec![Flaw::of(cells.start(), message)]);
    }
    let mut flaws = Vec::new();
    made.clear();
    made.push(b'{');
    keys(cells, header, made, &mut flaws);
    made.extend_from_slice(b"\"input\":{");
    for (number, (cell, name)) in cells.iter().zip(&header.names).enumerate() {
        let Ok(text) = cell.text().map_err(|flaw| flaws.push(flaw)) else { continue };
        if number > 0 {
            made.push(b',');
        }
        made.extend_from_slice(name);
        made.push(b':');
        write(made, text);
    }
    made.extend_from_slice(b"}}");
    if flaws.is_empty() { Ok(()) } else { Err(flaws) }
}

/// What a record says of its job besides the input. An empty cell of priority or tenant says nothing; an id that is
/// empty is a mistake, because the jobs of this file have ids.
fn keys<R>(cells: &Cells<R>, header: &Header, made: &mut Vec<u8>, flaws: &mut Vec<Flaw>) {
    let chosen = |column: Option<usize>| column.map(|column| cells.at(column));
    let bad = |cell: &Cell<'_>, message: String| Flaw::at(cell.start.clone(), message);
    if let Some((cell, Ok(text))) = chosen(header.id).map(with_text) {
        match JobId::new(text) {
            Ok(_) => member(made, "id", text),
            Err(error) => flaws.push(bad(&cell, error.to_string())),
        }
    }
    if let Some((cell, Ok(text))) = chosen(header.priority).map(with_text).filter(|(_, text)| *text != Ok("")) {
        let value = text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from);
        match Priority::try_from(&value) {
            Ok(priority) => made.extend_from_slice(format!("\"priority\":{priority},").as_bytes()),
            Err(error) => flaws.push(bad(&cell, error.to_string())),
        }
    }
    if let Some((cell, Ok(text))) = chosen(header.tenant).map(with_text).filter(|(_, text)| *text != Ok("")) {
        match Tenant::new(text) {
            Ok(_) => member(made, "tenant", text),
            Err(error) => flaws.push(bad(&cell, format!("tenant: {error}"))),
        }
    }
}

/// What is no text is told where it is part of the input.
fn with_text(cell: Cell<'_>) -> (Cell<'_>, Result<&str, Flaw>) {
    let text = cell.text();
    (cell, text)
}

fn member(made: &mut Vec<u8>, name: &str, text: &str) {
    write(made, name);
    made.push(b':');
    write(made, text);
    made.push(b',');
}

fn write(made: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(made, text).expect("a text is JSON, and memory takes it");
}
