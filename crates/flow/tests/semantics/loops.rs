//! Loops and `max_steps`.

use serde_json::json;

use crate::check::{check, problems};

#[tokio::test]
async fn a_loop_ends_by_its_branch() {
    let yaml =
        "max_steps: 10\nstart: a\nnodes:\n  a: {jq: '{n: (.n - 1)}', next: [{when: '.n > 0', to: a}, {to: END}]}";
    assert_eq!(check(yaml, json!({"n": 3})).await, r#"a | a | a -> {"n":0}"#);
}

#[tokio::test]
async fn at_most_max_steps_supersteps_then_the_error_max_steps() {
    let yaml = "max_steps: 3\nstart: a\nnodes:\n  a: {jq: '{}', next: a}";
    assert_eq!(
        check(yaml, json!({})).await,
        "a | a | a -> - max_steps: the flow did not end within 3 supersteps (`max_steps`)"
    );
    let just_enough = "max_steps: 2\nnodes:\n  a: {jq: '{}', next: b}\n  b: {jq: '{}'}";
    assert_eq!(check(just_enough, json!({})).await, "a | b -> {}");
}

#[test]
fn a_loop_without_max_steps_is_refused_with_its_path() {
    assert_eq!(
        problems(
            "nodes:\n  s: {jq: ., next: a}\n  a: {jq: ., next: b}\n  b: {jq: ., next: [{when: .x, to: a}, {to: END}]}"
        ),
        "t.yaml:6:20: nodes.b.next: a loop needs `max_steps` on the flow: `a` → `b` → `a`"
    );
    assert_eq!(
        problems("start: a\nnodes:\n  a: {jq: ., next: a}"),
        "t.yaml:5:20: nodes.a.next: a loop needs `max_steps` on the flow: `a` → `a`"
    );
}

#[test]
fn a_cycle_of_needs_is_refused_with_its_path_even_with_max_steps() {
    for head in ["", "max_steps: 9\n"] {
        let found = problems(&format!(
            "{head}nodes:\n  s: {{jq: .}}\n  a: {{jq: ., needs: [s, c]}}\n  b: {{jq: ., needs: [a]}}\n  c: {{jq: ., needs: [b]}}"
        ));
        let line = if head.is_empty() { 5 } else { 6 };
        assert_eq!(
            found,
            format!(
                "t.yaml:{line}:21: nodes.a.needs: `needs` form a cycle, nothing of it could ever run: `a` → `b` → `c` → `a`"
            )
        );
    }
}
