//! Exit statuses and signals.

use serde_json::{Value, json};

use crate::support::{error, run};

fn exits(code: u8, exit_codes: &Value) -> Value {
    json!({"run": ["sh", "-c", format!("exit {code}")], "exit_codes": exit_codes, "output": "{code: .exit_code}"})
}

#[tokio::test]
async fn zero_succeeds_and_the_rest_may_pass_by_itself() {
    assert_eq!(run(exits(0, &json!({}))).await.unwrap(), json!({"code": 0}));
    assert_eq!(error(exits(1, &json!({}))).await, "transient exit_status: `sh` exited with status 1");
    assert_eq!(error(exits(255, &json!({}))).await, "transient exit_status: `sh` exited with status 255");
}

#[tokio::test]
async fn the_node_says_what_statuses_mean() {
    let table = json!({"success": [0, 2], "permanent": [1, "64-78"], "recoverable": [80], "fatal": [99]});
    assert_eq!(run(exits(2, &table)).await.unwrap(), json!({"code": 2}));
    for (code, class) in
        [(1, "permanent"), (64, "permanent"), (78, "permanent"), (79, "transient"), (80, "recoverable"), (99, "fatal")]
    {
        assert_eq!(error(exits(code, &table)).await, format!("{class} exit_status: `sh` exited with status {code}"));
    }
}

#[tokio::test]
async fn a_success_list_is_complete() {
    let table = json!({"success": [1]});
    assert_eq!(run(exits(1, &table)).await.unwrap(), json!({"code": 1}));
    assert_eq!(error(exits(0, &table)).await, "transient exit_status: `sh` exited with status 0");
}

#[tokio::test]
async fn the_message_quotes_the_end_of_stderr() {
    let script = "echo one >&2; echo two >&2; echo three >&2; printf '\\033[1mfour\\n' >&2; exit 4";
    assert_eq!(
        error(json!({"run": ["sh", "-c", script]})).await,
        "transient exit_status: `sh` exited with status 4: two / three /  [1mfour"
    );
}

#[tokio::test]
async fn a_signal_that_was_not_ours_is_a_crash() {
    for (signal, name) in [("SEGV", "11 (SIGSEGV)"), ("KILL", "9 (SIGKILL)"), ("TERM", "15 (SIGTERM)")] {
        assert_eq!(
            error(json!({"run": ["sh", "-c", format!("echo last words >&2; kill -{signal} $$")]})).await,
            format!("crash signal: `sh` was killed by signal {name}: last words")
        );
    }
}
