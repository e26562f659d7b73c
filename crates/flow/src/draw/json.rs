//! JSON, for programs that draw for themselves.

use serde_json::{Value, json};

use crate::{Edge, EdgeKind, NodeOutline, Outline};

impl Outline {
    /// Nodes and edges as one object: `{name, start, nodes: [{name, kind, needs}], edges: [{from, to, kind, when}]}`, where
    /// `to` is null for `END`.
    pub fn to_json(&self) -> Value {
        let name = |place: usize| self.nodes[place].name.as_str();
        let edge = |edge: &Edge| {
            let mut shown = json!({"from": name(edge.from), "to": edge.to.map(name), "kind": word(&edge.kind)});
            if let EdgeKind::When(condition) = &edge.kind {
                shown["when"] = condition.as_str().into();
            }
            shown
        };
        json!({
            "name": self.name,
            "start": self.start,
            "nodes": self.nodes.iter().map(node).collect::<Vec<_>>(),
            "edges": self.edges().iter().map(edge).collect::<Vec<_>>(),
        })
    }
}

fn node(node: &NodeOutline) -> Value {
    json!({"name": node.name, "kind": node.kind, "needs": node.needs})
}

fn word(kind: &EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Needs => "needs",
        EdgeKind::Next => "next",
        EdgeKind::When(_) => "when",
        EdgeKind::Otherwise => "otherwise",
        EdgeKind::OnError => "on_error",
    }
}
