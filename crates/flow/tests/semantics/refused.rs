//! Graphs that are refused before anything runs.

use std::fmt::Write;

use crate::{
    check::{parse, problems},
    kinds::Log,
};

#[test]
fn unknown_nodes_are_named_with_the_nearest() {
    assert_eq!(
        problems(
            "start: [frist]
nodes:
  first: {jq: ., next: secnd}
  second: {jq: ., needs: [frist, x], next: [{when: '.x', to: frist}, {to: END}], on_error: {goto: somewhere}}"
        ),
        "t.yaml:3:9: start.0: unknown node `frist`, did you mean `first`?\n\
         t.yaml:5:24: nodes.first.next: unknown node `secnd`, did you mean `second`?\n\
         t.yaml:6:27: nodes.second.needs.0: unknown node `frist`, did you mean `first`?\n\
         t.yaml:6:34: nodes.second.needs.1: unknown node `x`\n\
         t.yaml:6:62: nodes.second.next.0.to: unknown node `frist`, did you mean `first`?\n\
         t.yaml:6:99: nodes.second.on_error.goto: unknown node `somewhere`"
    );
}

#[test]
fn unreachable_nodes_are_refused() {
    assert_eq!(
        problems("start: a\nnodes:\n  a: {jq: .}\n  b: {jq: ., next: c}\n  c: {jq: .}"),
        "t.yaml:6:3: nodes.b: unreachable: no path leads here from the entry nodes\n\
         t.yaml:7:3: nodes.c: unreachable: no path leads here from the entry nodes"
    );
}

#[test]
fn nodes_that_all_wait_for_each_other_are_refused_once() {
    assert_eq!(
        problems("nodes:\n  a: {jq: ., needs: [b]}\n  b: {jq: ., needs: [a]}"),
        "t.yaml:4:21: nodes.a.needs: `needs` form a cycle, nothing of it could ever run: `a` → `b` → `a`"
    );
}

#[test]
fn a_need_named_twice_and_a_node_named_end_are_refused() {
    assert_eq!(
        problems("nodes:\n  a: {jq: .}\n  b: {jq: ., needs: [a, a]}\n  END: {jq: .}"),
        "t.yaml:5:25: nodes.b.needs.1: `a` is named twice\n\
         t.yaml:6:3: nodes.END: `END` is the end of a path, it names no node"
    );
}

#[test]
fn a_flow_without_nodes_is_refused() {
    assert_eq!(problems("nodes: {}"), "t.yaml:3:1: nodes: a flow has at least one node");
    assert_eq!(problems(""), "t.yaml:1:1: a flow has at least one node");
}

#[test]
fn ten_thousand_nodes_with_joins_compile() {
    let mut yaml = "nodes:\n  n0: {jq: '{}'}\n".to_owned();
    for i in 1..10_000 {
        let needs = if i < 3 { "n0".to_owned() } else { format!("n{}, n{}", i - 1, i / 2) };
        writeln!(yaml, "  n{i}: {{panic: true, needs: [{needs}]}}").unwrap();
    }
    let flow = parse(&yaml, &Log::default()).unwrap();
    assert_eq!(flow.graph().node_names().len(), 10_000);
}

#[test]
fn ten_thousand_unknown_names_are_all_reported() {
    let mut yaml = "nodes:\n  n: {jq: '{}'}\n".to_owned();
    for i in 0..10_000 {
        writeln!(yaml, "  n{i}: {{panic: true, needs: [m{i}]}}").unwrap();
    }
    assert_eq!(parse(&yaml, &Log::default()).unwrap_err().len(), 10_000);
}

#[test]
fn problems_of_nodes_do_not_hide_those_of_the_graph() {
    assert_eq!(
        problems(
            "start: a
nodes:
  a: {jq: nope, next: b}
  b: {jq: ., next: a, timeout: soon}
  c: {jq: ., needs: [d]}
  d: {jq: ., needs: [c]}
  e: {jq: ., next: zzzzzzzz}"
        )
        .lines()
        .map(|line| line.split(&[':', '`'][..]).take(5).collect::<Vec<_>>().join(":"))
        .collect::<Vec<_>>(),
        [
            "t.yaml:5:11: nodes.a.jq: unknown function ",
            "t.yaml:6:20: nodes.b.next: a loop needs ",
            "t.yaml:6:32: nodes.b.timeout: ",
            "t.yaml:7:21: nodes.c.needs: ",
            "t.yaml:9:20: nodes.e.next: unknown node ",
        ]
    );
}

#[test]
fn what_only_a_slip_makes_unreachable_is_one_problem() {
    assert_eq!(
        problems(
            "start: first\nnodes:\n  first: {jq: ., next: secnd}\n  second: {jq: ., next: third}\n  third: {jq: .}"
        ),
        "t.yaml:5:24: nodes.first.next: unknown node `secnd`, did you mean `second`?"
    );
    assert_eq!(
        problems("start: frist\nnodes:\n  first: {jq: ., next: second}\n  second: {jq: .}\n  third: {jq: .}"),
        "t.yaml:3:8: start: unknown node `frist`, did you mean `first`?\n\
         t.yaml:7:3: nodes.third: unreachable: no path leads here from the entry nodes"
    );
    assert_eq!(problems("nodes:\n  a: {jq: ., needs: [qqqq]}"), "t.yaml:4:22: nodes.a.needs.0: unknown node `qqqq`");
    assert!(!problems("start: a\nnodes:\n  a: {jq: ., next: {to: b}}\n  b: {jq: .}").contains("unreachable"));
}

#[test]
fn unreachable_nodes_and_loops_are_told_beside_unknown_names() {
    let found = problems(
        "start: a\nnodes:\n  a: {jq: ., next: [b, zzzzzzzz]}\n  b: {jq: ., next: b}\n  alone: {jq: ., needs: [other]}\n  other: {jq: .}",
    );
    assert_eq!(
        found,
        "t.yaml:5:24: nodes.a.next.1: unknown node `zzzzzzzz`\n\
         t.yaml:6:20: nodes.b.next: a loop needs `max_steps` on the flow: `b` → `b`\n\
         t.yaml:7:3: nodes.alone: unreachable: no path leads here from the entry nodes\n\
         t.yaml:8:3: nodes.other: unreachable: no path leads here from the entry nodes"
    );
}
