//! A batch that runs: the mill, its batch, and what they write to.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use batchmill_core::{Checkpointer, MonoTime};
use batchmill_executor::{
    BatchHandle, Clock, FlowWorkload, Graphs, JobSource, Mill, Opening, Phases, Settings, Share, TimedCheckpointer,
};
use batchmill_flow::MemoryCheckpointer;

use super::{
    Shown, Start,
    assemble::{self, Parts},
    delivery::{Outlet, Seen, Sinks},
    descriptors,
    end::{Circumstances, Ended},
    output::{self, Place},
    quarantine,
    raw::RawOutput,
    telemetry::Telemetry,
    watch::Watch,
};
use crate::{
    cli::ExitCode,
    problems::Refusal,
    progress::{self, Pace, Snapshot},
    screen::Screen,
    signals::Signals,
    summary::{BadLines, Summary},
};

pub(super) struct Running {
    mill: Mill<FlowWorkload>,
    telemetry: Option<Telemetry>,
    seen: Arc<Seen>,
    /// When the batch was accepted.
    begun: MonoTime,
    batch: BatchHandle<FlowWorkload>,
    limit: Option<NonZeroU64>,
}

impl Running {
    /// Builds what config names, opens what is written to, and lets the jobs go.
    pub(super) fn start(start: &Start, screen: &Screen) -> Result<Self, Refusal> {
        let (config, registry) = (&start.inputs.config, &start.inputs.registry);
        // First of all: what is counted before there is a recorder is lost.
        let exporter = assemble::metrics(config, registry)?;
        let Parts { scheduler, failure, sinks } = assemble::parts(config, registry)?;
        output::make_default_folder(&start.args, start.place.as_ref())?;
        let mut outlets = Vec::new();
        if start.shown == Shown::Raw {
            outlets.push(Outlet::new("raw", Box::new(RawOutput::open(screen)?)).patient(false));
        }
        if let Some(place) = &start.place {
            outlets.push(place.open(start.args.overwrite)?);
        }
        outlets.extend(sinks);
        if let (Some(path), Some(kept)) = (&start.quarantine, &start.jobs.left_out().kept) {
            quarantine::write(path, kept)?;
        }
        let seen = Arc::new(Seen::default());
        let delivery = Sinks::new(outlets, seen.clone());

        let nodes = start.inputs.flow.graph().node_names().len();
        let mut settings = Settings::new(descriptors::within_limit(assemble::concurrency(config), nodes));
        settings.metrics = exporter.is_some();
        let mill = Mill::start(&settings, scheduler);
        let telemetry = exporter.map(|exporter| Telemetry::start(exporter, &mill, config));

        let jobs: Arc<dyn JobSource> = start.jobs.clone();
        let graph = start.inputs.flow.graph().clone();
        let flow = graph.name().to_owned();
        // What a job's earlier attempts did is kept while this process lives.
        let mut checkpointer: Arc<dyn Checkpointer> = Arc::new(MemoryCheckpointer::of_latest());
        if settings.metrics {
            checkpointer = Arc::new(TimedCheckpointer::new(checkpointer));
        }
        let workload = FlowWorkload::new(Graphs::One(graph), jobs.clone(), Some(checkpointer));
        let retry = start.inputs.retry.clone();
        let mut opening =
            Opening::new(start.batch.clone(), Arc::new(workload), jobs, failure, retry, Box::new(delivery));
        opening.flow = flow;
        opening.timeout = Some(config.executor.timeout.get());
        opening.crash_limit = config.executor.crash_limit;
        opening.deadline = start.args.deadline;
        opening.limit = start.args.limit;
        let begun = mill.clock().now();
        let batch = mill.open(opening);
        tracing::info!(batch = %start.batch, jobs = start.jobs.len(), concurrency = settings.concurrency, "the batch runs");
        Ok(Self { mill, telemetry, seen, begun, batch, limit: start.args.limit })
    }

    /// Waits for its end and hears signals meanwhile.
    pub(super) async fn end(&self, start: &Start, signals: &mut Signals, screen: &Screen) -> Ended {
        let mut phases = Phases::default();
        phases.drain = start.inputs.config.executor.drain_timeout.into();
        let watch = Watch { mill: &self.mill, batch: &self.batch, seen: &self.seen, phases, screen };
        let look = self.look();
        let status = || {
            let snapshot = look();
            // Over the whole time: somebody who asks once wants no rate of the moment.
            let status = progress::status(&snapshot, Pace::default().observe(&snapshot));
            let waiting = self.batch.census().into_iter().filter(Share::waits).map(|share| format!("  {share}\n"));
            format!("{}: {status}\n{}", start.batch, waiting.collect::<String>())
        };
        let waited = watch.end(signals, status).await;
        let (Snapshot { counts, retries, .. }, left) = (look(), self.batch.census());
        let (broken, reader_gone) = (start.jobs.broken(), self.seen.is_reader_gone());
        Ended::of(waited, Circumstances { broken, reader_gone, counts, retries, left })
    }

    /// Its metrics, which outlive it.
    pub(super) fn take_telemetry(&mut self) -> Option<Telemetry> {
        self.telemetry.take()
    }

    /// Lets go of everything but what is to be told.
    pub(super) fn summary(self, start: Start, ended: Ended, duration: Duration) -> Summary {
        let started = self.mill.clock().wall(self.begun);
        let Ended { verdict, exit, counts, retries, left, .. } = ended;
        let exit = match start.args.exit_code {
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
            finished: started + duration,
            duration,
            collected: self.seen.take(),
            left,
            limit: start.args.limit,
            results: start.place.as_ref().and_then(Place::shown),
            bad_lines: BadLines {
                action: start.jobs.left_out().action,
                lines: start.jobs.left_out().lines,
                quarantine: start.quarantine.map(|path| path.display().to_string()),
            },
            kinds: assemble::kinds(&start.inputs.config),
            command: start.command,
        }
    }

    /// Since the batch was accepted.
    pub(super) fn elapsed(&self) -> Duration {
        self.mill.clock().now() - self.begun
    }

    /// How the batch stands, whenever it is called.
    pub(super) fn look(&self) -> impl Fn() -> Snapshot + Send + use<> {
        let (batch, clock, begun, limit) = (self.batch.clone(), self.mill.clock(), self.begun, self.limit);
        move || look(&batch, &clock, begun, limit)
    }
}

fn look(batch: &BatchHandle<FlowWorkload>, clock: &Clock, begun: MonoTime, limit: Option<NonZeroU64>) -> Snapshot {
    let now = batch.snapshot();
    let elapsed = clock.now() - begun;
    Snapshot { counts: now.counts, retries: now.retries, elapsed, limit, paused: batch.paused() }
}
