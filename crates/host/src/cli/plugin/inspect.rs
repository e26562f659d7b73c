//! `batchmill plugin inspect PATH`.

use std::{fs, path::PathBuf};

use batchmill_abi::host::{Pin, inspect};
use clap::{Args, ValueHint};
use serde_json::json;

use super::super::{FormatArgs, Global};
use crate::{exit::Exit, problems::Refusal, refusal, stdout};

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The dynamic library
    #[arg(value_hint = ValueHint::FilePath)]
    path: PathBuf,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &InspectArgs, global: &Global) -> Exit {
    match shown(args) {
        Ok(text) => stdout::print(&text),
        Err(refusal) => refusal::print(&refusal, &global.screen()),
    }
}

fn shown(args: &InspectArgs) -> Result<String, Refusal> {
    let path = args.path.display();
    if args.path.metadata().is_ok_and(|about| !about.is_file()) {
        return Err(Refusal::data(format!("{path}: is no regular file")));
    }
    let bytes = fs::read(&args.path).map_err(|error| Refusal::data(format!("{path}: {error}")))?;
    let header = inspect(&bytes).map_err(|error| Refusal::data(format!("{path}: {error}")))?;
    let sha256 = Pin::of(&bytes).to_string();
    let abi = format!("{}.{}", header.abi.0, header.abi.1);
    let built = if header.is_debug { "debug" } else { "release" };
    let object = json!({
        "name": header.name, "version": header.version, "kinds": header.kinds, "abi": abi, "toolchain": header.toolchain,
        "target": header.target, "build": built, "sha256": sha256,
    });
    let kinds = header.kinds.join(", ");
    let rows = [
        ["name", &header.name],
        ["version", &header.version],
        ["kinds", &kinds],
        ["abi", &abi],
        ["toolchain", &header.toolchain],
        ["target", &header.target],
        ["build", built],
        ["sha256", &sha256],
    ];
    let lines: String = rows.iter().map(|[key, value]| format!("{key:<10}{value}\n")).collect();
    Ok(args.format.format.one(&object, lines))
}
