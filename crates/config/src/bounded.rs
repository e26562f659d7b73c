//! Files that a person names, read to a bound: one may have no end, such as `/dev/zero`.

use std::{fs::File, io, io::Read, path::Path};

/// Why there is no text.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not there, no file, not for us, or the disk fails.
    Io(io::Error),
    /// It is longer than the bound.
    TooLong,
    /// It is no UTF-8.
    NotUtf8 {
        /// What comes before the first byte that is none.
        good: String,
    },
}

/// The text of a file of at most `bytes_max` bytes. One that is longer is read no further.
pub fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes));
    if read.map_err(Unreadable::Io)? as u64 > bytes_max {
        return Err(Unreadable::TooLong);
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Unreadable::NotUtf8 { good: String::from_utf8_lossy(good).into_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_whole_or_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, "größe").unwrap();
        assert_eq!(read_bounded(&path, 7).unwrap(), "größe");
        assert!(matches!(read_bounded(&path, 6), Err(Unreadable::TooLong)));
        assert!(matches!(read_bounded(Path::new("/dev/zero"), 1 << 20), Err(Unreadable::TooLong)));
        assert!(matches!(read_bounded(folder.path(), 7), Err(Unreadable::Io(_))));
        std::fs::write(&path, b"good \xff bad").unwrap();
        assert!(matches!(read_bounded(&path, 100), Err(Unreadable::NotUtf8 { good }) if good == "good "));
    }
}
