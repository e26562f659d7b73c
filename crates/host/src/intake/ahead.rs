//! Lines that are asked for one after the other are read many at once: a call of the system for each costs more than all
//! else that reads it.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Mutex, PoisonError},
};

/// What is read at once.
const BLOCK: usize = 32 * 1024;

/// So far apart two lines may be and still count as one after the other: several slots ask in nearly this order.
const NEAR: u64 = 4096;

/// So many lines in a row are read by themselves. Whoever has few jobs, or slow ones, so reads each line when its job starts,
/// and sees a file that is edited meanwhile.
const STREAK: u32 = 64;

/// What was read last, and what tells whether to read on.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<Block>);

#[derive(Debug, Default)]
struct Block {
    first: u64,
    bytes: Vec<u8>,
    /// Where the last line was that was not in it, and how many were in a row by then.
    missed: u64,
    streak: u32,
}

impl Ahead {
    /// `length` bytes of `file`, from `offset`.
    pub(super) fn read(&self, file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut block = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = block.get(offset, length) {
            return Ok(bytes.to_vec());
        }
        let is_next = [block.end(), block.missed].iter().any(|at| offset.abs_diff(*at) <= NEAR);
        (block.missed, block.streak) = (offset, if is_next { block.streak.saturating_add(1) } else { 0 });
        if block.streak >= STREAK && length <= BLOCK / 2 {
            block.fill(file, offset.saturating_sub(NEAR))?;
            if let Some(bytes) = block.get(offset, length) {
                return Ok(bytes.to_vec());
            }
        }
        drop(block);
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

impl Block {
    fn end(&self) -> u64 {
        self.first + self.bytes.len() as u64
    }

    fn get(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.first)?).ok()?;
        self.bytes.get(from..from.checked_add(length)?)
    }

    /// Reads what is there from `first` on.
    fn fill(&mut self, file: &File, first: u64) -> io::Result<()> {
        self.first = first;
        self.bytes.resize(BLOCK, 0);
        let mut filled = 0;
        while filled < BLOCK {
            match file.read_at(&mut self.bytes[filled..], first + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.bytes.clear();
                    return Err(error);
                }
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Bytes that tell their place.
    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn what_is_read_is_what_is_there_in_any_order() {
        let bytes = content(300_000);
        let (file, ahead) = (file(&bytes), Ahead::default());
        let mut lines: Vec<(usize, usize)> = (0..3000).map(|line| (line * 100, 1 + line % 100)).collect();
        // Nearly in order, then from the end, then one that is larger than a block.
        lines.chunks_mut(5).for_each(<[_]>::reverse);
        let backwards: Vec<_> = lines.iter().rev().copied().collect();
        for (offset, length) in lines.into_iter().chain(backwards).chain([(1000, 100_000), (0, 0)]) {
            assert_eq!(
                ahead.read(&file, offset as u64, length).unwrap(),
                bytes[offset..offset + length],
                "at {offset}"
            );
        }
    }

    #[test]
    fn lines_in_a_row_are_read_many_at_once_and_the_first_ones_by_themselves() {
        let (file, ahead) = (file(&content(100_000)), Ahead::default());
        let read = |line: u64| ahead.read(&file, line * 100, 100).unwrap();
        (0..u64::from(STREAK) - 1).for_each(|line| drop(read(line)));
        assert_eq!(ahead.0.lock().unwrap().bytes.len(), 0);
        (u64::from(STREAK)..100).for_each(|line| drop(read(line)));
        assert_eq!(ahead.0.lock().unwrap().bytes.len(), BLOCK);
        let first = ahead.0.lock().unwrap().first;
        read(100);
        assert_eq!(ahead.0.lock().unwrap().first, first, "it was there");
    }

    #[test]
    fn what_is_cut_off_is_an_error_as_before() {
        let (file, ahead) = (file(&content(10_050)), Ahead::default());
        for line in 0..100 {
            ahead.read(&file, line * 100, 100).unwrap();
        }
        assert_eq!(ahead.read(&file, 10_000, 100).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(ahead.read(&file, 10_000, 50).unwrap().len(), 50);
    }
}
