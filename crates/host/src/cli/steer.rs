//! `batchmill cancel|pause|unpause|drain [BATCH]`.

use batchmill_core::JobId;
use clap::Args;

use super::{FormatArgs, Global, StateArgs};
use crate::{
    batches::{
        self,
        steer::{self, Action, Told},
    },
    control::{Answer, Client, Request, Unreachable},
    exit::Exit,
    logs,
    problems::Refusal,
    refusal, stdout,
};

#[derive(Debug, Args)]
pub(crate) struct SteerArgs {
    /// A running batch: its name, the beginning of it, or `last` [default: the one that runs]
    batch: Option<String>,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    format: FormatArgs,
}

/// Cancel a running batch, or some of its jobs
#[derive(Debug, Args)]
#[command(long_about = "\
Cancel a running batch, or some of its jobs: they end `cancelled`, those that run are told to end. What has ended keeps its
record. The exit code is 65 where a job that was named had another end already; where one is not known, nothing is done.")]
pub(crate) struct CancelArgs {
    /// A running batch: its name, the beginning of it, or `last` [default: the one that runs]
    batch: Option<String>,

    /// Jobs, by their ids [default: the whole batch]
    #[arg(value_parser = job_id)]
    jobs: Vec<JobId>,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    format: FormatArgs,
}

impl SteerArgs {
    pub(super) fn new(batch: Option<String>, state: StateArgs, format: FormatArgs) -> Self {
        Self { batch, state, format }
    }
}

pub(super) fn cancel(args: CancelArgs, global: &Global) -> Exit {
    let CancelArgs { batch, jobs, state, format } = args;
    let args = SteerArgs { batch, state, format };
    if jobs.is_empty() {
        return ask(Action::Cancel, &Request::Cancel { jobs: None }, &args, global);
    }
    carry_out(Action::Cancel, |host| host.cancel_jobs(&jobs), &args, global)
}

/// Asks the host of a running batch one thing, and tells what it says.
pub(super) fn ask(action: Action, request: &Request, args: &SteerArgs, global: &Global) -> Exit {
    carry_out(action, |host| host.ask(request), args, global)
}

fn carry_out(
    action: Action,
    wish: impl Fn(&mut Client) -> Result<Answer, Unreachable>,
    args: &SteerArgs,
    global: &Global,
) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    match steered(action, wish, args) {
        Ok(told) => match stdout::print(&args.format.format.one(&told.value, told.text)) {
            Exit::Success => told.exit,
            failed => failed,
        },
        Err(refusal) => refusal::print(&refusal, &screen),
    }
}

fn steered(
    action: Action,
    wish: impl Fn(&mut Client) -> Result<Answer, Unreachable>,
    args: &SteerArgs,
) -> Result<Told, Refusal> {
    let found = batches::running(&args.state.state, args.batch.as_deref())?;
    let answer = found.ask(wish)?;
    steer::tell(found.id(), &found.argument(), action, answer)
}

pub(super) fn job_id(text: &str) -> Result<JobId, String> {
    JobId::new(text).map_err(|error| error.to_string())
}
