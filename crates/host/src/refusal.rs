//! Refusals made of what other parts report, and how they are shown.

use batchmill_config::{ConfigProblem, Origin};
use batchmill_flow::FlowProblem;
use batchmill_store_sqlite::StoreError;
use serde_json::json;

use crate::{
    cli::Format,
    exit::Exit,
    problems::{Finding, Refusal},
    screen::Screen,
    stdout,
};

/// Config is wrong. Where only flags are wrong, it is the command line that is: a usage error.
pub(crate) fn of_config(problems: &[ConfigProblem]) -> Refusal {
    let is_usage = problems.iter().all(|problem| matches!(problem.origin, Origin::Flag { .. }));
    let exit = if is_usage { Exit::Usage } else { Exit::BadConfig };
    Refusal { exit, problems: problems.iter().map(Finding::of_config).collect() }
}

/// A flow is wrong; or it is right, and what it needs of its surroundings is not there.
pub(crate) fn of_flow(problems: &[FlowProblem]) -> Refusal {
    let is_outside = problems.iter().any(|problem| problem.is_outside);
    let exit = if is_outside { Exit::BadConfig } else { Exit::BadData };
    Refusal { exit, problems: problems.iter().map(Finding::of_flow).collect() }
}

/// A store does not do what it was asked for.
pub(crate) fn of_store(error: &StoreError) -> Refusal {
    let exit = match error {
        // The batch goes on without us.
        StoreError::Owned { .. } => Exit::Interrupted,
        StoreError::Io { .. } => Exit::Storage,
        // Unknown, ambiguous, taken, corrupt, foreign, of another version.
        _ => Exit::BadData,
    };
    Refusal::new(exit, error.to_string())
}

/// Shows why nothing was done, and ends with its code.
pub(crate) fn print(refusal: &Refusal, screen: &Screen) -> Exit {
    let error = screen.paint().red("error:");
    let lines = refusal.problems.iter().map(|problem| format!("{error} {problem}\n"));
    screen.write(&lines.collect::<String>());
    refusal.exit
}

/// The answer of a command that looks for problems: to people on stderr as everywhere, to programs on stdout.
pub(crate) fn answer(refusal: &Refusal, format: Format, screen: &Screen) -> Exit {
    let found = || refusal.problems.iter().map(Finding::json);
    let text = match format {
        Format::Table => return print(refusal, screen),
        Format::Json => stdout::pretty(&json!({"problems": found().collect::<Vec<_>>()})),
        Format::Jsonl => found().map(|problem| format!("{problem}\n")).collect(),
    };
    match stdout::print(&text) {
        Exit::Success => refusal.exit,
        unwritten => unwritten,
    }
}
