//! A copy on disk of what can be read only once.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

/// Copies `reader` to its end into a file without a name, which goes when the program does, however it ends.
pub(crate) fn spool(mut reader: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut reader, &mut file)?;
    file.rewind()?;
    Ok(file)
}
