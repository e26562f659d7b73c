//! Flow files: YAML in, a compiled graph or every problem with its place out.

mod catalog;
mod cost;
mod document;
mod nodes;
mod problem;
mod read;
mod schema;
mod targets;
mod top;

use std::sync::Arc;

use batchmill_core::{Problem, RetryRef};
use serde_json::Value;

pub use catalog::NodeCatalog;
pub use problem::FlowProblem;

use crate::{
    graph::CompiledGraph,
    yaml::{self, Place},
};
use document::Document;

/// A flow that was read from a file, and the places of everything in it.
///
/// ```
/// use batchmill_core::BuildContext;
/// use batchmill_flow::{FlowFile, NodeCatalog};
///
/// let text = "version: 1\nname: f\nnodes:\n  a:\n    needs: [b]\n    shout: hello\n";
/// let catalog = NodeCatalog::new(BuildContext::default());
/// let problems = FlowFile::parse(text, "f.yaml", &catalog).unwrap_err();
/// assert_eq!(problems[0].to_string(), "f.yaml:5:13: nodes.a.needs.0: unknown node `b`");
/// assert!(problems[1].to_string().starts_with("f.yaml:6:5: nodes.a.shout: unknown kind `shout`"));
/// ```
#[derive(Debug)]
pub struct FlowFile {
    graph: Arc<CompiledGraph>,
    description: Option<String>,
    document: Document,
}

impl FlowFile {
    /// Reads a flow. `file` is the name that problems show; a flow without `name` is named after it.
    ///
    /// All problems are reported at once, in the order of their places.
    pub fn parse(text: &str, file: &str, catalog: &NodeCatalog) -> Result<Self, Vec<FlowProblem>> {
        let root = yaml::parse(text).map_err(|problems| {
            let at = |problem: yaml::YamlProblem| {
                FlowProblem::new(
                    file,
                    Place { line: problem.line, column: problem.column },
                    Vec::new(),
                    problem.message,
                )
            };
            problems.into_iter().map(at).collect::<Vec<_>>()
        })?;
        let document = Document::new(file, root);
        let mut problems = Vec::new();
        let (graph, description) = read::read(&document, catalog, &mut problems);
        let graph = match graph.compile() {
            Ok(graph) if problems.is_empty() => graph,
            compiled => {
                problems.extend(compiled.err().into_iter().flatten().map(|problem| document.of_graph(&problem)));
                return Err(in_order(problems));
            }
        };
        Ok(Self { graph: Arc::new(graph), description, document })
    }

    /// The graph.
    pub fn graph(&self) -> &Arc<CompiledGraph> {
        &self.graph
    }

    /// What the flow says of itself.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The place of what is below `path`, a list of keys and list indices from the root of the file; of the nearest thing
    /// above it where there is no such thing.
    pub fn locate<S: AsRef<str>>(&self, path: &[S]) -> Place {
        self.document.root.place(path, None, false)
    }

    /// Puts a problem that the host's retry policy has with settings number `settings` (of
    /// [`CompiledGraph::retry_settings`]) at its place: in the node that has them, or in the flow's defaults.
    pub fn retry_problem(&self, settings: usize, problem: &Problem) -> FlowProblem {
        let owner = u16::try_from(settings + 1).ok().and_then(|number| {
            let nodes = self.graph.nodes.iter();
            nodes.clone().find(|node| node.retry == RetryRef(number)).map(|node| &*node.name)
        });
        let defaults = vec!["defaults".to_owned(), "retry".to_owned()];
        let of_node = owner.map(|node| vec!["nodes".to_owned(), node.to_owned(), "retry".to_owned()]);
        let says = |path: &Vec<String>| self.document.root.at(&[path.clone(), problem.path.clone()].concat()).is_some();
        let path = match of_node {
            Some(of_node) if says(&of_node) || !says(&defaults) => of_node,
            _ => defaults,
        };
        self.document.of_option(&path, problem)
    }

    /// The flow as parsed: comments and layout do not count, nor does the order of keys, except that of the nodes, which
    /// is the order of merging. Two flows are the same if the *texts* of these values are (an object's equality does not
    /// look at order).
    pub fn canonical(&self) -> Value {
        let mut flow = self.document.root.to_json();
        let nodes = flow.get_mut("nodes").map(Value::take);
        flow.sort_all_objects();
        if let (Some(Value::Object(mut nodes)), Some(place)) = (nodes, flow.get_mut("nodes")) {
            nodes.values_mut().for_each(Value::sort_all_objects);
            *place = Value::Object(nodes);
        }
        flow
    }
}

fn in_order(mut problems: Vec<FlowProblem>) -> Vec<FlowProblem> {
    problems.sort_by_key(|problem| problem.place);
    problems
}
