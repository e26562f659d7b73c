//! A command of the system, run to its end.

use std::{
    io::ErrorKind,
    process::{Command, Stdio},
};

use crate::measure::{Sample, Stopwatch};

/// Runs it and counts it as `jobs` jobs. Its CPU time is that of its children too, as far as it waited for them.
pub(crate) fn run(command: &mut Command, jobs: u32) -> Result<Sample, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let stopwatch = Stopwatch::start();
    let status = command.status().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("`{program}` is not installed"),
        _ => format!("`{program}` did not start: {error}"),
    })?;
    let done = if status.success() { jobs } else { 0 };
    stopwatch.rate(jobs, done.into()).map_err(|_| format!("`{program}` ended with {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_or_fails_is_named() {
        let why = |program: &str| run(&mut Command::new(program), 1).unwrap_err();
        assert_eq!(why("no-such-command-anywhere"), "`no-such-command-anywhere` is not installed");
        assert_eq!(why("false"), "`false` ended with exit status: 1");
        assert!(run(&mut Command::new("true"), 1).is_ok());
    }
}
