//! `batchmill plugin list|inspect|check|new`.

mod check;
mod inspect;
mod list;
mod new;

use clap::Subcommand;

use super::Global;
use crate::exit::Exit;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the plugins that config can choose, built in or loaded, by what they are
    List(list::ListArgs),
    /// Show what a dynamic library says of itself; none of its code runs
    Inspect(inspect::InspectArgs),
    /// Hold a dynamic library against the contract of each plugin in it, in a process of its own
    Check(check::CheckArgs),
    /// Make the project of a plugin in Rust, which works and is there to be changed
    New(new::NewArgs),
}

pub(super) fn execute(command: &PluginCommand, global: &Global) -> Exit {
    match command {
        PluginCommand::List(args) => list::execute(args, global),
        PluginCommand::Inspect(args) => inspect::execute(args, global),
        PluginCommand::Check(args) => check::execute(args, global),
        PluginCommand::New(args) => new::execute(args, global),
    }
}
