//! The file of the textfile collector.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use batchmill_core::BuildError;

/// A file that readers always see whole: each text goes to a file beside it, which is then renamed over it.
///
/// Nothing is synced to the disk. After a power loss the numbers of a dead process are of no use.
#[derive(Debug, Clone)]
pub(crate) struct Textfile {
    path: PathBuf,
    /// Beside `path`, so that the rename stays within one file system. It does not end with `.prom`: the collector must
    /// not read it. The process id keeps two hosts with one `textfile` from writing into the same draft.
    draft: PathBuf,
    turns: Arc<Turns>,
}

/// Texts are written one at a time, and never over a newer one: a write that nobody waits for any more still goes on.
#[derive(Debug, Default)]
struct Turns {
    given: AtomicU64,
    written: Mutex<u64>,
}

/// The age of a text: taken before its numbers are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn(u64);

impl Textfile {
    /// Makes sure that the file can be written later, hours into a batch, without touching it now.
    pub(crate) fn open(path: PathBuf) -> Result<Self, BuildError> {
        let mut draft = path.clone().into_os_string();
        draft.push(format!(".{}.tmp", std::process::id()));
        let textfile = Self { draft: PathBuf::from(draft), path, turns: Arc::default() };
        textfile.probe().map_err(|error| BuildError::Environment {
            message: format!("the metrics text file {} cannot be written: {error}", textfile.path.display()),
            source: Some(Box::new(error)),
        })?;
        Ok(textfile)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn probe(&self) -> io::Result<()> {
        if self.path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        File::create(&self.draft)?;
        fs::remove_file(&self.draft)
    }

    /// The turn of a text that is made now.
    pub(crate) fn turn(&self) -> Turn {
        Turn(self.turns.given.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Replaces the file, unless it has a newer text already.
    pub(crate) fn replace(&self, turn: Turn, text: &str) -> io::Result<()> {
        let mut newest = self.turns.written.lock().unwrap_or_else(PoisonError::into_inner);
        if turn.0 < *newest {
            return Ok(());
        }
        let written = File::create(&self.draft)
            .and_then(|mut draft| draft.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&self.draft, &self.path));
        match written {
            Ok(()) => *newest = turn.0,
            // Half a draft is of no use; where even removing fails, the first error says more.
            Err(_) => drop(fs::remove_file(&self.draft)),
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn an_older_text_that_comes_late_is_not_written_over_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let textfile = Textfile::open(folder.path().join("batchmill.prom")).unwrap();
        let (older, newer) = (textfile.turn(), textfile.turn());
        textfile.replace(newer, "newer\n").unwrap();
        textfile.replace(older, "older\n").unwrap();
        assert_eq!(fs::read_to_string(textfile.path()).unwrap(), "newer\n");
    }

    #[test]
    fn opening_leaves_nothing_and_replacing_leaves_only_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let textfile = Textfile::open(folder.path().join("batchmill.prom")).unwrap();
        assert_eq!(names(folder.path()), [""; 0]);
        textfile.replace(textfile.turn(), "a longer text\n").unwrap();
        textfile.replace(textfile.turn(), "short\n").unwrap();
        assert_eq!(names(folder.path()), ["batchmill.prom"]);
        assert_eq!(fs::read_to_string(textfile.path()).unwrap(), "short\n");
    }

    #[test]
    fn a_missing_folder_and_a_folder_in_place_of_the_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("missing/batchmill.prom"), folder.path().to_owned()] {
            let error = Textfile::open(path.clone()).unwrap_err();
            assert!(matches!(error, BuildError::Environment { .. }));
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_failed_write_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let textfile = Textfile::open(folder.path().join("batchmill.prom")).unwrap();
        fs::create_dir(textfile.path()).unwrap();
        textfile.replace(textfile.turn(), "text\n").unwrap_err();
        assert_eq!(names(folder.path()), ["batchmill.prom"]);
    }
}
