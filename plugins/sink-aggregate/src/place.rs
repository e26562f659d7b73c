//! The file that holds what the results have come to: replaced as a whole each time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use batchmill_core::{BuildContext, BuildError, SinkError};
use serde_json::Value;

/// Where aggregates are written.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    /// A pipe or `/dev/null` is written to as it is.
    is_regular: bool,
    /// Content that another batch, or somebody else, put there may be replaced.
    overwrite: bool,
    /// Whether what is there now was written by this sink, or was nothing.
    is_ours: bool,
}

impl Place {
    /// Makes the file if it is not there; changes nothing otherwise.
    pub(crate) fn open(path: &Path, overwrite: bool, context: &BuildContext) -> Result<Self, BuildError> {
        let path = context.directory.join(path);
        let failed = |error: io::Error| BuildError::Environment {
            message: format!("cannot open {} for aggregates: {error}", path.display()),
            source: Some(Box::new(error)),
        };
        let about =
            OpenOptions::new().write(true).create(true).truncate(false).open(&path).and_then(|file| file.metadata());
        let about = about.map_err(failed)?;
        let (is_regular, is_empty) = (about.is_file(), about.len() == 0);
        if is_regular && !is_empty && !overwrite && !context.resumes {
            let mend = "name another file, remove it, or set `overwrite = true`";
            return Err(BuildError::environment(format!("{} exists and is not empty: {mend}", path.display())));
        }
        // What a link points to is replaced, not the link.
        let path = fs::canonicalize(&path).map_err(failed)?;
        Ok(Self { path, is_regular, overwrite, is_ours: is_empty || !is_regular })
    }

    /// Replaces what is there, all at once, by the aggregates of `batch`.
    pub(crate) fn store(&mut self, batch: Option<&str>, text: &str) -> Result<(), SinkError> {
        let place = self.path.display().to_string();
        let failed = |error| SinkError::io(&place, error);
        if !self.is_ours && !self.overwrite && !is_of(&self.path, batch).map_err(failed)? {
            let mend = "move it away, name another file, or set `overwrite = true`; the results are in the store";
            return Err(SinkError::permanent(format!("{place} is not the file that this batch wrote to: {mend}")));
        }
        if self.is_regular { self.replace(text) } else { fs::write(&self.path, text) }.map_err(failed)?;
        self.is_ours = true;
        Ok(())
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let written = File::create(&beside).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        if let Err(error) = written {
            // What is there stays; half of the next one is of no use to anybody.
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        fs::rename(&beside, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Whether the file was written for the batch, or is not there, or is empty.
fn is_of(path: &Path, batch: Option<&str>) -> io::Result<bool> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let found: Option<Value> = serde_json::from_slice(&text).ok();
    let of = found.as_ref().filter(|found| found["aggregates"].is_array()).map(|found| found["batch"].as_str());
    Ok(text.is_empty() || of.is_some_and(|of| of.is_none() || of == batch))
}
