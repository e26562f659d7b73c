//! Copies on disk of what can be read only once, or in another format.

use std::{
    env,
    fs::{self, File},
    io::{self, BufWriter, Seek, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, linkat};

use crate::problems::Refusal;

/// Where files without a name are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch {
    folder: Option<PathBuf>,
}

impl Scratch {
    /// On the disk where `folder` is or will be, so that they can get a name in it.
    pub(crate) fn beside(folder: &Path) -> Self {
        let folder = std::path::absolute(folder).ok();
        let existing = folder.as_deref().and_then(|folder| folder.ancestors().find(|folder| folder.is_dir()));
        Self { folder: existing.map(Path::to_owned) }
    }

    /// A file that goes when the program does, however it ends.
    pub(crate) fn file(&self) -> io::Result<File> {
        match &self.folder {
            // What may not be written to is said later, by whoever needs it for good.
            Some(folder) => tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile()),
            None => tempfile::tempfile(),
        }
    }

    /// No room on the disk is a failure of storage, not of the jobs.
    pub(crate) fn refusal(&self, name: &str, error: &io::Error) -> Refusal {
        match &self.folder {
            Some(folder) => Refusal::storage(format!("{name}: could not be copied to {}: {error}", folder.display())),
            None => Refusal::storage(format!(
                "{name}: could not be copied to {}: {error}; TMPDIR chooses another folder",
                env::temp_dir().display()
            )),
        }
    }
}

/// Gives a file without a name one, in the place of what has it now; with `sync` it is on disk then. The folder's own
/// sync is the caller's.
pub(crate) fn name(file: &File, path: &Path, sync: bool) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let new = PathBuf::from(new);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if sync {
        file.sync_all()?;
    }
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    if linkat(CWD, &link, CWD, &new, AtFlags::SYMLINK_FOLLOW).is_err() {
        // A file system without nameless files, or another one.
        copy(file, &new, sync)?;
    }
    fs::rename(&new, path)
}

fn copy(file: &File, path: &Path, sync: bool) -> io::Result<()> {
    let (mut from, mut to) = (file.try_clone()?, File::create_new(path)?);
    from.rewind()?;
    io::copy(&mut from, &mut to)?;
    if sync { to.sync_all() } else { Ok(()) }
}

/// Lines in a file without a name.
#[derive(Debug)]
pub(crate) struct Spool<W: Write = File> {
    writer: BufWriter<W>,
    length: u64,
}

impl Spool {
    pub(crate) fn create(scratch: &Scratch) -> io::Result<Self> {
        Ok(Self::to(scratch.file()?))
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
    fn a_file_without_a_name_gets_one_and_takes_the_place_of_what_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.jsonl");
        for content in ["one", "two"] {
            let mut file = Scratch::beside(&folder.path().join("not/there/yet")).file().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            name(&file, &path, true).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"three").unwrap();
        fs::remove_file(&path).unwrap();
        copy(&file, &path, true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_full_disk_is_seen_at_the_latest_at_the_end() {
        let mut spool = Spool::to(Disk(3));
        assert_eq!((spool.add(b"ab").unwrap(), spool.add(b"c").unwrap()), (0, 3), "still in memory");
        assert_eq!(spool.finish().map(drop).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(Spool::to(Disk(5)).finish().is_ok());
    }
}
