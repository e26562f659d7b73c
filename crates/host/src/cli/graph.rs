//! `batchmill graph FLOW`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::Global;
use crate::{
    catalog,
    exit::Exit,
    logs, refusal, stdout,
    work::{Flow, Nodes, Processes},
};

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// The flow: YAML, JSON is accepted
    #[arg(value_hint = ValueHint::FilePath)]
    flow: PathBuf,

    /// How the graph is written
    #[arg(short = 'o', long, value_name = "FORMAT", env = "BATCHMILL_FORMAT", hide_env = true, default_value = "text")]
    format: GraphFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    /// For people
    #[value(alias = "table")]
    Text,
    /// For viewers of Markdown
    Mermaid,
    /// For Graphviz: `batchmill graph -o dot FLOW | dot -Tsvg > flow.svg`
    Dot,
    /// A picture for browsers and pages
    Svg,
    /// Nodes and edges as one JSON object
    Json,
    /// The same on one line
    Jsonl,
}

pub(super) fn execute(args: &GraphArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    match Flow::read(&args.flow, &catalog::registry(), &Processes::default(), Nodes::Checked) {
        Ok(flow) => stdout::print(&shown(&flow, args.format)),
        Err(refusal) => refusal::print(&refusal, &screen),
    }
}

fn shown(flow: &Flow, format: GraphFormat) -> String {
    let outline = flow.graph().outline();
    match format {
        GraphFormat::Text => match flow.description() {
            Some(description) => format!("{}\n\n{}", description.trim(), outline.to_text()),
            None => outline.to_text(),
        },
        GraphFormat::Mermaid => outline.to_mermaid(),
        GraphFormat::Dot => outline.to_dot(),
        GraphFormat::Svg => outline.to_svg(),
        GraphFormat::Json => stdout::pretty(&outline.to_json()),
        GraphFormat::Jsonl => format!("{}\n", outline.to_json()),
    }
}
