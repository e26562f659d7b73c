//! Where the results of `run` go, and what is refused before the first job.

use std::{
    fs::{self, File, Metadata},
    io::{self, IsTerminal},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use batchmill_config::HostConfig;
use batchmill_core::{BatchId, BuildContext};
use batchmill_executor::Begins;
use batchmill_sink_jsonl::{JsonLinesFile, JsonLinesWriter, Options};
use serde_json::Value;

use super::{Shown, delivery::Outlet};
use crate::{
    cli::{BatchArgs, Terms},
    intake::Jobs,
    problems::{Refusal, Refusals},
    work::Work,
};

/// The place of the results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Stdout,
    File(PathBuf),
}

impl Place {
    /// What the command line asks for; a person's terminal is no place for a million lines.
    pub(crate) fn of(args: &BatchArgs, batch: &BatchId, shown: Shown) -> Option<Self> {
        match &args.terms.output {
            Some(path) if path.as_os_str() == "-" => Some(Self::Stdout),
            Some(path) => Some(Self::File(path.clone())),
            None if shown == Shown::Raw => None,
            None if io::stdout().is_terminal() => {
                Some(Self::File(args.terms.state.join("batches").join(batch.as_str()).join("results.jsonl")))
            }
            None => Some(Self::Stdout),
        }
    }

    /// As the summary names it; `None` for stdout.
    pub(crate) fn shown(&self) -> Option<String> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path.display().to_string()),
        }
    }

    /// Opens the sink of the batch's results. A file goes on where an earlier host of the batch stopped; a stream has
    /// everything under each of them.
    pub(super) fn open(&self, terms: &Terms, is_resumed: bool) -> Result<(Outlet, Begins), Refusal> {
        match self {
            Self::Stdout => {
                // A descriptor of our own: the line buffer of the standard library would only copy once more.
                let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
                let stdout = stdout.map_err(|error| Refusal::storage(format!("stdout: {error}")))?;
                let is_file = stdout.metadata().is_ok_and(|about| about.is_file());
                let outlet = Outlet::new("output", Box::new(JsonLinesWriter::new("stdout", stdout))).patient(is_file);
                Ok((outlet, Begins::Anew))
            }
            Self::File(path) => {
                let mut options = Options::new(path.clone());
                options.overwrite = terms.overwrite;
                let mut context = BuildContext::default();
                context.resumes = is_resumed;
                let sink = JsonLinesFile::open(&options, &context);
                let sink = sink.map_err(|error| Refusal::storage(error.to_string()))?;
                let outlet = Outlet::new("output", Box::new(sink)).patient(path.is_file());
                // A device or a pipe keeps nothing to go on behind.
                Ok((outlet, if path.is_file() { Begins::AtItsMark } else { Begins::Anew }))
            }
        }
    }
}

/// The file of the results as any directory sees it, if one was named.
pub(super) fn absolute(args: &BatchArgs) -> Option<PathBuf> {
    output(args).and_then(|path| std::path::absolute(path).ok())
}

/// Makes the folder of results that have no place of their own.
pub(crate) fn make_default_folder(args: &BatchArgs, place: Option<&Place>) -> Result<(), Refusal> {
    let Some(Place::File(path)) = place else { return Ok(()) };
    let Some(folder) = path.parent().filter(|_| args.terms.output.is_none()) else { return Ok(()) };
    fs::create_dir_all(folder)
        .map_err(|error| Refusal::storage(format!("{}: cannot be made: {error}", folder.display())))
}

/// Everything that can be wrong with the files a run writes, before anything is written.
/// What is `ours` was written by the batch that goes on.
pub(super) fn check(args: &BatchArgs, work: &Work, jobs: &Jobs, shown: Shown, ours: &[PathBuf]) -> Result<(), Refusal> {
    let mut refusals = Refusals::default();
    let mut taken = inputs(work, jobs);
    if (output(args).is_none() || shown == Shown::Raw)
        && let Some(what) = stdout_is(&taken)
    {
        let message = format!("stdout is the same file as {what}: the results would go into it");
        refusals.keep::<()>(Err(Refusal::data(message)));
    }
    if let Some(output) = output(args) {
        refusals.keep(check_write("--output", output, &taken));
        let is_ours = ours.iter().any(|own| Target::of(own).is_same(&Target::of(output)));
        refusals.keep(check_content("--output", output, args.terms.overwrite || is_ours));
        taken.push(("the output", Target::of(output)));
    }
    if let Some(report) = &args.terms.report {
        refusals.keep(check_write("--report", report, &taken));
    }
    refusals.into_result()
}

/// The same for the file of bad lines.
pub(super) fn check_quarantine(path: &Path, args: &BatchArgs, work: &Work, jobs: &Jobs) -> Result<(), Refusal> {
    let mut taken = inputs(work, jobs);
    taken.extend(output(args).map(|path| ("the output", Target::of(path))));
    taken.extend(args.terms.report.as_deref().map(|path| ("the report", Target::of(path))));
    if path.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir()) {
        check_write(QUARANTINE, path, &taken)?;
    }
    check_content(QUARANTINE, path, args.terms.overwrite)
}

/// What the file of bad lines is called in problems.
const QUARANTINE: &str = "--on-bad-line quarantine:";

/// The same for sinks of the config that write to a `path`: an `overwrite` there must not cost the jobs.
pub(super) fn check_sinks(args: &BatchArgs, work: &Work, jobs: &Jobs, config: &HostConfig) -> Result<(), Refusal> {
    let mut refusals = Refusals::default();
    let mut taken = inputs(work, jobs);
    taken.extend(output(args).map(|path| ("the output", Target::of(path))));
    taken.extend(args.terms.report.as_deref().map(|path| ("the report", Target::of(path))));
    for (number, sink) in config.sinks.iter().enumerate() {
        let Some(path) = sink.options.get("path").and_then(Value::as_str).map(Path::new) else { continue };
        let target = Target::of(path);
        if let Some((what, _)) = taken.iter().find(|(_, other)| other.is_same(&target)) {
            let message = format!("sinks.{number}.options.path: {} is the same file as {what}", path.display());
            refusals.keep::<()>(Err(Refusal::data(message)));
        }
        taken.push(("another sink", target));
    }
    refusals.into_result()
}

fn inputs(work: &Work, jobs: &Jobs) -> Vec<(&'static str, Target)> {
    let mut taken = Vec::new();
    if let Work::Flow(path) = work {
        taken.push(("the flow", Target::of(path)));
    }
    if let Some(path) = jobs.file() {
        taken.push(("the jobs", Target::of(path)));
    }
    taken
}

fn output(args: &BatchArgs) -> Option<&Path> {
    args.terms.output.as_deref().filter(|path| path.as_os_str() != "-")
}

fn check_write(flag: &str, path: &Path, taken: &[(&str, Target)]) -> Result<(), Refusal> {
    let name = path.display();
    if path.is_dir() {
        return Err(Refusal::data(format!("{flag} {name}: is a directory, not a file")));
    }
    let target = Target::of(path);
    if let Some((what, _)) = taken.iter().find(|(_, other)| other.is_same(&target)) {
        return Err(Refusal::data(format!("{flag} {name}: is the same file as {what}")));
    }
    match path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        Some(folder) => Err(Refusal::storage(format!("{flag} {name}: there is no folder {}", folder.display()))),
        None => Ok(()),
    }
}

fn check_content(flag: &str, path: &Path, overwrite: bool) -> Result<(), Refusal> {
    match fs::metadata(path) {
        Ok(about) if about.is_file() && about.len() > 0 && !overwrite => Err(Refusal::data(format!(
            "{flag} {}: exists and has content; --overwrite replaces it, or name another file",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// A report that cannot be written at the end of a long batch is a pity: try before. Last of all checks, because it may
/// leave an empty file.
pub(super) fn probe_report(args: &BatchArgs) -> Result<(), Refusal> {
    let Some(path) = &args.terms.report else { return Ok(()) };
    let tried = fs::OpenOptions::new().append(true).create(true).open(path);
    tried.map(drop).map_err(|error| Refusal::storage(format!("--report {}: {error}", path.display())))
}

fn stdout_is(taken: &[(&'static str, Target)]) -> Option<&'static str> {
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    let about = stdout.metadata().ok().filter(Metadata::is_file)?;
    let identity = Target::Existing(about.dev(), about.ino());
    taken.iter().find(|(_, target)| target.is_same(&identity)).map(|(what, _)| *what)
}

/// A file by identity, so that `./a`, `a` and a link to it are the same.
#[derive(Debug, PartialEq)]
enum Target {
    Existing(u64, u64),
    /// No file is there yet: its folder and its name.
    New(Option<PathBuf>),
    /// A device or a pipe: writing to it harms nothing that is read.
    Special,
}

impl Target {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(about) if about.is_file() => Self::Existing(about.dev(), about.ino()),
            Ok(_) => Self::Special,
            Err(_) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let name = path.file_name().map(PathBuf::from).unwrap_or_default();
                Self::New(folder.canonicalize().ok().map(|folder| folder.join(name)))
            }
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Existing(..), Self::Existing(..)) => self == other,
            (Self::New(Some(own)), Self::New(Some(other))) => own == other,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared_by_identity() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "x").unwrap();
        fs::hard_link(path("a"), path("b")).unwrap();
        std::os::unix::fs::symlink(path("a"), path("c")).unwrap();
        let same = |one: &str, other: &str| Target::of(&path(one)).is_same(&Target::of(&path(other)));
        assert!(same("a", "b") && same("a", "c") && same("a", "./a"));
        assert!(same("new", "./new"), "also where there is no file yet");
        assert!(!same("a", "new") && !same("new", "newer"));
        let null = || Target::of(Path::new("/dev/null"));
        assert!(!null().is_same(&null()), "the same device is no conflict");
    }
}
