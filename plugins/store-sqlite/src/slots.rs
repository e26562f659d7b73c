//! Whose job took the host down: which place runs in which slot, in a small file that is never synced.
//!
//! A header (magic, incarnation, whether the host stopped on purpose), then eight bytes a slot: the place and one, or 0.
//! All numbers are little-endian. It survives the end of the process, not a loss of power: then it is older than the
//! incarnation that the database names, and says nothing.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use batchmill_core::{JournalError, StartLog};

use crate::{StoreError, error::At};

/// The file in the folder of a batch.
const FILE: &str = "slots";

const MAGIC: &[u8; 8] = b"bmslots1";
const HEADER: usize = 32;
const STOPPED_AT: u64 = 16;

/// So many slots have their bytes from the beginning: a disk that fills later does not concern them.
const SLOTS: usize = 4096;

/// Slots so near to each other are written with all between them at once: a call of the system costs more than these bytes.
const NEAR: usize = 1024;

/// The start log of a host.
#[derive(Debug)]
pub(crate) struct Slots {
    file: File,
    path: PathBuf,
    /// What the file says of the first slots. Held while it is written, so that no older word comes after a newer one.
    said: Mutex<Vec<u64>>,
    /// The first failure since somebody asked.
    trouble: Mutex<Option<JournalError>>,
}

impl Slots {
    /// An empty file for the host `incarnation`. What the host before it left must have been read.
    pub(crate) fn begin(folder: &Path, incarnation: i64) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let mut bytes = vec![0; HEADER + SLOTS * 8];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&incarnation.to_le_bytes());
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).at(&path)?;
        file.write_all_at(&bytes, 0).at(&path)?;
        Ok(Self { file, path, said: Mutex::new(vec![0; SLOTS]), trouble: Mutex::default() })
    }

    /// Why the last writes failed, once: the next append of the journal tells it.
    pub(crate) fn take_trouble(&self) -> Option<JournalError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Says of slots what runs there.
    fn say(&self, slots: &[(u32, u64)]) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut first, mut last) = (SLOTS, 0);
        for (slot, value) in slots {
            match said.get_mut(*slot as usize) {
                Some(place) => {
                    *place = *value;
                    (first, last) = (first.min(*slot as usize), last.max(*slot as usize));
                }
                None => self.write(at(*slot), &value.to_le_bytes()),
            }
        }
        if first > last {
            return;
        }
        if last - first < NEAR {
            let bytes: Vec<u8> = said[first..=last].iter().flat_map(|value| value.to_le_bytes()).collect();
            self.write(HEADER as u64 + first as u64 * 8, &bytes);
        } else {
            let known = slots.iter().filter(|(slot, _)| (*slot as usize) < SLOTS);
            known.for_each(|(slot, value)| self.write(at(*slot), &value.to_le_bytes()));
        }
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        if let Err(error) = self.file.write_all_at(bytes, at) {
            let told = format!("{}: {error}", self.path.display());
            let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            let trouble = if full { JournalError::full(told) } else { JournalError::new(told) };
            self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
        }
    }
}

impl StartLog for Slots {
    fn started(&self, slot: u32, place: u64) {
        self.say(&[(slot, place.saturating_add(1))]);
    }

    fn started_all(&self, starts: &[(u32, u64)]) {
        let words: Vec<_> = starts.iter().map(|(slot, place)| (*slot, place.saturating_add(1))).collect();
        self.say(&words);
    }

    fn ended(&self, slot: u32) {
        self.say(&[(slot, 0)]);
    }

    fn ended_all(&self, slots: &[u32]) {
        let words: Vec<_> = slots.iter().map(|slot| (*slot, 0)).collect();
        self.say(&words);
    }

    fn stopped(&self) {
        self.write(STOPPED_AT, &1_u64.to_le_bytes());
    }
}

fn at(slot: u32) -> u64 {
    HEADER as u64 + u64::from(slot) * 8
}

/// The places that ran when the host `incarnation` died, unless it stopped on purpose. Each once, in order.
pub(crate) fn left_running(folder: &Path, incarnation: i64) -> Result<Vec<u64>, StoreError> {
    let path = folder.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io(&path, &error)),
    };
    Ok(running_in(&bytes, incarnation))
}

fn running_in(bytes: &[u8], incarnation: i64) -> Vec<u64> {
    let Some((header, slots)) = bytes.split_at_checked(HEADER) else { return Vec::new() };
    let is_of = header[..8] == *MAGIC && header[8..16] == incarnation.to_le_bytes();
    if !is_of || header[16..24] != [0; 8] {
        return Vec::new();
    }
    let (slots, _) = slots.as_chunks::<8>();
    let mut places: Vec<u64> = slots.iter().filter_map(|slot| u64::from_le_bytes(*slot).checked_sub(1)).collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(folder: &Path, incarnation: i64) -> Vec<u64> {
        left_running(folder, incarnation).unwrap()
    }

    #[test]
    fn what_ran_when_the_host_died_is_known_to_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(left(folder.path(), 1), [0_u64; 0], "no file, nothing ran");
        let slots = Slots::begin(folder.path(), 1).unwrap();
        slots.started(0, 7);
        slots.started(1, 0);
        slots.started(2, 9);
        slots.started(0, 8);
        slots.ended(2);
        slots.started(5000, 100);
        assert_eq!(left(folder.path(), 1), [0, 8, 100]);
        assert_eq!(left(folder.path(), 2), [0_u64; 0], "of another host");
    }

    #[test]
    fn starts_that_are_told_together_stand_as_if_told_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::begin(folder.path(), 1).unwrap();
        slots.started(3, 30);
        slots.started_all(&[(5, 50), (1, 10)]);
        assert_eq!(left(folder.path(), 1), [10, 30, 50], "what is between them stays");
        slots.started_all(&[(0, 0), (4095, 1), (4096, 2), (9000, 3)]);
        slots.ended(5);
        assert_eq!(left(folder.path(), 1), [0, 1, 2, 3, 10, 30]);
        slots.started_all(&[]);
        assert_eq!(left(folder.path(), 1), [0, 1, 2, 3, 10, 30]);
        slots.ended_all(&[4096, 3, 4095]);
        assert_eq!(left(folder.path(), 1), [0, 3, 10]);
    }

    #[test]
    fn a_planned_stop_and_a_new_host_leave_nothing_running() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::begin(folder.path(), 1).unwrap();
        slots.started(0, 7);
        slots.stopped();
        assert_eq!(left(folder.path(), 1), [0_u64; 0]);
        Slots::begin(folder.path(), 2).unwrap();
        assert_eq!(left(folder.path(), 2), [0_u64; 0]);
    }

    #[test]
    fn a_file_that_is_cut_off_or_foreign_says_nothing_more_than_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::begin(folder.path(), 1).unwrap();
        slots.started(0, 7);
        slots.started(1, 8);
        let path = folder.path().join(FILE);
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..=48 {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert_eq!(left(folder.path(), 1), [7, 8][..length.saturating_sub(HEADER) / 8]);
        }
        std::fs::write(&path, vec![0xff; 100]).unwrap();
        assert_eq!(left(folder.path(), 1), [0_u64; 0]);
    }

    #[test]
    fn a_failed_write_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut slots = Slots::begin(folder.path(), 1).unwrap();
        slots.file = File::open(folder.path().join(FILE)).unwrap();
        slots.started(0, 7);
        slots.started(0, 8);
        assert!(slots.take_trouble().is_some_and(|trouble| !trouble.full && trouble.message.contains("slots: ")));
        assert!(slots.take_trouble().is_none());
    }
}
