//! `cargo xtask bench [SUITE…]`: Batchmill against what people write by hand, what they would use instead, and what the
//! machine can do at best.
//!
//! Both sides of a comparison run in turn in one run, with the same allocator; medians and their ratio count. Machines are
//! noisy: read the ratios, not the rates.
//!
//! A suite is a file below `suites/`: a list of cases, each with its sides and goals. `sides/` is what runs, `measure/` how
//! it is measured, `record/` how it is written down.

mod arguments;
mod measure;
mod record;
mod screen;
mod sides;
mod suites;
mod tools;

use std::{
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
    time::Instant,
};

use arguments::{Action, Arguments, USAGE};
use measure::Plan;
use record::Record;
use screen::say;
use sides::waiting;
use tools::{Need, Tools};

/// As in the host program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((waiting::ARGUMENT, rest)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return match waiting::fill(rest) {
            Ok(bytes) => {
                say(bytes.to_string());
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("bench: {why}");
                ExitCode::FAILURE
            }
        };
    }
    if let Err(why) = keep_memory() {
        eprintln!("bench: {why}");
        return ExitCode::FAILURE;
    }
    let arguments = match Arguments::parse(words) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("{why}\n\n{}", USAGE.trim_end());
            return ExitCode::from(2);
        }
    };
    let done = match arguments.action {
        Action::Help => {
            say(format!("{}\n\nSuites:\n{}", USAGE.trim_end(), suites::list().trim_end()));
            Ok(())
        }
        Action::Needs => {
            let needs = arguments.suites.iter().flat_map(|suite| suite.needs);
            let needs = needs.filter(|need| !arguments.quick || [Need::Host, Need::Plugins].contains(need));
            needs.for_each(|need| say(need.name()));
            Ok(())
        }
        Action::Render => record::render(),
        Action::Run => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The setting of the allocator that says when freed memory is returned to the system.
const RETURNS: &str = "MIMALLOC_PURGE_DELAY";

/// Begins again with an allocator that keeps what is freed, which it can only be told before it begins. Sides run in turn: else
/// the memory of each is returned while the other runs, and cleared again for it, which takes as long as all its jobs that do
/// nothing, or longer, as the system pleases. Programs that are started by a side are not told.
fn keep_memory() -> Result<(), String> {
    if std::env::var_os(RETURNS).is_some() {
        return Ok(());
    }
    let this = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let error = Command::new(this).args(std::env::args_os().skip(1)).env(RETURNS, "-1").exec();
    Err(format!("this program again: {error}"))
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let started = Instant::now();
    let plan = Plan {
        case: arguments.case.clone(),
        side: arguments.side.clone(),
        rounds: arguments.rounds,
        jobs_max: arguments.jobs_max,
        only_ours: arguments.quick,
    };
    let tools = Tools::from_environment();
    if arguments.quick {
        say("a quick run: it proves that everything works, its numbers mean nothing");
    }
    let mut record = Record::default();
    for suite in &arguments.suites {
        let measured = measure::suite(suite, &plan, &tools);
        // At once: what is measured stays, whatever becomes of the other suites.
        if arguments.record {
            record::keep(&measured)?;
        }
        record.suites.push(measured);
    }
    say(format!("\nsuites: {}, in {:.0} s", record.suites.len(), started.elapsed().as_secs_f64()));
    if !arguments.quick {
        let (reached, measured) = record.goals();
        say(format!("goals: {reached} of {measured} that were measured are reached"));
    }
    if let Some(path) = &arguments.json {
        record.write(path)?;
        say(format!("wrote {}", path.display()));
    }
    match record.defects() {
        0 => Ok(()),
        defects => Err(format!("{defects} sides of Batchmill itself did not do their work; see above")),
    }
}
