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
mod quarantine;
mod raw;
mod rehearsal;
mod running;
mod telemetry;
mod watch;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    sync::Arc,
};

use batchmill_config::Flag;
use batchmill_core::BatchId;

use crate::{
    cli::{BatchArgs, ProgressStyle},
    exit::Exit,
    inputs::{self, Inputs},
    intake::{Jobs, JsonLines},
    problems::{Refusal, Refusals},
    progress::{Reporter, Snapshot, Style},
    refusal,
    screen::Screen,
    signals::{Asked, Signals},
    summary,
    work::Work,
};

use self::{output::Place, running::Running};

/// A batch that somebody asks for.
pub(crate) struct Order {
    pub(crate) work: Work,
    pub(crate) jobs: Jobs,
    pub(crate) args: BatchArgs,
    /// What flags say about the config.
    pub(crate) flags: Vec<Flag>,
    /// What goes to stdout.
    pub(crate) shown: Shown,
    /// Whether a person wants to hear of a success.
    pub(crate) quiet: bool,
}

/// What a batch puts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Result records.
    Records,
    /// What its processes wrote; records only where a place for them is named.
    Raw,
}

/// What is checked and may start.
struct Start {
    args: BatchArgs,
    inputs: Inputs,
    jobs: Arc<JsonLines>,
    batch: BatchId,
    /// Where the results go; `None` where nobody wants them.
    place: Option<Place>,
    /// Where bad lines are kept, if there are any.
    quarantine: Option<PathBuf>,
    shown: Shown,
    quiet: bool,
    /// How to run it again; `None` where its jobs came through a pipe.
    command: Option<String>,
}

/// Reads, refuses or runs, tells, and answers with the exit code.
pub(crate) fn run(order: Order, screen: &Screen) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return refusal::print(&Refusal::storage(format!("the runtime could not start: {error}")), screen);
        }
    };
    let exit = runtime.block_on(prepare_and_execute(order, screen));
    // A thread that still reads stdin, or a process that cannot be killed, does not keep the program.
    runtime.shutdown_background();
    exit.unwrap_or_else(|refusal| refusal::print(&refusal, screen))
}

async fn prepare_and_execute(order: Order, screen: &Screen) -> Result<Exit, Refusal> {
    // Before anything else: from here on no signal ends the program half way.
    let mut signals = Signals::listen().map_err(|error| Refusal::storage(format!("signals: {error}")))?;
    match prepare(order, &mut signals).await? {
        Some(start) if start.args.dry_run => rehearsal::rehearse(&start),
        Some(start) => execute(start, &mut signals, screen).await,
        None => {
            screen.write("Interrupted before the batch was accepted; nothing has run.\n");
            Ok(Exit::Interrupted)
        }
    }
}

/// What is shown where. A bar needs a terminal, and one of its own: not that where commands write.
fn style(start: &Start) -> Style {
    let raw = start.shown == Shown::Raw;
    match (start.args.progress, io::stderr().is_terminal()) {
        (ProgressStyle::Auto, _) if start.quiet => Style::None,
        (ProgressStyle::Auto, terminal) if raw && (!terminal || io::stdout().is_terminal()) => Style::None,
        (ProgressStyle::Auto | ProgressStyle::Bar, true) => Style::Bar,
        (ProgressStyle::Auto | ProgressStyle::Bar, false) | (ProgressStyle::Plain, _) => Style::Plain,
        (ProgressStyle::Json, _) => Style::Json,
        (ProgressStyle::None, _) => Style::None,
    }
}

/// Reads and checks everything on a thread of its own, because stdin may take its time. `None` if a signal came first.
async fn prepare(order: Order, signals: &mut Signals) -> Result<Option<Start>, Refusal> {
    let mut reading = tokio::task::spawn_blocking(move || read(order));
    loop {
        tokio::select! {
            read = &mut reading => {
                return read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map(Some);
            }
            asked = signals.next() => if asked != Asked::Status { return Ok(None) },
        }
    }
}

fn read(order: Order) -> Result<Start, Refusal> {
    let Order { work, jobs, args, flags, shown, quiet } = order;
    let mut layers = args.config.request();
    layers.flags = flags;
    let mut refusals = Refusals::default();
    refusals.keep(output::check(&args, &work, &jobs, shown));
    let mut inputs = inputs::read(&layers, &work, Some((&jobs, &args.intake)), refusals)?;
    output::check_sinks(&args, &work, &jobs, &inputs.config)?;
    if !args.dry_run {
        output::probe_report(&args)?;
    }
    let accepted = inputs.jobs.take().expect("jobs were asked for, and were not refused");
    let batch = identity::new_batch(inputs.flow.graph().name(), &args.state);
    let place = Place::of(&args, &batch, shown);
    let quarantine = accepted.left_out().kept.is_some().then(|| quarantine::path(&args, &batch, place.as_ref()));
    if let Some(path) = &quarantine {
        output::check_quarantine(path, &args, &work, &jobs)?;
    }
    let command = (!jobs.is_stdin()).then(|| command_line(&args));
    Ok(Start { jobs: Arc::new(accepted), args, inputs, batch, place, quarantine, shown, quiet, command })
}

/// The command that was typed; an output that has content by then must be replaced.
fn command_line(args: &BatchArgs) -> String {
    let mut words: Vec<String> = std::env::args_os().map(|word| summary::quoted(&word.to_string_lossy())).collect();
    if args.output.is_some() && !args.overwrite {
        // What stands behind `--` is not ours.
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, "--overwrite".to_owned());
    }
    words.join(" ")
}

/// Runs the batch and tells what became of it.
async fn execute(start: Start, signals: &mut Signals, screen: &Screen) -> Result<Exit, Refusal> {
    let mut running = Running::start(&start, screen)?;
    let reporter = Reporter::start(style(&start), screen.clone(), running.look());
    let ended = running.end(&start, signals, screen).await;
    let elapsed = running.elapsed();
    let last = Snapshot { counts: ended.counts, retries: ended.retries, elapsed, ..running.look()() };
    reporter.finish(last).await;
    let (nobody_there, quiet, report) = (ended.quiet, start.quiet, start.args.report.clone());
    let telemetry = running.take_telemetry();
    if let Some(telemetry) = &telemetry {
        telemetry.finish().await;
    }
    let summary = running.summary(start, ended, elapsed);
    // Quiet means: only if there is something to tell.
    let wanted = !quiet || summary.exit != Exit::Success || summary.bad_lines.lines > 0;
    if wanted && !nobody_there {
        screen.write(&summary::text(&summary, screen.paint()));
    }
    if let Some(path) = report {
        let written = tokio::fs::write(&path, summary::report(&summary)).await;
        written.map_err(|error| Refusal::storage(format!("--report {}: {error}", path.display())))?;
    }
    if let Some(telemetry) = telemetry {
        telemetry.close(&summary.verdict, signals).await;
    }
    Ok(summary.exit)
}
