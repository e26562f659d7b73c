//! Metrics of a run: served while it runs, written at its end.

use std::{sync::Arc, time::Duration};

use batchmill_config::{HostConfig, Slot};
use batchmill_core::{CancelReason, CancelSignal, MetricsExporter, PluginKind, Verdict};
use batchmill_executor::{FlowWorkload, MemoryProbe, Mill};
use metrics::gauge;
use tokio::task::JoinSet;

use crate::{
    dynamic::Loaded,
    signals::{Asked, Signals},
};

/// Gauges are brought up to date this often: more often than anybody scrapes.
const GAUGES_EVERY: Duration = Duration::from_secs(1);

/// A running exporter.
pub(super) struct Telemetry {
    exporter: Arc<dyn MetricsExporter>,
    mill: Mill<FlowWorkload>,
    stop: CancelSignal,
    tasks: JoinSet<()>,
}

impl Telemetry {
    pub(super) fn start(
        exporter: Arc<dyn MetricsExporter>,
        mill: &Mill<FlowWorkload>,
        config: &HostConfig,
        loaded: &Loaded,
    ) -> Self {
        describe(config, loaded);
        let (stop, mut tasks) = (CancelSignal::new(), JoinSet::new());
        let (serving, signal) = (exporter.clone(), stop.clone());
        tasks.spawn(async move {
            if let Err(error) = serving.serve(signal).await {
                tracing::error!(%error, "metrics are not served any more");
            }
        });
        let gauges = mill.clone();
        let signal = stop.clone();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(GAUGES_EVERY);
            loop {
                tokio::select! {
                    _ = signal.cancelled() => return,
                    _ = ticks.tick() => publish(&gauges),
                }
            }
        });
        Self { exporter, mill: mill.clone(), stop, tasks }
    }

    /// Leaves the final numbers where config said.
    pub(super) async fn finish(&self) {
        publish(&self.mill);
        if let Err(error) = self.exporter.finish().await {
            tracing::error!(%error, "the final metrics could not be written");
        }
    }

    /// Lets the final numbers be read, as long as config says. Not where somebody wanted the program to end: then it has
    /// to leave within the time that was granted.
    pub(super) async fn close(mut self, verdict: &Verdict, signals: &mut Signals) {
        let wanted_to_end = self.mill.is_draining() && !matches!(verdict, Verdict::HostFailed(_));
        if !wanted_to_end {
            tokio::select! {
                () = self.exporter.linger() => {}
                () = told_to_end(signals) => {}
            }
        }
        self.stop.cancel(CancelReason::Stop);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn told_to_end(signals: &mut Signals) {
    while signals.next().await == Asked::Status {}
}

/// Brings everything up to date that is not counted as it happens.
fn publish(mill: &Mill<FlowWorkload>) {
    mill.publish_metrics();
    // Against the limit that decisions are made by, where there is one.
    if let Some(share) = mill.memory_share().or_else(|| MemoryProbe::default().used_share()) {
        gauge!("batchmill_memory_pressure_ratio").set(share);
    }
}

/// What runs here. The version of a built-in plugin is that of the host.
fn describe(config: &HostConfig, loaded: &Loaded) {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    gauge!("batchmill_build_info", "version" => VERSION).set(1.0);
    loaded.publish();
    let scheduler = config.scheduler.slot();
    let slots = [
        (PluginKind::Scheduler, &scheduler),
        (PluginKind::Retry, &config.retry),
        (PluginKind::Failure, &config.failure),
        (PluginKind::Governor, &config.governor),
    ];
    let sinks = config.sinks.iter().map(|slot| (PluginKind::Sink, slot));
    let checkpoints = config.checkpoints.iter().map(|slot| (PluginKind::Checkpointer, slot));
    let metrics = config.metrics.iter().map(|slot| (PluginKind::Metrics, slot));
    let built_in = |(kind, slot): &(PluginKind, &Slot)| loaded.of(*kind, &slot.kind).is_none();
    for (kind, slot) in slots.into_iter().chain(checkpoints).chain(sinks).chain(metrics).filter(built_in) {
        let (name, kind) = (slot.kind.clone(), kind.as_str());
        gauge!("batchmill_plugin_info", "name" => name, "kind" => kind, "version" => VERSION).set(1.0);
    }
}
