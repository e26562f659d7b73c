//! A batch from its command line to its exit code.
//!
//! ```text
//! inputs (config, flow, jobs: checked) ─► assemble (plugins: built) ─► mill ─► delivery ─► summary, report, exit code
//!                                                          signals, progress, metrics ─┘
//! ```

mod again;
pub(crate) mod assemble;
mod delivery;
mod descriptors;
mod earlier;
mod end;
mod feeds;
mod guard;
mod identity;
mod keep;
mod ledger;
mod manifest;
mod os_text;
mod output;
mod quarantine;
mod raw;
mod rehearsal;
mod running;
mod sentinel;
mod steering;
mod stored;
mod survivors;
mod telemetry;
mod watch;

use std::{
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
};

use batchmill_config::{Durability, Executor, Flag, LoadRequest};
use batchmill_core::BatchId;

use crate::{
    batches,
    cli::{BatchArgs, ProgressStyle, ResumeArgs, RetryArgs, Terms},
    contradictions, dynamic,
    exit::Exit,
    inputs::{self, Inputs},
    intake::{Jobs, JsonLines, Scratch},
    problems::{Refusal, Refusals},
    progress::{Reporter, Snapshot, Style},
    refusal,
    screen::{self, Screen},
    signals::{Asked, Signals},
    summary::{self, Next},
    work::{Nodes, Work},
};

pub(crate) use self::assemble::{Deciders, concurrency, deciders, limits};

use self::{
    again::Again,
    earlier::{Earlier, Given, Going},
    guard::Guard,
    keep::{How, Keep},
    manifest::{Facts, Manifest},
    output::Place,
    running::Running,
    sentinel::Sentinel,
    stored::Stored,
};

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
    /// The batch that a person named for a resume.
    pub(crate) goes_on: Option<Box<GoesOn>>,
    /// The jobs of another batch that run again.
    pub(crate) again: Option<Box<Again>>,
}

/// A batch that is to be resumed, whatever the command.
pub(crate) struct GoesOn(Earlier);

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
    /// How to go on with it, or, where nothing is kept, to run it again; `None` where its jobs came through a pipe.
    next: Option<Next>,
    /// How it is remembered; `None` where nothing is kept.
    keep: Option<Keep>,
    /// Jobs that had ended when it was resumed; `None` of a batch that begins.
    before: Option<u64>,
}

/// What a command comes down to.
enum Prepared {
    Start(Box<Start>),
    /// The batch has ended, and its results answer.
    Stored(Box<Stored>),
}

/// Reads, refuses or runs, tells, and answers with the exit code.
pub(crate) fn run(order: Order, screen: &Screen) -> Exit {
    enter(screen, move || Ok(order))
}

/// The same for a batch that is there already.
pub(crate) fn resume(args: ResumeArgs, flags: Vec<Flag>, quiet: bool, screen: &Screen) -> Exit {
    enter(screen, move || resumed(args, flags, quiet))
}

/// Some jobs of a batch that has ended run again.
pub(crate) fn retry(args: RetryArgs, flags: Vec<Flag>, quiet: bool, screen: &Screen) -> Exit {
    match again::order(args, flags, quiet) {
        Ok(Some(order)) => run(order, screen),
        Ok(None) => {
            screen.write("No job of the batch is chosen; nothing runs again.\n");
            Exit::Success
        }
        Err(refusal) => refusal::print(&refusal, screen),
    }
}

fn enter(screen: &Screen, order: impl FnOnce() -> Result<Order, Refusal> + Send + 'static) -> Exit {
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

async fn prepare_and_execute(
    order: impl FnOnce() -> Result<Order, Refusal> + Send + 'static,
    screen: &Screen,
) -> Result<Exit, Refusal> {
    let listen = || Signals::listen().map_err(|error| Refusal::storage(format!("signals: {error}")));
    // Before anything else: from here on no signal ends the program half way.
    let mut signals = listen()?;
    let sentinel = Sentinel::new(Executor::default().shutdown_timeout.into());
    let watching = sentinel.listen(listen()?);
    let exit = match prepare(order, &mut signals).await? {
        Some(Prepared::Start(start)) if start.args.dry_run => rehearsal::rehearse(&start),
        Some(Prepared::Start(start)) => execute(*start, &sentinel, &mut signals, screen).await,
        Some(Prepared::Stored(stored)) => stored.answer(screen).await,
        None => {
            screen.write("Interrupted before the batch was accepted; nothing has run.\n");
            Ok(Exit::Interrupted)
        }
    };
    watching.abort();
    exit
}

/// The command that started a batch, again, with what is said now over it. From here on this process is where that was.
fn resumed(args: ResumeArgs, flags: Vec<Flag>, quiet: bool) -> Result<Order, Refusal> {
    let ResumeArgs { batch, mut terms, config, policy } = args;
    let here = |error: io::Error| Refusal::storage(format!("the working directory: {error}"));
    let config = config.absolute().map_err(here)?;
    let asked = terms.state.clone();
    terms.absolute().map_err(here)?;
    let earlier = earlier::named(&terms.state, batch.as_deref())?;
    stand_in(&earlier.manifest.directory(), &mut terms, asked)?;
    let mut order = earlier.manifest.order(terms, config, policy, flags);
    (order.quiet, order.goes_on) = (quiet, Some(Box::new(GoesOn(earlier))));
    Ok(order)
}

/// Goes to the working directory of a batch, where its paths mean what they meant. Nothing else runs in this process yet. Who is
/// there already is told of the state directory as he `asked` for it.
#[expect(clippy::disallowed_methods, reason = "no thread of this process has looked at a relative path before")]
fn stand_in(directory: &Path, terms: &mut Terms, asked: PathBuf) -> Result<(), Refusal> {
    let before = env::current_dir();
    env::set_current_dir(directory).map_err(|error| {
        Refusal::data(format!("{}: the working directory of the batch: {error}", directory.display()))
    })?;
    if before.and_then(|before| Ok(before == env::current_dir()?)).unwrap_or(false) {
        terms.state = asked;
    }
    Ok(())
}

/// What is shown where. A bar needs a terminal, and one of its own: not that where commands write.
fn style(start: &Start) -> Style {
    let raw = start.shown == Shown::Raw;
    match (start.args.terms.progress, screen::is_drawn_on()) {
        (ProgressStyle::Auto, _) if start.quiet => Style::None,
        (ProgressStyle::Auto, terminal) if raw && (!terminal || io::stdout().is_terminal()) => Style::None,
        (ProgressStyle::Auto | ProgressStyle::Bar, true) => Style::Bar,
        (ProgressStyle::Auto | ProgressStyle::Bar, false) | (ProgressStyle::Plain, _) => Style::Plain,
        (ProgressStyle::Json, _) => Style::Json,
        (ProgressStyle::None, _) => Style::None,
    }
}

/// Reads and checks everything on a thread of its own, because stdin may take its time. `None` if a signal came first.
async fn prepare(
    order: impl FnOnce() -> Result<Order, Refusal> + Send + 'static,
    signals: &mut Signals,
) -> Result<Option<Prepared>, Refusal> {
    let mut reading = tokio::task::spawn_blocking(move || read(order()?));
    loop {
        tokio::select! {
            read = &mut reading => {
                return read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map(Some);
            }
            asked = signals.next() => if asked != Asked::Status { return Ok(None) },
        }
    }
}

fn read(order: Order) -> Result<Prepared, Refusal> {
    let Order { work, jobs, args, flags, shown, quiet, goes_on, again } = order;
    dynamic::remember_in(&args.terms.state);
    let mut layers = args.config.request();
    layers.flags.clone_from(&flags);
    let by_resume = goes_on.is_some();
    let (origin, again_jobs) = again.map(|again| again.apart()).unzip();
    let source = match &origin {
        Some(origin) => origin.source(),
        None => earlier::source(&work, &jobs)?,
    };
    let earlier = match goes_on {
        Some(goes_on) => Some(goes_on.0),
        None if origin.is_some() => None,
        None if args.dry_run || !keeps(&layers) => None,
        None => earlier::find(&args.terms.state, args.batch.as_ref(), &source)?,
    };
    let Meeting { earlier, instead_of } = meet(earlier, &args)?;

    let mut refusals = Refusals::default();
    let ours = earlier.as_ref().map(Earlier::outputs).unwrap_or_default();
    refusals.keep(output::check(&args, &work, &jobs, shown, &ours));
    let scratch = if args.dry_run { Scratch::default() } else { Scratch::beside(&args.terms.state) };
    let own_jobs = match &earlier {
        Some(earlier) if by_resume && (jobs.is_fleeting() || earlier.outlives(&jobs)) => {
            Some(earlier.copied_jobs(&jobs)?)
        }
        Some(earlier) if !args.terms.accept_changes => earlier.untouched_jobs(&jobs, &args.intake)?,
        _ => again_jobs,
    };
    let asked = own_jobs.is_none().then(|| (&jobs, args.intake.rules(scratch.clone())));
    let mut inputs = inputs::read(&layers, &work, Nodes::Built, asked, refusals)?;
    output::check_sinks(&args, &work, &jobs, &inputs.config)?;
    contradictions::check(&inputs, args.terms.deadline)?;
    let are_own = own_jobs.is_some();
    let accepted = own_jobs.or_else(|| inputs.jobs.take()).expect("jobs were asked for, and were not refused");

    let guard = Guard::new(work.canonical(&inputs.flow), &inputs.config);
    let directory = env::current_dir().map_err(|error| Refusal::storage(format!("the working directory: {error}")))?;
    let (registry, terms) = (&inputs.registry, &args.terms);
    let given = Given {
        guard: &guard,
        directory: &directory,
        intake: &args.intake,
        jobs: &jobs,
        terms,
        registry,
        scratch: &scratch,
    };
    let going = match &earlier {
        Some(earlier) => earlier.compare(&given, accepted, are_own)?,
        None => Going { jobs: accepted, is_new: true, accepted: Vec::new() },
    };
    if !args.dry_run {
        output::probe_report(&args)?;
    }
    let (ended, earlier): (Option<Earlier>, Option<Earlier>) = match earlier {
        Some(earlier) if !earlier.is_open() => (Some(earlier), None),
        open => (None, open),
    };
    if let Some(ended) = ended {
        return Ok(Prepared::Stored(Box::new(Stored::new(ended, args, shown, quiet, &going.jobs))));
    }

    let Going { jobs: mut accepted, is_new, accepted: changes } = going;
    if let Some(keys) = &inputs.keys {
        accepted.make_keys(keys)?;
    }
    let batch = match (&earlier, &origin) {
        (Some(earlier), _) => earlier.id().clone(),
        (None, Some(origin)) => origin.batch.clone(),
        (None, None) => identity::new_batch(args.batch.as_ref(), inputs.flow.graph().name(), &args.terms.state),
    };
    let place = Place::of(&args, &batch, shown);
    let kept_before = earlier.as_ref().and_then(|earlier| earlier.manifest.quarantine());
    let quarantine = match kept_before {
        Some(path) => Some(path),
        None => accepted.left_out().kept.is_some().then(|| quarantine::path(&args, &batch, place.as_ref())),
    };
    if let (Some(path), None) = (&quarantine, &earlier) {
        output::check_quarantine(path, &args, &work, &jobs)?;
    }
    let durability = keep::durability(inputs.config.store.durability).filter(|_| !args.dry_run);
    if durability.is_none() && (by_resume || origin.is_some()) {
        return Err(Refusal::new(Exit::Usage, "such a batch is kept: --durability must be buffered or fsync"));
    }
    let flow = inputs.flow.graph().name().to_owned();
    let before = earlier.as_ref().map(Earlier::ended).transpose()?;
    let keep = durability.map(|durability| {
        let quarantine = quarantine.as_ref();
        let facts = Facts {
            work: &work,
            jobs: &jobs,
            args: &args,
            flags: &flags,
            shown,
            guard,
            accepted: &accepted,
            quarantine,
        };
        let manifest = Manifest::new(facts, &directory, keep::now());
        let how = match earlier {
            Some(Earlier { manifest, .. }) => {
                How::Again { known: Box::new(manifest), jobs_are_new: is_new, accepted: changes }
            }
            None => How::New { flow, source, instead_of, origin },
        };
        Keep { durability, manifest, how }
    });
    let next = match &keep {
        Some(_) => Some(Next::Resume(batches::argument(&args.terms.state, &batch))),
        None => (!jobs.is_stdin()).then(|| Next::Again(command_line(&args))),
    };
    let jobs = Arc::new(accepted);
    let start = Start { jobs, args, inputs, batch, place, quarantine, shown, quiet, next, keep, before };
    Ok(Prepared::Start(Box::new(start)))
}

/// Whether the config wants batches kept. Where it is wrong, that is told later, with all that is wrong.
fn keeps(layers: &LoadRequest) -> bool {
    let Ok((registry, _)) = dynamic::registry(layers) else { return true };
    let loaded = batchmill_config::load(layers, &registry);
    loaded.map_or(true, |loaded| loaded.config.store.durability != Durability::None)
}

/// What a command makes of the batch that is there.
struct Meeting {
    /// It goes on, or answers.
    earlier: Option<Earlier>,
    /// The unfinished one that a new batch takes the place of.
    instead_of: Option<BatchId>,
}

/// Says at once that a batch has a host, before jobs are read.
fn meet(earlier: Option<Earlier>, args: &BatchArgs) -> Result<Meeting, Refusal> {
    let nothing = Meeting { earlier: None, instead_of: None };
    let Some(earlier) = earlier else { return Ok(nothing) };
    match earlier.is_open() {
        true if args.fresh => Ok(Meeting { instead_of: Some(earlier.id().clone()), ..nothing }),
        true => {
            earlier.refuse_owned()?;
            Ok(Meeting { earlier: Some(earlier), instead_of: None })
        }
        // Only a name asks for the results of a batch that has ended.
        false if args.batch.is_some() && !args.fresh && !earlier.is_abandoned() => {
            Ok(Meeting { earlier: Some(earlier), instead_of: None })
        }
        false => Ok(nothing),
    }
}

/// The command that was typed; an output that has content by then must be replaced.
fn command_line(args: &BatchArgs) -> String {
    let mut words: Vec<String> = env::args_os().map(|word| summary::quoted(&word.to_string_lossy())).collect();
    if args.terms.output.is_some() && !args.terms.overwrite {
        // What stands behind `--` is not ours.
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, "--overwrite".to_owned());
    }
    words.join(" ")
}

/// Runs the batch and tells what became of it.
async fn execute(
    mut start: Start,
    sentinel: &Sentinel,
    signals: &mut Signals,
    screen: &Screen,
) -> Result<Exit, Refusal> {
    let granted = start.inputs.config.executor.shutdown_timeout.into();
    // Before it has begun there is nothing to go on with.
    sentinel.know(granted, None);
    let mut running = Running::start(&mut start, screen).await?;
    sentinel.know(granted, start.next.clone());
    let reporter = Reporter::start(style(&start), screen.clone(), running.look());
    let ended = running.end(&start, sentinel, signals, screen).await;
    let elapsed = running.elapsed();
    let last = Snapshot { counts: ended.counts, retries: ended.retries, elapsed, ..running.look()() };
    reporter.finish(last).await;
    let (nobody_there, quiet, report) = (ended.quiet, start.quiet, start.args.terms.report.clone());
    let telemetry = running.take_telemetry();
    if let Some(telemetry) = &telemetry {
        telemetry.finish().await;
    }
    let summary = running.summary(start, ended, elapsed).await;
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
