//! JSON Lines in a file that holds whole lines only.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use batchmill_core::{
    BatchId, BuildContext, BuildError, JobResult, ResultSink, Resumed, SinkError,
    fault::{Sabotage, breaks},
};

use crate::{
    Options,
    lines::encode,
    mark::{Fate, Found, Identity, Mark},
    offload::Offloaded,
    whole::{End, NOT_EMPTY, Whole},
};

/// What every record begins with.
const BEGIN: &[u8] = br#"{"batch":""#;

/// Writes results to a file.
///
/// A call that fails half way is cut off again, so that the file holds whole lines, each result once, and the same call can
/// be repeated. `flush` answers when the data is on the disk. A batch that goes on under a later host finds the file as it
/// was at the mark that it kept: what stands behind is cut off.
///
/// Needs a tokio runtime: the file is written to on its blocking threads.
pub struct JsonLinesFile {
    path: PathBuf,
    file: Offloaded<Whole<File>>,
    /// `None` for what is no regular file, and has no marks.
    identity: Option<Identity>,
    /// Bytes of whole lines that were answered for.
    written: u64,
    overwrite: bool,
}

impl JsonLinesFile {
    /// Opens the file, and makes it if it is not there. Nothing is written, or emptied, before the first call.
    pub fn open(options: &Options, context: &BuildContext) -> Result<Self, BuildError> {
        let path = context.directory.join(&options.path);
        let failed = |error: io::Error| BuildError::Environment {
            message: format!("cannot open {} for results: {error}", path.display()),
            source: Some(Box::new(error)),
        };
        let mut access = OpenOptions::new();
        access.write(true).create(true).truncate(false);
        // To see whether what is there is what the batch wrote.
        access.read(context.resumes);
        let file = access.open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let is_regular = metadata.is_file();
        if is_regular && metadata.len() > 0 && !options.overwrite && !context.resumes {
            return Err(BuildError::environment(format!("{} {NOT_EMPTY}", path.display())));
        }
        let identity = if is_regular { Some(Identity::of(&file).map_err(failed)?) } else { None };
        let end = match (options.overwrite, context.resumes) {
            (true, _) => End::ToBeEmptied,
            (false, true) => End::NotSaid,
            (false, false) => End::At(0),
        };
        let file = Offloaded::new(Whole { medium: file, place: path.display().to_string(), end, is_regular });
        Ok(Self { path, file, identity, written: 0, overwrite: options.overwrite })
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
        self.written = self.file.run(move |file| file.append(&lines)).await?;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.file.run(Whole::sync).await
    }

    fn mark(&self) -> Option<String> {
        let mark = Mark { offset: self.written, file: self.identity.clone()? };
        serde_json::to_string(&mark).ok()
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        let Some(identity) = self.identity.clone() else { return Ok(Resumed::AtMark) };
        let mark: Option<Mark> = match mark.map(serde_json::from_str).transpose() {
            Ok(mark) => mark,
            Err(error) => {
                let place = self.path.display();
                return Err(SinkError::permanent(format!("{place}: the mark of this file can not be read: {error}")));
            }
        };
        let overwrite = self.overwrite;
        self.written = self.file.run(move |file| go_back(file, identity, mark, overwrite)).await?;
        Ok(if self.written > 0 { Resumed::AtMark } else { Resumed::Empty })
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.flush().await
    }
}

/// Takes back what was written after the mark; where the file ends then.
fn go_back(file: &mut Whole<File>, identity: Identity, mark: Option<Mark>, overwrite: bool) -> Result<u64, SinkError> {
    let failed = |place: &str, error| SinkError::io(place, error);
    // Without a mark nothing of it is known to be the batch's.
    let mark = mark.unwrap_or_else(|| Mark { offset: u64::MAX, file: identity.clone() });
    let found = find(&file.medium, identity, mark.offset).map_err(|error| failed(&file.place, error))?;
    let upto = match mark.judge(&found) {
        Fate::CutTo(_) if breaks(Sabotage::SkipCutBack) => found.length,
        Fate::CutTo(upto) => upto,
        Fate::Emptied => 0,
        Fate::Foreign if overwrite => 0,
        Fate::Foreign => {
            let place = &file.place;
            let mend = "move it away, name another file, or set `overwrite = true`; the results are in the store";
            return Err(SinkError::permanent(format!("{place} is not the file that this batch wrote to: {mend}")));
        }
    };
    file.cut_to(upto).map_err(|error| failed(&file.place, error))?;
    Ok(upto)
}

fn find(medium: &File, file: Identity, offset: u64) -> io::Result<Found> {
    let length = medium.metadata()?.len();
    let mut begin = [0; BEGIN.len()];
    let read = medium.read_at(&mut begin, 0)?;
    // A file system that lost its power may leave zeros where nothing was written yet.
    let begins_with_result = BEGIN.starts_with(&begin[..read]) || begin.iter().all(|byte| *byte == 0);
    let mut last = [b'\n'];
    if let Some(before) = offset.checked_sub(1).filter(|before| *before < length) {
        medium.read_exact_at(&mut last, before)?;
    }
    Ok(Found { file, length, line_ends: last == *b"\n", begins_with_result })
}
