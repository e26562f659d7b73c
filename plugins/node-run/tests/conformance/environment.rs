//! What a process finds in its environment.

use std::{collections::BTreeMap, fs, path::Path};

use batchmill_core::{CancelSignal, Factory, Node, NodeContext, Options};
use serde_json::{Value, json};

use crate::support::{build_in, job, node, object, run_as, with_factory};

/// A variable that cargo sets for tests: stands for whatever else the host has.
const OF_THE_HOST: &str = "CARGO_PKG_NAME";

async fn environment(mut options: Value, state: Value) -> BTreeMap<String, String> {
    options["run"] = json!(["env", "-0"]);
    options["output"] = json!("{all: .stdout}");
    let node = node(options);
    let (mut job, state) = (job("job 1"), object(state));
    job.attempt = 3;
    let cancel = CancelSignal::new();
    let update = node.run(&state, NodeContext::new(&job, "step", &state, &cancel)).await.unwrap();
    let entries = update["all"].as_str().unwrap().split_terminator('\0');
    entries.map(|entry| entry.split_once('=').map(|(name, value)| (name.into(), value.into())).unwrap()).collect()
}

#[tokio::test]
async fn it_is_what_the_host_lends_the_job_and_the_node() {
    let options = json!({"env": {"GREETING": "hello ${ .who }", "EMPTY": "", "NUMBER": 5, "LANG": "xx_XX"}});
    let mut found = environment(options, json!({"who": "you\nand me"})).await;
    let mut expected = BTreeMap::from(
        [
            ("BATCHMILL_JOB_ID", "job 1"),
            ("BATCHMILL_ATTEMPT", "3"),
            ("BATCHMILL_IDEMPOTENCY_KEY", "batch/job 1"),
            ("BATCHMILL_BATCH", "batch"),
            ("BATCHMILL_NODE", "step"),
            ("BATCHMILL_RUN", batchmill_node_run::run_marker()),
            ("GREETING", "hello you\nand me"),
            ("EMPTY", ""),
            ("NUMBER", "5"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    for name in ["PATH", "HOME", "TZ", "TMPDIR"] {
        expected.extend(std::env::var(name).ok().map(|value| (name.to_owned(), value)));
    }
    expected.insert("LANG".into(), "xx_XX".into());
    found.retain(|name, _| name != "_");
    assert_eq!(found, expected);
    assert!(std::env::var_os(OF_THE_HOST).is_some(), "there was something to keep back");
}

#[tokio::test]
async fn all_of_the_host_where_asked_for() {
    let found = environment(json!({"inherit_env": true, "env": {OF_THE_HOST: "mine"}}), json!({})).await;
    assert_eq!(found[OF_THE_HOST], "mine", "what the node declares wins");
    for (name, value) in std::env::vars().filter(|(name, _)| name != OF_THE_HOST && name.starts_with("CARGO_")) {
        assert_eq!(found.get(&name), Some(&value));
    }
}

#[tokio::test]
async fn programs_are_found_by_the_path_of_the_node() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/echo", folder.path().join("only-here")).unwrap();
    let options = json!({"run": ["only-here", "x"], "env": {"PATH": folder.path().to_str()}, "output": "{o: .stdout}"});
    let update = run_as(node(options).as_ref(), json!({}), "1", &CancelSignal::new()).await.unwrap();
    assert_eq!(update["o"], "x\n");
}

#[tokio::test]
async fn secrets_reach_the_process_and_no_message() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "t0psecret\n").unwrap();
    let secret = std::env::var(OF_THE_HOST).unwrap();
    let options = json!({
        "run": "printf '%s|%s' \"$A\" \"$B\"; echo \"bad token $A or $B\" >&2; exit ${ .code }",
        "shell": true,
        "env": {"A": {"env": OF_THE_HOST}, "B": {"file": "token"}},
        "output": "{got: .stdout}",
    });
    let node = build_in(options, folder.path()).unwrap();
    let update = run_as(node.as_ref(), json!({"code": 0}), "1", &CancelSignal::new()).await.unwrap();
    assert_eq!(update["got"], format!("{secret}|t0psecret"));
    let failed = run_as(node.as_ref(), json!({"code": 1}), "1", &CancelSignal::new()).await.unwrap_err();
    assert_eq!(failed.message, "`/bin/sh` exited with status 1: bad token *** or ***");
    let shown = format!("{node:?}");
    assert!(!shown.contains("t0psecret") && !shown.contains(&secret), "{shown}");
}

#[test]
fn secrets_that_are_missing_stop_the_build_by_name() {
    let options = json!({"run": ["true"], "env": {
        "A": {"env": "NO_SUCH_VARIABLE"}, "B": {"file": "/no/such/file"}, "C": {"env": "A=B"}}});
    let refused = build_in(options, Path::new("/")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "env.A: environment variable `NO_SUCH_VARIABLE` is not set; \
         env.B: cannot read `/no/such/file`: No such file or directory (os error 2); \
         env.C: `A=B` cannot be the name of an environment variable"
    );
}

#[test]
fn validation_does_not_look_at_the_host() {
    let options: Options = object(json!({"run": ["no-such-program"], "env": {"A": {"env": "NO_SUCH_VARIABLE"}}}));
    with_factory(|factory: &dyn Factory<dyn Node>| assert_eq!(factory.validate(&options), Ok(())));
}
