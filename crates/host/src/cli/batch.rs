//! Flags of the commands that run a batch.

use std::{io, num::NonZeroU64, path::PathBuf, time::Duration};

use batchmill_core::{BatchId, parse_duration};
use clap::{Args, ValueEnum, ValueHint, builder::FalseyValueParser};
use serde::{Deserialize, Serialize};

use super::{ConfigArgs, IntakeArgs, PolicyArgs};
use crate::batches::USUAL_STATE;

/// What scripts want to know.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0   every job succeeded (an empty batch too), or enough of them for a rule on successes
  1   the batch ended, some jobs failed for good
  2   the command line is wrong
  3   stopped by its failure strategy or a fatal error, or cancelled by a person
  4   the deadline of the batch passed
  65  bad data: a job line, a flow, a missing file, an unknown batch, another batch than the one to go on with
  74  results could not be stored
  75  interrupted before the end (`batchmill resume` goes on), or the batch has another host
  78  bad config

Signals: INT or TERM once starts nothing more and lets running jobs finish, twice stops them, three times kills
them. HUP does as the first INT, USR1 says how the batch stands.

Every flag can be given by its environment variable too: --max-attempts is BATCHMILL_MAX_ATTEMPTS.";

/// How a batch is run and told, whatever it is made of: what a resume may say anew.
#[derive(Debug, Clone, Args)]
pub(crate) struct Terms {
    /// Results, JSON Lines [default: stdout when it is no terminal, else STATE/batches/BATCH/results.jsonl]
    #[arg(long, value_name = "FILE", env = "BATCHMILL_OUTPUT", hide_env = true, value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Replace an existing output file that is not this batch's
    #[arg(long, env = "BATCHMILL_OVERWRITE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) overwrite: bool,

    /// The folder where batches are remembered
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHMILL_STATE",
        hide_env = true,
        default_value = USUAL_STATE,
        value_hint = ValueHint::DirPath
    )]
    pub(crate) state: PathBuf,

    /// Go on although flow, jobs, retry or failure policy are not those that the batch was started with; it is recorded
    #[arg(long, env = "BATCHMILL_ACCEPT_CHANGES", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) accept_changes: bool,

    /// Go on with a file of jobs that only grew: what was appended joins the batch
    #[arg(long, env = "BATCHMILL_ACCEPT_APPENDED", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) accept_appended: bool,

    /// How progress is shown on stderr
    #[arg(long, value_name = "HOW", env = "BATCHMILL_PROGRESS", hide_env = true, default_value = "auto")]
    pub(crate) progress: ProgressStyle,

    /// Write a summary of the batch as JSON
    #[arg(long, value_name = "FILE", env = "BATCHMILL_REPORT", hide_env = true, value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,

    /// The longest time the batch may take from now on: then running jobs end `timed_out`, waiting ones `skipped`
    #[arg(long, value_name = "DURATION", env = "BATCHMILL_DEADLINE", hide_env = true, value_parser = deadline)]
    pub(crate) deadline: Option<Duration>,

    /// A trial: only so many jobs, those that the scheduler would start first; the rest waits for a run without it. Rules of
    /// --halt with a percentage still mean all jobs
    #[arg(long, value_name = "N", env = "BATCHMILL_LIMIT", hide_env = true, value_parser = limit)]
    pub(crate) limit: Option<NonZeroU64>,

    /// What the exit code tells [default: standard]
    #[arg(long, value_name = "FORM", env = "BATCHMILL_EXIT_CODE", hide_env = true)]
    pub(crate) exit_code: Option<ExitCode>,
}

impl Terms {
    /// Makes its paths mean the same in another working directory.
    pub(crate) fn absolute(&mut self) -> io::Result<()> {
        for path in [&mut self.state].into_iter().chain(&mut self.report).chain(&mut self.output) {
            if path.as_os_str() != "-" {
                *path = std::path::absolute(&path)?;
            }
        }
        Ok(())
    }
}

/// What a batch is made of, and how it is run and told.
#[derive(Debug, Clone, Args)]
pub(crate) struct BatchArgs {
    /// A name of your own for the batch, and its idempotency key: an unfinished batch of this name goes on, a finished one
    /// answers with its stored results and runs nothing [default: made from the name of the flow or the program]
    // Not BATCHMILL_BATCH: that is a variable of jobs, and a job may run this program.
    #[arg(long, value_name = "NAME", env = "BATCHMILL_BATCH_NAME", hide_env = true, value_parser = batch_name)]
    pub(crate) batch: Option<BatchId>,

    /// Start a new batch even if an unfinished one is here; that one is abandoned
    #[arg(
        long,
        env = "BATCHMILL_FRESH",
        hide_env = true,
        value_parser = FalseyValueParser::new(),
        conflicts_with_all = ["accept_changes", "accept_appended"]
    )]
    pub(crate) fresh: bool,

    /// Check everything and show what would run first; run nothing, write nothing
    #[arg(long, env = "BATCHMILL_DRY_RUN", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) terms: Terms,

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

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExitCode {
    /// What became of the batch: see the reference
    #[default]
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

/// Bytes of a name: it names a folder too, and a child batch's name is a little longer.
const NAME_MAX: usize = 200;

/// The word that stands for the newest batch.
const LAST: &str = "last";

fn batch_name(text: &str) -> Result<BatchId, String> {
    if text.contains('/') {
        return Err("a batch is named, not placed: no `/`; --state says where".to_owned());
    }
    if text == LAST {
        return Err("`last` stands for the newest batch".to_owned());
    }
    if text.starts_with('.') {
        return Err("must not begin with a dot".to_owned());
    }
    if text.len() > NAME_MAX {
        return Err(format!("at most {NAME_MAX} bytes, this one has {}", text.len()));
    }
    BatchId::new(text).map_err(|error| error.to_string().replace("an id", "a name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path_and_short_enough_for_a_folder() {
        for good in ["nightly", "2026-11-24 ü", "a.x", &"n".repeat(200)] {
            assert_eq!(batch_name(good).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("a/b", "no `/`"),
            ("", "a name must not be empty"),
            ("a\u{7}b", "control"),
            ("..", "a dot"),
            ("last", "stands for"),
            (&"n".repeat(201), "at most 200 bytes, this one has 201"),
        ] {
            let message = batch_name(bad).unwrap_err();
            assert!(message.contains(why), "{bad:?}: {message}");
        }
    }
}
