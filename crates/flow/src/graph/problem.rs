//! What is wrong with a graph.

use std::fmt;

/// One thing that is wrong with a graph. A reader of flow files turns node and key into `file:line:column`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphProblem {
    /// The node; none for a problem of the flow as a whole.
    pub node: Option<String>,
    /// Keys and list indices below the node, or below the flow: `["next", "0", "to"]`.
    pub key: Vec<String>,
    /// One sentence: what is wrong and how to mend it.
    pub message: String,
}

impl GraphProblem {
    /// A problem of the flow as a whole.
    pub(crate) fn of_flow(key: &[&str], message: impl Into<String>) -> Self {
        Self { node: None, key: key.iter().map(ToString::to_string).collect(), message: message.into() }
    }

    /// A problem of a node.
    pub(crate) fn at_node(node: impl Into<String>, key: &[&str], message: impl Into<String>) -> Self {
        Self { node: Some(node.into()), ..Self::of_flow(key, message) }
    }

    /// Keys and list indices from the flow's root.
    pub fn path(&self) -> Vec<String> {
        match &self.node {
            Some(node) => ["nodes".to_owned(), node.clone()].into_iter().chain(self.key.iter().cloned()).collect(),
            None => self.key.clone(),
        }
    }
}

impl fmt::Display for GraphProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", path.join("."), self.message) }
    }
}

impl std::error::Error for GraphProblem {}
