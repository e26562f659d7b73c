//! `batchmill each JOBS -- ARGV…`.

use std::path::{Path, PathBuf};

use batchmill_plugin::ByteSize;
use clap::{ArgMatches, Args, ValueHint, builder::FalseyValueParser};

use super::{BatchArgs, Global, batch::EXIT_CODES};
use crate::{
    exit::Exit,
    intake::Jobs,
    logs,
    problems::Refusal,
    refusal,
    run::{self, Order, Shown},
    work::{Command, Work},
};

/// Run one command for each job, as xargs and parallel do
#[derive(Debug, Args)]
#[command(
    after_long_help = EXIT_CODES,
    override_usage = "batchmill each [OPTIONS] JOBS -- PROGRAM [ARGUMENT]...",
    long_about = "\
Run one command for each job, without a flow file: the work of xargs and parallel.

`${ jq }` inside the program or an argument stands for a part of the job's input (in single quotes, so that the shell
leaves it alone). There is no shell: an argument reaches the program as it is. The result of a job is
{stdout, stderr, exit_code}; --raw prints what the commands write instead.

Commands inherit the whole environment. As many run at once as there are CPUs, unless --concurrency or the config says
how many. What fails is tried again as the config's [retry] says, by default twice: --max-attempts 1 is the way of xargs.

  batchmill each jobs.jsonl -- curl -fsS '${ .url }'
  printf '{\"n\":%s}\\n' 1 2 3 | batchmill each - -- sh -c 'echo $(($1 * 2))' sh '${ .n }'"
)]
pub(crate) struct EachArgs {
    /// The jobs: FILE.jsonl, FILE.json (a list), FILE.csv, lines:FILE, glob:PATTERN, or `-` for JSON Lines on stdin
    #[arg(value_hint = ValueHint::FilePath)]
    jobs: PathBuf,

    /// The program and its arguments, behind `--`
    #[arg(last = true, required = true, value_name = "PROGRAM", value_hint = ValueHint::CommandWithArguments)]
    argv: Vec<String>,

    /// How much a command may write to stdout
    #[arg(long, value_name = "SIZE", env = "BATCHMILL_OUTPUT_LIMIT", hide_env = true, default_value = "1MiB")]
    output_limit: ByteSize,

    /// Print what each command writes, whole, in order of completion, as parallel does; results only go to --output
    #[arg(long, env = "BATCHMILL_RAW", hide_env = true, value_parser = FalseyValueParser::new())]
    raw: bool,

    #[command(flatten)]
    batch: BatchArgs,
}

pub(super) fn execute(args: EachArgs, global: &Global, matches: &ArgMatches) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    let jobs = Jobs::of(&args.jobs);
    let command = args.command(&jobs);
    let flags = args.batch.policy.flags(matches);
    let shown = if args.raw { Shown::Raw } else { Shown::Records };
    match command {
        Ok(command) => {
            let work = Work::Command(command);
            run::run(
                Order { work, jobs, args: args.batch, flags, shown, quiet: global.quiet, goes_on: None, again: None },
                &screen,
            )
        }
        Err(refusal) => refusal::print(&refusal, &screen),
    }
}

impl EachArgs {
    fn command(&self, jobs: &Jobs) -> Result<Command, Refusal> {
        if self.raw && self.batch.terms.output.as_deref() == Some(Path::new("-")) {
            let message = "--output -: with --raw stdout has what commands write; name a file for the results";
            return Err(Refusal::new(Exit::Usage, message));
        }
        Command::new(self.argv.clone(), jobs.whole(), self.output_limit)
    }
}
