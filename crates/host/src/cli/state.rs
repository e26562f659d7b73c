//! Which batch, and where it is kept: of every command that looks at batches or steers them.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::batches::USUAL_STATE;

/// Where batches are kept.
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// The state directory
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHMILL_STATE",
        hide_env = true,
        default_value = USUAL_STATE,
        value_hint = ValueHint::DirPath
    )]
    pub(crate) state: PathBuf,
}
