//! Graphs in, text out.

use std::time::Duration;

use batchmill_core::{Options, StateData};

use crate::{Arm, Channel, CompiledGraph, Condition, NodeSpec, OnError, Reduce, StateGraph, expr::Filter, node_fn};

fn node() -> NodeSpec {
    NodeSpec::from(node_fn(|_| ())).kind("run")
}

fn when(text: &str) -> Condition {
    Condition::Filter(Filter::compile(text).unwrap())
}

fn options(json: &str) -> Options {
    serde_json::from_str(json).unwrap()
}

/// Every kind of edge and setting.
fn inspect() -> CompiledGraph {
    StateGraph::new("inspect")
        .channel("bytes", Channel::new(Reduce::Add))
        .channel("notes", Channel::new(Reduce::Append))
        .channel("class", Channel::new(Reduce::Replace).starting_as("unknown"))
        .max_steps(20)
        .default_retry(options(r#"{"max_attempts": 3}"#))
        .node("size", node().timeout(Duration::from_secs(30)))
        .node("hash", node().on_error(OnError::Goto("again".into())))
        .node(
            "verdict",
            node().kind("set").needs(["size", "hash"]).branch([
                Arm::when(when(".class == \"large\"\n  or .bytes > 1000"), "shrink"),
                Arm::when(|state: &StateData| state.is_empty(), "END"),
                Arm::otherwise("size"),
            ]),
        )
        .node("shrink", node().on_error(OnError::Continue).retry(options(r#"{"delay": "1s"}"#)).next("END"))
        .node("again", node().next_all(["verdict", "END"]))
        .node("last", node().needs(["shrink"]))
        .output(Filter::compile("{class,\n bytes}").unwrap())
        .compile()
        .unwrap()
}

/// Names and conditions that every language must escape.
fn hostile() -> CompiledGraph {
    let name = "a \"b\" [c] {d} <e> & #f; \\n `g` | é";
    let condition = "\"\\\"x\\\\y]\" == .q and .r < 1 # `&amp;`";
    StateGraph::new("x\"y\\")
        .node(name, node().branch([Arm::when(when(condition), "end"), Arm::otherwise("END")]))
        .node("end", node())
        .compile()
        .unwrap()
}

#[test]
fn a_graph_for_a_terminal() {
    insta::assert_snapshot!(inspect().outline().to_text());
}

#[test]
fn settings_that_all_nodes_have_are_shown_once() {
    let graph = StateGraph::new("two")
        .default_timeout(Duration::from_secs(60))
        .default_retry(options(r#"{"max_attempts": 5, "jitter": "none"}"#))
        .node("a", node().next("b"))
        .node("b", node())
        .compile();
    insta::assert_snapshot!(graph.unwrap().outline().to_text());
}

#[test]
fn a_graph_for_mermaid() {
    insta::assert_snapshot!(inspect().outline().to_mermaid());
}

#[test]
fn a_graph_for_graphviz() {
    insta::assert_snapshot!(inspect().outline().to_dot());
}

#[test]
fn a_graph_for_browsers() {
    insta::assert_snapshot!(inspect().outline().to_svg());
}

#[test]
fn a_picture_of_a_large_graph_is_drawn_in_time() {
    // Each node is followed by the next, and every tenth by the last as well and by the second when it has failed: long edges
    // pass all layers.
    let name = |number: usize| format!("n{number}");
    let mut graph = StateGraph::new("large").max_steps(10_000);
    for number in 0..2000 {
        let mut spec = node();
        if number % 10 == 0 {
            spec = spec.next_all([name(number + 1), name(2000)]).on_error(OnError::Goto(name(1).as_str().into()));
        } else {
            spec = spec.next(name(number + 1));
        }
        graph = graph.node(name(number), spec);
    }
    let svg = graph.node(name(2000), node()).compile().unwrap().outline().to_svg();
    assert_eq!((svg.matches("<rect").count(), svg.matches("<path").count() - 1), (2002, 1 + 2000 + 200 + 200));
}

#[test]
fn a_graph_for_programs() {
    insta::assert_snapshot!(format!("{:#}", inspect().outline().to_json()));
}

#[test]
fn labels_are_escaped_in_every_language() {
    let outline = hostile().outline();
    let texts = [outline.to_text(), outline.to_mermaid(), outline.to_dot(), outline.to_svg()];
    insta::assert_snapshot!(texts.join("---\n"));
}
