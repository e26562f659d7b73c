//! Tells a file that is as it was without a look at its jobs.

use std::{
    fs::File,
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// The bytes of a source as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    bytes: u64,
    hash: String,
}

impl Fingerprint {
    /// That of a file, read to its end.
    pub(crate) fn of(file: &mut File) -> io::Result<Self> {
        let sum = Sum::default();
        io::copy(&mut sum.over(file), &mut io::sink())?;
        Ok(sum.fingerprint())
    }

    /// Whether a file of this length could have it.
    pub(crate) fn fits(&self, length: u64) -> bool {
        self.bytes == length
    }
}

/// A fingerprint in the making, shared with the reader whose bytes it takes.
#[derive(Clone, Default)]
pub(super) struct Sum(Arc<Mutex<(Xxh3, u64)>>);

impl Sum {
    pub(super) fn over<R>(&self, reader: R) -> Summed<R> {
        Summed { reader, sum: self.clone() }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Fingerprint { bytes: sum.1, hash: format!("xxh3:{:032x}", sum.0.digest128()) }
    }
}

/// A reader whose bytes are summed up as they pass.
pub(super) struct Summed<R> {
    reader: R,
    sum: Sum,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let mut sum = self.sum.0.lock().unwrap_or_else(PoisonError::into_inner);
        sum.0.update(&buffer[..read]);
        sum.1 += read as u64;
        Ok(read)
    }
}
