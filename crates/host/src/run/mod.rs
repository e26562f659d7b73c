//! A batch from its command line to its exit code.
//!
//! ```text
//! inputs (config, flow, jobs: checked) ─► assemble (plugins: built) ─► mill ─► delivery ─► summary, report, exit code
//!                                                          signals, progress, metrics ─┘
//! ```

mod assemble;
mod delivery;
mod descriptors;
mod end;
mod identity;
mod output;
mod running;
mod signals;
mod telemetry;
mod watch;

use std::{
    io::{self, IsTerminal},
    sync::Arc,
};

use batchmill_config::Flag;
use batchmill_core::BatchId;

use crate::{
    cli::{Global, ProgressStyle, RunArgs},
    exit::Exit,
    inputs::{self, Inputs},
    intake::{Jobs, JsonLines},
    logs,
    problems::{Refusal, Refusals},
    progress::{Reporter, Snapshot, Style},
    refusal,
    screen::Screen,
    summary,
};

use self::{
    output::Place,
    running::Running,
    signals::{Asked, Signals},
};

/// What a person asked for.
struct Request {
    args: RunArgs,
    jobs: Jobs,
    flags: Vec<Flag>,
    style: Style,
}

/// What is checked and may start.
struct Start {
    args: RunArgs,
    inputs: Inputs,
    jobs: Arc<JsonLines>,
    batch: BatchId,
    place: Place,
    style: Style,
    /// How to run it again; `None` where its jobs came through a pipe.
    command: Option<String>,
}

/// `batchmill run`: reads, refuses or runs, tells, and answers with the exit code.
pub(crate) fn run(args: RunArgs, global: &Global, flags: Vec<Flag>) -> Exit {
    let screen = global.screen();
    logs::start(global, &screen);
    let Some(jobs) = args.jobs(io::stdin().is_terminal()) else {
        let nobody = "no jobs: name a file of JSON Lines, or pipe them in";
        return refusal::print(&Refusal::new(Exit::Usage, nobody), &screen);
    };
    let request = Request { style: style(args.progress, global.quiet), args, jobs, flags };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return refusal::print(&Refusal::storage(format!("the runtime could not start: {error}")), &screen);
        }
    };
    let exit = runtime.block_on(prepare_and_execute(request, &screen));
    // A thread that still reads stdin, or a process that cannot be killed, does not keep the program.
    runtime.shutdown_background();
    exit.unwrap_or_else(|refusal| refusal::print(&refusal, &screen))
}

async fn prepare_and_execute(request: Request, screen: &Screen) -> Result<Exit, Refusal> {
    // Before anything else: from here on no signal ends the program half way.
    let mut signals = Signals::listen().map_err(|error| Refusal::storage(format!("signals: {error}")))?;
    match prepare(request, &mut signals).await? {
        Some(start) => execute(start, &mut signals, screen).await,
        None => {
            screen.write("Interrupted before the batch was accepted; nothing has run.\n");
            Ok(Exit::Interrupted)
        }
    }
}

/// What is shown where. A bar needs a terminal.
fn style(asked: ProgressStyle, quiet: bool) -> Style {
    match (asked, io::stderr().is_terminal()) {
        (ProgressStyle::Auto, _) if quiet => Style::None,
        (ProgressStyle::Auto | ProgressStyle::Bar, true) => Style::Bar,
        (ProgressStyle::Auto | ProgressStyle::Bar, false) | (ProgressStyle::Plain, _) => Style::Plain,
        (ProgressStyle::Json, _) => Style::Json,
        (ProgressStyle::None, _) => Style::None,
    }
}

/// Reads and checks everything on a thread of its own, because stdin may take its time. `None` if a signal came first.
async fn prepare(request: Request, signals: &mut Signals) -> Result<Option<Start>, Refusal> {
    let mut reading = tokio::task::spawn_blocking(move || read(request));
    loop {
        tokio::select! {
            read = &mut reading => {
                return read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map(Some);
            }
            asked = signals.next() => if asked != Asked::Status { return Ok(None) },
        }
    }
}

fn read(request: Request) -> Result<Start, Refusal> {
    let Request { args, jobs, flags, style } = request;
    let mut layers = args.config.request();
    layers.flags = flags;
    let mut refusals = Refusals::default();
    refusals.keep(output::check(&args, &jobs));
    let mut inputs = inputs::read(&layers, &args.flow, Some((&jobs, &args.intake)), refusals)?;
    output::check_sinks(&args, &jobs, &inputs.config)?;
    output::probe_report(&args)?;
    let accepted = inputs.jobs.take().expect("jobs were asked for, and were not refused");
    let batch = identity::new_batch(inputs.flow.graph().name(), &args.state);
    let place = Place::of(&args, &batch);
    let command = matches!(jobs, Jobs::File(_)).then(|| command_line(&args));
    Ok(Start { jobs: Arc::new(accepted), args, inputs, batch, place, style, command })
}

/// The command that was typed; an output that has content by then must be replaced.
fn command_line(args: &RunArgs) -> String {
    let replaces = (args.output.is_some() && !args.overwrite).then(|| "--overwrite".to_owned());
    let words = std::env::args_os().map(|word| summary::quoted(&word.to_string_lossy())).chain(replaces);
    words.collect::<Vec<_>>().join(" ")
}

/// Runs the batch and tells what became of it.
async fn execute(start: Start, signals: &mut Signals, screen: &Screen) -> Result<Exit, Refusal> {
    let running = Running::start(&start)?;
    let reporter = Reporter::start(start.style, screen.clone(), running.look());
    let ended = running.end(&start, signals, screen).await;
    let elapsed = running.elapsed();
    reporter.finish(Snapshot { counts: ended.counts, retries: ended.retries, elapsed }).await;
    let (quiet, report) = (ended.quiet, start.args.report.clone());
    let summary = running.summary(start, ended, elapsed).await;
    if !quiet {
        screen.write(&summary::text(&summary, screen.paint()));
    }
    if let Some(path) = report {
        let written = tokio::fs::write(&path, summary::report(&summary)).await;
        written.map_err(|error| Refusal::storage(format!("--report {}: {error}", path.display())))?;
    }
    Ok(summary.exit)
}
