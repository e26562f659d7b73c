//! `batchmill errors [BATCH]`.

use clap::Args;

use super::{FormatArgs, Global, StateArgs};
use crate::{batches, exit::Exit, logs, problems::Refusal, refusal, stdout};

/// Show why jobs failed, grouped
#[derive(Debug, Args)]
#[command(long_about = "\
Show why jobs of a batch failed for good, grouped by the class, the code and the node of their errors and by what their messages
have in common, the most frequent first, each with the first jobs that it happened to.

  batchmill results last --group ID    the results of a group, each with its whole history
  batchmill retry last --group ID      run its jobs again")]
pub(crate) struct ErrorsArgs {
    /// A batch: its name, the beginning of it, or `last` [default: last]
    batch: Option<String>,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &ErrorsArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    answer(args).map_or_else(|refusal| refusal::print(&refusal, &screen), |text| stdout::print(&text))
}

fn answer(args: &ErrorsArgs) -> Result<String, Refusal> {
    let found = batches::named(&args.state.state, args.batch.as_deref().unwrap_or("last"))?;
    let groups = found.errors()?;
    Ok(args.format.format.many(groups.json(), groups.table()))
}
