//! A batch that runs: the mill, its batch, and what they write to.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use batchmill_config::Timeout;
use batchmill_core::{BatchId, Checkpointer, MonoTime, WallTime};
use batchmill_executor::{
    BatchHandle, Begins, Clock, Durable, Feed, FlowWorkload, Governing, Graphs, JobSource, Mill, Opening, Past, Phases,
    Results, Settings, Share, TimedCheckpointer,
};
use batchmill_flow::MemoryCheckpointer;
use batchmill_store_sqlite::{Batch, Standing, StateDir};

use super::{
    Shown, Start,
    assemble::{self, Parts},
    delivery::{Outlet, Seen, Sinks},
    descriptors,
    end::{Circumstances, Ended},
    feeds::{Fed, Gathering},
    keep::{self, Keep},
    ledger::Ledger,
    output::{self, Place},
    quarantine,
    raw::RawOutput,
    sentinel::Sentinel,
    steering::Steering,
    telemetry::Telemetry,
    watch::Watch,
};
use crate::{
    batches::argument,
    cli::ExitCode,
    exit::Exit,
    intake::JsonLines,
    problems::Refusal,
    progress::{self, Pace, Snapshot},
    refusal::of_store,
    resources,
    screen::Screen,
    signals::Signals,
    summary::{BadLines, Resumed, Summary},
    throttle::{self, Throttle},
};

pub(super) struct Running {
    mill: Mill<FlowWorkload>,
    /// Whether a governor adapts the limit.
    adapts: bool,
    telemetry: Option<Telemetry>,
    seen: Arc<Seen>,
    /// When this host began with the batch.
    begun: MonoTime,
    batch: BatchHandle<FlowWorkload>,
    limit: Option<NonZeroU64>,
    /// Jobs that had ended by then.
    before: u64,
    /// The batch in the store, which this process owns until it lets go of it.
    owned: Option<Batch>,
    resumed: Option<Resumed>,
    /// What holds its processes back.
    throttle: Option<Throttle>,
    /// How others look at it and steer it.
    steering: Steering,
    /// What shares use of it.
    ledger: Ledger,
}

/// Where results go, by what becomes of them when a batch goes on.
struct Outlets {
    raw: Option<Outlet>,
    output: Option<(Outlet, Begins)>,
    sinks: Vec<Outlet>,
}

impl Running {
    /// Builds what config names, owns the batch, opens what is written to, and lets the jobs go.
    pub(super) async fn start(start: &mut Start, screen: &Screen) -> Result<Self, Refusal> {
        let keep = start.keep.take();
        let start = &*start;
        let (config, registry) = (&start.inputs.config, &start.inputs.registry);
        // First of all: what is counted before there is a recorder is lost.
        let exporter = assemble::metrics(config, registry)?;
        let elsewhere = assemble::checkpointer(config, registry)?;
        let Parts { scheduler, failure, governor, sinks } = assemble::parts(config, registry, start.before.is_some())?;
        if keep.is_none() {
            tracing::warn!("durability is `none`: nothing is kept, and an interrupted batch starts anew");
        }
        let owned = match keep {
            Some(keep) => Some(own(keep, start).await?),
            None => None,
        };
        output::make_default_folder(&start.args, start.place.as_ref())?;
        let raw = (start.shown == Shown::Raw).then(|| RawOutput::open(screen)).transpose()?;
        let raw = raw.map(|raw| Outlet::new("raw", Box::new(raw)).patient(false));
        let output =
            start.place.as_ref().map(|place| place.open(&start.args.terms, start.before.is_some())).transpose()?;
        let outlets = Outlets { raw, output, sinks };
        if let (Some(path), Some(kept)) = (&start.quarantine, &start.jobs.left_out().kept) {
            quarantine::write(path, kept)?;
        }
        let seen = Arc::new(Seen::default());

        let nodes = start.inputs.flow.graph().node_names().len();
        let mut settings = Settings::new(descriptors::within_limit(assemble::concurrency(config), nodes));
        settings.metrics = exporter.is_some();
        settings.limits = assemble::limits(config);
        settings.is_resumed = start.before.is_some();
        let resources::Shared { settings: shared, memory_limit } =
            resources::shared(config, start.inputs.flow.graph())?;
        (settings.resources, settings.memory_limit) = (shared, memory_limit);
        let mill = Mill::start(&settings, scheduler);
        let adapts = governor.window().is_some();
        let mut governing = Governing::new(governor);
        governing.ceiling = descriptors::ceiling(nodes);
        let latency = governing.latency.clone();
        mill.govern(governing);
        let telemetry = exporter.map(|exporter| Telemetry::start(exporter, &mill, config, &start.inputs.libraries));
        // Before the first job: what was used decides who is first.
        let ledger = Ledger::open(&mill, owned.as_ref().map(|_| start.args.terms.state.as_path())).await?;

        let jobs: Arc<dyn JobSource> = start.jobs.clone();
        let graph = start.inputs.flow.graph().clone();
        let flow = graph.name().to_owned();
        // What a job's earlier attempts did is kept: where config says, in the store, or while this process lives.
        let mut checkpointer: Arc<dyn Checkpointer> = match (elsewhere, &owned) {
            (Some(elsewhere), _) => elsewhere,
            (None, Some(batch)) => batch.checkpointer(),
            (None, None) => Arc::new(MemoryCheckpointer::of_latest()),
        };
        if settings.metrics {
            checkpointer = Arc::new(TimedCheckpointer::new(checkpointer));
        }
        let mut workload = FlowWorkload::new(Graphs::One(graph), jobs.clone(), Some(checkpointer)).recorded();
        if adapts {
            workload = workload.timed(&latency);
        }
        let retry = start.inputs.retry.clone();
        let (results, resumed): (Results, _) = match &owned {
            Some(batch) => {
                let (durable, resumed) = durable(batch, start, outlets.into_feeds(&seen), &seen).await?;
                (durable.into(), resumed)
            }
            None => (Results::Delivered(Box::new(outlets.into_sinks(seen.clone()))), None),
        };
        let mut opening = Opening::new(start.batch.clone(), Arc::new(workload), jobs, failure, retry, results);
        opening.flow = flow;
        opening.timeout = Some(config.executor.timeout.at_first());
        opening.timeout_percent = config.executor.timeout.percent();
        opening.queue_timeout = config.executor.queue_timeout.map(Timeout::get);
        opening.job_timeout = config.executor.job_timeout.map(Timeout::get);
        opening.crash_limit = config.executor.crash_limit;
        opening.deadline = deadline(start, owned.as_ref());
        opening.limit = start.args.terms.limit;
        opening.needs = resources::needs(start.inputs.flow.graph());
        // From here on nothing fails, and processes start.
        let throttle = throttle::begin(&start.inputs);
        let begun = mill.clock().now();
        if let Some(resumed) = resumed.as_ref().filter(|_| !start.quiet) {
            screen.write(&format!("{}: {resumed}\n", start.batch));
        }
        let batch = mill.open(opening);
        tracing::info!(batch = %start.batch, jobs = start.jobs.len(), concurrency = settings.concurrency, "the batch runs");
        let (limit, before) = (start.args.terms.limit, resumed.as_ref().map_or(0, |resumed| resumed.ended));
        let mut running = Self {
            mill,
            adapts,
            telemetry,
            seen,
            begun,
            batch,
            limit,
            before,
            owned,
            resumed,
            throttle,
            steering: Steering::default(),
            ledger,
        };
        if let Some(owned) = &running.owned {
            let drain_limit = config.executor.drain_timeout.into();
            let (batch, mill, look) = (&running.batch, &running.mill, running.look());
            let argument = argument(&start.args.terms.state, owned.id());
            running.steering = Steering::start(owned.folder(), &argument, batch, mill, &start.jobs, look, drain_limit);
        }
        Ok(running)
    }

    /// Waits for its end and hears signals meanwhile.
    pub(super) async fn end(
        &self,
        start: &Start,
        sentinel: &Sentinel,
        signals: &mut Signals,
        screen: &Screen,
    ) -> Ended {
        let mut phases = Phases::default();
        phases.drain = start.inputs.config.executor.drain_timeout.into();
        let broken = self.owned.as_ref().map(Batch::broken);
        let watch = Watch {
            mill: &self.mill,
            batch: &self.batch,
            seen: &self.seen,
            phases,
            screen,
            broken,
            steering: &self.steering,
            sentinel,
        };
        let look = self.look();
        let status = || {
            let snapshot = look();
            // Over the whole time: somebody who asks once wants no rate of the moment.
            let status = progress::status(&snapshot, Pace::default().observe(&snapshot));
            let waiting = self.batch.census().into_iter().filter(Share::waits).map(|share| format!("  {share}\n"));
            format!("{}: {status}\n{}", start.batch, waiting.collect::<String>())
        };
        let waited = watch.end(signals, status).await;
        let (now, left) = (self.batch.snapshot(), self.batch.census());
        let (counts, retries) = (now.counts, now.retries);
        let (broken, reader_gone) = (start.jobs.broken(), self.seen.is_reader_gone());
        let store =
            self.owned.as_ref().and_then(|batch| batch.broken().borrow().as_ref().map(|error| error.message.clone()));
        let mut ended = Ended::of(waited, Circumstances { broken, reader_gone, store, counts, retries, left });
        ended.retries += self.seen.retries_before();
        ended
    }

    /// Its metrics, which outlive it.
    pub(super) fn take_telemetry(&mut self) -> Option<Telemetry> {
        self.telemetry.take()
    }

    /// Says in the store where the batch stands, and lets go of everything but what is to be told.
    pub(super) async fn summary(mut self, start: Start, mut ended: Ended, duration: Duration) -> Summary {
        // Before the lock: whoever owns the batch next has a socket of its own.
        std::mem::take(&mut self.steering).close().await;
        std::mem::take(&mut self.ledger).close().await;
        self.throttle = None;
        // Nobody goes on with what was taken away.
        let is_there = self.owned.as_ref().is_none_or(|batch| batch.folder().is_dir());
        if let Some(batch) = self.owned.take()
            && let Err(refusal) = settle(batch, &start, &ended).await
        {
            tracing::error!(batch = %start.batch, "{}", refusal.text());
            ended.exit = if ended.exit == Exit::Success { refusal.exit } else { ended.exit };
        }
        let finished = self.mill.clock().wall(self.begun) + duration;
        let started = self.resumed.as_ref().map_or(self.mill.clock().wall(self.begun), |resumed| resumed.accepted);
        let Ended { verdict, exit, counts, retries, left, undelivered, .. } = ended;
        let exit = match start.args.terms.exit_code.unwrap_or_default() {
            ExitCode::Standard => exit,
            ExitCode::Count => exit.counting(&verdict, &counts),
        };
        Summary {
            batch: start.batch,
            flow: start.inputs.flow.graph().name().to_owned(),
            verdict,
            paused: self.batch.paused(),
            exit,
            counts,
            retries,
            started,
            finished,
            duration,
            collected: self.seen.take(),
            sinks: self.seen.take_told(),
            left,
            limit: start.args.terms.limit,
            results: start.place.as_ref().and_then(Place::shown),
            bad_lines: BadLines {
                action: start.jobs.left_out().action,
                lines: start.jobs.left_out().lines,
                quarantine: start.quarantine.map(|path| path.display().to_string()),
            },
            kinds: assemble::kinds(&start.inputs.config),
            next: start.next.filter(|_| is_there),
            resumed: self.resumed,
            undelivered,
        }
    }

    /// Since this host began with the batch.
    pub(super) fn elapsed(&self) -> Duration {
        self.mill.clock().now() - self.begun
    }

    /// How the batch stands, whenever it is called.
    pub(super) fn look(&self) -> impl Fn() -> Snapshot + Send + Sync + use<> {
        let (batch, clock, begun, limit) = (self.batch.clone(), self.mill.clock(), self.begun, self.limit);
        let (before, mill) = (self.before, self.adapts.then(|| self.mill.clone()));
        let seen = self.seen.clone();
        move || {
            let at_most = mill.as_ref().map(Mill::limit);
            let now = look(&batch, &clock, begun, limit);
            Snapshot { before, at_most, stuck_sink: seen.stuck(), retries: now.retries + seen.retries_before(), ..now }
        }
    }
}

fn look(batch: &BatchHandle<FlowWorkload>, clock: &Clock, begun: MonoTime, limit: Option<NonZeroU64>) -> Snapshot {
    let now = batch.snapshot();
    let elapsed = clock.now() - begun;
    let (counts, retries, paused) = (now.counts, now.retries, batch.paused());
    Snapshot { counts, retries, elapsed, limit, paused, ..Snapshot::default() }
}

/// Owns the batch, on a thread that may wait for disks and for processes to end.
async fn own(keep: Keep, start: &Start) -> Result<Batch, Refusal> {
    let (state, id, jobs): (_, BatchId, Arc<JsonLines>) =
        (start.args.terms.state.clone(), start.batch.clone(), start.jobs.clone());
    let owning = tokio::task::spawn_blocking(move || keep.own(&state, &id, &jobs));
    owning.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// What makes the batch survive this host, and what it has survived already.
async fn durable(
    batch: &Batch,
    start: &Start,
    feeds: Vec<Box<dyn Feed>>,
    seen: &Seen,
) -> Result<(Durable, Option<Resumed>), Refusal> {
    let (journal, accepted) = (batch.journal(), batch.accepted());
    let durable = Durable::new(journal.clone(), batch.starts(), accepted, feeds);
    if start.before.is_none() {
        return Ok((durable, None));
    }
    let past = Past::read(journal.as_ref(), batch.id()).await;
    let past = past.map_err(|error| Refusal::storage(error.message))?;
    let (ended, interrupted) = (past.ended(), batch.lost().len() as u64);
    seen.set_earlier(ended, past.failed_attempts());
    let resumed = Resumed { ended, interrupted, retrying: past.set_back() as u64, accepted, host: batch.incarnation() };
    Ok((durable.resuming(past), Some(resumed)))
}

/// What is left of the time that the batch has.
fn deadline(start: &Start, owned: Option<&Batch>) -> Option<Duration> {
    let kept = owned.and_then(|batch| super::Manifest::read(batch.manifest().clone()).ok()?.deadline);
    start.args.terms.deadline.or_else(|| kept.map(|moment: WallTime| moment.since(keep::now())))
}

/// Says in the store where the batch stands, and lets go of it. Jobs without an end, and sinks that lack results, wait for
/// a resume; so does a reader who has gone.
async fn settle(batch: Batch, start: &Start, ended: &Ended) -> Result<(), Refusal> {
    let standing = ended.standing();
    let (state, id) = (start.args.terms.state.clone(), start.batch.clone());
    let settling = tokio::task::spawn_blocking(move || {
        let said = match standing {
            Standing::Open => Ok(()),
            standing => StateDir::open(&state).and_then(|dir| dir.set_standing(&id, standing)),
        };
        drop(batch);
        said.map_err(|error| of_store(&error))
    });
    settling.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

impl Outlets {
    fn into_feeds(self, seen: &Arc<Seen>) -> Vec<Box<dyn Feed>> {
        let mut feeds: Vec<Box<dyn Feed>> = vec![Box::new(Gathering(seen.clone()))];
        let fed = |outlet, begins| Fed::new(outlet, begins, seen.clone());
        let raw = self.raw.map(|raw| fed(raw, Begins::Anew));
        let output = self.output.map(|(output, begins)| fed(output, begins));
        // The first of them is what somebody reads.
        let mut shown = raw.into_iter().chain(output);
        let read = shown.next().map(Fed::read);
        let sinks = self.sinks.into_iter().map(|sink| fed(sink, Begins::AtItsMark));
        feeds.extend(read.into_iter().chain(shown).chain(sinks).map(|fed| Box::new(fed) as Box<dyn Feed>));
        feeds
    }

    fn into_sinks(self, seen: Arc<Seen>) -> Sinks {
        let output = self.output.map(|(output, _)| output);
        Sinks::new(self.raw.into_iter().chain(output).chain(self.sinks).collect(), seen)
    }
}
