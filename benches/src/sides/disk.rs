//! The disk alone: a file that grows, synced after each small record. Nothing that keeps a promise is faster.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::Instant,
};

use super::{program::at, scratch};
use crate::measure::{Sample, Stopwatch};

/// About what is written of a job.
const RECORD: [u8; 256] = [b'x'; 256];

/// Records a second.
pub(crate) fn rate(records: u32) -> Result<Sample, String> {
    let folder = scratch()?;
    let mut file = open(folder.path())?;
    let stopwatch = Stopwatch::start();
    for _ in 0..records {
        append(&mut file).map_err(at(folder.path()))?;
    }
    stopwatch.rate(records, records.into())
}

/// The median time of one, in nanoseconds.
pub(crate) fn latency(records: u32) -> Result<Sample, String> {
    let folder = scratch()?;
    let mut file = open(folder.path())?;
    let mut times = Vec::with_capacity(records as usize);
    for _ in 0..records {
        let started = Instant::now();
        append(&mut file).map_err(at(folder.path()))?;
        times.push(started.elapsed());
    }
    Ok(Sample::median(times))
}

fn open(folder: &Path) -> Result<File, String> {
    let path = folder.join("records");
    OpenOptions::new().create(true).append(true).open(&path).map_err(at(&path))
}

fn append(file: &mut File) -> io::Result<()> {
    file.write_all(&RECORD)?;
    file.sync_data()
}
