//! `batchmill plugin check PATH`.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use batchmill_abi::host::{LoadRequest, load};
use batchmill_core::{Options, parse_duration};
use clap::{Args, ValueHint, builder::FalseyValueParser};
use serde_json::{Value, json};

use super::super::{FormatArgs, Global};
use crate::{
    dynamic::kits::{self, Asked},
    exit::Exit,
    logs,
    problems::Refusal,
    refusal, stdout,
};

/// Hold a dynamic library against the contract of each plugin in it, in a process of its own.
///
/// The library is loaded, and every rule that a plugin of its kind must keep is a test. A library that kills or hangs the
/// process is a line of the report, not the end of the command.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The dynamic library
    #[arg(value_hint = ValueHint::FilePath)]
    path: PathBuf,

    /// Options for every instance, as JSON; `{dir}` in them is a fresh folder for each
    #[arg(long, value_name = "JSON", env = "BATCHMILL_OPTIONS", hide_env = true, default_value = "{}")]
    options: String,

    /// Of a sink: the file, as JSON Lines, where what it stored can be read back, for example `{dir}/results.jsonl`. Without
    /// it, only what a sink answers is looked at
    #[arg(long, value_name = "FILE", env = "BATCHMILL_STORED", hide_env = true)]
    stored: Option<String>,

    /// How long it may take
    #[arg(long, value_name = "DURATION", env = "BATCHMILL_TIME_LIMIT", hide_env = true, default_value = "5m", value_parser = parse_duration)]
    time_limit: Duration,

    /// In this process
    #[arg(long, hide = true, env = "BATCHMILL_HERE", hide_env = true, value_parser = FalseyValueParser::new())]
    here: bool,

    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn execute(args: &CheckArgs, global: &Global) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    let done = if args.here { check(args) } else { in_a_child(args) };
    done.unwrap_or_else(|refusal| refusal::print(&refusal, &screen))
}

/// What a person typed is made absolute; links are followed, as the person does.
fn path(args: &CheckArgs) -> Result<PathBuf, Refusal> {
    fs::canonicalize(&args.path).map_err(|error| Refusal::data(format!("{}: {error}", args.path.display())))
}

fn check(args: &CheckArgs) -> Result<Exit, Refusal> {
    let path = path(args)?;
    let options = serde_json::from_str::<Options>(&args.options)
        .map_err(|error| Refusal::new(Exit::Usage, format!("--options: {error}")))?;
    let plugin = load(&LoadRequest { path: path.clone(), ..LoadRequest::default() })
        .map_err(|error| Refusal::data(format!("{}: {error}", path.display())))?;
    let reports = kits::run(&plugin, &Asked { options, stored: args.stored.clone() });
    let (mut text, mut rows, mut failed) = (String::new(), Vec::new(), 0);
    for (name, report) in &reports {
        failed += report.failures().len();
        text.push_str(&format!("{name}: {report}"));
        rows.extend(report.rows.iter().map(|row| row_object(name, report.kit, row)));
    }
    let object = json!({"plugin": plugin.header().name, "passed": failed == 0, "cases": rows});
    let verdict = if failed == 0 { "it keeps its contracts" } else { "it does not keep its contracts" };
    let header = plugin.header();
    text.push_str(&format!("{} {}: {verdict}\n", header.name, header.version));
    stdout::print(&args.format.format.one(&object, text));
    Ok(if failed == 0 { Exit::Success } else { Exit::SomeFailed })
}

fn row_object(name: &str, kit: &str, row: &batchmill_testkit::Row) -> Value {
    use batchmill_testkit::Ending;
    let (ending, message) = match &row.ending {
        Ending::Passed => ("passed", None),
        Ending::Failed(message) => ("failed", Some(message)),
        Ending::NotApplicable(why) => ("not_applicable", Some(why)),
    };
    json!({"extension": name, "kit": kit, "case": row.name, "ending": ending, "message": message})
}

fn in_a_child(args: &CheckArgs) -> Result<Exit, Refusal> {
    let wrong = |what: &str, error: std::io::Error| Refusal::storage(format!("{what}: {error}"));
    let mut command = Command::new(env::current_exe().map_err(|error| wrong("this program", error))?);
    // The same words again, and that it is to be done there.
    command.args(env::args_os().skip(1)).arg("--here");
    let child = command.spawn().map_err(|error| wrong("the process of the check", error))?;
    let status = wait(child, args.time_limit).map_err(|error| wrong("the process of the check", error))?;
    let name = args.path.display();
    match status {
        None => Err(Refusal::new(
            Exit::SomeFailed,
            format!("{name}: it did not come to an end within {:?}", args.time_limit),
        )),
        Some(status) => match status.code() {
            Some(0) => Ok(Exit::Success),
            Some(1) => Ok(Exit::SomeFailed),
            Some(2) => Ok(Exit::Usage),
            Some(65) => Ok(Exit::BadData),
            _ => Err(Refusal::new(Exit::SomeFailed, format!("{name}: it ended the process of the check: {status}"))),
        },
    }
}

/// Its end, or `None` after it was killed because it took too long.
fn wait(mut child: Child, limit: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let began = Instant::now();
    while began.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
