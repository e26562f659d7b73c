//! `batchmill prune --older 30d`.

use std::time::Duration;

use batchmill_core::parse_duration;
use clap::{Args, builder::FalseyValueParser};

use super::{FormatArgs, Global, StateArgs};
use crate::{batches::prune, clock, exit::Exit, logs, refusal, stdout};

/// Remove batches that ended long ago
#[derive(Debug, Args)]
#[command(long_about = "\
Remove batches that ended long ago, with their results and checkpoints: those that are finished, halted or abandoned. What is
running or interrupted stays, however old it is.")]
pub(crate) struct PruneArgs {
    /// Ended at least so long ago, for example 30d
    #[arg(long, value_name = "DURATION", env = "BATCHMILL_OLDER", hide_env = true, value_parser = duration)]
    older: Duration,

    /// Show what would be removed; remove nothing
    #[arg(long, env = "BATCHMILL_DRY_RUN", hide_env = true, value_parser = FalseyValueParser::new())]
    dry_run: bool,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &PruneArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    match prune::prune(&args.state.state, clock::now(), args.older, args.dry_run) {
        Ok(pruned) => stdout::print(&args.format.format.many(pruned.json(), pruned.text())),
        Err(refusal) => refusal::print(&refusal, &screen),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}
