//! A file of results that outlives its host: whole lines only, cut back to its mark when a batch goes on.

mod mark;
mod whole;

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use batchmill_core::{
    BuildContext, BuildError, Resumed, SinkError,
    fault::{Sabotage, breaks},
};

use crate::Offloaded;

use self::{
    mark::{Fate, Form, Found, Identity, Mark},
    whole::{End, NOT_EMPTY, Whole},
};

/// What a file of results is and how it looks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ResultFileOptions {
    /// The file; relative to the folder of the context.
    pub path: PathBuf,
    /// Whether a file that has content is emptied. Without it such a file is refused.
    pub overwrite: bool,
    /// What every such file begins with, so that another one under its name is left alone. It may be empty.
    pub begin: Vec<u8>,
    /// Stands for how results are written. A file that was written in another form is written anew as a whole when the
    /// batch goes on, so that it never has two of them.
    pub form: String,
}

impl ResultFileOptions {
    /// A file that must not have content.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), overwrite: false, begin: Vec::new(), form: String::new() }
    }
}

/// A file of whole lines, for a sink with marks.
///
/// A call that fails half way is cut off again, so that the file holds whole lines, each result once, and the same call can
/// be repeated. [`sync`](Self::sync) answers when the data is on the disk. A batch that goes on under a later host finds the
/// file as it was at the mark that it kept: what stands behind is cut off.
///
/// Needs a tokio runtime: the file is written to on its blocking threads.
pub struct ResultFile {
    path: PathBuf,
    file: Offloaded<Whole<File>>,
    /// `None` for what is no regular file, and has no marks.
    identity: Option<Identity>,
    form: Form,
    /// Bytes of whole lines that were answered for.
    written: u64,
    overwrite: bool,
}

impl ResultFile {
    /// Opens the file, and makes it if it is not there. Nothing is written, or emptied, before the first call.
    pub fn open(options: ResultFileOptions, context: &BuildContext) -> Result<Self, BuildError> {
        let ResultFileOptions { path, overwrite, begin, form } = options;
        let path = context.directory.join(path);
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
        if is_regular && metadata.len() > 0 && !overwrite && !context.resumes {
            return Err(BuildError::environment(format!("{} {NOT_EMPTY}", path.display())));
        }
        let identity = if is_regular { Some(Identity::of(&file).map_err(failed)?) } else { None };
        let end = match (overwrite, context.resumes) {
            (true, _) => End::ToBeEmptied,
            (false, true) => End::NotSaid,
            (false, false) => End::At(0),
        };
        let file = Offloaded::new(Whole { medium: file, place: path.display().to_string(), end, is_regular });
        Ok(Self { path, file, identity, form: Form::new(&begin, form), written: 0, overwrite })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing was written so far.
    pub fn is_empty(&self) -> bool {
        self.written == 0
    }

    /// Writes whole lines, all or none of them.
    pub async fn append(&mut self, lines: Vec<u8>) -> Result<(), SinkError> {
        self.written = self.file.run(move |file| file.append(&lines)).await?;
        Ok(())
    }

    /// Answers when everything that was written is on the disk.
    pub async fn sync(&mut self) -> Result<(), SinkError> {
        self.file.run(Whole::sync).await
    }

    /// Stands for everything that was written; `None` for what is no regular file.
    pub fn mark(&self) -> Option<String> {
        let mark = Mark { offset: self.written, file: self.identity.clone()?, form: self.form.clone() };
        serde_json::to_string(&mark).ok()
    }

    /// Takes back what was written after `mark`, or everything without one.
    pub async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        let Some(identity) = self.identity.clone() else { return Ok(Resumed::AtMark) };
        let mark: Option<Mark> = match mark.map(serde_json::from_str).transpose() {
            Ok(mark) => mark,
            Err(error) => {
                let place = self.path.display();
                return Err(SinkError::permanent(format!("{place}: the mark of this file can not be read: {error}")));
            }
        };
        let (form, overwrite) = (self.form.clone(), self.overwrite);
        self.written = self.file.run(move |file| go_back(file, identity, mark, &form, overwrite)).await?;
        Ok(if self.written > 0 { Resumed::AtMark } else { Resumed::Empty })
    }
}

impl fmt::Debug for ResultFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Takes back what was written after the mark; where the file ends then.
fn go_back(
    file: &mut Whole<File>,
    identity: Identity,
    mark: Option<Mark>,
    form: &Form,
    overwrite: bool,
) -> Result<u64, SinkError> {
    let failed = |place: &str, error| SinkError::io(place, error);
    // Without a mark nothing of it is known to be the batch's.
    let mark = mark.unwrap_or_else(|| Mark { offset: u64::MAX, file: identity.clone(), form: form.clone() });
    let found = find(&file.medium, identity, &mark).map_err(|error| failed(&file.place, error))?;
    let upto = match mark.judge(&found, form) {
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

fn find(medium: &File, file: Identity, mark: &Mark) -> io::Result<Found> {
    let length = medium.metadata()?.len();
    let mut begin = vec![0; mark.form.begin.len()];
    let read = medium.read_at(&mut begin, 0)?;
    // A file system that lost its power may leave zeros where nothing was written yet.
    let begins_as_marked =
        mark.form.begin.as_bytes().starts_with(&begin[..read]) || begin.iter().all(|byte| *byte == 0);
    let mut last = [b'\n'];
    if let Some(before) = mark.offset.checked_sub(1).filter(|before| *before < length) {
        medium.read_exact_at(&mut last, before)?;
    }
    Ok(Found { file, length, line_ends: last == *b"\n", begins_as_marked })
}
