//! A file that holds whole lines only.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
};

use batchmill_core::SinkError;

/// What a file can do, and a test can do in its place.
pub(crate) trait Medium: Write + Seek {
    fn length(&self) -> io::Result<u64>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Where a file of whole lines ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The last whole line ends here.
    At(u64),
    /// The first call empties it.
    ToBeEmptied,
    /// A batch that goes on has not said what of it stays: content is refused.
    NotSaid,
}

/// A file of whole lines.
pub(crate) struct Whole<M> {
    pub(crate) medium: M,
    pub(crate) place: String,
    pub(crate) end: End,
    /// A terminal, a pipe or `/dev/null` can neither be cut nor synced.
    pub(crate) is_regular: bool,
}

/// What is said of a file whose content nobody may touch.
pub(crate) const NOT_EMPTY: &str = "exists and is not empty: name another file, remove it, or set `overwrite = true`";

impl<M: Medium> Whole<M> {
    /// Where the file ends then.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<u64, SinkError> {
        let end = self.begin()?;
        match self.medium.write_all(lines) {
            Ok(()) => {
                let end = end + lines.len() as u64;
                self.end = End::At(end);
                Ok(end)
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

    pub(crate) fn sync(&mut self) -> Result<(), SinkError> {
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
        let failed = |place: &str, error| SinkError::io(place, error);
        match self.end {
            End::At(end) => return Ok(end),
            End::ToBeEmptied if self.is_regular => self.cut_to(0).map_err(|error| failed(&self.place, error))?,
            End::NotSaid if self.is_regular => {
                if self.medium.length().map_err(|error| failed(&self.place, error))? > 0 {
                    return Err(SinkError::permanent(format!("{} {NOT_EMPTY}", self.place)));
                }
            }
            End::ToBeEmptied | End::NotSaid => {}
        }
        self.end = End::At(0);
        Ok(0)
    }

    /// Everything behind is gone, and the next line begins here.
    pub(crate) fn cut_to(&mut self, length: u64) -> io::Result<()> {
        self.medium.cut(length)?;
        self.medium.seek(SeekFrom::Start(length))?;
        self.end = End::At(length);
        Ok(())
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
            Whole { medium, place: "results.jsonl".to_owned(), end: End::ToBeEmptied, is_regular: true }
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
        fn length(&self) -> io::Result<u64> {
            Ok(self.bytes.get_ref().len() as u64)
        }
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
    fn content_of_which_nothing_is_said_is_left_alone() {
        let mut file = SmallDisk::whole(100, true);
        file.end = End::NotSaid;
        let error = file.append(b"1234567\n").unwrap_err();
        assert!(!error.temporary && error.message.starts_with("results.jsonl exists and is not empty"), "{error:?}");
        assert_eq!(file.medium.bytes.get_ref(), b"old");
        file.medium.bytes.get_mut().clear();
        assert_eq!(file.append(b"1234567\n").unwrap(), 8);
    }

    #[test]
    fn a_failed_sync_is_never_temporary() {
        assert!(!SmallDisk::whole(10, true).sync().unwrap_err().temporary);
    }
}
