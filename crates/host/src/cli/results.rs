//! `batchmill results [BATCH]`.

use batchmill_core::Status;
use clap::builder::TypedValueParser;
use clap::{Args, builder::PossibleValuesParser};

use super::{FormatArgs, Global, StateArgs};
use crate::{
    batches::{self, GroupId, results},
    exit::Exit,
    logs, refusal,
};

/// Print the stored results of a batch
#[derive(Debug, Args)]
#[command(
    mut_arg("format", |format| {
        format.default_value("jsonl").help("How results are written; `json` is one list, `table` has no outputs")
    }),
    long_about = "\
Print the results of a batch, one JSON object a line, in the order in which they were stored, also while it runs. Of a batch
that was retried: of each job the latest result, in the place of the first."
)]
pub(crate) struct ResultsArgs {
    /// A batch: its name, the beginning of it, or `last` [default: last]
    batch: Option<String>,

    /// Only jobs that ended so (repeatable, or separated by commas)
    #[arg(
        long,
        value_name = "STATUS",
        env = "BATCHMILL_STATUS",
        hide_env = true,
        value_delimiter = ',',
        value_parser = statuses()
    )]
    status: Vec<Status>,

    /// Only jobs that failed alike: a group of `batchmill errors` (repeatable, or separated by commas)
    #[arg(long, value_name = "ID", env = "BATCHMILL_GROUP", hide_env = true, value_delimiter = ',')]
    group: Vec<GroupId>,

    /// Only this generation: 0 is the batch itself, 1 its first retry
    #[arg(long, value_name = "N", env = "BATCHMILL_GENERATION", hide_env = true)]
    generation: Option<u32>,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &ResultsArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    let found = batches::named(&args.state.state, args.batch.as_deref().unwrap_or("last"));
    let (statuses, groups) = (args.status.clone(), args.group.clone());
    let wanted = results::Wanted { statuses, groups, generation: args.generation };
    found
        .and_then(|found| results::print(&found, &wanted, args.format.format))
        .unwrap_or_else(|refusal| refusal::print(&refusal, &screen))
}

/// Of `--status`, wherever it stands.
pub(super) fn statuses() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.map(Status::as_str)).map(|name| {
        Status::ALL.into_iter().find(|status| status.as_str() == name).expect("only names of statuses are let through")
    })
}
