//! The nodes of a flow: generic keys here, everything else to the factory of the node's kind.

use std::sync::Arc;

use batchmill_core::{BuildError, Node, Options, Problem, format_duration, nearest, parse_duration};

use super::{
    Document, FlowProblem, NodeCatalog, cost, targets,
    top::{expected, names, retry, timeout},
};
use crate::{
    graph::{NodeSpec, StateGraph, node_fn},
    yaml::{Located, LocatedKey},
};

/// The key of those kinds of nodes that can tell silence.
const IDLE: &str = "idle_timeout";

/// Keys that every kind has.
pub(super) const GENERIC: [&str; 6] = ["needs", "next", "timeout", "retry", "on_error", "cost"];

pub(super) fn read(
    document: &Document,
    value: &Located,
    catalog: &NodeCatalog,
    graph: &mut StateGraph,
    problems: &mut Vec<FlowProblem>,
) -> Result<(), String> {
    let nodes = value.as_map().ok_or_else(|| expected("a map of nodes", value))?;
    for (name, node) in nodes {
        let mut reader = NodeReader { document, name: &name.name, is_incomplete: false, problems };
        let spec = reader.read(node, catalog);
        graph.is_incomplete |= reader.is_incomplete;
        graph.nodes.push((name.name.clone(), spec));
    }
    Ok(())
}

struct NodeReader<'a> {
    document: &'a Document,
    name: &'a str,
    /// What leads to it or from it could not be read.
    is_incomplete: bool,
    problems: &'a mut Vec<FlowProblem>,
}

impl NodeReader<'_> {
    fn read(&mut self, node: &Located, catalog: &NodeCatalog) -> NodeSpec {
        // A stand-in, so that the graph can be checked although the node is wrong.
        let nothing = || Arc::new(node_fn(|_| ())) as Arc<dyn Node>;
        let Some(entries) = node.as_map() else {
            let message = expected("a map with a kind and its options", node);
            self.is_incomplete = true;
            self.problems.push(self.document.at(&["nodes", self.name], message));
            return NodeSpec::new(nothing());
        };
        let mut spec = match self.build(entries, catalog) {
            Some((kind, node)) => NodeSpec::new(node).kind(kind),
            None => NodeSpec::new(nothing()),
        };
        for (key, value) in entries {
            let path = ["nodes", self.name, key.name.as_str()];
            let result = match key.name.as_str() {
                "needs" => names(value).map(|needs| spec.needs = needs),
                "timeout" => timeout(value).map(|limit| limit.put(&mut spec.timeout, &mut spec.timeout_percent)),
                "retry" => retry(value).map(|settings| spec.retry = Some(settings)),
                "on_error" => targets::on_error(value).map(|on_error| spec.on_error = on_error),
                "cost" => cost::cost(self.document, &path, value, self.problems).map(|cost| spec.cost = cost),
                "next" => targets::next(self.document, &path, value, self.problems).map(|next| spec.next = next),
                _ => Ok(()),
            };
            if let Err(why) = result {
                self.is_incomplete |= ["needs", "next", "on_error"].contains(&key.name.as_str());
                self.problems.push(self.document.at(&path, why));
            }
        }
        self.check_silence(entries, &spec);
        spec
    }

    /// A node that may be silent for longer than it may run is never ended for its silence.
    fn check_silence(&mut self, entries: &[(LocatedKey, Located)], spec: &NodeSpec) {
        let silence = entries.iter().find(|(key, _)| key.name == IDLE).and_then(|(_, value)| value.as_str());
        let limits = silence.and_then(|text| parse_duration(text).ok()).zip(spec.timeout);
        if let Some((silence, limit)) = limits.filter(|(silence, limit)| silence >= limit) {
            let (silence, limit) = (format_duration(silence), format_duration(limit));
            let message = format!("{silence} is not less than the `timeout` of the node, {limit}: it would never act");
            self.problems.push(self.document.at(&["nodes", self.name, IDLE], message));
        }
    }

    /// Makes the node of its kind and options.
    fn build(&mut self, entries: &[(LocatedKey, Located)], catalog: &NodeCatalog) -> Option<(String, Arc<dyn Node>)> {
        let own: Vec<_> = entries.iter().filter(|(key, _)| !GENERIC.contains(&key.name.as_str())).collect();
        let kind = self.kind(&own, catalog)?;
        let rest = own.iter().filter(|(key, _)| key.name != kind);
        let first = own.iter().find(|(key, _)| key.name == kind);
        let options: Options =
            first.into_iter().chain(rest).map(|(key, value)| (key.name.clone(), value.to_json())).collect();
        match catalog.build(kind, &options) {
            Ok(node) => Some((kind.to_owned(), node)),
            Err(BuildError::Options(wrong)) => {
                let root = ["nodes", self.name];
                let wrong = wrong.into_iter().map(|problem| with_generic_keys(problem, kind, catalog));
                self.problems.extend(wrong.map(|problem| self.document.of_option(&root, &problem)));
                None
            }
            Err(outside) => {
                let problem = self.document.at(&["nodes", self.name, kind], outside.to_string());
                self.problems.push(FlowProblem { is_outside: true, ..problem });
                None
            }
        }
    }

    /// The one key that names a kind.
    fn kind<'k>(&mut self, own: &[&'k (LocatedKey, Located)], catalog: &NodeCatalog) -> Option<&'k str> {
        let keys = own.iter().map(|(key, _)| key.name.as_str());
        let kinds: Vec<&str> = keys.clone().filter(|key| catalog.contains(key)).collect();
        match kinds[..] {
            [kind] => Some(kind),
            [first, ref others @ ..] => {
                for other in others {
                    let message = format!("a node has one kind: it is a `{first}` already");
                    self.problems.push(self.document.at_key(&["nodes", self.name, other], message));
                }
                None
            }
            [] => {
                let known: Vec<&str> = catalog.kinds().collect();
                let list = format!("known are: {}", known.join(", "));
                // What a slip of the fingers has made of a kind, or else the first key that could be meant as one.
                let slip = keys.clone().find_map(|key| nearest(key, known.iter().copied()).map(|near| (key, near)));
                let problem = match (slip, own.first()) {
                    (Some((key, near)), _) => self.document.at_key(
                        &["nodes", self.name, key],
                        format!("unknown kind `{key}`, did you mean `{near}`? ({list})"),
                    ),
                    (None, Some((key, _))) => self
                        .document
                        .at_key(&["nodes", self.name, &key.name], format!("unknown kind `{}`, {list}", key.name)),
                    (None, None) => self
                        .document
                        .at_key(&["nodes", self.name], format!("a node has one key that is its kind, {list}")),
                };
                self.problems.push(problem);
                None
            }
        }
    }
}

/// A key that a kind does not know may be meant as one that every node has, of which its factory knows nothing.
fn with_generic_keys(problem: Problem, kind: &str, catalog: &NodeCatalog) -> Problem {
    if !problem.at_key || problem.path.len() != 1 {
        return problem;
    }
    let own = catalog.keys_of(kind);
    let own = own.iter().map(String::as_str).filter(|key| *key != kind);
    let known: Vec<&str> = std::iter::once(kind).chain(own).chain(GENERIC).collect();
    Problem::unknown_key(problem.path, &known)
}
