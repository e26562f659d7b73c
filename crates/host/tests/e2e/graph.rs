//! `batchmill graph`.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::stage::{Stage, skipped};

const FLOW: &str = r#"version: 1
name: inspect
description: Looks at a file.
nodes:
  size:
    run: [stat, "${ .path }"]
    next:
      - {when: '.class == "a \"quoted\" one" and .n > 1', to: "the [big] <one>"}
      - {to: END}
  "the [big] <one>":
    set: '{}'
"#;

fn stage() -> Stage {
    let stage = Stage::new();
    stage.write("flow.yaml", FLOW);
    stage
}

#[test]
fn a_graph_is_shown_for_people_unless_another_format_is_asked_for() {
    let shown = stage().batchmill(&["graph", "flow.yaml"]).expect(0).stdout;
    let begin = "Looks at a file.\n\ninspect: 2 nodes\n\n\
                 size             run  starts\n  → the [big] <one>  when .class == \"a \\\"quoted\\\" one\" and .n > 1\n";
    assert!(shown.starts_with(begin), "{shown}");
    assert_eq!(stage().batchmill(&["graph", "flow.yaml", "--format", "text"]).expect(0).stdout, shown);
}

#[test]
fn a_graph_is_written_for_other_programs() {
    let stage = stage();
    let format = |format: &str| stage.batchmill(&["graph", "flow.yaml", "-o", format]).expect(0).stdout;
    assert!(format("mermaid").starts_with("flowchart TD\n"));
    assert!(format("dot").starts_with("digraph \"inspect\" {\n"));
    let svg = format("svg");
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(svg.contains(">the [big] &lt;one&gt;</text>"), "{svg}");
    let json: Value = serde_json::from_str(&format("json")).unwrap();
    assert_eq!((&json["edges"][1]["to"], &json["edges"][1]["kind"]), (&Value::Null, &"otherwise".into()));
    assert_eq!(format("jsonl").lines().count(), 1);
}

#[test]
fn graphviz_reads_what_is_written_for_it() {
    let stage = stage();
    let dot = stage.batchmill(&["graph", "flow.yaml", "-o", "dot"]).expect(0).stdout;
    let started = Command::new("dot").arg("-Tsvg").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = started else { return skipped("optional graphviz_reads_what_is_written_for_it", "no `dot`") };
    child.stdin.take().expect("stdin is piped").write_all(dot.as_bytes()).expect("dot reads");
    let done = child.wait_with_output().expect("dot ends");
    let svg = String::from_utf8(done.stdout).expect("dot writes UTF-8");
    assert!(done.status.success(), "{dot}");
    // The texts as they were written in the flow.
    let texts: Vec<String> = svg
        .lines()
        .filter_map(|line| line.strip_prefix("<text ")?.split_once('>')?.1.strip_suffix("</text>"))
        .map(|text| text.replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<").replace("&#45;", "-"))
        .collect();
    for text in ["size", "the [big] <one>", ".class == \"a \\\"quoted\\\" one\" and .n > 1", "otherwise"] {
        assert!(texts.iter().any(|found| found.replace("&amp;", "&") == text), "no {text} in {texts:?}");
    }
}

#[test]
fn a_flow_that_is_wrong_has_no_graph() {
    let stage = Stage::with("  a: {set: '{}', next: b}\n", [""; 0]);
    stage.batchmill(&["graph", "flow.yaml"]).expect(65).says("flow.yaml:4:24: nodes.a.next: unknown node `b`");
    stage.batchmill(&["graph", "nothing.yaml"]).expect(65).says("nothing.yaml");
    stage.batchmill(&["graph", "flow.yaml", "-o", "png"]).expect(2);
}
