//! How jobs are read.

use batchmill_core::{Priority, Tenant};
use batchmill_plugin::ByteSize;
use clap::{Args, builder::FalseyValueParser};
use serde::{Deserialize, Serialize};

use crate::intake::{Columns, Defaults, OnBadLine, Rules, Scratch};

/// What a line may say, and what holds where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
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

    /// What happens to a line or record that is no job
    #[arg(long, value_name = "ACTION", env = "BATCHMILL_ON_BAD_LINE", hide_env = true, default_value = "fail")]
    on_bad_line: OnBadLine,

    /// The column of a CSV file that is the job's id [default: the number of the record]
    #[arg(long, value_name = "NAME", env = "BATCHMILL_ID_COLUMN", hide_env = true)]
    id_column: Option<String>,

    /// The column of a CSV file that is the job's priority
    #[arg(long, value_name = "NAME", env = "BATCHMILL_PRIORITY_COLUMN", hide_env = true)]
    priority_column: Option<String>,

    /// The column of a CSV file that is the job's tenant
    #[arg(long, value_name = "NAME", env = "BATCHMILL_TENANT_COLUMN", hide_env = true)]
    tenant_column: Option<String>,

    /// What stands between the fields of a CSV file: a character of ASCII, or `\t`
    #[arg(
        long,
        value_name = "CHARACTER",
        env = "BATCHMILL_DELIMITER",
        hide_env = true,
        default_value = ",",
        value_parser = delimiter
    )]
    delimiter: u8,

    /// The longest job: a line, a record, an element of a list
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

impl IntakeArgs {
    /// How lines are read; copies of them are made in `scratch`.
    pub(crate) fn rules(&self, scratch: Scratch) -> Rules {
        let defaults = Defaults { priority: Priority(self.priority), tenant: self.tenant.clone() };
        let columns = Columns {
            id: self.id_column.clone(),
            priority: self.priority_column.clone(),
            tenant: self.tenant_column.clone(),
            delimiter: self.delimiter,
        };
        let (max_line, input_is_line, on_bad_line) = (self.max_line, self.input_is_line, self.on_bad_line);
        Rules { max_line, input_is_line, defaults, on_bad_line, columns, scratch, keys: None, queue_limit: None }
    }

    /// What makes other jobs of the same source than `then`: a line a flag.
    pub(crate) fn differences(&self, then: &Self) -> Vec<String> {
        let column = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
        let flags = [
            ("priority", then.priority.to_string(), self.priority.to_string()),
            ("tenant", then.tenant.to_string(), self.tenant.to_string()),
            ("input-is-line", then.input_is_line.to_string(), self.input_is_line.to_string()),
            ("id-column", column(&then.id_column), column(&self.id_column)),
            ("priority-column", column(&then.priority_column), column(&self.priority_column)),
            ("tenant-column", column(&then.tenant_column), column(&self.tenant_column)),
            ("delimiter", char::from(then.delimiter).to_string(), char::from(self.delimiter).to_string()),
        ];
        let changed = flags.into_iter().filter(|(_, then, now)| then != now);
        changed.map(|(flag, then, now)| format!("--{flag}: was {then}, is {now}")).collect()
    }

    /// Whether the same file gives the same jobs, and bad lines are treated alike.
    pub(crate) fn reads_as(&self, then: &Self) -> bool {
        self == then
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

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Ok(*byte),
        _ => Err("must be one character of ASCII that is no quote and no line break, or \\t for a tab".to_owned()),
    }
}
