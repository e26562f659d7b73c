//! `batchmill check FLOW [JOBS]`.

use std::path::PathBuf;

use batchmill_executor::JobSource;
use clap::{Args, ValueHint, builder::FalseyValueParser};
use serde_json::json;

use super::{ConfigArgs, FormatArgs, Global, IntakeArgs};
use crate::{
    exit::Exit,
    inputs::{self, Inputs},
    intake::{Jobs, Scratch},
    logs,
    problems::Refusals,
    refusal, stdout,
    work::{Nodes, Work},
};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The flow: YAML, JSON is accepted
    #[arg(value_hint = ValueHint::FilePath)]
    flow: PathBuf,

    /// The jobs, if they are to be checked too: as for `run`
    #[arg(value_hint = ValueHint::FilePath)]
    jobs: Option<PathBuf>,

    /// Touch nothing outside: no variable and no file of a secret. Plugins of the config are loaded all the same, because
    /// they check their options
    #[arg(long, env = "BATCHMILL_NO_ENVIRONMENT", hide_env = true, value_parser = FalseyValueParser::new())]
    no_environment: bool,

    #[command(flatten)]
    intake: IntakeArgs,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &CheckArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    // Unlike `run`, which needs jobs: where nobody names any, stdin is left alone.
    let jobs = args.jobs.as_deref().map(Jobs::of);
    let jobs = jobs.as_ref().map(|jobs| (jobs, args.intake.rules(Scratch::default())));
    let nodes = if args.no_environment { Nodes::Checked } else { Nodes::Built };
    match inputs::read(&args.config.request(), &Work::Flow(args.flow.clone()), nodes, jobs, Refusals::default()) {
        Ok(inputs) => stdout::print(&answer(args, &inputs)),
        Err(refusal) => refusal::answer(&refusal, args.format.format, &screen),
    }
}

fn answer(args: &CheckArgs, inputs: &Inputs) -> String {
    let graph = inputs.flow.graph();
    let (name, nodes) = (graph.name(), graph.node_names().len());
    let jobs = inputs.jobs.as_ref().map(JobSource::len);
    let bad = inputs.jobs.as_ref().map(|jobs| jobs.left_out().lines);
    let nodes_named: Vec<_> = graph.node_names().collect();
    let object = json!({"flow": name, "nodes": nodes_named, "jobs": jobs, "bad_lines": bad, "problems": []});
    let jobs = jobs.map(|jobs| format!(", {}", counted(jobs, "job", "jobs"))).unwrap_or_default();
    let verdict = match bad {
        None | Some(0) => "all right".to_owned(),
        Some(lines) => format!("right but for {}", counted(lines, "bad line", "bad lines")),
    };
    let (flow, nodes) = (args.flow.display(), counted(nodes as u64, "node", "nodes"));
    args.format.format.one(&object, format_args!("{flow}: flow `{name}` with {nodes}{jobs}: {verdict}\n"))
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
