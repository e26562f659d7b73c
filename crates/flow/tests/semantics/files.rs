//! Flow files: what is wrong with them, where; what is kept of them.

use batchmill_core::{BuildContext, Problem};
use batchmill_flow::{CheckpointMode, FlowFile, NodeCatalog};

use crate::{
    check::{flow, problems},
    kinds::{Log, catalog},
};

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_file() {
    let yaml = "description: [1]
inptu: {}
checkpoint: stp
max_steps: 0
defaults: {timeout: soon, retries: 1, retry: 0}
output: '.x |'
nodes:
  a: {jq: '{a: nope}', need: [b]}
  b: {rum: [x]}
  c: {jq: ., panic: true}
  d: 5
  e: {needs: [a]}
  f: {jq: '{}', next: {to: a}, on_error: ignore}
  g: {jq: '{}', next: [a, {to: b}], retry: -1}
  h: {jq: '{}', next: [{wen: '.x', to: a}, {when: true}, {when: '.)', to: zz}]}";
    let found = problems(yaml);
    // What jq says of its own syntax is tested with the expressions.
    let found: Vec<_> = found.lines().collect();
    let expected = [
        "t.yaml:3:14: description: expected text, found a list",
        "t.yaml:4:1: inptu: unknown key `inptu`, did you mean `input`?",
        "t.yaml:5:13: checkpoint: `stp` is none of the choices: did you mean `step`?",
        "t.yaml:6:12: max_steps: expected a whole number from 1, found 0",
        "t.yaml:7:21: defaults.timeout: `soon` is not a duration",
        "t.yaml:7:27: defaults.retries: unknown key `retries`, did you mean `retry`?",
        "t.yaml:7:46: defaults.retry: expected a number of attempts from 1",
        "t.yaml:8:14: output: ",
        "t.yaml:10:16: nodes.a.jq: ",
        "t.yaml:11:7: nodes.b.rum: unknown kind `rum`, known are: fail, hang, jq, listen, panic, sleep",
        "t.yaml:12:14: nodes.c.panic: a node has one kind: it is a `jq` already",
        "t.yaml:13:6: nodes.d: expected a map with a kind and its options, found 5",
        "t.yaml:14:3: nodes.e: a node has one key that is its kind, known are: fail, hang, jq, listen, panic, sleep",
        "t.yaml:15:23: nodes.f.next: expected the name of a node, END, a list of names, or a list of arms",
        "t.yaml:15:42: nodes.f.on_error: `ignore` is none of: fail | continue | {goto: NODE}",
        "t.yaml:16:23: nodes.g.next: expected the name of a node, END, a list of names, or a list of arms",
        "t.yaml:16:44: nodes.g.retry: expected a number of attempts from 1, the first one counted, or a map, found -1",
        "t.yaml:17:25: nodes.h.next.0.wen: unknown key `wen`, did you mean `when`?",
        "t.yaml:17:51: nodes.h.next.1.when: expected a jq expression in quotes, found a boolean",
        "t.yaml:17:67: nodes.h.next.2.when: ",
        "t.yaml:17:75: nodes.h.next.2.to: unknown node `zz`",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "found    {found}\nexpected {expected}\nof {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn problems_of_a_kind_are_put_at_their_places_in_the_file() {
    assert_eq!(
        problems("nodes:\n  a:\n    jq: '{}'\n    jqq: 1\n  b:\n    fail: soon"),
        "t.yaml:6:5: nodes.a.jqq: unknown key `jqq`, did you mean `jq`?\n\
         t.yaml:8:11: nodes.b.fail: expected an error class"
    );
}

#[test]
fn a_slip_in_a_key_that_every_node_has_is_told_from_a_key_of_the_kind() {
    assert_eq!(
        problems("nodes:\n  a:\n    jq: '{}'\n  b:\n    jq: '{}'\n    neds: [a]\n    tiemout: 1s"),
        "t.yaml:8:5: nodes.b.neds: unknown key `neds`, did you mean `needs`?\n\
         t.yaml:9:5: nodes.b.tiemout: unknown key `tiemout`, did you mean `timeout`?"
    );
}

#[test]
fn a_file_that_is_no_flow_is_refused() {
    let read = |text: &str| {
        let problems = FlowFile::parse(text, "f.yaml", &NodeCatalog::new(BuildContext::default())).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(read("").starts_with("f.yaml:1:1: a flow is a map, found nothing"));
    assert!(read("- 1").starts_with("f.yaml:1:1: a flow is a map, found a list"));
    assert!(read("nodes: {}").contains("f.yaml:1:1: `version` is missing: write `version: 1`"));
    assert!(read("version: 2").contains("f.yaml:1:10: version: this build reads `version: 1` only"));
    assert!(read("version: 1\nname: \"\"").contains("f.yaml:2:7: name: not a name: an id must not be empty"));
    assert!(read("a: [").starts_with("f.yaml:"), "{}", read("a: ["));
    assert!(read("a: 1\na: 2").starts_with("f.yaml:2:1: "), "{}", read("a: 1\na: 2"));
}

#[test]
fn json_is_accepted() {
    let json = r#"{"version": 1, "name": "j", "nodes": {"a": {"jq": "{}", "next": "END"}}}"#;
    assert_eq!(FlowFile::parse(json, "j.json", &catalog(&Log::default())).unwrap().graph().name(), "j");
}

#[test]
fn a_flow_without_a_name_is_named_after_its_file() {
    let yaml = "version: 1\nnodes:\n  a: {jq: '{}'}";
    let flow = FlowFile::parse(yaml, "some/where/audit.flow.yaml", &catalog(&Log::default())).unwrap();
    assert_eq!((flow.graph().name(), flow.graph().checkpoint_mode()), ("audit.flow", CheckpointMode::Step));
}

#[test]
fn comments_and_layout_do_not_count_but_the_order_of_nodes_does() {
    let text = |yaml: &str| flow(yaml, &Log::default()).canonical().to_string();
    let a = text("nodes:\n  a: {jq: '{}', timeout: 1s}\n  b: {jq: '{}'}");
    let same = text("nodes: # the nodes\n  a:\n    timeout: 1s\n    jq: \"{}\"\n\n  b: {jq: '{}'}");
    let other = text("nodes:\n  b: {jq: '{}'}\n  a: {jq: '{}', timeout: 1s}");
    assert_eq!(a, same);
    assert_ne!(a, other);
}

#[test]
fn problems_with_retry_settings_are_put_where_the_settings_are() {
    let yaml = "defaults:\n  retry: {delay: x}\nnodes:\n  a: {jq: '{}'}\n  b:\n    jq: '{}'\n    retry: {jiter: none}\n  c: {jq: '{}', retry: 3}";
    let flow = flow(yaml, &Log::default());
    let settings = flow.graph().retry_settings();
    assert_eq!(settings.len(), 3);
    let at = |settings: usize, key: &str| flow.retry_problem(settings, &Problem::new([key], "wrong")).to_string();
    assert_eq!(at(0, "delay"), "t.yaml:4:18: defaults.retry.delay: wrong");
    assert_eq!(at(1, "delay"), "t.yaml:4:18: defaults.retry.delay: wrong");
    assert_eq!(at(1, "jiter"), "t.yaml:9:20: nodes.b.retry.jiter: wrong");
    assert_eq!(at(2, "max_attempts"), "t.yaml:10:17: nodes.c.retry.max_attempts: wrong");
}
