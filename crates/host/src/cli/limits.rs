//! `batchmill limits set KEY=VALUE [BATCH]`.

use clap::{Args, Subcommand};

use super::{FormatArgs, Global, StateArgs, steer};
use crate::{batches::steer::Action, control::Request, exit::Exit};

/// Limits of a running batch.
#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    Set(SetArgs),
}

/// Change a limit of a running batch
#[derive(Debug, Args)]
#[command(long_about = "\
Change a limit of a running batch, until it ends or its host does. Jobs that run are not stopped for it. What can be set:

  concurrency=N|auto|75%      attempts of the host that run at once
  NAME.concurrency=N          attempts of one key of the limit NAME that run at once
  NAME.rate=60/m              starts of one key of the limit NAME in a time
  weights.SHARE=3             the weight of a share, by its path, where the scheduler divides by shares

`batchmill status` names the limits and says how they stand.")]
pub(crate) struct SetArgs {
    /// What is changed, for example tenant.concurrency=8
    #[arg(value_name = "KEY=VALUE", value_parser = setting)]
    setting: Setting,

    /// A running batch: its name, the beginning of it, or `last` [default: the one that runs]
    batch: Option<String>,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, Clone)]
struct Setting {
    key: String,
    value: String,
}

pub(super) fn execute(command: LimitsCommand, global: &Global) -> Exit {
    let LimitsCommand::Set(SetArgs { setting: Setting { key, value }, batch, state, format }) = command;
    let request = Request::SetLimit { key, value };
    steer::ask(Action::SetLimit, &request, &steer::SteerArgs::new(batch, state, format), global)
}

fn setting(text: &str) -> Result<Setting, String> {
    // A share may have a `=` in its name, no value has one.
    let (key, value) = text.rsplit_once('=').ok_or("must be KEY=VALUE, for example tenant.concurrency=8")?;
    Ok(Setting { key: key.trim().to_owned(), value: value.trim().to_owned() })
}
