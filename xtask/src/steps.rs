//! Running commands, and saying which one failed.

use std::{env, fmt, process::Command, time::Instant};

/// Why a verb failed, as a sentence.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl Failed {
    pub(crate) fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// The cargo that runs this, on the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(crate::root());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), Failed> {
    let status = command.status().map_err(|error| Failed(format!("{}: {error}", shown(command))))?;
    if status.success() { Ok(()) } else { Err(Failed(format!("`{}` failed: {status}", shown(command)))) }
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs one named step and says how long it took.
pub(crate) fn step(name: &str, run: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    println!("── {name}");
    let started = Instant::now();
    let ended = run();
    let seconds = started.elapsed().as_secs();
    match &ended {
        Ok(()) => println!("── {name}: ok, {seconds} s\n"),
        Err(Failed(why)) => println!("── {name}: FAILED after {seconds} s: {why}\n"),
    }
    ended
}

/// Whether this is CI, where what is skipped counts as failed.
pub(crate) fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Refuses arguments where a verb takes none.
pub(crate) fn no_arguments(arguments: &[String]) -> Result<(), Failed> {
    if arguments.is_empty() { Ok(()) } else { Err(Failed(format!("unknown arguments: {}", arguments.join(" ")))) }
}
