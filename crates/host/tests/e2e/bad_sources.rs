//! Bad input in each format of jobs: the same table as `bad_input`, a source a list.

use crate::{
    bad_input::{Case, GOOD, check},
    stage::Stage,
};

/// An input of text, as CSV and lines make it.
const TEXT: Case = Case {
    flow: "version: 1\nname: good\ninput: {type: object, properties: {n: {maxLength: 9}}}\nnodes:\n  a:\n    run: [touch, ran]\n",
    source: "jobs.csv",
    code: 65,
    ..GOOD
};

const CSV: &[Case] = &[
    Case { what: "a good one", jobs: b"n\n1\n", code: 0, ..TEXT },
    Case { what: "nothing", jobs: b"", says: &["jobs.csv: is empty; the first record of a CSV file names"], ..TEXT },
    Case {
        what: "ragged rows",
        jobs: b"n,m\n1\n\n1,2,3\n",
        says: &[
            "jobs.csv:2: the record has 1 field, the header has 2 fields",
            "jobs.csv:4: the record has 3 fields, the header has 2 fields",
        ],
        ..TEXT
    },
    Case {
        what: "more jobs than may be",
        jobs: b"n\n1\n2\n3\n4,5\n",
        args: &["--set", "executor.queue_limit=2"],
        says: &["jobs.csv:4: there are more jobs than the 2 of executor.queue_limit"],
        ..TEXT
    },
    Case {
        what: "a quote that is never closed",
        jobs: b"n,m\n1,2\n3,\"4\n5,6\n",
        args: &["--on-bad-line", "skip"],
        says: &["jobs.csv:3:3: the quote that opens here is never closed"],
        ..TEXT
    },
    Case {
        what: "text behind a quote",
        jobs: b"n\n\"say \"hi\" to\"\n",
        says: &["jobs.csv:2:7: text behind a closing quote; a quote in a quoted field is written twice"],
        ..TEXT
    },
    Case {
        what: "a header that names nothing, and one thing twice",
        jobs: b"a,,a\n1,2,3\n",
        args: &["--id-column", "id"],
        says: &[
            "jobs.csv:1:3: column 2 has no name",
            "jobs.csv:1:4: duplicate column `a`",
            "jobs.csv:1: --id-column: there is no column `id` (there are: a)",
        ],
        ..TEXT
    },
    Case {
        what: "a column that is not there",
        jobs: b"name,prio\na,1\n",
        args: &["--priority-column", "pri"],
        says: &["jobs.csv:1: --priority-column: there is no column `pri`, did you mean `prio`?"],
        ..TEXT
    },
    Case {
        what: "a field that is not UTF-8",
        jobs: b"n,m\n\"a\nb\",caf\xe9\n",
        says: &["jobs.csv:3:4: not UTF-8: byte 0xE9 at byte 4 of the field"],
        ..TEXT
    },
    Case {
        what: "keys that are none, by line and column behind a record of two lines",
        jobs: b"\xef\xbb\xbfid,p,t\r\n\"a\nb\",256,\r\n,-1,x\r\n",
        args: &["--id-column", "id", "--priority-column", "p", "--tenant-column", "t"],
        says: &[
            "jobs.csv:2:1: an id has no control characters, this one has U+000A",
            "jobs.csv:3:4: priority must be a whole number from 0 to 255, found 256",
            "jobs.csv:4:1: an id must not be empty",
            "jobs.csv:4:2: priority must be a whole number from 0 to 255, found \"-1\"",
        ],
        ..TEXT
    },
    Case {
        what: "equal ids",
        jobs: b"id\na\n\"b\n\"\na\n",
        args: &["--id-column", "id", "--on-bad-line", "fail"],
        says: &["jobs.csv:5: duplicate id `a`: line 2 has it too", "jobs.csv:3:1: an id has no control characters"],
        ..TEXT
    },
    Case {
        what: "a record that is too long",
        jobs: b"n\n1\n\"1234567\n90\"\n2\n",
        args: &["--max-line", "10"],
        says: &["jobs.csv:3: the record has 12 bytes, at most 10 are allowed; --max-line raises it"],
        ..TEXT
    },
    Case {
        what: "an input that does not match the schema",
        jobs: b"n\n1\n1234567890\n",
        says: &["jobs.csv:3: input: /n: "],
        ..TEXT
    },
    Case {
        what: "a delimiter that is none",
        args: &["--delimiter", "\""],
        says: &["must be one character of ASCII"],
        code: 2,
        ..TEXT
    },
];

const JSON: &[Case] = &[
    Case { what: "a good one", source: "jobs.json", jobs: b"[{\"n\":1}]", ..GOOD },
    Case { what: "nothing", source: "jobs.json", jobs: b" ", says: &["jobs.json: is empty; "], code: 65, ..GOOD },
    Case {
        what: "JSON Lines by the wrong name",
        source: "jobs.json",
        jobs: b"{\"n\":1}\n{\"n\":2}\n",
        says: &["jobs.json:1:1: a JSON file of jobs must be a list, [ … ]; a file with one job a line must be named .jsonl"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a list that is cut",
        source: "jobs.json",
        jobs: b"[{\"n\":1},\n {\"n\":",
        args: &["--on-bad-line", "skip"],
        says: &["jobs.json:2:2: not JSON: the list ends within the job that begins here"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a list that is not closed",
        source: "jobs.json",
        jobs: b"[{\"n\":1}\n",
        says: &["jobs.json:2:1: not JSON: the list is never closed"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a comma at the end",
        source: "jobs.json",
        jobs: b"[{\"n\":1},\n]",
        says: &["jobs.json:2:1: not JSON: a comma before the end of the list"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "something behind the list",
        source: "jobs.json",
        jobs: b"[] []",
        says: &["jobs.json:1:4: not JSON: there is something after the end of the list"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "bad jobs, all at once, at their lines and columns",
        source: "jobs.json",
        jobs: "[\n  {\"n\":1},\n  {\"é\":1,\n   \"é\": 2, \"n\":},\n  5, {\"id\":\"1\", \"input\":{}},\n  {\"n\":\"a\nb\"}, {\"n\":\"x\"}\n]"
            .as_bytes(),
        says: &[
            "jobs.json:4:16: not JSON: expected a value here; a text stands in double quotes",
            "jobs.json:5:3: a job must be a JSON object, found 5",
            "jobs.json:5: duplicate id `1`: line 2 has it too (a job without an id has its number)",
            "jobs.json:6:10: not JSON: a line break inside a text; write \\n",
            "jobs.json:7: input: /n: ",
        ],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a job that is too long",
        source: "jobs.json",
        jobs: b"[{\"n\":1},\n{\"n\":12345678}]",
        args: &["--max-line", "10"],
        says: &["jobs.json:2: the job has 14 bytes, at most 10 are allowed; --max-line raises it"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a byte order mark",
        source: "jobs.json",
        jobs: b"\xef\xbb\xbf[]",
        says: &["jobs.json:1:1: starts with a byte order mark; remove it"],
        code: 65,
        ..GOOD
    },
    Case {
        what: "a column of a list",
        source: "jobs.json",
        args: &["--tenant-column", "n"],
        says: &["--tenant-column: jobs.json has no columns, only FILE.csv has"],
        code: 2,
        ..GOOD
    },
];

const LINES: &[Case] = &[
    Case { what: "a good one", source: "lines:jobs", jobs: b"n\n", ..GOOD },
    Case {
        what: "bad lines",
        source: "lines:jobs",
        jobs: b"\xef\xbb\xbfa\n\n\xff\n123456789012345678901\n",
        args: &["--max-line", "20"],
        says: &[
            "jobs:1:1: starts with a byte order mark; remove it",
            "jobs:3:1: not UTF-8: byte 0xFF at byte 1 of the line",
            "jobs:4: the line has 21 bytes, at most 20 are allowed; --max-line raises it",
        ],
        code: 65,
        ..GOOD
    },
    Case {
        what: "as many jobs as may be",
        source: "lines:jobs",
        jobs: b"a\n\nb\n",
        args: &["--set", "executor.queue_limit=2"],
        ..GOOD
    },
    Case {
        what: "an input that does not match the schema",
        flow: "version: 1\nname: good\ninput: {type: object, required: [path]}\nnodes:\n  a:\n    run: [touch, ran]\n",
        source: "lines:jobs",
        jobs: b"a\n",
        says: &["jobs:1: input: \"path\" is a required property"],
        code: 65,
        ..GOOD
    },
];

#[test]
fn bad_csv() {
    CSV.iter().for_each(check);
}

#[test]
fn bad_lists() {
    JSON.iter().for_each(check);
}

#[test]
fn bad_plain_lines() {
    LINES.iter().for_each(check);
}

#[test]
fn bad_patterns() {
    let stage = Stage::new();
    stage.write("flow.yaml", GOOD.flow);
    let refused = |pattern: &str, says: &str| {
        stage.batchmill(&["run", "flow.yaml", pattern]).expect(65).says(&format!("error: {pattern}: {says}"));
        assert_eq!(stage.count("ran"), 0, "{pattern}");
    };
    refused("glob:*.txt", "nothing matches; patterns have");
    refused("glob:*.{txt,csv}", "nothing matches; `{a,b}` is not a pattern");
    refused("glob:~/*", "nothing matches; `~` is the shell's");
    refused("glob:", "the pattern is empty");
    refused("glob:[a", "`[a`: the `[` is never closed");
    stage.batchmill(&["run", "flow.yaml", "glob:*.yaml", "--id-column", "a"]).expect(2).says("has no columns");
}
