//! Mermaid, which many viewers of Markdown draw.

use super::{entries, leads_to_end, lines};
use crate::{Edge, EdgeKind, Outline};

impl Outline {
    /// A Mermaid `flowchart`.
    pub fn to_mermaid(&self) -> String {
        let edges = self.edges();
        let mut out = "flowchart TD\n  begin((\"start\"))\n".to_owned();
        for (place, node) in self.nodes.iter().enumerate() {
            out.push_str(&format!("  n{place}[{}]\n", quoted(&format!("{}\n{}", node.name, node.kind))));
        }
        if leads_to_end(&edges) {
            out.push_str("  finish((\"END\"))\n");
        }
        for place in entries(self) {
            out.push_str(&format!("  begin --> n{place}\n"));
        }
        for edge in &edges {
            out.push_str(&format!("  n{} {} {}\n", edge.from, arrow(edge), target(edge)));
        }
        out
    }
}

fn target(edge: &Edge) -> String {
    edge.to.map_or_else(|| "finish".to_owned(), |to| format!("n{to}"))
}

fn arrow(edge: &Edge) -> String {
    match &edge.kind {
        EdgeKind::Needs | EdgeKind::Next => "-->".to_owned(),
        EdgeKind::OnError => "-. \"on error\" .->".to_owned(),
        kind => format!("-- {} -->", quoted(&kind.to_string())),
    }
}

/// A text between quotes. Mermaid renders labels as HTML and reads Markdown in backticks; what could be taken for either
/// is written by its number.
fn quoted(text: &str) -> String {
    let escaped = lines(text).map(|line| {
        let escape = |sign: char| match sign {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | ';' => format!("#{};", u32::from(sign)),
            other => other.to_string(),
        };
        line.chars().map(escape).collect::<String>()
    });
    format!("\"{}\"", escaped.collect::<Vec<_>>().join("<br/>"))
}
