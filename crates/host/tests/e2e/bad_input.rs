//! Bad input: each kind with its message and its exit code, before anything runs.

use crate::stage::Stage;

/// What is wrong, and what a user sees.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) flow: &'static str,
    /// The JOBS argument; `jobs` stand in the file that it names.
    pub(crate) source: &'static str,
    pub(crate) jobs: &'static [u8],
    pub(crate) config: &'static str,
    pub(crate) args: &'static [&'static str],
    pub(crate) code: i32,
    pub(crate) says: &'static [&'static str],
}

pub(crate) const GOOD: Case = Case {
    what: "nothing",
    flow: "version: 1\nname: good\ninput: {type: object, properties: {n: {type: integer}}}\nnodes:\n  a:\n    run: [touch, ran]\n",
    source: "jobs.jsonl",
    jobs: b"{\"n\":1}\n",
    config: "",
    args: &[],
    code: 0,
    says: &[],
};

const JOBS: &[Case] = &[
    Case {
        what: "a line that is not JSON",
        jobs: b"{\"n\":1}\n{\"n\":}\n",
        says: &["jobs.jsonl:2:6: not JSON: "],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a line that is no object",
        jobs: b"[1]\n",
        says: &["jobs.jsonl:1:1: a job must be a JSON object, found a list"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a line that is not UTF-8",
        jobs: b"{\"a\":\"\xff\"}\n",
        says: &["jobs.jsonl:1:7: not UTF-8: byte 0xFF at byte 7 of the line"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a line that is too long",
        jobs: b"{\"a\":\"xxxxxxxxxxxxxxxxxxxx\"}\n",
        args: &["--max-line", "10"],
        says: &["jobs.jsonl:1: the line has 28 bytes, at most 10 are allowed; --max-line raises it"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a byte order mark",
        jobs: b"\xef\xbb\xbf{\"n\":1}\n",
        says: &["jobs.jsonl:1:1: starts with a byte order mark; remove it"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a duplicate key",
        jobs: b"{\"n\":1,\"n\":2}\n",
        says: &["jobs.jsonl:1:10: duplicate key `n`"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "duplicate ids",
        jobs: b"{\"id\":\"a\",\"input\":{}}\n\n{\"id\":\"a\",\"input\":{}}\n",
        says: &["jobs.jsonl:3: duplicate id `a`: line 1 has it too"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an id that is another job's line number",
        jobs: b"{}\n{\"id\":\"1\",\"input\":{}}\n",
        says: &["jobs.jsonl:2: duplicate id `1`: line 1 has it too (a job without an id has its line number)"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a priority above 255",
        jobs: b"{\"priority\":256,\"input\":{}}\n",
        says: &["jobs.jsonl:1:13: priority must be a whole number from 0 to 255, found 256"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a negative priority",
        jobs: b"{\"priority\":-1,\"input\":{}}\n",
        says: &["found -1"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an id without input",
        jobs: b"{\"id\":\"a\",\"n\":1}\n",
        says: &[
            "jobs.jsonl:1:2: `id` without `input`: write {\"id\": …, \"input\": {…}}, or take lines as inputs with --input-is-line",
        ],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an unknown name beside input",
        jobs: b"{\"priorty\":1,\"input\":{}}\n",
        says: &["jobs.jsonl:1:2: unknown name `priorty` beside `input`, did you mean `priority`?"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an input that is no object",
        jobs: b"{\"input\":3}\n",
        says: &["jobs.jsonl:1:10: `input` must be an object, found 3"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "the reserved name flow",
        jobs: b"{\"flow\":\"x\",\"input\":{}}\n",
        says: &["jobs.jsonl:1:2: `flow` is reserved"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a cost of zero",
        jobs: b"{\"cost\":0,\"input\":{}}\n",
        says: &["cost must be a number above 0, found 0"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an impossible duration",
        jobs: b"{\"timeout\":\"5 parsecs\",\"input\":{}}\n",
        says: &["timeout: `5 parsecs` is not a duration"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a moment that is none",
        jobs: b"{\"after\":\"tomorrow\",\"input\":{}}\n",
        says: &["after: `tomorrow` is not an RFC 3339 moment"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an input that does not match the schema",
        jobs: b"{\"n\":1}\n{\"n\":\"one\"}\n",
        says: &["jobs.jsonl:2: input: /n: "],
        code: 65,
        ..GOOD
    },
    Case {
        what: "many bad lines, all at once",
        jobs: b"[]\n{}\nx\n{\"n\":\"one\"}\n",
        says: &["jobs.jsonl:1:1: ", "jobs.jsonl:3:1: ", "jobs.jsonl:4: "],
        code: 65,
        ..GOOD
    },
];

const FLOWS: &[Case] = &[
    Case { what: "an empty flow", flow: " \n", says: &["flow.yaml: is empty"], code: 65, ..GOOD },
    Case { what: "YAML syntax", flow: "version: 1\nnodes: [\n", says: &["flow.yaml:"], code: 65, ..GOOD },
    Case {
        what: "an unknown key of the flow",
        flow: "version: 1\nnodez: {}\nnodes:\n  a:\n    run: ['true']\n",
        says: &["flow.yaml:2:1: nodez: unknown key `nodez`, did you mean `nodes`?"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an unknown kind of node",
        flow: "version: 1\nnodes:\n  a:\n    rum: ['true']\n",
        says: &["flow.yaml:4:5: nodes.a.rum: unknown kind `rum`", "run", "set"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an unknown node",
        flow: "version: 1\nnodes:\n  a:\n    needs: [b]\n    run: ['true']\n",
        says: &["flow.yaml:4:13: nodes.a.needs.0: unknown node `b`"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a cycle",
        flow: "version: 1\nnodes:\n  a:\n    run: ['true']\n  b:\n    needs: [a, c]\n    run: ['true']\n  c:\n    needs: [b]\n    run: ['true']\n",
        says: &["flow.yaml:6:12: nodes.b.needs: `needs` form a cycle"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an unreachable node",
        flow: "version: 1\nstart: a\nnodes:\n  a:\n    run: ['true']\n  b:\n    run: ['true']\n",
        says: &["flow.yaml:6:3: nodes.b: unreachable"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "bad jq",
        flow: "version: 1\nnodes:\n  a:\n    run: [echo, '${ .n + }']\n",
        says: &["flow.yaml:4:26: nodes.a.run.1: expected an expression"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a wrong type",
        flow: "version: 1\nnodes:\n  a:\n    run: 7\n",
        says: &["flow.yaml:4:10: nodes.a.run: "],
        code: 65,
        ..GOOD
    },
    Case {
        what: "zero attempts of a node",
        flow: "version: 1\nnodes:\n  a:\n    run: ['true']\n    retry: {max_attempts: 0}\n",
        says: &["flow.yaml:5:27: nodes.a.retry.max_attempts: must be 1 to 1000"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "an unknown key of a retry",
        flow: "version: 1\nnodes:\n  a:\n    run: ['true']\n    retry: {max_atempts: 2}\n",
        says: &["flow.yaml:5:13: nodes.a.retry.max_atempts: unknown key `max_atempts`, did you mean `max_attempts`?"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a retry budget of a node",
        flow: "version: 1\nnodes:\n  a:\n    run: ['true']\n    retry: {budget: {burst: 5}}\n",
        says: &["flow.yaml:5:21: nodes.a.retry.budget: bounds the batch as a whole: set it in [retry]"],
        code: 65,
        ..GOOD
    },
];

const CONFIG: &[Case] = &[
    Case {
        what: "TOML syntax",
        config: "[executor\n",
        says: &["batchmill.toml:1:10: unclosed table"],
        code: 78,
        ..GOOD
    },
    Case {
        what: "an unknown key",
        config: "[executor]\nconcurency = 3\n",
        says: &["batchmill.toml:2:1: executor.concurency: unknown key `concurency`, did you mean `concurrency`?"],
        code: 78,
        ..GOOD
    },
    Case {
        what: "a wrong type",
        config: "[executor]\ntimeout = 5\n",
        says: &["batchmill.toml:2:11: executor.timeout: "],
        code: 78,
        ..GOOD
    },
    Case {
        what: "a limit of zero",
        config: "[executor]\nconcurrency = 0\n",
        says: &["batchmill.toml:2:15: executor.concurrency: concurrency must be from 1 to"],
        code: 78,
        ..GOOD
    },
    Case { what: "a negative limit", config: "[executor]\nconcurrency = -2\n", says: &["found -2"], code: 78, ..GOOD },
    Case {
        what: "an impossible duration",
        config: "[executor]\ntimeout = \"5 parsecs\"\n",
        says: &["executor.timeout: `5 parsecs` is not a duration"],
        code: 78,
        ..GOOD
    },
    Case {
        what: "an unknown plugin",
        config: "[scheduler]\nkind = \"prioritty\"\n",
        says: &[
            "batchmill.toml:2:8: scheduler.kind: unknown scheduler kind `prioritty`, did you mean `priority`? (known: fair-share, fifo, priority)",
        ],
        code: 78,
        ..GOOD
    },
    Case {
        what: "an unknown option of a plugin",
        config: "[retry]\nkind = \"exponential\"\noptions = { dealy = \"1s\" }\n",
        says: &["batchmill.toml:3:13: retry.options.dealy: unknown key `dealy`, did you mean `delay`?"],
        code: 78,
        ..GOOD
    },
    Case {
        what: "a retry budget that never refills",
        config: "[retry]\nkind = \"exponential\"\noptions = { budget = { burst = 5, per_second = 0 } }\n",
        says: &["batchmill.toml:3:48: retry.options.budget.per_second: must be 0.001 to 1000000, found 0"],
        code: 78,
        ..GOOD
    },
    Case {
        what: "a bad rule",
        config: "[failure]\nkind = \"halt\"\noptions = { rules = [\"sometimes\"] }\n",
        says: &["batchmill.toml:3:", "failure.options.rules.0: `sometimes`"],
        code: 78,
        ..GOOD
    },
    Case {
        what: "several at once",
        config: "[executor]\nconcurrency = 0\n[retry]\nkind = \"never\"\n",
        says: &["executor.concurrency: ", "retry.kind: unknown retry kind `never`"],
        code: 78,
        ..GOOD
    },
    Case {
        what: "a config that is not there",
        args: &["--config", "none.toml"],
        says: &["none.toml: there is no such file"],
        code: 78,
        ..GOOD
    },
    Case {
        what: "a bad --set",
        args: &["--set", "executor.concurrency"],
        says: &["--set executor.concurrency"],
        code: 78,
        ..GOOD
    },
    Case {
        what: "config and data",
        config: "[executor]\nconcurrency = 0\n",
        jobs: b"[]\n",
        says: &["executor.concurrency: ", "jobs.jsonl:1:1: "],
        code: 78,
        ..GOOD
    },
];

const USAGE: &[Case] = &[
    Case {
        what: "an unknown flag",
        args: &["--concurency", "3"],
        says: &["unexpected argument '--concurency'", "--concurrency"],
        code: 2,
        ..GOOD
    },
    Case {
        what: "a priority above 255",
        args: &["--priority", "256"],
        says: &["invalid value '256' for '--priority <0..255>'"],
        code: 2,
        ..GOOD
    },
    Case {
        what: "no concurrency",
        args: &["--concurrency", "0"],
        says: &["--concurrency: executor.concurrency: concurrency must be from 1 to 1000000, found 0"],
        code: 2,
        ..GOOD
    },
    Case {
        what: "negative attempts",
        args: &["--max-attempts=-1"],
        says: &["--max-attempts: retry.options.max_attempts: "],
        code: 2,
        ..GOOD
    },
    Case {
        what: "no time at all",
        args: &["--timeout", "0s"],
        says: &["--timeout: executor.timeout: a timeout must be longer than 0s"],
        code: 2,
        ..GOOD
    },
    Case {
        what: "a rule that is none",
        args: &["--halt", "later,fail=1"],
        says: &["--halt: failure.options.rules.0: "],
        code: 2,
        ..GOOD
    },
    Case {
        what: "a deadline that is none",
        args: &["--deadline", "soon"],
        says: &["`soon` is not a duration"],
        code: 2,
        ..GOOD
    },
    Case {
        what: "a line length of zero",
        args: &["--max-line", "0"],
        says: &["must be at least one byte"],
        code: 2,
        ..GOOD
    },
    Case { what: "an empty tenant", args: &["--tenant", ""], says: &["an id must not be empty"], code: 2, ..GOOD },
];

const FILES: &[Case] = &[
    Case {
        what: "the output is the jobs",
        args: &["--output", "./jobs.jsonl", "--overwrite"],
        says: &["--output ./jobs.jsonl: is the same file as the jobs"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "the output is the flow",
        args: &["--output", "flow.yaml", "--overwrite"],
        says: &["is the same file as the flow"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "the report is the output",
        args: &["--output", "o", "--report", "o"],
        says: &["--report o: is the same file as the output"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "the output is a folder",
        args: &["--output", "."],
        says: &["--output .: is a directory"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a report without a folder",
        args: &["--report", "none/report.json"],
        says: &["--report none/report.json: there is no folder none"],
        code: 74,
        ..GOOD
    },
    Case {
        what: "a sink writes to the jobs",
        config: "[[sinks]]\nkind = \"jsonl\"\noptions = { path = \"./jobs.jsonl\", overwrite = true }\n",
        says: &["sinks.0.options.path: ./jobs.jsonl is the same file as the jobs"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "two sinks write to one file",
        config: "[[sinks]]\nkind = \"jsonl\"\noptions = { path = \"o\" }\n[[sinks]]\nkind = \"jsonl\"\noptions = { path = \"./o\" }\n",
        says: &["sinks.1.options.path: ./o is the same file as another sink"],
        code: 65,
        ..GOOD
    },
];

pub(crate) fn check(case: &Case) {
    let stage = Stage::new();
    stage.write("flow.yaml", case.flow);
    let file = case.source.rsplit(':').next().unwrap_or_default();
    stage.write(file, case.jobs);
    if !case.config.is_empty() {
        stage.write("batchmill.toml", case.config);
    }
    let done = stage.batchmill(&[&["run", "flow.yaml", case.source], case.args].concat());
    assert_eq!(done.code, Some(case.code), "{}: stderr:\n{}", case.what, done.stderr);
    for text in case.says {
        assert!(done.stderr.contains(text), "{}: no `{text}` in stderr:\n{}", case.what, done.stderr);
    }
    assert_eq!(stage.count("ran"), usize::from(case.code == 0), "{}: nothing runs", case.what);
    assert_eq!(stage.read_bytes(file), case.jobs, "{}: inputs are left alone", case.what);
}

#[test]
fn what_the_table_starts_from_is_good() {
    check(&GOOD);
}

#[test]
fn bad_job_lines() {
    JOBS.iter().for_each(check);
}

#[test]
fn bad_flows() {
    FLOWS.iter().for_each(check);
}

#[test]
fn bad_config() {
    CONFIG.iter().for_each(check);
}

#[test]
fn bad_command_lines() {
    USAGE.iter().for_each(check);
}

#[test]
fn files_in_each_others_way() {
    FILES.iter().for_each(check);
}

#[test]
fn a_line_that_is_too_deep() {
    let stage = Stage::new();
    stage.write("flow.yaml", GOOD.flow);
    stage.write("jobs.jsonl", format!("{{\"a\":{}{}}}\n", "[".repeat(10_000), "]".repeat(10_000)));
    stage.run(&[]).expect(65).says("jobs.jsonl:1:").says("nested deeper than 100 levels");
}

#[test]
fn only_the_first_twenty_bad_lines_are_shown() {
    let stage = Stage::new();
    stage.write("flow.yaml", GOOD.flow);
    stage.write("jobs.jsonl", "[]\n".repeat(1000));
    let done = stage.run(&[]).expect(65).says("jobs.jsonl:20:1: ").says("and 980 more");
    assert!(!done.stderr.contains("jobs.jsonl:21:"));
}

#[test]
fn files_that_are_not_there_or_are_no_files() {
    let stage = Stage::new();
    stage.write("flow.yaml", GOOD.flow);
    stage.write("jobs.jsonl", "");
    stage.batchmill(&["run", "none.yaml", "jobs.jsonl"]).expect(65).says("none.yaml: no such file");
    stage.batchmill(&["run", "flow.yaml", "none.jsonl"]).expect(65).says("none.jsonl: no such file");
    stage.batchmill(&["run", ".", "jobs.jsonl"]).expect(65).says(".: is a directory, not a flow");
    stage.batchmill(&["run", "flow.yaml", "."]).expect(65).says(".: is a directory, not a file of jobs");
    for source in ["none.json", "none.csv", "lines:none"] {
        stage.batchmill(&["run", "flow.yaml", source]).expect(65).says(": no such file");
    }
    stage.batchmill(&["run", "flow.yaml", "lines:."]).expect(65).says(".: is a directory, not a file of jobs");
    stage.batchmill(&["run", "flow.yaml", "/proc/self/mem"]).expect(65).says("/proc/self/mem: ");
    stage.batchmill(&["run", "flow.yaml", "/dev/null"]).expect(0).says("0 jobs");
    stage.batchmill(&["run", "none.yaml", "none.jsonl"]).expect(65).says("none.yaml: ").says("none.jsonl: ");
    stage
        .batchmill(&["run", "/dev/zero", "jobs.jsonl"])
        .expect(65)
        .says("/dev/zero: longer than a flow can be, 64 MiB");
    stage.batchmill(&["plugin", "inspect", "/dev/zero"]).expect(65).says("/dev/zero: is no regular file");
    let meant = stage.batchmill(&["run", "flow.yaml", "*.none"]).expect(65);
    meant.says("*.none: no such file; files that a pattern names are glob:*.none");
    // Readable by its mode, and still not readable.
    stage.batchmill(&["run", "/proc/self/mem", "jobs.jsonl"]).expect(65).says("/proc/self/mem: ");
}

/// `script` gives the program a terminal to read from.
#[test]
fn no_jobs_and_a_person_at_stdin_is_a_usage_error() {
    let stage = Stage::new();
    stage.write("flow.yaml", GOOD.flow);
    let batchmill = env!("CARGO_BIN_EXE_batchmill");
    let output = stage.shell(&format!("script -qec '{batchmill} run flow.yaml' typescript")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("no jobs: name a file of JSON Lines"));
}
