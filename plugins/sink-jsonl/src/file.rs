//! JSON Lines in a file that holds whole lines only.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use batchmill_core::{BatchId, BuildContext, BuildError, JobResult, ResultSink, SinkError};

use crate::{Options, lines::encode, offload::Offloaded};

/// Writes results to a file.
///
/// A call that fails half way is cut off again, so that the file holds whole lines, each result once, and the same call can
/// be repeated. `flush` answers when the data is on the disk.
///
/// Needs a tokio runtime: the file is written to on its blocking threads.
pub struct JsonLinesFile {
    path: PathBuf,
    file: Offloaded<Whole<File>>,
}

impl JsonLinesFile {
    /// Opens the file, and makes it if it is not there. Nothing is written, or emptied, before the first call.
    pub fn open(options: &Options, context: &BuildContext) -> Result<Self, BuildError> {
        let path = context.directory.join(&options.path);
        let failed = |error: io::Error| BuildError::Environment {
            message: format!("cannot open {} for results: {error}", path.display()),
            source: Some(Box::new(error)),
        };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let is_regular = metadata.is_file();
        if is_regular && metadata.len() > 0 && !options.overwrite {
            return Err(BuildError::environment(format!(
                "{} exists and is not empty: name another file, remove it, or set `overwrite = true`",
                path.display()
            )));
        }
        let end = if options.overwrite { None } else { Some(0) };
        let file = Offloaded::new(Whole { medium: file, place: path.display().to_string(), end, is_regular });
        Ok(Self { path, file })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for JsonLinesFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl ResultSink for JsonLinesFile {
    async fn write(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        let lines = encode(batch, results)?;
        self.file.run(move |file| file.append(&lines)).await
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.file.run(Whole::sync).await
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.flush().await
    }
}

/// What a file can do, and a test can do in its place.
trait Medium: Write + Seek {
    fn cut(&mut self, length: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A file of whole lines.
struct Whole<M> {
    medium: M,
    place: String,
    /// Where the last whole line ends; `None` where the first call has to empty the file.
    end: Option<u64>,
    /// A terminal, a pipe or `/dev/null` can neither be cut nor synced.
    is_regular: bool,
}

impl<M: Medium> Whole<M> {
    fn append(&mut self, lines: &[u8]) -> Result<(), SinkError> {
        let end = self.begin()?;
        match self.medium.write_all(lines) {
            Ok(()) => {
                self.end = Some(end + lines.len() as u64);
                Ok(())
            }
            Err(error) => Err(self.cut_back(end, SinkError::io(&self.place, error))),
        }
    }

    /// After `error`: the call can only be repeated if nothing of it is left in the file.
    fn cut_back(&mut self, end: u64, mut error: SinkError) -> SinkError {
        if !self.is_regular {
            // A device or a pipe: there is nothing to cut, and nothing to say about that.
            error.temporary = false;
            error.message.push_str("; its last line may be incomplete");
        } else if let Err(cut) = self.cut_to(end) {
            error.temporary = false;
            error.message = format!("{}; its last line may be incomplete: {cut}", error.message);
        }
        error
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        self.begin()?;
        let synced = if self.is_regular { self.medium.sync() } else { self.medium.flush() };
        // A disk may forget what a failed sync was about: asking again would answer for nothing.
        synced.map_err(|error| {
            let mut error = SinkError::io(&self.place, error);
            error.temporary = false;
            error
        })
    }

    /// The end of the last whole line; empties a file that is to be overwritten.
    fn begin(&mut self) -> Result<u64, SinkError> {
        if let Some(end) = self.end {
            return Ok(end);
        }
        if self.is_regular {
            self.cut_to(0).map_err(|error| SinkError::io(&self.place, error))?;
        }
        self.end = Some(0);
        Ok(0)
    }

    fn cut_to(&mut self, length: u64) -> io::Result<()> {
        self.medium.cut(length)?;
        self.medium.seek(SeekFrom::Start(length)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk in memory with `room` bytes.
    struct SmallDisk {
        bytes: io::Cursor<Vec<u8>>,
        room: usize,
        cuts: bool,
    }

    impl SmallDisk {
        fn whole(room: usize, cuts: bool) -> Whole<Self> {
            let medium = Self { bytes: io::Cursor::new(b"old".to_vec()), room, cuts };
            Whole { medium, place: "results.jsonl".to_owned(), end: None, is_regular: true }
        }
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let free = self.room - self.bytes.get_ref().len().min(self.room);
            match bytes.len().min(free) {
                0 => Err(io::ErrorKind::StorageFull.into()),
                count => self.bytes.write(&bytes[..count]),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for SmallDisk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.bytes.seek(to)
        }
    }

    impl Medium for SmallDisk {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            if length > 0 && !self.cuts {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            self.bytes.get_mut().truncate(usize::try_from(length).unwrap());
            Ok(())
        }
        fn sync(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn a_call_that_finds_no_room_is_cut_off_and_can_be_repeated() {
        let mut file = SmallDisk::whole(20, true);
        file.append(b"1234567\n").unwrap();
        let error = file.append(b"abcdefgh\nijklmnop\n").unwrap_err();
        assert!(error.temporary, "{error:?}");
        assert_eq!(file.medium.bytes.get_ref(), b"1234567\n", "no half line, and no line of a call that failed");
        file.medium.room = 100;
        file.append(b"abcdefgh\nijklmnop\n").unwrap();
        assert_eq!(file.medium.bytes.get_ref(), b"1234567\nabcdefgh\nijklmnop\n");
    }

    #[test]
    fn a_half_line_that_stays_is_told_and_the_call_not_repeated() {
        let mut file = SmallDisk::whole(10, false);
        file.append(b"1234567\n").unwrap();
        let error = file.append(b"abcdefgh\n").unwrap_err();
        assert!(!error.temporary, "{error:?}");
        assert!(error.message.contains("its last line may be incomplete"), "{error}");
    }

    #[test]
    fn a_failed_sync_is_never_temporary() {
        assert!(!SmallDisk::whole(10, true).sync().unwrap_err().temporary);
    }
}
