//! Where each job is, and its keys: a small row a job, in a file, so that a queued job costs no memory here.
//!
//! The file (`jobs.idx` in the folder of a batch) is what a resume compares the jobs with, so its hashes are the same in
//! every build.

mod extras;
mod file;
mod find;
mod row;
mod writer;

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Mutex, PoisonError},
};

use batchmill_core::{JobKeys, Priority, Tenant};
use xxhash_rust::xxh3::xxh3_64;

use super::numbers::Numbers;

use self::{
    extras::Extras,
    file::{Class, Header},
};
pub(crate) use self::{
    row::Row,
    writer::{IndexWriter, NotAdded},
};

/// Lines are those of a copy.
pub(crate) const SPOOLED: u32 = 1;
/// Every line is an input, whatever its names.
pub(crate) const INPUT_IS_LINE: u32 = 2;

/// Rows that are read at once where they are asked for one after the other.
const BLOCK: u32 = 512;

/// So far behind the last block a row may be and still count as the next one: several slots ask in nearly this order.
const NEAR: u32 = 64;

/// What a job has that does not say it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    pub(crate) priority: Priority,
    pub(crate) tenant: Tenant,
}

/// The index cannot number more jobs or lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What is said then.
pub(crate) const FULL: &str = "a batch has at most 4294967295 lines";

/// The jobs of a source.
#[derive(Debug)]
pub(crate) struct Index {
    file: File,
    header: Header,
    classes: Vec<Class>,
    numbers: Numbers,
    block: Mutex<Block>,
}

/// Rows that were read last.
#[derive(Debug, Default)]
struct Block {
    first: u32,
    rows: Vec<u8>,
}

impl Index {
    fn new(file: File, header: Header, classes: Vec<Class>, numbers: Numbers) -> Self {
        Self { file, header, classes, numbers, block: Mutex::default() }
    }

    /// Opens an index that was kept. An error of the kind `InvalidData` says what is wrong with it.
    pub(crate) fn open(file: File) -> io::Result<Self> {
        let header = Header::read(&file)?;
        let classes = header.classes(&file)?;
        Ok(Self::new(file, header, classes, Numbers::default()))
    }

    /// How many jobs there are.
    pub(crate) fn len(&self) -> u32 {
        self.header.rows
    }

    /// What was said when it was finished.
    pub(crate) fn has(&self, flag: u32) -> bool {
        self.header.flags & flag != 0
    }

    pub(crate) fn flags(&self) -> u32 {
        self.header.flags
    }

    /// The file that it is.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Names the jobs as a whole.
    pub(crate) fn content(&self) -> String {
        format!("xxh3:{:016x}", self.header.hash)
    }

    /// A job.
    pub(crate) fn row(&self, row: u32) -> io::Result<Row> {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        let end = block.end();
        if (block.first..end).contains(&row) {
            return Ok(block.get(row));
        }
        if row < end || row - end > NEAR {
            drop(block);
            return self.read(row, 1).map(|bytes| Row::decode(&bytes));
        }
        block.rows = self.read(end, BLOCK.min(self.header.rows - end))?;
        block.first = end;
        Ok(block.get(row))
    }

    fn read(&self, first: u32, rows: u32) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; rows as usize * row::SIZE];
        self.file.read_exact_at(&mut bytes, Header::row_at(first))?;
        Ok(bytes)
    }

    /// All jobs in their order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = io::Result<Row>> {
        let blocks = (0..self.header.rows.div_ceil(BLOCK)).map(|block| block * BLOCK);
        blocks.flat_map(|first| match self.read(first, BLOCK.min(self.header.rows - first)) {
            Ok(bytes) => bytes.chunks_exact(row::SIZE).map(|bytes| Ok(Row::decode(bytes))).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }

    /// The keys of a job.
    pub(crate) fn keys(&self, row: &Row) -> io::Result<JobKeys> {
        let mut keys = JobKeys::default();
        (keys.tenant, keys.priority) = self.class(row);
        if let Some(extras) = self.extras(row)? {
            extras.put_into(&mut keys);
        }
        Ok(keys)
    }

    fn class(&self, row: &Row) -> Class {
        self.classes.get(row.class as usize).cloned().unwrap_or_default()
    }

    fn extras(&self, row: &Row) -> io::Result<Option<Extras>> {
        let Some(number) = row.extras.checked_sub(1) else { return Ok(None) };
        let mut bytes = [0; extras::SIZE];
        self.file.read_exact_at(&mut bytes, self.header.extras_at(number))?;
        Ok(Some(Extras::decode(&bytes)))
    }

    /// The row of the job with this number, of an index that was written just now.
    pub(crate) fn numbered(&self, number: u32) -> Option<u32> {
        self.numbers.row(number)
    }

    /// Lets go of what only looking for duplicates needed.
    pub(crate) fn forget_numbers(&mut self) {
        self.numbers = Numbers::default();
    }
}

impl Block {
    fn end(&self) -> u32 {
        // At most BLOCK rows.
        #[expect(clippy::cast_possible_truncation)]
        let rows = (self.rows.len() / row::SIZE) as u32;
        self.first + rows
    }

    fn get(&self, row: u32) -> Row {
        let at = (row - self.first) as usize * row::SIZE;
        Row::decode(&self.rows[at..at + row::SIZE])
    }
}

/// The hash that tells a changed line: the same in every build.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}
