//! Flags of the commands that run a batch.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use batchmill_core::parse_duration;
use clap::{Args, ValueEnum, ValueHint, builder::FalseyValueParser};

use super::{ConfigArgs, IntakeArgs, PolicyArgs};

/// What scripts want to know.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0   every job succeeded (an empty batch too), or enough of them for a rule on successes
  1   the batch ended, some jobs failed for good
  2   the command line is wrong
  3   stopped by its failure strategy or a fatal error
  4   the deadline of the batch passed
  65  bad data: a job line, a flow, a missing file
  74  results could not be stored
  75  interrupted before the end
  78  bad config

Signals: INT or TERM once starts nothing more and lets running jobs finish, twice stops them, three times kills
them. HUP does as the first INT, USR1 says how the batch stands.

Every flag can be given by its environment variable too: --max-attempts is BATCHMILL_MAX_ATTEMPTS.";

/// Where results go, what is shown, and how the batch is bounded.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// Results, JSON Lines [default: stdout when it is no terminal, else STATE/batches/BATCH/results.jsonl]
    #[arg(long, value_name = "FILE", env = "BATCHMILL_OUTPUT", hide_env = true, value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Replace an existing output file
    #[arg(long, env = "BATCHMILL_OVERWRITE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) overwrite: bool,

    /// The folder for results that have no other place
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHMILL_STATE",
        hide_env = true,
        default_value = ".batchmill",
        value_hint = ValueHint::DirPath
    )]
    pub(crate) state: PathBuf,

    /// How progress is shown on stderr
    #[arg(long, value_name = "HOW", env = "BATCHMILL_PROGRESS", hide_env = true, default_value = "auto")]
    pub(crate) progress: ProgressStyle,

    /// Write a summary of the batch as JSON
    #[arg(long, value_name = "FILE", env = "BATCHMILL_REPORT", hide_env = true, value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,

    /// The longest time the batch may take: then running jobs end `timed_out`, waiting ones `skipped`
    #[arg(long, value_name = "DURATION", env = "BATCHMILL_DEADLINE", hide_env = true, value_parser = deadline)]
    pub(crate) deadline: Option<Duration>,

    /// A trial: only so many jobs, those that the scheduler would start first; the rest does not run. Rules of --halt with
    /// a percentage still mean all jobs
    #[arg(long, value_name = "N", env = "BATCHMILL_LIMIT", hide_env = true, value_parser = limit)]
    pub(crate) limit: Option<NonZeroU64>,

    /// Check everything and show what would run first; run nothing, write nothing
    #[arg(long, env = "BATCHMILL_DRY_RUN", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,

    /// What the exit code tells
    #[arg(long, value_name = "FORM", env = "BATCHMILL_EXIT_CODE", hide_env = true, default_value = "standard")]
    pub(crate) exit_code: ExitCode,

    #[command(flatten)]
    pub(crate) intake: IntakeArgs,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// A bar on a terminal, plain lines elsewhere
    Auto,
    /// A bar with rate, time left, running, failed, retries
    Bar,
    /// A line every 10 seconds
    Plain,
    /// A JSON object every second
    Json,
    /// Nothing
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExitCode {
    /// What became of the batch: see the reference
    Standard,
    /// Instead of 1 and 3: how many jobs failed or timed out, as GNU parallel; 101 for more than 100
    Count,
}

fn deadline(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be longer than 0s".to_owned()) } else { Ok(duration) }
}

fn limit(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| "must be a number from 1".to_owned())
}
