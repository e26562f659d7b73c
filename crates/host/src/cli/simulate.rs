//! `batchmill simulate FLOW JOBS`.

use std::{path::PathBuf, time::Duration};

use batchmill_core::{WallTime, parse_duration};
use clap::{Args, ValueHint};

use super::{ConfigArgs, FormatArgs, Global, IntakeArgs, StateArgs};
use crate::{
    exit::Exit,
    logs, refusal,
    simulate::{self, Failures, Lengths},
};

/// Play a batch in virtual time: makespan, share per tenant over time, waits
#[derive(Debug, Args)]
#[command(long_about = "\
Play a batch in virtual time: makespan, share of the machine per tenant over time, waits.

The same decisions are made as by `run`, by the same scheduler, retry policy and failure strategy; but an attempt takes the time
that --durations says, and time jumps to what happens next. Nothing runs, nothing is written but --svg. The same flags give the
same answer. See docs/simulate.md.")]
pub(crate) struct SimulateArgs {
    /// The flow: YAML, JSON is accepted
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) flow: PathBuf,

    /// The jobs, as for `run`
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) jobs: PathBuf,

    /// Another config to play the same batch with, beside --config (repeatable)
    #[arg(long, value_name = "FILE", env = "BATCHMILL_AGAINST", hide_env = true, value_hint = ValueHint::FilePath)]
    pub(crate) against: Vec<PathBuf>,

    /// How long attempts take: `cost:1s` (the job's cost times that), `fixed:2s`, `uniform:1s..5s`, `exp:MEAN`,
    /// `lognormal:MEDIAN,SIGMA`, `from:BATCH` (as in that batch), or `jq:EXPRESSION` over the job (seconds, or `\"2m\"`)
    #[arg(long, value_name = "MODEL", env = "BATCHMILL_DURATIONS", hide_env = true, default_value = "cost:1s")]
    pub(crate) durations: Lengths,

    /// The part of attempts that fail, and with which error class, for example `5%` or `2%:timeout`
    #[arg(long, value_name = "P%[:CLASS]", env = "BATCHMILL_FAILURES", hide_env = true)]
    pub(crate) failures: Option<Failures>,

    /// What everything drawn by chance follows from
    #[arg(long, value_name = "N", env = "BATCHMILL_SEED", hide_env = true, default_value_t = 1)]
    pub(crate) seed: u64,

    /// When the batch is accepted, where jobs have an `after` or a `deadline` [default: now]
    #[arg(long, value_name = "MOMENT", env = "BATCHMILL_BEGIN", hide_env = true, value_parser = moment)]
    pub(crate) begin: Option<WallTime>,

    /// The longest time the batch may take
    #[arg(long, value_name = "DURATION", env = "BATCHMILL_DEADLINE", hide_env = true, value_parser = deadline)]
    pub(crate) deadline: Option<Duration>,

    /// Draw shares and queues over time, and which job ran where, into this file
    #[arg(long, value_name = "FILE", env = "BATCHMILL_SVG", hide_env = true, value_hint = ValueHint::FilePath)]
    pub(crate) svg: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) intake: IntakeArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    /// Where the batch of `from:BATCH` is
    #[command(flatten)]
    pub(crate) state: StateArgs,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

fn moment(text: &str) -> Result<WallTime, String> {
    WallTime::parse(text).ok_or_else(|| "not an RFC 3339 moment, for example 2026-11-23T12:00:00Z".to_owned())
}

fn deadline(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("a deadline must be longer than 0s".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}

pub(super) fn execute(args: &SimulateArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    simulate::simulate(args).unwrap_or_else(|refusal| refusal::print(&refusal, &screen))
}
