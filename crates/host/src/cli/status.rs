//! `batchmill status [BATCH]`.

use clap::Args;

use super::{FormatArgs, Global, StateArgs};
use crate::{
    batches::{self, standing},
    clock,
    exit::Exit,
    logs,
    problems::Refusal,
    refusal, stdout,
};

/// Show how a batch stands, or all of them
#[derive(Debug, Args)]
#[command(long_about = "\
Show how a batch stands: its counts, what its jobs wait for, why it is paused or why it stopped, and what to do next. A running
batch answers itself, with its rate and the time that is left; what no host runs is read from its store. Without a name: all
batches of the state directory, the newest first.")]
pub(crate) struct StatusArgs {
    /// A batch: its name, the beginning of it, or `last` [default: all]
    batch: Option<String>,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &StatusArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    answer(args).map_or_else(|refusal| refusal::print(&refusal, &screen), |text| stdout::print(&text))
}

fn answer(args: &StatusArgs) -> Result<String, Refusal> {
    let format = args.format.format;
    match &args.batch {
        Some(name) => {
            let standing = batches::named(&args.state.state, name)?.standing()?;
            Ok(format.one(&standing::json(&standing), standing::text(&standing, clock::now())))
        }
        None => {
            let standings = batches::all(&args.state.state)?;
            Ok(format.many(standings.iter().map(standing::json).collect(), standing::list(&standings)))
        }
    }
}
