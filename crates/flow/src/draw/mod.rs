//! Graphs as text and as a picture: for a terminal, for Mermaid, for Graphviz, for browsers, for programs.

mod dot;
mod json;
mod layers;
mod mermaid;
mod svg;
mod text;

#[cfg(test)]
mod tests;

/// The lines of a label: a condition may have several.
fn lines(label: &str) -> impl Iterator<Item = &str> {
    label.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty())
}
