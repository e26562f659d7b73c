//! What reaches the program, and programs that cannot be started.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;

use crate::support::{build_in, error, job, node, object, run, run_as, run_on};
use batchmill_core::{CancelSignal, NodeContext};

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let odd =
        ["a b", "line\nbreak", "tab\tend", "ünïcödé ⅷ 😀", "--option=x", "-rf", "*", "$HOME", "`id`", "'\"\\", ""];
    let print = r#"for argument; do printf '%s\0' "$argument"; done"#;
    let mut arguments = vec![json!("sh"), json!("-c"), json!(print), json!("sh")];
    arguments.extend((0..odd.len()).map(|index| json!(format!("${{ .odd[{index}] }}"))));
    let update =
        run_on(json!({"run": arguments, "output": r#"{got: (.stdout | split("\u0000"))}"#}), json!({"odd": odd}))
            .await
            .unwrap();
    let mut expected: Vec<&str> = odd.into();
    expected.push("");
    assert_eq!(update, json!({"got": expected}), "each one followed by a zero byte");
}

#[tokio::test]
async fn numbers_stand_for_their_text_and_values_are_rendered() {
    let options = json!({
        "run": ["echo", 5, 0.5, "-${ .n }", "${ .list }", "${ $job.id }", "$${ .n }"],
        "output": "{line: .stdout}",
    });
    let update = run_on(options, json!({"n": 7, "list": [1, "x"]})).await.unwrap();
    assert_eq!(update, json!({"line": "5 0.5 -7 [1,\"x\"] 1 ${ .n }\n"}));
}

#[tokio::test]
async fn without_output_there_is_no_update() {
    assert_eq!(run(json!({"run": ["echo", "{}"]})).await.unwrap(), json!({}));
}

#[tokio::test]
async fn a_shell_runs_a_script_where_asked_for() {
    let options = json!({"run": "echo $((1 + ${ .n })) | tr 0-9 a-j", "shell": true, "output": "{letters: .stdout}"});
    assert_eq!(run_on(options, json!({"n": 41})).await.unwrap(), json!({"letters": "ec\n"}));
}

#[tokio::test]
async fn stdin_is_empty() {
    assert_eq!(run(json!({"run": ["cat"], "output": "{read: .stdout}"})).await.unwrap(), json!({"read": ""}));
}

#[tokio::test]
async fn processes_run_in_the_directory_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(folder.path()).unwrap();
    let script = folder.path().join("here.sh");
    fs::write(&script, "#!/bin/sh\npwd -P\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let node = build_in(json!({"run": ["./here.sh"], "output": "{at: .stdout}"}), folder.path()).unwrap();
    let update = run_as(node.as_ref(), json!({}), "1", &CancelSignal::new()).await.unwrap();
    assert_eq!(update["at"], format!("{}\n", real.display()));

    folder.close().unwrap();
    let gone = run_as(node.as_ref(), json!({}), "1", &CancelSignal::new()).await.unwrap_err();
    assert_eq!((gone.class.as_str(), &*gone.code), ("permanent", "spawn_failed"));
    assert!(gone.message.contains("cannot be entered"), "{}", gone.message);
}

#[tokio::test]
async fn a_program_that_is_not_there_fails_for_good() {
    assert_eq!(
        error(json!({"run": ["no-such-program-xyz"]})).await,
        "permanent spawn_failed: `no-such-program-xyz` was not found in PATH"
    );
    assert_eq!(
        error(json!({"run": ["/no/such/program"]})).await,
        "permanent spawn_failed: `/no/such/program` was not found, or the interpreter that its first line names"
    );
}

#[tokio::test]
async fn a_file_that_is_no_program_fails_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    fs::write(&file, "neither binary nor script").unwrap();
    let options = json!({"run": [file.to_str()]});
    let denied = error(options.clone()).await;
    assert!(denied.starts_with("permanent spawn_failed: `") && denied.contains("may not be executed"), "{denied}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let foreign = error(options).await;
    assert!(foreign.starts_with("permanent spawn_failed: `") && foreign.contains("begins with `#!`"), "{foreign}");
    let directory = error(json!({"run": [folder.path().to_str()]})).await;
    assert!(directory.starts_with("permanent spawn_failed: `"), "{directory}");
}

#[tokio::test]
async fn arguments_that_no_process_can_get_fail_for_good() {
    for (run, state) in [(json!(["echo", "${ .x }"]), json!({"x": "a\0b"})), (json!(["${ .x }"]), json!({"x": "a\0"}))]
    {
        let failed = run_on(json!({"run": run}), state).await.unwrap_err();
        assert_eq!((failed.class.as_str(), &*failed.code), ("permanent", "bad_argument"));
    }
    let long = "x".repeat(10 << 20);
    let failed = run_on(json!({"run": ["echo", "${ .x }"]}), json!({"x": long})).await.unwrap_err();
    assert_eq!((failed.class.as_str(), &*failed.code), ("permanent", "bad_argument"), "{}", failed.message);
    let failed = run_on(json!({"run": ["${ .x }"]}), json!({"x": ""})).await.unwrap_err();
    assert_eq!((failed.class.as_str(), &*failed.code), ("permanent", "spawn_failed"));
}

#[tokio::test]
async fn a_value_that_is_missing_is_an_error_not_an_empty_argument() {
    assert!(error(json!({"run": ["echo", "${ .missing }"]})).await.starts_with("permanent expression_failed: "));
}

#[test]
fn a_node_needs_no_runtime_until_it_runs() {
    let node = node(json!({"run": ["true"]}));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (job, state, cancel) = (job("1"), object(json!({})), CancelSignal::new());
    let update = runtime.block_on(node.run(&state, NodeContext::new(&job, "step", &state, &cancel)));
    assert_eq!(update, Ok(object(json!({}))));
}
