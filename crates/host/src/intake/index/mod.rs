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

/// So far apart two rows may be and still count as one after the other: several slots ask in nearly this order.
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

/// Rows that were read last. It moves on with those who ask for one after the other, and to where they begin: first the keys
/// of all jobs are read, then the jobs are started.
#[derive(Debug, Default)]
struct Block {
    first: u32,
    rows: Vec<u8>,
    /// The row that was not in it last.
    missed: u32,
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
        if block.has(row) {
            return Ok(block.get(row));
        }
        let goes_on = row.checked_sub(block.end()).is_some_and(|ahead| ahead <= NEAR);
        let begins = row.abs_diff(block.missed) <= NEAR;
        block.missed = row;
        if !goes_on && !begins {
            drop(block);
            return self.read(row, 1).map(|bytes| Row::decode(&bytes));
        }
        let first = row.saturating_sub(NEAR);
        block.rows = self.read(first, BLOCK.min(self.header.rows - first))?;
        block.first = first;
        Ok(block.get(row))
    }

    /// How many jobs from this one on have the keys that it has, as far as they are at hand: this one at least.
    pub(crate) fn alike(&self, row: u32, most: u32) -> u32 {
        let block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if !block.has(row) {
            return 1;
        }
        let first = block.get(row);
        let until = row.saturating_add(most).min(block.end());
        let others = (row + 1..until).map(|row| block.get(row));
        // Extras are each one's own.
        let same = others.take_while(|other| first.extras == 0 && other.extras == 0 && other.class == first.class);
        1 + u32::try_from(same.count()).expect("no more rows than there are")
    }

    /// What stands for the keys of a job, where others may have the same.
    pub(crate) fn kind(&self, row: u32) -> Option<u32> {
        // Extras are each one's own.
        self.row(row).ok().filter(|row| row.extras == 0).map(|row| row.class)
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

    fn has(&self, row: u32) -> bool {
        (self.first..self.end()).contains(&row)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{line, spool::Scratch};

    fn index(rows: u32) -> Index {
        let mut writer = IndexWriter::create(&Scratch::default()).unwrap();
        let (bytes, defaults) = (b"{}", Defaults::default());
        let line = line::parse(bytes, false).unwrap();
        for row in 0..rows {
            writer.add(u64::from(row) + 1, u64::from(row) * 3, bytes, &line, &defaults).unwrap();
        }
        writer.finish(0).unwrap()
    }

    /// How often the file is read for these rows, each of which must be right.
    fn reads(index: &Index, rows: impl Iterator<Item = u32>) -> usize {
        let is_read = |row| {
            let is_known = index.block.lock().unwrap().has(row);
            assert_eq!(index.row(row).unwrap().number, row + 1);
            !is_known
        };
        rows.filter(|row| is_read(*row)).count()
    }

    #[test]
    fn rows_that_are_asked_for_again_from_the_first_on_are_read_in_blocks_again() {
        let index = index(20_000);
        // All keys, before anything starts.
        assert!(reads(&index, 0..20_000) < 50);
        // Then as slots ask: nearly in order, and once more.
        let nearly = |row: u32| if row % 16 < 8 { row + 8 } else { row - 8 };
        for _ in 0..2 {
            let read = reads(&index, (0..20_000).map(nearly));
            assert!(read < 60, "{read} reads of blocks");
        }
    }

    #[test]
    fn rows_far_apart_are_read_one_by_one() {
        let index = index(20_000);
        reads(&index, 0..600);
        let far = (0..100).map(|step| step * 7919 % 20_000);
        assert!(reads(&index, far) > 90);
        assert!(index.block.lock().unwrap().has(599), "and leave the block to those who go on");
    }
}
