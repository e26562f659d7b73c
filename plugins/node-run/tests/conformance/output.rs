//! What a process writes.

use batchmill_core::{CancelSignal, NodeContext, Notes};
use serde_json::{Value, json};

use crate::support::{alive, error, eventually, job, node, object, run, run_as};

fn zeros(bytes: u64) -> String {
    format!("head -c {bytes} /dev/zero | tr '\\0' x")
}

#[tokio::test]
async fn output_is_parsed_where_it_is_json() {
    let options = json!({"run": ["echo", r#"{"a": [1, 2.5]}"#], "output": "{a: .json.a, code: .exit_code}"});
    assert_eq!(run(options).await.unwrap(), json!({"a": [1, 2.5], "code": 0}));
    let options = json!({"run": ["echo", "plain"], "output": "{json: .json, text: .stdout, b: .stdout_base64}"});
    assert_eq!(run(options).await.unwrap(), json!({"json": null, "text": "plain\n", "b": null}));
}

#[tokio::test]
async fn an_update_is_an_object_or_nothing() {
    let update = |output: &str| run(json!({"run": ["echo", "1"], "output": output}));
    assert_eq!(update("null").await.unwrap(), json!({}));
    assert_eq!(update("empty").await.unwrap(), json!({}));
    for bad in [".json", "{a: 1}, {b: 2}", "[.stdout]", ".stdout"] {
        let failed = update(bad).await.unwrap_err();
        assert_eq!((failed.class.as_str(), &*failed.code), ("permanent", "bad_update"), "{bad}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_come_twice() {
    let options = json!({
        "run": ["printf", "a\\377b"],
        "output": "{text: .stdout, bytes: .stdout_base64, truncated: .stdout_truncated}",
    });
    assert_eq!(run(options).await.unwrap(), json!({"text": "a\u{fffd}b", "bytes": "Yf9i", "truncated": null}));
}

#[tokio::test]
async fn a_mebibyte_is_kept_and_one_byte_more_is_too_much() {
    let limit = 1 << 20;
    let output = "{length: (.stdout | length)}";
    let options = json!({"run": zeros(limit), "shell": true, "output": output});
    assert_eq!(run(options).await.unwrap(), json!({"length": limit}));
    let message = error(json!({"run": zeros(limit + 1), "shell": true, "output": output})).await;
    assert!(message.starts_with("resource output_too_large: `/bin/sh` wrote more than 1MiB to stdout"), "{message}");
}

#[tokio::test]
async fn a_process_that_writes_without_end_is_killed_with_its_group() {
    let node = node(json!({"run": "yes & yes", "shell": true, "output_limit": "64KiB"}));
    let failed = run_as(node.as_ref(), json!({}), "endless", &CancelSignal::new()).await.unwrap_err();
    assert_eq!((failed.class.as_str(), &*failed.code), ("resource", "output_too_large"));
    eventually("the group is dead", || alive("endless").is_empty()).await;
}

#[tokio::test]
async fn truncation_keeps_the_beginning_and_lets_the_process_end() {
    let options = json!({
        "run": format!("printf 'é%.0s' 1 2 3; {}; exit 3", zeros(3 << 20)),
        "shell": true,
        "output_limit": 3,
        "on_overflow": "truncate",
        "exit_codes": {"success": [3]},
        "output": "{kept: .stdout, truncated: .stdout_truncated, code: .exit_code}",
    });
    assert_eq!(run(options).await.unwrap(), json!({"kept": "é", "truncated": true, "code": 3}));
    let options = json!({"run": ["printf", "123"], "output_limit": 3, "on_overflow": "truncate",
        "output": "{kept: .stdout, truncated: .stdout_truncated}"});
    assert_eq!(run(options).await.unwrap(), json!({"kept": "123", "truncated": null}));
}

#[tokio::test]
async fn stderr_keeps_its_head_and_its_tail() {
    let script = "exec >&2; printf begin; head -c 1000000 /dev/zero | tr '\\0' x; printf end";
    let options = json!({"run": script, "shell": true, "output": "{
        begin: (.stderr | startswith(\"begin\")), end: (.stderr | endswith(\"end\")),
        note: (.stderr | split(\"\\n\") | .[1:-1]), length: (.stderr | length)}"});
    let dropped = 1_000_008 - 256 * 1024;
    let note = format!("[... {dropped} bytes dropped ...]");
    let length = 256 * 1024 + note.len() + 2;
    assert_eq!(run(options).await.unwrap(), json!({"begin": true, "end": true, "note": [note], "length": length}));
}

#[tokio::test]
async fn both_streams_are_read_however_they_are_interleaved() {
    let script = "i=0; while [ $i -lt 40 ]; do head -c 20000 /dev/zero >&2; head -c 20000 /dev/zero; i=$((i+1)); done";
    let options = json!({"run": script, "shell": true, "output": "{length: (.stdout | length)}"});
    assert_eq!(run(options).await.unwrap(), json!({"length": 800_000}));
}

#[tokio::test]
async fn a_pipe_that_others_hold_open_is_read_a_second_more_then_the_rest_is_killed() {
    let node = node(json!({
        "run": "echo early; (sleep 0.2; echo late; exec sleep 1000) & exit 0",
        "shell": true,
        "output": "{text: .stdout}",
    }));
    let update = run_as(node.as_ref(), json!({}), "holder", &CancelSignal::new()).await.unwrap();
    assert_eq!(update["text"], "early\nlate\n");
    eventually("the left-over group is dead", || alive("holder").is_empty()).await;
}

#[tokio::test]
async fn what_a_background_process_writes_in_time_is_kept_and_nothing_is_killed() {
    let options = json!({"run": "(sleep 0.1; echo late) & echo early", "shell": true, "output": "{text: .stdout}"});
    assert_eq!(run(options).await.unwrap(), json!({"text": "early\nlate\n"}));
}

#[tokio::test]
async fn who_looks_on_sees_the_arguments_and_what_the_process_wrote() {
    let node = node(json!({"run": ["sh", "-c", "echo out; echo err >&2; exit $1", "sh", "${ .code }"]}));
    let (job, cancel) = (job("1"), CancelSignal::new());
    for code in [0, 3] {
        let state = object(json!({"code": code}));
        let notes = Notes::default();
        let context = NodeContext::new(&job, "step", &state, &cancel).with_notes(Some(&notes));
        let argv = json!(["sh", "-c", "echo out; echo err >&2; exit $1", "sh", code.to_string()]);
        assert_eq!(Value::Object(node.preview(&state, context).unwrap()), json!({"argv": argv}));
        assert_eq!(node.run(&state, context).await.is_ok(), code == 0);
        let expected = json!({"argv": argv, "stdout": "out\n", "stderr": "err\n", "exit_code": code});
        assert_eq!(Value::Object(notes.into_inner()), expected);
    }
    let nothing = object(json!({}));
    let error = node.preview(&nothing, NodeContext::new(&job, "step", &nothing, &cancel)).unwrap_err();
    assert_eq!(error.code, "expression_failed", "as when it runs");
}

#[tokio::test]
async fn an_error_has_the_output_where_that_is_asked_for() {
    let output = async |options: Value| run(options).await.unwrap_err().output.map(|output| *output);
    let failing = ["sh", "-c", "echo out; exit 3"];
    assert_eq!(output(json!({"run": failing})).await, None);
    let asked = json!({"run": failing, "output_on_failure": true});
    assert_eq!(output(asked).await, Some(json!({"stdout": "out\n", "stderr": "", "exit_code": 3})));
    let killed = json!({"run": ["sh", "-c", "echo out; kill -9 $$"], "output_on_failure": true});
    assert_eq!(output(killed).await, Some(json!({"stdout": "out\n", "stderr": "", "exit_code": null})));
    let large = json!({"run": ["yes"], "output_limit": 4, "output_on_failure": true});
    let output = output(large).await.unwrap();
    assert_eq!((&output["stdout"], &output["stdout_truncated"]), (&json!("y\ny\n"), &json!(true)));
}
