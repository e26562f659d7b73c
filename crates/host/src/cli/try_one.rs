//! `batchmill try FLOW JOBS --job ID`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{ConfigArgs, FormatArgs, Global, IntakeArgs};
use crate::{
    exit::Exit,
    inputs,
    intake::{Jobs, Scratch},
    logs, look,
    problems::{Refusal, Refusals},
    refusal,
    signals::Signals,
    throttle,
    work::{Nodes, Work},
};

/// Run one job and show each node; nothing is recorded
#[derive(Debug, Args)]
#[command(mut_arg("format", |format| {
    format.help("How it is shown; `jsonl` is an object a superstep, then one about the end")
}))]
#[command(long_about = "\
Run one job and show each node: its command line, what it wrote, its update, and how the state changes.

It is one attempt: a node that fails is not tried again, and what a batch would do is said instead; `on_error` applies at
once. The time limits are those of a batch. Processes really run; no result, state or report is written. The exit code is 0 if
the job succeeds, 1 if not, 65 and 78 as for `run`, 75 after an interrupt, which ends the running processes.")]
pub(crate) struct TryArgs {
    /// The flow: YAML, JSON is accepted
    #[arg(value_hint = ValueHint::FilePath)]
    flow: PathBuf,

    /// The jobs, as for `run`
    #[arg(value_hint = ValueHint::FilePath)]
    jobs: PathBuf,

    /// The id of the job: what its line says, or the number of its line
    #[arg(long, value_name = "ID", env = "BATCHMILL_JOB", hide_env = true)]
    job: String,

    #[command(flatten)]
    intake: IntakeArgs,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &TryArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    attempt(args).unwrap_or_else(|refusal| refusal::print(&refusal, &screen))
}

fn attempt(args: &TryArgs) -> Result<Exit, Refusal> {
    let jobs = Jobs::of(&args.jobs);
    let work = Work::Flow(args.flow.clone());
    let inputs = inputs::read(
        &args.config.request(),
        &work,
        Nodes::Built,
        Some((&jobs, args.intake.rules(Scratch::default()))),
        Refusals::default(),
    )?;
    // Older than the runtime: it is removed when all processes are gone.
    let _throttle = throttle::begin(&inputs);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Refusal::storage(format!("the runtime could not start: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|error| Refusal::storage(format!("signals: {error}")))?;
        look::look(&inputs, &args.job, args.format.format, &mut signals).await
    })
}
