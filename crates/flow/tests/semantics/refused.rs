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
