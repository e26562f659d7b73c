//! Wrong options: all problems at once, each with its place.

use serde_json::json;

use crate::support::{problems, with_factory};

#[test]
fn good_options_have_no_problems() {
    let none: [&str; 0] = [];
    assert_eq!(problems(json!({"run": ["true"]})), none);
    let full = json!({
        "run": ["stat", "-c", "%s", "${ .path }"], "output": "{bytes: (.stdout | tonumber)}", "shell": false,
        "exit_codes": {"success": [0, 2], "permanent": [1, "64-78"], "recoverable": [75 + 20], "fatal": [99], "transient": [3]},
        "env": {"A": "${ .a }", "B": {"env": "HOME"}, "C": {"file": "c"}, "D": 1},
        "inherit_env": true, "output_limit": "64KiB", "on_overflow": "truncate",
    });
    assert_eq!(problems(full), none);
    assert_eq!(problems(json!({"run": "echo hi", "shell": true})), none);
}

#[test]
fn what_is_run_is_a_list_of_texts() {
    for (run, shell, problem) in [
        (json!([]), false, "run: is empty; it begins with a program"),
        (json!(["", "x"]), false, "run.0: is empty; it names a program"),
        (json!("echo hi"), false, "run: is a list, such as [sha256sum, \"${ .path }\"]; one text needs `shell: true`"),
        (json!(["echo"]), true, "run: is one text with `shell: true`"),
        (json!(" "), true, "run: is empty; it is a script"),
        (json!(["echo", true]), false, "run.1: `true` is a boolean, not a text; write \"true\""),
        (json!(["echo", null]), false, "run.1: invalid type: null, expected a text or a number"),
        (json!(["echo", ["x"]]), false, "run.1: invalid type: sequence, expected a text or a number"),
        (json!(["echo", "a\0b"]), false, "run.1: has a zero byte, which no process can get"),
    ] {
        assert_eq!(problems(json!({"run": run, "shell": shell})), [problem]);
    }
}

#[test]
fn an_expression_is_a_text() {
    assert_eq!(
        problems(json!({"run": ["x"], "output": {"a": ".stdout"}})),
        ["output: invalid type: map, expected jq in quotes, such as '{done: true}'"]
    );
    assert_eq!(problems(json!({"run": ["x"], "output": null})), [""; 0]);
}

#[test]
fn mistakes_in_expressions_have_their_place() {
    let found = problems(json!({
        "run": ["echo", "ok ${ .a }", "size ${ .b | nonsense }", "open ${ .c"],
        "env": {"A": "x ${ ] }"},
        "output": "{a: (.stdout}",
    }));
    let places: Vec<&str> = found.iter().map(|text| text.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["run.2 @13", "run.3 @5", "output @12", "env.A @5"], "{found:#?}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let found = problems(json!({
        "run": ["echo", "${ .a"],
        "exit_code": {},
        "exit_codes": {"permanent": [300, "9-3"], "sucess": [0]},
        "env": {"A=B": "x", "": "y", "BATCHMILL_ATTEMPT": "1"},
        "on_overflow": "ignore",
    }));
    assert_eq!(
        found,
        [
            "exit_code: unknown key `exit_code`, did you mean `exit_codes`?",
            "exit_codes.sucess: unknown key `sucess`, did you mean `success`?",
            "exit_codes.permanent.0: `300` is not an exit status; write 0 to 255, or a range as \"64-78\"",
            "on_overflow: unknown variant `ignore`, expected `fail` or `truncate`",
            "run.1 @0: `${` is never closed; write `$${` for the text `${`",
            "env.: an environment variable has a name",
            "env.A=B: the name of an environment variable has no `=` and no zero byte",
            "env.BATCHMILL_ATTEMPT: `BATCHMILL_ATTEMPT` is set by batchmill; choose another name",
        ]
    );
}

#[test]
fn a_status_with_two_meanings_is_refused() {
    assert_eq!(
        problems(json!({"run": ["x"], "exit_codes": {"permanent": ["60-70"], "fatal": [1, "64-65"]}})),
        ["exit_codes.fatal.1: 64 is in `permanent` already; an exit status has one meaning"]
    );
}

#[test]
fn a_secret_has_one_source() {
    for secret in [json!({}), json!({"env": "A", "file": "b"})] {
        assert_eq!(
            problems(json!({"run": ["x"], "env": {"S": secret}})),
            ["env.S: a secret has one source: {env: NAME} or {file: PATH}"]
        );
    }
    assert_eq!(
        problems(json!({"run": ["x"], "env": {"S": {"env": "A", "vault": "x"}}})),
        ["env.S.vault: unknown key `vault`, known are: env, file"]
    );
}

#[test]
fn the_schema_describes_every_key() {
    let schema = with_factory(|factory| factory.schema());
    let keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let readme = include_str!("../../README.md");
    for key in &keys {
        assert!(schema["properties"][key.as_str()]["description"].is_string(), "{key} is described");
        assert!(readme.contains(&format!("| `{key}` |")), "{key} is in the README");
    }
    assert_eq!(keys.len(), 11);
}
