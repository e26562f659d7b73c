//! The form of `jobs.idx`: a header, rows, extras, and the classes as JSON.

use std::{fs::File, io, os::unix::fs::FileExt};

use batchmill_core::{Priority, Tenant};
use xxhash_rust::xxh3::Xxh3;

use super::{
    extras,
    row::{self, long, word},
};

/// Bytes of the header.
pub(super) const HEADER: usize = 64;

/// How the file begins; the last byte is the version of its form.
const MAGIC: [u8; 8] = *b"bmjobs\0\x01";

/// What many jobs have in common.
pub(super) type Class = (Tenant, Priority);

/// What the header says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) rows: u32,
    pub(super) extras: u32,
    /// Bytes of the classes.
    pub(super) tail: u32,
    /// Whether lines are read from a copy, and whether every line is an input.
    pub(super) flags: u32,
    /// The hash of all that follows.
    pub(super) hash: u64,
}

impl Header {
    pub(super) fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.rows.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.extras.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.tail.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.flags.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.hash.to_le_bytes());
        bytes
    }

    /// Reads and checks the header, and that everything behind it is there as it was written.
    pub(super) fn read(file: &File) -> io::Result<Self> {
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, 0).map_err(|_| damaged("it is cut off"))?;
        if bytes[..7] != MAGIC[..7] {
            return Err(damaged("it is no index of jobs"));
        }
        if bytes[7] != MAGIC[7] {
            return Err(damaged("a newer Batchmill wrote it"));
        }
        let header = Self {
            rows: word(&bytes, 8),
            extras: word(&bytes, 12),
            tail: word(&bytes, 16),
            flags: word(&bytes, 20),
            hash: long(&bytes, 24),
        };
        if file.metadata()?.len() != header.tail_at() + u64::from(header.tail) {
            return Err(damaged("it has not the length that it says"));
        }
        if hash(file)? != header.hash {
            return Err(damaged("its content is not what was written"));
        }
        Ok(header)
    }

    pub(super) fn row_at(row: u32) -> u64 {
        HEADER as u64 + u64::from(row) * row::SIZE as u64
    }

    /// Where entry number `number` (from 0) of the extras is.
    pub(super) fn extras_at(self, number: u32) -> u64 {
        Self::row_at(self.rows) + u64::from(number) * extras::SIZE as u64
    }

    fn tail_at(self) -> u64 {
        self.extras_at(self.extras)
    }

    /// The classes, by their places.
    pub(super) fn classes(self, file: &File) -> io::Result<Vec<Class>> {
        let mut tail = vec![0; self.tail as usize];
        file.read_exact_at(&mut tail, self.tail_at())?;
        let classes: Vec<(String, u8)> = serde_json::from_slice(&tail)?;
        let class = |(tenant, priority): (String, u8)| {
            let tenant = Tenant::new(&tenant).map_err(|error| damaged(&error.to_string()))?;
            Ok((tenant, Priority(priority)))
        };
        classes.into_iter().map(class).collect()
    }
}

/// The classes as they are kept.
pub(super) fn tail(classes: &[Class]) -> io::Result<Vec<u8>> {
    let classes: Vec<(&str, u8)> = classes.iter().map(|(tenant, priority)| (tenant.as_str(), priority.0)).collect();
    Ok(serde_json::to_vec(&classes)?)
}

/// The hash of everything behind the header.
fn hash(file: &File) -> io::Result<u64> {
    let (mut hash, mut buffer, mut at) = (Xxh3::new(), vec![0; 1 << 18], HEADER as u64);
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(hash.digest()),
            Ok(read) => {
                hash.update(&buffer[..read]);
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
