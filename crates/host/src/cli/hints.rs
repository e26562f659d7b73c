//! What a person who comes from xargs or parallel, or forgot a `--`, wanted: said beside the usage error.

use std::ffi::OsString;

use clap::{
    Command, Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// A flag of other tools, and the one that does it here.
const ELSEWHERE: [(&str, &str, &str); 14] = [
    ("-P", "concurrency", "is --concurrency here, or -j for short"),
    ("--jobs", "concurrency", "is --concurrency here, or -j for short"),
    ("--max-procs", "concurrency", "is --concurrency here, or -j for short"),
    ("--workers", "concurrency", "is --concurrency here, or -j for short"),
    ("--threads", "concurrency", "is --concurrency here, or -j for short"),
    ("--parallel", "concurrency", "is --concurrency here, or -j for short"),
    ("--retries", "max-attempts", "is --max-attempts here, which counts the first try too"),
    ("--retry", "max-attempts", "is --max-attempts here, which counts the first try too"),
    ("--max-retries", "max-attempts", "is --max-attempts here, which counts the first try too"),
    ("--tries", "max-attempts", "is --max-attempts here"),
    ("--attempts", "max-attempts", "is --max-attempts here"),
    ("--fail-fast", "halt", "is --halt now,fail=1 here"),
    ("--joblog", "output", "is --output here"),
    ("--colsep", "delimiter", "is --delimiter here"),
];

const NO_COMMAND: &str = "the command stands behind `--`, for example: batchmill each jobs.jsonl -- wc -c '${ .path }'";

/// Adds the hint, where there is one for this mistake in `arguments` (without the program's name).
pub(super) fn add(error: &mut Error, command: &Command, arguments: &[OsString]) {
    let chosen = arguments.iter().find_map(|word| command.find_subcommand(word));
    if let Some(hint) = chosen.and_then(|chosen| hint(error, chosen)) {
        // These would say something else: that the flag may be meant as a value.
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
    }
}

fn hint(error: &Error, chosen: &Command) -> Option<String> {
    let is_each = chosen.get_name() == "each";
    match (error.kind(), error.get(ContextKind::InvalidArg)?) {
        (ErrorKind::UnknownArgument, ContextValue::String(word)) if word.starts_with('-') => elsewhere(word, chosen),
        (ErrorKind::UnknownArgument, ContextValue::String(_)) if is_each => Some(NO_COMMAND.to_owned()),
        (ErrorKind::MissingRequiredArgument, ContextValue::Strings(missing)) if is_each => {
            missing.iter().any(|name| name.contains("PROGRAM")).then(|| NO_COMMAND.to_owned())
        }
        _ => None,
    }
}

/// Only where the command has the flag that the hint names.
fn elsewhere(word: &str, chosen: &Command) -> Option<String> {
    let (theirs, _, mend) = ELSEWHERE.iter().find(|(theirs, ours, _)| {
        word == *theirs && chosen.get_arguments().any(|argument| argument.get_long() == Some(ours))
    })?;
    Some(format!("{theirs} {mend}"))
}
