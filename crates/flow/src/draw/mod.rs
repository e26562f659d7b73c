//! Graphs as text and as a picture: for a terminal, for Mermaid, for Graphviz, for browsers, for programs.

mod dot;
mod json;
mod layers;
mod mermaid;
mod svg;
mod text;
mod xml;

#[cfg(test)]
mod tests;

use crate::{Edge, Outline};

pub use xml::xml_text;

/// The lines of a label: a condition may have several.
fn lines(label: &str) -> impl Iterator<Item = &str> {
    label.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty())
}

/// Whether an edge leads to `END`, which has a mark of its own then.
fn leads_to_end(edges: &[Edge]) -> bool {
    edges.iter().any(|edge| edge.to.is_none())
}

/// The places of the nodes that run first.
fn entries(outline: &Outline) -> impl Iterator<Item = usize> {
    outline.nodes.iter().enumerate().filter(|(_, node)| node.is_entry).map(|(place, _)| place)
}
