//! `batchmill completions SHELL`.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn execute(args: &CompletionsArgs, command: &mut Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "batchmill", &mut script);
    crate::stdout::finish(io::stdout().write_all(&script))
}
