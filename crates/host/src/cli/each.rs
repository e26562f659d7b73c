//! `batchmill each JOBS -- ARGV…`.

use std::path::PathBuf;

use batchmill_plugin::ByteSize;
use clap::{ArgMatches, Args, ValueHint};

use super::{BatchArgs, Global, batch::EXIT_CODES};
use crate::{
    exit::Exit,
    intake::Jobs,
    logs, refusal,
    run::{self, Order},
    work::{Command, Work},
};

#[derive(Debug, Args)]
#[command(
    after_long_help = EXIT_CODES,
    override_usage = "batchmill each [OPTIONS] JOBS -- PROGRAM [ARGUMENT]...",
    long_about = "\
Run one command for each job, without a flow file: the work of xargs and parallel.

`${ jq }` inside the program or an argument stands for a part of the job's input (in single quotes, so that the shell
leaves it alone). There is no shell: an argument reaches the program as it is. The result of a job is
{stdout, stderr, exit_code}.

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

    #[command(flatten)]
    batch: BatchArgs,
}

pub(super) fn execute(args: EachArgs, global: &Global, matches: &ArgMatches) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    let jobs = Jobs::of(&args.jobs);
    let command = match Command::new(args.argv, jobs.whole(), args.output_limit) {
        Ok(command) => command,
        Err(refusal) => return refusal::print(&refusal, &screen),
    };
    let flags = args.batch.policy.flags(matches);
    run::run(Order { work: Work::Command(command), jobs, args: args.batch, flags }, global.quiet, &screen)
}
