//! A graph for a terminal: a line a node, and below it where it leads.

use std::time::Duration;

use batchmill_core::{Options, format_duration, format_size};

use super::lines;
use crate::{CheckpointMode, Edge, EdgeKind, NodeOutline, OnError, Outline, Reduce};

/// A column is no wider than this; a longer name pushes only its own line.
const WIDTH_MAX: usize = 32;

impl Outline {
    /// Lines for people.
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n\n", self.headline());
        let names = width(self.nodes.iter().map(|node| node.name.as_str()));
        let kinds = width(self.nodes.iter().map(|node| node.kind.as_str()));
        let shared = Shared::of(&self.nodes);
        let mut edges = self.edges().into_iter().peekable();
        for (place, node) in self.nodes.iter().enumerate() {
            let (name, kind, notes) = (pad(&node.name, names), pad(&node.kind, kinds), notes(node, &shared).join(", "));
            push(&mut out, &format!("{name}  {kind}  {notes}"));
            let leads: Vec<Edge> = std::iter::from_fn(|| edges.next_if(|edge| edge.from == place)).collect();
            self.targets(&leads, &mut out);
        }
        self.rest(&shared, &mut out);
        out
    }

    fn headline(&self) -> String {
        let count = self.nodes.len();
        let mut line = format!("{}: {count} {}", self.name, if count == 1 { "node" } else { "nodes" });
        if let Some(steps) = self.max_steps {
            line.push_str(&format!(", at most {steps} supersteps"));
        }
        line
    }

    fn targets(&self, leads: &[Edge], out: &mut String) {
        let name = |edge: &Edge| edge.to.map_or("END", |to| self.nodes[to].name.as_str()).to_owned();
        let named: Vec<(String, String)> = leads
            .iter()
            .map(|edge| (name(edge), lines(&edge.kind.to_string()).collect::<Vec<_>>().join(" ")))
            .collect();
        let labelled = named.iter().filter(|(_, label)| !label.is_empty());
        let names = width(labelled.map(|(name, _)| name.as_str()));
        for ((name, label), edge) in named.iter().zip(leads) {
            let label = if matches!(edge.kind, EdgeKind::When(_)) { format!("when {label}") } else { label.clone() };
            push(out, &format!("  → {}  {label}", pad(name, names)));
        }
    }

    /// What holds for the flow as a whole.
    fn rest(&self, shared: &Shared<'_>, out: &mut String) {
        let names = width(self.channels.iter().map(|(name, ..)| name.as_str()));
        if !self.channels.is_empty() {
            out.push_str("\nstate\n");
        }
        for (name, reduce, start) in &self.channels {
            let start = match (start, reduce) {
                (Some(value), _) => format!(", starts as {value}"),
                (None, Reduce::Replace) => String::new(),
                (None, _) => ", starts with its first value".to_owned(),
            };
            push(out, &format!("  {}  {reduce}{start}", pad(name, names)));
        }
        out.push('\n');
        if let Some(limit) = shared.timeout {
            push(out, &format!("node timeout  {}", format_duration(limit)));
        }
        if let Some(settings) = shared.retry {
            push(out, &format!("node retry    {}", listed(settings)));
        }
        push(out, &format!("checkpoint    {}", kept(self.checkpoint)));
        push(out, &format!("state limit   {}", format_size(self.state_limit)));
        let output = self.output.as_deref().unwrap_or("the whole state");
        push(out, &format!("output        {}", lines(output).collect::<Vec<_>>().join(" ")));
    }
}

/// Settings that all nodes have are shown once.
struct Shared<'a> {
    timeout: Option<Duration>,
    retry: Option<&'a Options>,
}

impl<'a> Shared<'a> {
    fn of(nodes: &'a [NodeOutline]) -> Self {
        let [first, others @ ..] = nodes else { return Self { timeout: None, retry: None } };
        let same_timeout = others.iter().all(|node| node.timeout == first.timeout);
        let same_retry = others.iter().all(|node| node.retry == first.retry);
        Self { timeout: first.timeout.filter(|_| same_timeout), retry: first.retry.as_ref().filter(|_| same_retry) }
    }
}

/// When a node runs, and what differs from the plain case.
fn notes(node: &NodeOutline, shared: &Shared<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if node.is_entry {
        notes.push("starts".to_owned());
    }
    match &node.needs[..] {
        [] => {}
        [one] => notes.push(format!("needs {one}")),
        several => notes.push(format!("joins {}", several.join(" + "))),
    }
    if let Some(limit) = node.timeout.filter(|limit| Some(*limit) != shared.timeout) {
        notes.push(format!("timeout {}", format_duration(limit)));
    }
    if let Some(percent) = node.timeout_percent {
        notes.push(format!("timeout {percent}% of the median"));
    }
    if let Some(settings) = node.retry.as_ref().filter(|settings| Some(*settings) != shared.retry) {
        notes.push(format!("retry ({})", listed(settings)));
    }
    if node.on_error == OnError::Continue {
        notes.push("goes on after an error".to_owned());
    }
    notes
}

fn listed(settings: &Options) -> String {
    let settings = settings.iter().map(|(key, value)| match value.as_str() {
        Some(text) => format!("{key} {text}"),
        None => format!("{key} {value}"),
    });
    settings.collect::<Vec<_>>().join(", ")
}

fn kept(mode: CheckpointMode) -> &'static str {
    match mode {
        CheckpointMode::Step => "after every superstep",
        CheckpointMode::StepSync => "after every superstep, which the next one waits for",
        CheckpointMode::Exit => "where an attempt ends before the flow does",
        CheckpointMode::None => "never",
    }
}

fn width<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0).min(WIDTH_MAX)
}

fn pad(cell: &str, width: usize) -> String {
    format!("{cell:width$}")
}

fn push(out: &mut String, line: &str) {
    out.push_str(line.trim_end());
    out.push('\n');
}
