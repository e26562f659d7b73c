//! `batchmill resume [BATCH]`.

use clap::{ArgMatches, Args};

use super::{ConfigArgs, Global, PolicyArgs, Terms, batch::EXIT_CODES};
use crate::{exit::Exit, logs, run};

/// Go on where a batch stopped
#[derive(Debug, Args)]
#[command(
    after_long_help = EXIT_CODES,
    long_about = "\
Go on where a batch stopped: after an interrupt, the end of its host by whatever signal, a loss of power. `run` with the
same flow and jobs does the same.

Jobs that have ended are not run again, those that were running are. Everything is as the first command said it: working
directory, flow, jobs, config. What is given here goes over that. Flow, jobs, retry and failure policy must be those that the
batch was started with; scheduler, concurrency, time limits, sinks and metrics may change.

  batchmill resume                      the newest batch that is not finished
  batchmill resume inspect-7f3a         by its name, or the beginning of it"
)]
pub(crate) struct ResumeArgs {
    /// The batch: its name, the beginning of it, or `last` [default: the newest that is not finished]
    pub(crate) batch: Option<String>,

    #[command(flatten)]
    pub(crate) terms: Terms,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

pub(super) fn execute(args: ResumeArgs, global: &Global, matches: &ArgMatches) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    let flags = args.policy.flags(matches);
    run::resume(args, flags, global.quiet, &screen)
}
