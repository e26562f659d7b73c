//! Graphs as text: for a terminal, for Mermaid, for Graphviz, for programs.

mod dot;
mod json;
mod mermaid;
mod text;

#[cfg(test)]
mod tests;

/// The lines of a label: a condition may have several.
fn lines(label: &str) -> impl Iterator<Item = &str> {
    label.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty())
}
