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
    cli::{ExitCode, Global, ProgressStyle, RunArgs},
    exit::Exit,
    inputs::{self, Inputs},
    intake::{Jobs, JsonLines},
    logs,
    paint::Paint,
    problems::{Refusal, Refusals},
    progress::{Reporter, Snapshot, Style},
    refusal,
    screen::Screen,
    summary::{self, Summary},
};

use self::{
    output::Place,
    running::Running,
    signals::{Asked, Signals},
};

/// What `run` gathers before it starts.
struct Start {
    args: RunArgs,
    inputs: Inputs,
    jobs: Arc<JsonLines>,
    batch: BatchId,
    place: Place,
    style: Style,
    paint: Paint,
    command: Option<String>,
}

/// `batchmill run`: reads, refuses or runs, tells, and answers with the exit code.
pub(crate) fn run(args: RunArgs, global: &Global, flags: Vec<Flag>) -> Exit {
    let screen = Screen::new();
    logs::start(global, &screen);
    let Some(jobs) = args.jobs(io::stdin().is_terminal()) else {
        screen.write("error: no jobs: name a file of JSON Lines, or pipe them in\n");
        return Exit::Usage;
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refusal::print(&Refusal::storage(format!("the runtime could not start: {error}"))),
    };
    let (style, paint) = (style(args.progress, global.quiet), Paint { colour: global.color.on_stderr() });
    let exit = runtime.block_on(async {
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => return Err(Refusal::storage(format!("signals: {error}"))),
        };
        let Some(start) = prepare(args, jobs, flags, style, paint, &mut signals).await? else {
            screen.write("Interrupted before the batch was accepted; nothing has run.\n");
            return Ok(Exit::Interrupted);
        };
        execute(start, &mut signals, &screen).await
    });
    // A thread that still reads stdin, or a process that cannot be killed, does not keep the program.
    runtime.shutdown_background();
    exit.unwrap_or_else(|refusal| refusal::print(&refusal))
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
async fn prepare(
    args: RunArgs,
    jobs: Jobs,
    flags: Vec<Flag>,
    style: Style,
    paint: Paint,
    signals: &mut Signals,
) -> Result<Option<Start>, Refusal> {
    let mut reading = tokio::task::spawn_blocking(move || read(args, &jobs, flags, style, paint));
    loop {
        tokio::select! {
            read = &mut reading => {
                return read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map(Some);
            }
            asked = signals.next() => if asked != Asked::Status { return Ok(None) },
        }
    }
}

fn read(args: RunArgs, jobs: &Jobs, flags: Vec<Flag>, style: Style, paint: Paint) -> Result<Start, Refusal> {
    let mut request = args.config.request();
    request.flags = flags;
    let mut refusals = Refusals::default();
    refusals.keep(output::check(&args, jobs));
    let mut inputs = inputs::read(&request, &args.flow, Some((jobs, &args.intake)), refusals)?;
    output::check_sinks(&args, jobs, &inputs.config)?;
    let accepted = inputs.jobs.take().expect("jobs were asked for, and were not refused");
    let batch = identity::new_batch(inputs.flow.graph().name(), &args.state);
    let place = Place::of(&args, &batch);
    // What came through a pipe is gone; there is no command that would run it again.
    let command = matches!(jobs, Jobs::File(_)).then(|| command_line(&args));
    Ok(Start { jobs: Arc::new(accepted), args, inputs, batch, place, style, paint, command })
}

/// The command that was typed; an output that has content by then must be replaced.
fn command_line(args: &RunArgs) -> String {
    let replaces = (args.output.is_some() && !args.overwrite).then(|| "--overwrite".to_owned());
    let words = std::env::args().map(|word| summary::quoted(&word)).chain(replaces);
    words.collect::<Vec<_>>().join(" ")
}

/// Runs the batch and tells what became of it.
async fn execute(start: Start, signals: &mut Signals, screen: &Screen) -> Result<Exit, Refusal> {
    let running = Running::start(&start)?;
    let reporter = Reporter::start(start.style, screen.clone(), running.look());
    let begun = running.mill.clock().wall(running.begun);
    let ended = running.end(&start, signals, screen).await;
    let duration = running.elapsed();
    reporter.finish(Snapshot { counts: ended.counts, retries: ended.retries, elapsed: duration }).await;
    if let Some(telemetry) = running.telemetry {
        telemetry.finish().await;
    }
    let summary = Summary {
        flow: start.inputs.flow.graph().name().to_owned(),
        exit: if start.args.exit_code == ExitCode::Count {
            ended.exit.counting(&ended.verdict, &ended.counts)
        } else {
            ended.exit
        },
        verdict: ended.verdict,
        counts: ended.counts,
        retries: ended.retries,
        started: begun,
        finished: begun + duration,
        duration,
        collected: running.seen.take(),
        results: start.place.shown(),
        kinds: assemble::kinds(&start.inputs.config),
        command: start.command,
        batch: start.batch,
    };
    if !ended.quiet {
        screen.write(&summary::text(&summary, start.paint));
    }
    if let Some(path) = &start.args.report {
        let written = tokio::fs::write(path, summary::report(&summary)).await;
        written.map_err(|error| Refusal::storage(format!("--report {}: {error}", path.display())))?;
    }
    Ok(summary.exit)
}
