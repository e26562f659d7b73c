//! Proof that the tests can fail: each promise is broken on purpose, and a test must notice.

use crate::steps::{Failed, cargo, shown};

/// A promise, and the test that notices when it is broken: its package, and a part of its name.
const CATCHERS: &[(&str, &str, &str)] = &[
    ("ack-before-commit", "batchmill-executor", "a_job_has_ended_when_its_record_is_durable"),
    ("skip-epoch-check", "batchmill-dispatch", "every_life_keeps_every_promise"),
    ("skip-fence", "batchmill-store-sqlite", "a_host_that_lost_the_batch_is_fenced"),
    ("double-delivery", "batchmill-executor", "each_feed_gets_every_result"),
    ("skip-cut-back", "batchmill-sink-jsonl", "a_host_that_dies_at_any_byte"),
    ("forget-backoff", "batchmill-dispatch", "batches_that_outlive_their_hosts"),
    ("skip-guard", "batchmill-host", "what_differs_is_named_and_nothing_runs"),
    ("count-planned-stop", "batchmill-dispatch", "batches_that_outlive_their_hosts"),
    ("drop-on-full", "batchmill-executor", "a_store_that_stays_full_is_waited_for"),
    ("forget-crash", "batchmill-store-sqlite", "jobs_that_ran_when_the_host_died"),
    ("keep-survivors", "batchmill-host", "what_the_dead_host_left_running_is_ended"),
    ("recompute-verdict", "batchmill-dispatch", "batches_that_outlive_their_hosts"),
];

/// How a run of tests ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ran {
    Passed,
    Failed,
    /// No test has such a name, or they could not be built.
    Nothing,
}

/// Breaks each promise, or those that are named.
pub(crate) fn sabotage(arguments: &[String]) -> Result<(), Failed> {
    if let Some(unknown) = arguments.iter().find(|name| !CATCHERS.iter().any(|(known, ..)| known == name)) {
        let known: Vec<_> = CATCHERS.iter().map(|(name, ..)| *name).collect();
        return Err(Failed(format!("there is no sabotage `{unknown}`; there are {}", known.join(", "))));
    }
    let chosen = CATCHERS.iter().filter(|(name, ..)| arguments.is_empty() || arguments.iter().any(|a| a == name));
    let mut missed = Vec::new();
    let mut caught = 0;
    for (name, package, test) in chosen {
        let verdict = match (tests(package, test, "")?, tests(package, test, name)?) {
            (Ran::Passed, Ran::Failed) => {
                caught += 1;
                println!("caught  {name:<20} by {package}, {test}");
                continue;
            }
            (Ran::Passed, _) => "nobody noticed",
            (Ran::Failed, _) => "the tests fail without it too",
            (Ran::Nothing, _) => "there is no such test",
        };
        println!("MISSED  {name:<20} {verdict}: {package}, {test}");
        missed.push(*name);
    }
    println!("{caught} sabotages caught, {} missed", missed.len());
    if missed.is_empty() { Ok(()) } else { Err(Failed(format!("not caught: {}", missed.join(", ")))) }
}

/// Runs tests with a promise broken, or with none.
fn tests(package: &str, test: &str, broken: &str) -> Result<Ran, Failed> {
    let mut command = cargo(&["test", "--quiet", "--package", package, "--features"]);
    command.arg(if package == "batchmill-host" { "faults" } else { "batchmill-core/faults" });
    command.arg(test).env("BATCHMILL_SABOTAGE", broken);
    let output = command.output().map_err(|error| Failed(format!("{}: {error}", shown(&command))))?;
    Ok(ran(output.status.success(), &String::from_utf8_lossy(&output.stdout)))
}

fn ran(succeeded: bool, stdout: &str) -> Ran {
    let counts = |word: &str| {
        let results = stdout.lines().filter_map(|line| line.strip_prefix("test result: "));
        let numbers =
            results.flat_map(|line| line.split(['.', ';']).map(str::trim).map(str::to_owned).collect::<Vec<_>>());
        numbers.filter_map(|part| part.strip_suffix(word)?.trim().parse::<u64>().ok()).sum::<u64>()
    };
    match (succeeded, counts("passed"), counts("failed")) {
        (true, 1.., 0) => Ran::Passed,
        (false, _, 1..) => Ran::Failed,
        _ => Ran::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_is_read_from_the_summaries() {
        let passed = "test result: ok. 0 passed; 0 failed; 0 ignored\ntest result: ok. 2 passed; 0 failed; 1 ignored\n";
        assert_eq!(ran(true, passed), Ran::Passed);
        assert_eq!(ran(true, "test result: ok. 0 passed; 0 failed\n"), Ran::Nothing);
        assert_eq!(ran(false, "test result: FAILED. 1 passed; 1 failed\n"), Ran::Failed);
        assert_eq!(ran(false, "error: could not compile"), Ran::Nothing);
    }

    #[test]
    fn every_promise_has_a_catcher() {
        let source = include_str!("../../crates/core/src/fault.rs");
        let names = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> \""));
        let names: Vec<_> = names.map(|(_, rest)| rest.trim_end_matches("\",")).collect();
        assert_eq!(names.len(), CATCHERS.len());
        assert!(names.iter().all(|name| CATCHERS.iter().any(|(known, ..)| known == name)), "{names:?}");
    }
}
