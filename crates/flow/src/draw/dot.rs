//! The language of Graphviz.

use super::{entries, leads_to_end, lines};
use crate::{Edge, EdgeKind, Outline};

impl Outline {
    /// A `digraph` for Graphviz: `dot -Tsvg`.
    pub fn to_dot(&self) -> String {
        let edges = self.edges();
        let mut out = format!("digraph {} {{\n", quoted(&self.name));
        out.push_str("  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
        out.push_str("  edge [fontname=\"sans-serif\", fontsize=10];\n");
        out.push_str("  start [shape=circle, label=\"\", style=filled, fillcolor=black, width=0.15];\n");
        for (place, node) in self.nodes.iter().enumerate() {
            out.push_str(&format!("  n{place} [label={}];\n", quoted(&format!("{}\n{}", node.name, node.kind))));
        }
        if leads_to_end(&edges) {
            out.push_str("  end [shape=doublecircle, label=\"\", style=filled, fillcolor=black, width=0.12];\n");
        }
        for place in entries(self) {
            out.push_str(&format!("  start -> n{place};\n"));
        }
        for edge in &edges {
            out.push_str(&format!("  n{} -> {}{};\n", edge.from, target(edge), attributes(edge)));
        }
        out.push_str("}\n");
        out
    }
}

fn target(edge: &Edge) -> String {
    edge.to.map_or_else(|| "end".to_owned(), |to| format!("n{to}"))
}

fn attributes(edge: &Edge) -> String {
    match &edge.kind {
        EdgeKind::Needs | EdgeKind::Next => String::new(),
        EdgeKind::OnError => " [label=\"on error\", style=dashed]".to_owned(),
        kind => format!(" [label={}]", quoted(&kind.to_string())),
    }
}

/// A text as Graphviz reads it: a backslash is an escape there, and `&` begins an entity.
fn quoted(text: &str) -> String {
    let escaped = lines(text).map(|line| line.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;"));
    format!("\"{}\"", escaped.collect::<Vec<_>>().join("\\n"))
}
