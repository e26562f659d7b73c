//! `batchmill retry [BATCH] --failed`.

use batchmill_core::{ErrorClass, Status};
use clap::{
    ArgMatches, Args,
    builder::{FalseyValueParser, PossibleValuesParser, TypedValueParser},
};

use super::{ConfigArgs, Global, PolicyArgs, Terms, batch::EXIT_CODES, results::statuses};
use crate::{
    batches::{GroupId, Selection},
    exit::Exit,
    logs, run,
};

/// Jobs that did not succeed for a reason of their own.
const FAILED: [Status; 3] = [Status::Failed, Status::TimedOut, Status::Quarantined];

/// Run some jobs of a batch that has ended again
#[derive(Debug, Args)]
#[command(
    after_long_help = EXIT_CODES,
    mut_arg("accept_changes", |flag| flag.hide(true)),
    mut_arg("accept_appended", |flag| flag.hide(true)),
    group(clap::ArgGroup::new("which jobs").args(["failed", "status", "error_class", "node", "group"]).multiple(true).required(true)),
    long_about = "\
Run some jobs of a batch that has ended again, in a batch of their own: NAME.r1 for the first time, then NAME.r2. The jobs keep
their ids, and their inputs are those that were accepted; flow and config are read anew, so what was wrong with them may be
mended before. `results NAME` then shows the latest result of each job, `--generation 1` those of the first retry.

Jobs are chosen by their latest results; what is said in several ways must be all of it.

  batchmill retry last --failed
  batchmill errors last; batchmill retry last --group 5b1e0c93d7
  batchmill retry nightly --status timed_out --node fetch --timeout 10m"
)]
pub(crate) struct RetryArgs {
    /// The batch: its name, the beginning of it, or `last` [default: last]
    pub(crate) batch: Option<String>,

    /// Jobs that failed, timed out or were quarantined
    #[arg(long, env = "BATCHMILL_FAILED", hide_env = true, value_parser = FalseyValueParser::new(), conflicts_with = "status")]
    failed: bool,

    /// Jobs that ended so (repeatable, or separated by commas)
    #[arg(
        long,
        value_name = "STATUS",
        env = "BATCHMILL_STATUS",
        hide_env = true,
        value_delimiter = ',',
        value_parser = statuses()
    )]
    status: Vec<Status>,

    /// Jobs with an error of this class (repeatable, or separated by commas)
    #[arg(
        long,
        value_name = "CLASS",
        env = "BATCHMILL_ERROR_CLASS",
        hide_env = true,
        value_delimiter = ',',
        value_parser = classes()
    )]
    error_class: Vec<ErrorClass>,

    /// Jobs with an error at this node (repeatable)
    // Not BATCHMILL_NODE: that is a variable of jobs, and a job may run this program.
    #[arg(long, value_name = "NODE", env = "BATCHMILL_NODE_NAME", hide_env = true)]
    node: Vec<String>,

    /// Jobs that failed alike: a group of `batchmill errors` (repeatable, or separated by commas)
    #[arg(long, value_name = "ID", env = "BATCHMILL_GROUP", hide_env = true, value_delimiter = ',')]
    group: Vec<GroupId>,

    #[command(flatten)]
    pub(crate) terms: Terms,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

impl RetryArgs {
    /// Which jobs run again.
    pub(crate) fn selection(&self) -> Selection {
        let statuses = if self.failed { FAILED.to_vec() } else { self.status.clone() };
        Selection { statuses, classes: self.error_class.clone(), nodes: self.node.clone(), groups: self.group.clone() }
    }
}

pub(super) fn execute(args: RetryArgs, global: &Global, matches: &ArgMatches) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    let flags = args.policy.flags(matches);
    run::retry(args, flags, global.quiet, &screen)
}

fn classes() -> impl TypedValueParser<Value = ErrorClass> {
    PossibleValuesParser::new(ErrorClass::ALL.map(ErrorClass::as_str))
        .map(|name| name.parse().expect("only names of classes are let through"))
}
