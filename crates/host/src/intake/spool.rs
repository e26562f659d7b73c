//! Copies on disk of what can be read only once, or in another format.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use crate::problems::Refusal;

/// Lines in a file without a name, which goes when the program does, however it ends.
#[derive(Debug)]
pub(crate) struct Spool<W: Write = File> {
    writer: BufWriter<W>,
    length: u64,
}

impl Spool {
    pub(crate) fn create() -> io::Result<Self> {
        Ok(Self::to(tempfile::tempfile()?))
    }
}

impl<W: Write> Spool<W> {
    fn to(writer: W) -> Self {
        Self { writer: BufWriter::with_capacity(256 * 1024, writer), length: 0 }
    }

    /// Adds a line, and answers where it starts.
    pub(crate) fn add(&mut self, line: &[u8]) -> io::Result<u64> {
        let start = self.length;
        self.writer.write_all(line)?;
        self.writer.write_all(b"\n")?;
        self.length += line.len() as u64 + 1;
        Ok(start)
    }

    /// The file with all that was added.
    pub(crate) fn finish(self) -> io::Result<W> {
        self.writer.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// No room on the disk is a failure of storage, not of the jobs.
pub(crate) fn cannot_spool(name: &str, error: &io::Error) -> Refusal {
    let folder = std::env::temp_dir();
    Refusal::storage(format!(
        "{name}: could not be copied to {}: {error}; TMPDIR chooses another folder",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so many bytes left.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_seen_at_the_latest_at_the_end() {
        let mut spool = Spool::to(Disk(3));
        assert_eq!((spool.add(b"ab").unwrap(), spool.add(b"c").unwrap()), (0, 3), "still in memory");
        assert_eq!(spool.finish().map(drop).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(Spool::to(Disk(5)).finish().is_ok());
    }
}
