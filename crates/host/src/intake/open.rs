//! From the JOBS argument to a file that can be read at any place.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::spool::spool;
use crate::problems::Refusal;

/// Where jobs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// Standard input, read to its end before the first start.
    Stdin,
    /// A file of JSON Lines.
    File(PathBuf),
}

impl Jobs {
    /// The jobs of an argument: a path, or `-`.
    pub(crate) fn of(argument: &Path) -> Self {
        if argument.as_os_str() == "-" { Self::Stdin } else { Self::File(argument.to_owned()) }
    }

    /// The key of the input that is a job as a whole, where the source has one.
    pub(crate) fn whole(&self) -> Option<&'static str> {
        match self {
            // A line is an object with keys of its own.
            Self::Stdin | Self::File(_) => None,
        }
    }

    /// What problems call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// Opens the jobs; what is no regular file is spooled to one.
pub(crate) fn open(jobs: &Jobs) -> Result<File, Refusal> {
    match jobs {
        Jobs::Stdin => spool(io::stdin().lock()).map_err(|error| cannot_spool("stdin", &error)),
        Jobs::File(path) => open_file(path),
    }
}

fn open_file(path: &Path) -> Result<File, Refusal> {
    let name = path.display();
    refuse_other_formats(path)?;
    let about = fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
    if about.is_dir() {
        return Err(Refusal::data(format!("{name}: is a directory, not a file of jobs")));
    }
    let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
    if about.is_file() { Ok(file) } else { spool(file).map_err(|error| cannot_spool(&name.to_string(), &error)) }
}

/// Says early what would else be a thousand lines that are not JSON.
fn refuse_other_formats(path: &Path) -> Result<(), Refusal> {
    let text = path.to_string_lossy();
    let is_scheme = ["glob:", "lines:"].iter().any(|scheme| text.starts_with(scheme)) && !path.exists();
    let is_other = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv") || e.eq_ignore_ascii_case("json"));
    if is_scheme || is_other {
        return Err(Refusal::data(format!(
            "{text}: jobs are read from JSON Lines (.jsonl), one JSON object a line, or from stdin (`-`)"
        )));
    }
    Ok(())
}

/// A file that is named but cannot be read is bad data, whatever the reason.
pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Refusal {
    let reason = match error.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    Refusal::data(format!("{}: {reason}", path.display()))
}

fn cannot_spool(name: &str, error: &io::Error) -> Refusal {
    let folder = std::env::temp_dir();
    Refusal::storage(format!("{name}: could not be copied to {}: {error}", folder.display()))
}
