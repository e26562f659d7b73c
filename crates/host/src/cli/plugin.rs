//! `batchmill plugin list`.

use batchmill_plugin::Listed;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{FormatArgs, Global};
use crate::{catalog, exit::Exit, stdout};

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the plugins that are built in, by what they are
    List(ListArgs),
}

#[derive(Debug, Args)]
#[command(mut_arg("format", |format| {
    format.help("How the list is written; `json` has the schema of each plugin's options")
}))]
pub(crate) struct ListArgs {
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(command: &PluginCommand, _: &Global) -> Exit {
    let PluginCommand::List(args) = command;
    let listed = catalog::registry().list();
    stdout::print(&args.format.format.many(listed.iter().map(object).collect(), table(&listed)))
}

fn object(plugin: &Listed) -> Value {
    json!({"kind": plugin.kind, "name": plugin.name, "about": plugin.about, "options": plugin.schema})
}

fn table(listed: &[Listed]) -> String {
    let rows: Vec<[&str; 3]> =
        listed.iter().map(|plugin| [plugin.kind.as_str(), plugin.name.as_str(), plugin.about.as_str()]).collect();
    stdout::table(["KIND", "NAME", "ABOUT"], &rows)
}
