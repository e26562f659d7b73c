//! Runs the tests and says what ran, what did not, and why.
//!
//! A test that cannot run here (a server or a tool is missing) returns early and appends one line, `NAME: REASON`, to the
//! file that `BATCHMILL_SKIPS` names. What is skipped is printed at the end, and in CI it is a failure, except for lines
//! that begin with `optional `.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use crate::{
    servers,
    steps::{Failed, cargo, is_ci, shown},
};

/// What a plain build leaves out, and tests ask for.
const WHOLE: &str = "batchmill-host/postgres";

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs all tests; with arguments those of a package (`-p NAME`) or those that match a filter.
pub(crate) fn test(arguments: &[String]) -> Result<(), Failed> {
    if arguments.is_empty() {
        servers::install();
    }
    let skips = env::temp_dir().join(format!("batchmill-skips-{}", std::process::id()));
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for mut command in commands(arguments) {
        command.env("BATCHMILL_SKIPS", &skips);
        println!("{}", shown(&command));
        if !watched(&mut command, &mut tally)? {
            failed.push(shown(&command));
        }
    }
    let skipped = take_lines(&skips);
    for line in &skipped {
        println!("skipped: {line}");
    }
    let Tally { passed, failed: failures, ignored } = tally;
    println!("tests: {passed} passed, {failures} failed, {ignored} ignored, {} skipped", skipped.len());
    verdict(&failed, &skipped, tally, arguments.is_empty() && is_ci())
}

fn verdict(failed: &[String], skipped: &[String], tally: Tally, strict: bool) -> Result<(), Failed> {
    let needed: Vec<_> = skipped.iter().filter(|line| !line.starts_with("optional ")).cloned().collect();
    if !failed.is_empty() {
        Err(Failed(format!("failed: {}", failed.join("; "))))
    } else if strict && !needed.is_empty() {
        Err(Failed(format!("in CI every test must run, these did not: {}", needed.join("; "))))
    } else if strict && tally.passed == 0 {
        Err(Failed::new("no test ran"))
    } else {
        Ok(())
    }
}

/// nextest isolates each test in a process of its own, but runs no doctests, and cargo refuses to look for doctests in a
/// selected package that has no library: what is selected is left to cargo alone.
fn commands(arguments: &[String]) -> Vec<Command> {
    let selects = arguments.iter().any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));
    let has_nextest = || cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    let runs: &[&[&str]] = if selects {
        &[&["test", "--no-fail-fast"]]
    } else if has_nextest() {
        &[
            &["nextest", "run", "--workspace", "--features", WHOLE, "--no-fail-fast", "--no-tests=pass"],
            &["test", "--workspace", "--features", WHOLE, "--doc", "--no-fail-fast"],
        ]
    } else {
        &[&["test", "--workspace", "--features", WHOLE, "--no-fail-fast"]]
    };
    let command = |run: &&[&str]| {
        let mut command = cargo(run);
        command.args(arguments);
        command
    };
    runs.iter().map(command).collect()
}

/// Runs a command, passes on what it prints, and counts. Whether it succeeded.
fn watched(command: &mut Command, tally: &mut Tally) -> Result<bool, Failed> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| Failed(format!("{}: {error}", shown(command))))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || pass_on(stderr, std::io::stderr()));
    let counts = [pass_on(stdout, std::io::stdout()), errors.join().unwrap_or_default()];
    for count in counts {
        tally.passed += count.passed;
        tally.failed += count.failed;
        tally.ignored += count.ignored;
    }
    Ok(child.wait().map_err(Failed::new)?.success())
}

fn pass_on(from: Option<impl Read>, mut to: impl Write) -> Tally {
    let mut tally = Tally::default();
    let Some(from) = from else { return tally };
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        tally.count(&line);
        // Whoever closed our output has seen enough; the tests go on.
        let _ = writeln!(to, "{line}");
    }
    tally
}

impl Tally {
    /// Adds what a summary line of libtest or nextest says.
    fn count(&mut self, line: &str) {
        let libtest = line.strip_prefix("test result: ");
        let nextest = line.trim_start().strip_prefix("Summary [").filter(|rest| rest.contains(" run: "));
        let Some(numbers) = libtest.or_else(|| nextest.and_then(|rest| rest.split_once(" run: ")).map(|(_, n)| n))
        else {
            return;
        };
        for part in numbers.split([';', ',', '.']) {
            let mut words = part.split_whitespace();
            if let (Some(Ok(number)), Some(word)) = (words.next().map(str::parse::<u64>), words.next()) {
                match word {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    "ignored" | "skipped" => self.ignored += number,
                    _ => {}
                }
            }
        }
    }
}

fn take_lines(path: &Path) -> Vec<String> {
    let Ok(text) = fs::read_to_string(path) else { return Vec::new() };
    // Best effort: the folder for temporary files is cleared by the system anyway.
    let _ = fs::remove_file(path);
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.count(line));
        tally
    }

    #[test]
    fn summaries_of_both_runners_are_counted() {
        assert_eq!(
            counted(&[
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s",
                "test tests::one ... ok",
                "     Summary [   0.113s] 34 tests run: 33 passed (1 slow), 1 failed, 2 skipped",
                "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s",
            ]),
            Tally { passed: 46, failed: 3, ignored: 3 }
        );
    }

    #[test]
    fn in_ci_a_skip_is_a_failure_unless_it_is_optional() {
        let ran = Tally { passed: 1, ..Tally::default() };
        let skipped = |line: &str| [line.to_owned()];
        assert!(verdict(&[], &skipped("postgres: no server"), ran, true).is_err());
        assert!(verdict(&[], &skipped("postgres: no server"), ran, false).is_ok());
        assert!(verdict(&[], &skipped("optional promtool: not found"), ran, true).is_ok());
        assert!(verdict(&[], &[], Tally::default(), true).is_err(), "nothing ran");
        assert!(verdict(&skipped("cargo test"), &[], ran, false).is_err());
    }
}
