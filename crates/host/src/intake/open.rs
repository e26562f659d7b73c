//! From the JOBS argument to jobs that can be read at any place.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, BufRead, BufReader, ErrorKind},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    accept::{self, Accept, Rules},
    fingerprint::{Fingerprint, Sum},
    format,
    jsonl::JsonLines,
    record::{Broken, Records},
};
use crate::{
    exit::Exit,
    problems::{Finding, Place, Problems, Refusal},
};

/// How much is read at once.
const BUFFER: usize = 256 * 1024;

/// Where jobs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// JSON Lines on standard input, read to their end before the first start.
    Stdin,
    /// A file, whose name says its format: `.json`, `.csv`, else JSON Lines.
    File(PathBuf),
    /// The lines of a file, whatever they hold; of standard input for `-`.
    Lines(PathBuf),
    /// The files that a pattern names.
    Glob(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    JsonLines,
    Json,
    Csv,
}

impl Jobs {
    /// Whether they are still there after they were read: not those of standard input.
    pub(crate) fn can_be_read_again(&self) -> bool {
        match self {
            Self::Stdin => false,
            Self::Lines(file) => file != Path::new("-"),
            Self::File(_) | Self::Glob(_) => true,
        }
    }

    /// The jobs of an argument: a path, `-`, `lines:FILE` or `glob:PATTERN`.
    pub(crate) fn of(argument: &Path) -> Self {
        let bytes = argument.as_os_str().as_bytes();
        let behind = |scheme: &str| bytes.strip_prefix(scheme.as_bytes()).map(|rest| OsStr::from_bytes(rest).into());
        if bytes == b"-" {
            Self::Stdin
        } else if let Some(file) = behind("lines:") {
            Self::Lines(file)
        } else if let Some(pattern) = behind("glob:") {
            Self::Glob(pattern)
        } else {
            Self::File(argument.to_owned())
        }
    }

    /// The argument that it came from.
    pub(crate) fn argument(&self) -> PathBuf {
        let with = |scheme: &str, rest: &Path| {
            let mut argument = OsString::from(scheme);
            argument.push(rest);
            argument.into()
        };
        match self {
            Self::Stdin => "-".into(),
            Self::File(path) => path.clone(),
            Self::Lines(path) => with("lines:", path),
            Self::Glob(pattern) => with("glob:", pattern),
        }
    }

    /// Whether a batch keeps its own copy for good: what came through a pipe is gone, and files come and go while they are
    /// worked on.
    pub(crate) fn is_fleeting(&self) -> bool {
        self.is_stdin() || matches!(self, Self::Glob(_))
    }

    /// The key of the input that is a job as a whole, where the source has one.
    pub(crate) fn whole(&self) -> Option<&'static str> {
        match self {
            // A line is an object with keys of its own, and so is a record.
            Self::Stdin | Self::File(_) => None,
            Self::Lines(_) => Some("line"),
            Self::Glob(_) => Some("path"),
        }
    }

    /// The file that the jobs are in.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Lines(path) if !self.is_stdin() => Some(path),
            Self::Stdin | Self::Lines(_) | Self::Glob(_) => None,
        }
    }

    /// Whether they come through a pipe, so that nobody can read them again.
    pub(crate) fn is_stdin(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::Lines(path) => path.as_os_str() == "-",
            Self::File(_) | Self::Glob(_) => false,
        }
    }

    /// What problems call it.
    pub(crate) fn name(&self) -> String {
        match self {
            _ if self.is_stdin() => "stdin".to_owned(),
            Self::Glob(pattern) => format!("glob:{}", pattern.display()),
            Self::File(path) | Self::Lines(path) => path.display().to_string(),
            Self::Stdin => unreachable!("the first arm"),
        }
    }

    fn format(&self) -> Format {
        let Self::File(path) = self else { return Format::JsonLines };
        match path.extension() {
            Some(end) if end.eq_ignore_ascii_case("json") => Format::Json,
            Some(end) if end.eq_ignore_ascii_case("csv") => Format::Csv,
            _ => Format::JsonLines,
        }
    }
}

/// Reads and checks all jobs. What is no regular file of JSON Lines is spooled to one.
pub(crate) fn accept(jobs: &Jobs, mut rules: Rules, accept: Accept<'_>) -> Result<JsonLines, Refusal> {
    let format = jobs.format();
    if format != Format::Csv
        && let Some(flag) = rules.columns.flag()
    {
        return Err(Refusal::new(Exit::Usage, format!("{flag}: {} has no columns, only FILE.csv has", jobs.name())));
    }
    let name = jobs.name();
    // What is made of another format has the names that it is made with.
    rules.input_is_line &= matches!((jobs, format), (Jobs::Stdin | Jobs::File(_), Format::JsonLines | Format::Json));
    let (mut in_place, sum) = (None, Sum::default());
    let records = records(jobs, format, &rules, &mut in_place, &sum).map_err(|unopened| refusal(&name, unopened))?;
    let mut accepted = accept::accept(name, records, in_place, rules, accept)?;
    accepted.set_fingerprint(jobs.file().map(|_| sum.fingerprint()));
    Ok(accepted)
}

/// The file of the jobs, if it is byte by byte what it was.
pub(crate) fn unchanged(jobs: &Jobs, known: &Fingerprint) -> Option<File> {
    // What cannot be read is told by whoever reads it again from the start.
    let mut file = File::open(jobs.file()?).ok()?;
    let about = file.metadata().ok()?;
    let same = about.is_file() && known.fits(about.len()) && Fingerprint::of(&mut file).ok()? == *known;
    same.then_some(file)
}

fn records(
    jobs: &Jobs,
    format: Format,
    rules: &Rules,
    in_place: &mut Option<File>,
    sum: &Sum,
) -> Result<Box<dyn Records>, Unopened> {
    let max_line = rules.max_line;
    if let Jobs::Glob(pattern) = jobs {
        let pattern = pattern.to_str().ok_or_else(|| Unopened::Refused("the pattern is not UTF-8".to_owned()))?;
        return Ok(Box::new(format::Files::find(pattern)?));
    }
    let (reader, file) = open(jobs, sum)?;
    Ok(match (jobs, format) {
        (Jobs::Lines(_), _) => Box::new(format::PlainLines::new(reader, max_line)),
        (_, Format::Json) => Box::new(format::json_array(reader, max_line).map_err(Broken::from)?),
        (_, Format::Csv) => Box::new(format::csv(reader, rules.columns.clone(), max_line).map_err(Broken::from)?),
        (_, Format::JsonLines) => {
            *in_place = file;
            Box::new(format::JobLines::new(reader, max_line))
        }
    })
}

/// Why there is nothing to read jobs from.
enum Unopened {
    Refused(String),
    Broken(Broken),
}

impl From<Broken> for Unopened {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

fn refusal(name: &str, unopened: Unopened) -> Refusal {
    match unopened {
        Unopened::Refused(message) => unusable(name, message),
        Unopened::Broken(broken) => of_broken(name, broken),
    }
}

/// A source that cannot be read, or not on, is bad data, whatever the reason.
pub(super) fn of_broken(name: &str, broken: Broken) -> Refusal {
    match broken {
        Broken::Unreadable(error) => unusable(name, reason(&error)),
        Broken::Flaws(flaws) => {
            let mut problems = Problems::default();
            flaws.iter().for_each(|flaw| problems.add(flaw.place(name), flaw.message.as_str()));
            Refusal { exit: Exit::BadData, problems: problems.into_findings() }
        }
    }
}

/// The bytes of the source, and the same file again if it can be read at any place.
fn open(jobs: &Jobs, sum: &Sum) -> Result<(Box<dyn BufRead>, Option<File>), Unopened> {
    let Some(path) = jobs.file() else {
        return Ok((Box::new(BufReader::with_capacity(BUFFER, io::stdin())), None));
    };
    let about = fs::metadata(path).map_err(|error| missing(path, error))?;
    if about.is_dir() {
        return Err(Unopened::Refused(
            "is a directory, not a file of jobs; glob:PATTERN takes files as jobs".to_owned(),
        ));
    }
    let file = File::open(path).map_err(Broken::from)?;
    let again = if about.is_file() { Some(file.try_clone().map_err(Broken::from)?) } else { None };
    Ok((Box::new(BufReader::with_capacity(BUFFER, sum.over(file))), again))
}

/// A file that is not there may be meant as a pattern.
fn missing(path: &Path, error: io::Error) -> Unopened {
    let is_pattern = path.as_os_str().as_bytes().iter().any(|byte| b"*?[".contains(byte));
    if error.kind() == ErrorKind::NotFound && is_pattern {
        return Unopened::Refused(format!("no such file; files that a pattern names are glob:{}", path.display()));
    }
    Broken::from(error).into()
}

/// A file that is named but cannot be read is bad data, whatever the reason.
pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Refusal {
    unusable(&path.display().to_string(), reason(error))
}

fn unusable(file: &str, message: String) -> Refusal {
    let place = Place { file: file.to_owned(), line: None, column: None };
    Refusal::of(Exit::BadData, [Finding::at(place, message)])
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
