//! Writes an index row by row.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Read, Seek, Write},
    os::unix::fs::FileExt,
};

use xxhash_rust::xxh3::Xxh3;

use super::{
    Defaults, Full, Index,
    extras::Extras,
    file::{self, Class, HEADER, Header},
    hash,
    row::{CLASS, Row},
};
use crate::intake::{line::Line, numbers::Numbers, spool::Scratch};

/// How much is written at once.
const BUFFER: usize = 256 * 1024;

/// An index in the making. It is a file without a name, which goes when the program does, until somebody names it.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    rows: BufWriter<File>,
    extras: Option<BufWriter<File>>,
    header: Header,
    content: HashOf,
    numbers: Numbers,
    classes: Vec<Class>,
    places: HashMap<Class, u32>,
    scratch: Scratch,
}

/// A hash in the making.
struct HashOf(Xxh3);

impl std::fmt::Debug for HashOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashOf")
    }
}

/// Why a row was not added.
#[derive(Debug)]
pub(crate) enum NotAdded {
    Full,
    Io(io::Error),
}

impl From<Full> for NotAdded {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

impl From<io::Error> for NotAdded {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl IndexWriter {
    pub(crate) fn create(scratch: &Scratch) -> io::Result<Self> {
        let mut rows = BufWriter::with_capacity(BUFFER, scratch.file()?);
        rows.write_all(&[0; HEADER])?;
        Ok(Self {
            rows,
            extras: None,
            header: Header::default(),
            content: HashOf(Xxh3::new()),
            numbers: Numbers::default(),
            classes: Vec::new(),
            places: HashMap::new(),
            scratch: scratch.clone(),
        })
    }

    /// Adds the job number `number`, whose line `bytes` is at `offset`; its row.
    pub(crate) fn add(
        &mut self,
        number: u64,
        offset: u64,
        bytes: &[u8],
        line: &Line,
        defaults: &Defaults,
    ) -> Result<u32, NotAdded> {
        let length = u32::try_from(bytes.len()).map_err(|_| Full)?;
        let number = u32::try_from(number).map_err(|_| Full)?;
        let tenant = line.tenant.as_ref().unwrap_or(&defaults.tenant);
        let class = self.class((tenant.clone(), line.priority.unwrap_or(defaults.priority)))?;
        let extras = self.add_extras(Extras::of(line))?;
        let id = match &line.id {
            Some(id) => hash(id.as_str().as_bytes()),
            None => hash(number.to_string().as_bytes()),
        };
        let (hash, has_id) = (hash(bytes), line.id.is_some());
        let row = self.push(Row { offset, hash, id, length, number, class, extras, has_id, is_gone: false })?;
        self.numbers.push(number);
        Ok(row)
    }

    /// Adds a row of another index as it is, with the keys that it has there. Its number need not be larger than those
    /// before, so it cannot be looked for by it.
    pub(crate) fn copy(&mut self, from: &Index, row: Row) -> Result<u32, NotAdded> {
        let class = self.class(from.class(&row))?;
        let extras = self.add_extras(from.extras(&row)?)?;
        self.push(Row { class, extras, ..row })
    }

    fn push(&mut self, row: Row) -> Result<u32, NotAdded> {
        let place = self.header.rows;
        self.header.rows = place.checked_add(1).ok_or(Full)?;
        let bytes = row.encode();
        self.content.0.update(&bytes);
        self.rows.write_all(&bytes)?;
        Ok(place)
    }

    fn add_extras(&mut self, extras: Option<Extras>) -> Result<u32, NotAdded> {
        let Some(extras) = extras else { return Ok(0) };
        let file = match &mut self.extras {
            Some(file) => file,
            none => none.insert(BufWriter::with_capacity(BUFFER, self.scratch.file()?)),
        };
        file.write_all(&extras.encode())?;
        self.header.extras += 1;
        Ok(self.header.extras)
    }

    /// Each class is kept once.
    fn class(&mut self, class: Class) -> Result<u32, Full> {
        if let Some(place) = self.places.get(&class) {
            return Ok(*place);
        }
        let place = u32::try_from(self.classes.len()).ok().filter(|place| *place <= CLASS).ok_or(Full)?;
        self.classes.push(class.clone());
        self.places.insert(class, place);
        Ok(place)
    }

    /// How many jobs there are so far.
    pub(crate) fn len(&self) -> u32 {
        self.header.rows
    }

    /// The number of a row that was added.
    pub(crate) fn number(&self, row: u32) -> u32 {
        self.numbers.of(row)
    }

    /// Nothing more is added.
    pub(crate) fn finish(mut self, flags: u32) -> io::Result<Index> {
        if let Some(extras) = self.extras.take() {
            let mut extras = extras.into_inner().map_err(io::IntoInnerError::into_error)?;
            extras.rewind()?;
            let mut buffer = vec![0; BUFFER];
            loop {
                let read = extras.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                self.content.0.update(&buffer[..read]);
                self.rows.write_all(&buffer[..read])?;
            }
        }
        let tail = file::tail(&self.classes)?;
        self.content.0.update(&tail);
        self.rows.write_all(&tail)?;
        let file = self.rows.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut header = self.header;
        header.tail = u32::try_from(tail.len()).map_err(io::Error::other)?;
        (header.flags, header.hash) = (flags, self.content.0.digest());
        file.write_all_at(&header.encode(), 0)?;
        Ok(Index::new(file, header, self.classes, self.numbers))
    }
}
