//! How job lines are read.

use batchmill_core::{Priority, Tenant};
use batchmill_plugin::ByteSize;
use clap::{Args, ValueEnum, builder::FalseyValueParser};

use crate::intake::{Defaults, Rules};

/// What a line may say, and what holds where it does not.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Jobs")]
pub(crate) struct IntakeArgs {
    /// The priority of jobs that do not say one; larger is sooner
    #[arg(long, value_name = "0..255", env = "BATCHMILL_PRIORITY", hide_env = true, default_value_t = 0)]
    pub(crate) priority: u8,

    /// The tenant of jobs that do not say one
    #[arg(
        long,
        value_name = "NAME",
        env = "BATCHMILL_TENANT",
        hide_env = true,
        default_value = Tenant::DEFAULT,
        value_parser = |name: &str| Tenant::new(name)
    )]
    pub(crate) tenant: Tenant,

    /// Take every line as an input, whatever its names
    #[arg(long, env = "BATCHMILL_INPUT_IS_LINE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) input_is_line: bool,

    /// What happens when a job line is bad: `fail` refuses all before anything runs
    #[arg(long, value_name = "ACTION", env = "BATCHMILL_ON_BAD_LINE", hide_env = true, default_value = "fail")]
    on_bad_line: OnBadLine,

    /// The longest job line
    #[arg(
        long,
        value_name = "SIZE",
        env = "BATCHMILL_MAX_LINE",
        hide_env = true,
        default_value = "1MiB",
        value_parser = max_line
    )]
    pub(crate) max_line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnBadLine {
    Fail,
}

impl IntakeArgs {
    /// How lines are read.
    pub(crate) fn rules(&self) -> Rules {
        // The only action there is; a second one will not compile without an answer here.
        let OnBadLine::Fail = self.on_bad_line;
        let defaults = Defaults { priority: Priority(self.priority), tenant: self.tenant.clone() };
        Rules { max_line: self.max_line, input_is_line: self.input_is_line, defaults }
    }
}

/// Positions in a line are kept in 32 bits; nobody's line comes near.
const LARGEST_LINE: u64 = 1 << 30;

fn max_line(text: &str) -> Result<usize, String> {
    let size = text.parse::<ByteSize>().map_err(|error| error.to_string())?;
    match size.0 {
        0 => Err("must be at least one byte".to_owned()),
        bytes @ 1..=LARGEST_LINE => usize::try_from(bytes).map_err(|error| error.to_string()),
        _ => Err("at most 1GiB".to_owned()),
    }
}
