//! The commands beside `run`.

use serde_json::Value;

use crate::stage::Stage;

#[test]
fn check_says_that_all_is_right() {
    let stage = Stage::with("  node:\n    run: ['true']\n", ["{}", "{}"]);
    let done = stage.batchmill(&["check", "flow.yaml", "jobs.jsonl"]).expect(0);
    assert_eq!(done.stdout, "flow.yaml: flow `test` with 1 node, 2 jobs: all right\n");
    let done = stage.batchmill(&["check", "flow.yaml", "-o", "json"]).expect(0);
    let answer: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        answer,
        serde_json::json!({"flow": "test", "nodes": ["node"], "jobs": null, "bad_lines": null, "problems": []})
    );
}

#[test]
fn check_reports_config_flow_and_jobs_at_once() {
    let stage = Stage::with("  node:\n    runn: ['true']\n", ["{}", "[]"]);
    stage.write("batchmill.toml", "[executor]\nconcurency = 3\n");
    stage
        .batchmill(&["check", "flow.yaml", "jobs.jsonl"])
        .expect(78)
        .says("batchmill.toml:2:1: executor.concurency: unknown key `concurency`, did you mean `concurrency`?")
        .says("flow.yaml:5:5: nodes.node.runn: unknown kind `runn`")
        .says("jobs.jsonl:2:1: a job must be a JSON object, found a list");
}

#[test]
fn what_check_finds_is_json_where_that_is_asked_for() {
    let stage = Stage::with("  node:\n    runn: ['true']\n", ["{}", "[]"]);
    stage.write("batchmill.toml", "[executor]\nconcurency = 3\n");
    let check = ["check", "flow.yaml", "jobs.jsonl", "--set", "executor.timeout=0s", "-o"];
    let done = stage.batchmill(&[&check[..], &["json"]].concat()).expect(78);
    let answer: Value = serde_json::from_str(&done.stdout).unwrap();
    let found = answer["problems"].as_array().unwrap();
    let places: Vec<_> = found.iter().map(|it| (&it["file"], &it["line"], &it["column"], &it["key"])).collect();
    let place = |file: &str, line: u64, column: u64, key: &str| {
        let key = if key.is_empty() { Value::Null } else { key.into() };
        [file.into(), line.into(), column.into(), key]
    };
    for [file, line, column, key] in [
        place("batchmill.toml", 2, 1, "executor.concurency"),
        place("flow.yaml", 5, 5, "nodes.node.runn"),
        place("jobs.jsonl", 2, 1, ""),
    ] {
        assert!(places.contains(&(&file, &line, &column, &key)), "{file}: {answer:#}");
    }
    let set = found.iter().find(|it| it["key"] == "executor.timeout").unwrap();
    assert_eq!((&set["file"], &set["origin"]), (&Value::Null, &"--set executor.timeout=…".into()));
    assert!(found.iter().all(|it| it["message"].as_str().is_some_and(|message| !message.is_empty())), "{answer:#}");
    let lines = stage.batchmill(&[&check[..], &["jsonl"]].concat()).expect(78).results();
    assert_eq!(&lines, found);
}

#[test]
fn problems_of_the_config_alone_are_the_same_json() {
    let stage = Stage::with("  node:\n    run: ['true']\n", ["{}"]);
    stage.write("batchmill.toml", "[executor]\nconcurency = 3\n[retry]\nkind = \"nobody\"\n");
    let json = |command: &[&str]| {
        let done = stage.batchmill(&[command, &["--set", "executor.timeout=0s", "-o", "json"]].concat()).expect(78);
        assert_eq!(done.stderr, "");
        serde_json::from_str::<Value>(&done.stdout).unwrap()
    };
    let told = json(&["config", "check"]);
    assert_eq!(told["problems"].as_array().map(Vec::len), Some(3), "{told:#}");
    assert_eq!(told, json(&["check", "flow.yaml"]));
    let config = ["config", "check", "-o", "jsonl", "--set", "executor.timeout=0s"];
    assert_eq!(stage.batchmill(&config).expect(78).results(), *told["problems"].as_array().unwrap());

    stage.write("batchmill.toml", "");
    let right = stage.batchmill(&["config", "check", "-o", "json"]).expect(0);
    assert_eq!((right.stdout.as_str(), right.stderr.as_str()), ("{\n  \"problems\": []\n}\n", ""));
    let right = stage.batchmill(&["config", "check", "-o", "jsonl"]).expect(0);
    assert_eq!((right.stdout.as_str(), right.stderr.as_str()), ("", ""));
}

#[test]
fn a_file_that_is_not_there_is_named_to_programs_too() {
    let stage = Stage::new();
    let found = stage.batchmill(&["check", "none.yaml", "none.jsonl", "-o", "jsonl"]).expect(65).results();
    let said: Vec<_> = found.iter().map(|it| (&it["file"], &it["message"])).collect();
    let none = |file: &str| (Value::from(file), Value::from("no such file"));
    let (flow, jobs) = (none("none.yaml"), none("none.jsonl"));
    assert_eq!(said, [(&flow.0, &flow.1), (&jobs.0, &jobs.1)]);
}

#[test]
fn a_secret_that_is_not_there_is_bad_config_and_is_not_asked_for_where_nothing_runs() {
    let stage = Stage::with("  node:\n    run: ['true']\n    env: {TOKEN: {env: NO_SUCH_TOKEN}}\n", ["{}"]);
    let says = "flow.yaml:5:10: nodes.node.run: env.TOKEN: environment variable `NO_SUCH_TOKEN` is not set";
    stage.run(&[]).expect(78).says(says);
    stage.batchmill(&["check", "flow.yaml", "jobs.jsonl"]).expect(78).says(says);
    stage.batchmill(&["check", "flow.yaml", "jobs.jsonl", "--no-environment"]).expect(0);
    stage.batchmill(&["graph", "flow.yaml"]).expect(0);
    stage.batchmill(&["simulate", "flow.yaml", "jobs.jsonl"]).expect(0);
    let output = stage.command(&["run", "flow.yaml", "jobs.jsonl"]).env("NO_SUCH_TOKEN", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn plugins_are_listed() {
    let stage = Stage::new();
    let table = stage.batchmill(&["plugin", "list"]).expect(0).stdout;
    let is_fifo = |line: &str| line.split_whitespace().take(2).eq(["scheduler", "fifo"]);
    assert!(table.starts_with("KIND") && table.lines().any(is_fifo), "{table}");
    let listed: Value =
        serde_json::from_str(&stage.batchmill(&["plugin", "list", "-o", "json"]).expect(0).stdout).unwrap();
    let names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|p| format!("{}/{}", p["kind"].as_str().unwrap(), p["name"].as_str().unwrap()))
        .collect();
    for name in [
        "scheduler/fifo",
        "scheduler/priority",
        "retry/exponential",
        "failure/halt",
        "sink/jsonl",
        "metrics/prometheus",
        "node/run",
        "node/set",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
    }
    let lines = stage.batchmill(&["plugin", "list", "-o", "jsonl"]).expect(0).stdout;
    assert_eq!(lines.lines().count(), names.len());
}

#[test]
fn the_origin_of_every_value_is_shown() {
    let stage = Stage::new();
    stage.write("batchmill.toml", "[executor]\nconcurrency = 3\n");
    let mut command = stage.command(&["config", "show", "--origin", "--set", "scheduler.kind=fifo"]);
    let output = command.env("BATCHMILL_EXECUTOR__TIMEOUT", "7s").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in [
        "concurrency = 3  # from batchmill.toml:2",
        "timeout = \"7s\"  # from BATCHMILL_EXECUTOR__TIMEOUT (environment)",
        "kind = \"fifo\"  # from --set",
        "drain_timeout = \"20s\"  # from default",
        "shutdown_timeout = \"28s\"  # from default",
    ] {
        assert!(shown.contains(line), "no `{line}` in:\n{shown}");
    }
    // What `run` would have from a flag or its variable.
    let mut command = stage.command(&["config", "show", "--origin", "--max-attempts", "5"]);
    let output = command.env("BATCHMILL_CONCURRENCY", "7").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in ["concurrency = 7  # from BATCHMILL_CONCURRENCY", "max_attempts = 5  # from --max-attempts"] {
        assert!(shown.contains(line), "no `{line}` in:\n{shown}");
    }
    stage.batchmill(&["config", "check"]).expect(0).says("The config is right");
    let schema = stage.batchmill(&["config", "schema"]).expect(0).stdout;
    assert!(serde_json::from_str::<Value>(&schema).unwrap()["properties"]["scheduler"].is_object());
}

#[test]
fn every_shell_gets_completions() {
    let stage = Stage::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stage.batchmill(&["completions", shell]).expect(0).stdout;
        assert!(script.contains("concurrency"), "{shell}");
    }
}

#[test]
fn what_is_not_built_does_not_exist() {
    let stage = Stage::new();
    for command in ["serve", "worker"] {
        stage.batchmill(&[command]).expect(2).says("unrecognized subcommand");
    }
    for flag in ["--server", "--cluster"] {
        stage.batchmill(&["run", "flow.yaml", "jobs.jsonl", flag, "x"]).expect(2).says("unexpected argument");
    }
}

#[test]
fn help_and_version_are_for_stdout() {
    let stage = Stage::new();
    assert!(stage.batchmill(&["--version"]).expect(0).stdout.starts_with("batchmill "));
    assert!(stage.batchmill(&["run", "--help"]).expect(0).stdout.contains("--halt"));
    stage.batchmill(&[]).expect(2);
}
