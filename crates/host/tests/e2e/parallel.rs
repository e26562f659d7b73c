//! Halt rules beside the real GNU parallel: the same jobs run, and where the exit codes differ they do so as documented.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::stage::{Stage, skipped};

/// How the exit codes relate. Batchmill's is that of `--exit-code count`.
#[derive(Debug, Clone, Copy)]
enum Codes {
    Same,
    /// A percentage of failed jobs there, their number here.
    Percent,
    /// That of the one job there, 1 here.
    OfTheJob(i32),
}

/// A form, the exit status of each job, and how the codes relate.
const FORMS: &[(&str, &str, Codes)] = &[
    ("never", "0101011", Codes::Same),
    ("0", "0101011", Codes::Same),
    ("soon,fail=3", "0101010101", Codes::Same),
    ("now,fail=3", "0101010101", Codes::Same),
    ("soon,fail=9", "0101010101", Codes::Same),
    ("soon,fail=1", "0010", Codes::Same),
    ("now,fail=1", "0070", Codes::OfTheJob(7)),
    ("1", "0070", Codes::OfTheJob(7)),
    ("2", "01", Codes::Same),
    ("soon,success=1", "11011", Codes::Same),
    ("now,success=2", "1101011", Codes::Same),
    ("soon,success=9", "1101011", Codes::Same),
    ("-1", "1101", Codes::Same),
    ("-2", "1101", Codes::Same),
    ("now,success=30%", "1101010011", Codes::Same),
    ("soon,done=3", "010101", Codes::Same),
    ("now,done=50%", "000", Codes::Same),
    ("soon,done=50%", "1101010011", Codes::Percent),
    ("soon,done=100%", "0000", Codes::Same),
    ("soon,fail=10%", "0701010101", Codes::OfTheJob(7)),
    ("soon,fail=20%", "0101010101", Codes::Percent),
    ("now,fail=34%", "111", Codes::Percent),
    ("now,fail=33%", "111", Codes::Percent),
    ("50%", "11111111", Codes::Percent),
    ("soon,fail=100%", "111", Codes::Percent),
];

/// Forms that are held against the real one over every list of ends.
const RULES: &[&str] = &[
    "never",
    "soon,fail=1",
    "soon,fail=2",
    "now,fail=1",
    "now,fail=3",
    "soon,fail=30%",
    "now,fail=50%",
    "soon,success=1",
    "soon,success=3",
    "now,success=2",
    "now,success=40%",
    "soon,done=3",
    "soon,done=60%",
    "2",
    "-1",
    "30%",
];

/// Refused by both.
const NO_FORMS: &[&str] = &["3", "soon,fail", "soon,failed=1", "later,fail=1"];

/// What GNU parallel takes, and ignores a part of or never reaches.
const TAKEN_THERE_ONLY: &[&str] = &["never,fail=1", "soon,fail=0", "soon,fail=150%", "soon,fail=1,x=3"];

/// What a program did: which jobs ran, and its exit code.
#[derive(Debug, PartialEq)]
struct Did {
    ran: String,
    code: i32,
}

struct Bench {
    stage: Stage,
}

impl Bench {
    fn new() -> Self {
        let stage = Stage::new();
        stage.write("job.sh", "echo \"$1\" >> ran\nexit \"$(cut -c \"$1\" statuses)\"\n");
        Self { stage }
    }

    fn set_up(&self, statuses: &str) {
        self.stage.write("statuses", statuses);
        self.stage.write("ran", "");
        let jobs = (1..=statuses.len()).map(|n| format!("{{\"n\":{n}}}\n"));
        self.stage.write("jobs.jsonl", jobs.collect::<String>());
        self.stage.write("numbers", (1..=statuses.len()).map(|n| format!("{n}\n")).collect::<String>());
    }

    fn did(&self, mut command: Command) -> Did {
        let output = command.stdin(Stdio::null()).output().expect("the program starts");
        let code = output.status.code().expect("an exit code");
        Did { ran: self.stage.read("ran").replace('\n', " "), code }
    }

    fn parallel(&self, form: &str, statuses: &str) -> Did {
        self.set_up(statuses);
        let mut command = Command::new("parallel");
        command.current_dir(self.stage.path(".")).env("HOME", self.stage.path(".")).env_remove("PARALLEL");
        command.args(["--will-cite", "-j1", "--halt", form, "-a", "numbers", "sh", "job.sh"]);
        self.did(command)
    }

    fn batchmill(&self, form: &str, statuses: &str) -> Did {
        self.set_up(statuses);
        let own = ["each", "jobs.jsonl", "--concurrency", "1", "--max-attempts", "1", "--exit-code", "count"];
        // Two programs are compared, not their disks.
        let quick =
            ["--progress", "none", "--durability", "none", "--output", "results", "--overwrite", "--report", "report"];
        let rule = ["--halt", form, "--", "sh", "job.sh", "${ .n }"];
        self.did(self.stage.command(&[&own[..], &quick, &rule].concat()))
    }

    /// Whether a rule stopped the last batch that was no rule on successes.
    fn failed_by_rule(&self) -> bool {
        let report: Value = serde_json::from_str(&self.stage.read("report")).expect("a report");
        report["verdict"] == "halted" && report["reason"]["success"] == false
    }
}

/// Whether the real one is here. Debian's `moreutils` has another program of that name.
fn is_installed() -> bool {
    let version = Command::new("parallel").arg("--version").stdin(Stdio::null()).output();
    version.is_ok_and(|output| output.stdout.starts_with(b"GNU parallel"))
}

/// Every rule over one list: the same jobs run. The exit codes are the same, but for batches that a rule other than one on
/// successes stopped (these are in [`FORMS`]), and but for percentages, where GNU parallel answers with a percentage of failed
/// jobs whether they were reached or not.
#[track_caller]
fn agrees(test: &str, statuses: &str) {
    if !is_installed() {
        return skipped(test, "no GNU parallel");
    }
    let (bench, mut differs) = (Bench::new(), Vec::new());
    for form in RULES {
        let (theirs, ours) = (bench.parallel(form, statuses), bench.batchmill(form, statuses));
        let jobs = i32::try_from(statuses.len()).unwrap();
        let as_percentage = (ours.code * 100 + jobs - 1) / jobs;
        let codes_agree =
            theirs.code == ours.code || bench.failed_by_rule() || (form.ends_with('%') && theirs.code == as_percentage);
        if theirs.ran != ours.ran || !codes_agree {
            differs.push(format!("{form}: {theirs:?} there, {ours:?} here"));
        }
    }
    assert_eq!(differs, [""; 0], "with {statuses}: {}", differs.join("\n"));
}

#[test]
fn every_rule_does_as_gnu_parallel_where_all_jobs_succeed() {
    agrees("every_rule_does_as_gnu_parallel_where_all_jobs_succeed", "0000000000");
}

#[test]
fn every_rule_does_as_gnu_parallel_where_all_jobs_fail() {
    agrees("every_rule_does_as_gnu_parallel_where_all_jobs_fail", "1111111111");
}

#[test]
fn every_rule_does_as_gnu_parallel_where_every_second_job_fails() {
    agrees("every_rule_does_as_gnu_parallel_where_every_second_job_fails", "0101010101");
}

#[test]
fn every_rule_does_as_gnu_parallel_where_the_last_jobs_fail() {
    agrees("every_rule_does_as_gnu_parallel_where_the_last_jobs_fail", "0000001131");
}

#[test]
fn every_rule_does_as_gnu_parallel_where_the_first_jobs_fail() {
    agrees("every_rule_does_as_gnu_parallel_where_the_first_jobs_fail", "2110000000");
}

#[test]
fn halt_rules_stop_after_the_same_job_as_in_gnu_parallel() {
    if !is_installed() {
        return skipped("halt_rules_stop_after_the_same_job_as_in_gnu_parallel", "no GNU parallel");
    }
    let bench = Bench::new();
    for (form, statuses, codes) in FORMS {
        let (theirs, ours) = (bench.parallel(form, statuses), bench.batchmill(form, statuses));
        let jobs = i32::try_from(statuses.len()).unwrap();
        let expected = match codes {
            Codes::Same => ours.code,
            Codes::Percent => (ours.code * 100 + jobs - 1) / jobs,
            Codes::OfTheJob(code) => {
                assert_eq!(ours.code, 1, "{form}");
                *code
            }
        };
        assert_eq!(theirs, Did { code: expected, ran: ours.ran }, "{form} with {statuses}: {codes:?}");
    }
    for form in NO_FORMS {
        assert_eq!((bench.parallel(form, "111").code, bench.batchmill(form, "111").code), (255, 2), "{form}");
    }
    for form in TAKEN_THERE_ONLY {
        assert_ne!(bench.parallel(form, "111").code, 255, "{form}");
        assert_eq!(bench.batchmill(form, "111"), Did { ran: String::new(), code: 2 }, "{form}");
    }
}
