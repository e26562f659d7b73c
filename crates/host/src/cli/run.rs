//! `batchmill run FLOW [JOBS]`.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::{ArgMatches, Args, ValueHint};

use super::{BatchArgs, Global, batch::EXIT_CODES};
use crate::{
    exit::Exit,
    intake::Jobs,
    logs,
    problems::Refusal,
    refusal,
    run::{self, Order, Shown},
    work::Work,
};

#[derive(Debug, Args)]
#[command(after_long_help = EXIT_CODES)]
pub(crate) struct RunArgs {
    /// The flow: YAML, JSON is accepted
    #[arg(value_hint = ValueHint::FilePath)]
    flow: PathBuf,

    /// The jobs: FILE.jsonl, FILE.json (a list), FILE.csv, lines:FILE, glob:PATTERN, or `-` for JSON Lines on stdin [default:
    /// stdin, unless it is a terminal]
    #[arg(value_hint = ValueHint::FilePath)]
    jobs: Option<PathBuf>,

    #[command(flatten)]
    batch: BatchArgs,
}

impl RunArgs {
    /// Where the jobs come from; `None` where nobody said it and stdin is a person.
    fn jobs(&self, stdin_is_terminal: bool) -> Option<Jobs> {
        match &self.jobs {
            Some(path) => Some(Jobs::of(path)),
            None if stdin_is_terminal => None,
            None => Some(Jobs::Stdin),
        }
    }
}

pub(super) fn execute(args: RunArgs, global: &Global, matches: &ArgMatches) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    let Some(jobs) = args.jobs(io::stdin().is_terminal()) else {
        let nobody = "no jobs: name a file of JSON Lines, or pipe them in";
        return refusal::print(&Refusal::new(Exit::Usage, nobody), &screen);
    };
    let flags = args.batch.policy.flags(matches);
    let work = Work::Flow(args.flow);
    let (shown, quiet) = (Shown::Records, global.quiet);
    run::run(Order { work, jobs, args: args.batch, flags, shown, quiet, goes_on: None, again: None }, &screen)
}
