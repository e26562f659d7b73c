//! From results to sinks, one lot after the other, and past the summary on the way.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, ResultSink, SinkError};
use batchmill_executor::Delivery;
use metrics::{Counter, Gauge, counter, gauge};
use tokio::sync::Notify;

use crate::{
    progress::StuckSink,
    summary::{Collector, SinkSummary},
};

/// Between two tries of a sink that is out of order for a while (a full disk).
const PATIENCE: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// What the run learns from its delivery.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    collector: Mutex<Collector>,
    /// What sinks have to say about the batch.
    told: Mutex<Vec<SinkSummary>>,
    /// Sinks that take no results at the moment, and what they say.
    stuck: Mutex<BTreeMap<String, String>>,
    /// What hosts before this one repeated.
    earlier: Mutex<Earlier>,
    reader_gone: AtomicBool,
    gone: Notify,
}

/// Retries of a batch that this host did not see, told by what is left of them.
#[derive(Debug, Default)]
struct Earlier {
    /// Results of earlier hosts that are still to come; they come first.
    results: u64,
    retries: u64,
}

impl Seen {
    /// What earlier hosts left: so many results, and jobs that wait for a retry after so many failed attempts.
    pub(super) fn set_earlier(&self, results: u64, failed_attempts: u64) {
        *self.earlier.lock().unwrap_or_else(PoisonError::into_inner) = Earlier { results, retries: failed_attempts };
    }

    /// Attempts that earlier hosts repeated, as far as their results were gathered.
    pub(super) fn retries_before(&self) -> u64 {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner).retries
    }

    /// Whether the reader of the results has gone: nobody wants the rest.
    pub(crate) fn is_reader_gone(&self) -> bool {
        self.reader_gone.load(Ordering::Acquire)
    }

    /// Ready when the reader of the results has gone.
    pub(crate) async fn reader_gone(&self) {
        while !self.is_reader_gone() {
            // A permit is kept, so that a reader who goes between the look and the wait is noticed.
            self.gone.notified().await;
        }
    }

    /// What was gathered, at the end.
    pub(crate) fn take(&self) -> Collector {
        std::mem::take(&mut *self.collector.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What sinks had to say, in order of their names.
    pub(crate) fn take_told(&self) -> Vec<SinkSummary> {
        let mut told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        told.sort_by(|a, b| a.sink.cmp(&b.sink));
        told
    }

    /// Hears what a sink that is closed has to say.
    pub(super) fn hear(&self, name: &str, sink: &dyn ResultSink) {
        if let Some(summary) = sink.summary() {
            let told = SinkSummary { sink: name.to_owned(), summary };
            self.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        }
    }

    pub(super) fn gather(&self, results: &[JobResult]) {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner).hear(results);
        self.collector.lock().unwrap_or_else(PoisonError::into_inner).take(results);
    }

    /// What became of a write to a sink that is tried again where that may help.
    pub(super) fn wrote(&self, name: &str, error: Option<&SinkError>) {
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) => drop(stuck.insert(name.to_owned(), error.to_string())),
            None => drop(stuck.remove(name)),
        }
    }

    /// The sink that takes no results; the first of several.
    pub(super) fn stuck(&self) -> Option<StuckSink> {
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.first_key_value().map(|(sink, message)| StuckSink { sink: sink.clone(), message: message.clone() })
    }

    pub(super) fn set_reader_gone(&self) {
        self.reader_gone.store(true, Ordering::Release);
        self.gone.notify_one();
    }
}

impl Earlier {
    fn hear(&mut self, results: &[JobResult]) {
        let earlier = usize::try_from(self.results).map_or(results.len(), |left| left.min(results.len()));
        self.results -= earlier as u64;
        let repeated = results[..earlier].iter().map(|result| u64::from(result.attempts.saturating_sub(1)));
        self.retries += repeated.sum::<u64>();
    }
}

/// A sink with its name and its counters.
pub(crate) struct Outlet {
    /// What the label `sink` says.
    name: String,
    sink: Box<dyn ResultSink>,
    /// Whether an error that may pass is waited for.
    patient: bool,
    written: Counter,
    repeated: Counter,
    failed: Counter,
    lag: Gauge,
}

impl Outlet {
    pub(crate) fn new(name: impl Into<String>, sink: Box<dyn ResultSink>) -> Self {
        let name = name.into();
        let writes = |outcome: &'static str| {
            let writes = counter!("batchmill_sink_writes_total", "sink" => name.clone(), "outcome" => outcome);
            writes.increment(0);
            writes
        };
        let (written, repeated, failed) = (writes("ok"), writes("repeated"), writes("failed"));
        let lag = gauge!("batchmill_sink_lag_jobs", "sink" => name.clone());
        Self { name, sink, patient: true, written, repeated, failed, lag }
    }

    /// A full disk gets space again; a device or a pipe that is full stays so.
    pub(crate) fn patient(mut self, patient: bool) -> Self {
        self.patient = patient;
        self
    }

    /// Name, sink, and whether an error that may pass is waited for.
    pub(super) fn into_parts(self) -> (String, Box<dyn ResultSink>, bool) {
        (self.name, self.sink, self.patient)
    }

    /// Hands results over, and again as long as the sink says that this may help. Meanwhile the batch fills up to its
    /// bound of unanswered results and pauses by itself.
    async fn write(&mut self, batch: &BatchId, results: &[JobResult], seen: &Seen) -> Result<(), SinkError> {
        #[expect(clippy::cast_precision_loss, reason = "a lot has some thousand results")]
        self.lag.set(results.len() as f64);
        let mut tries = 0;
        loop {
            match self.sink.write(batch, results).await {
                Ok(()) => {
                    if tries > 0 {
                        seen.wrote(&self.name, None);
                        tracing::info!(sink = self.name, "the sink takes results again");
                    }
                    self.written.increment(1);
                    self.lag.set(0.0);
                    return Ok(());
                }
                Err(error) if error.temporary && self.patient => {
                    if tries == 0 {
                        tracing::warn!(sink = self.name, %error, "a sink takes no results; the batch waits for it");
                    }
                    seen.wrote(&self.name, Some(&error));
                    self.repeated.increment(1);
                    tokio::time::sleep(PATIENCE[tries.min(PATIENCE.len() - 1)]).await;
                    tries += 1;
                }
                Err(error) => {
                    self.failed.increment(1);
                    return Err(error);
                }
            }
        }
    }
}

/// Delivers the results of a batch to its output and to the sinks of the config.
pub(crate) struct Sinks {
    outlets: Vec<Outlet>,
    seen: Arc<Seen>,
}

impl Sinks {
    /// The first outlet is the output of the batch.
    pub(crate) fn new(outlets: Vec<Outlet>, seen: Arc<Seen>) -> Self {
        Self { outlets, seen }
    }

    /// A reader that is gone ends the batch in its own way; everything else is an error.
    fn unless_gone(&self, result: Result<(), SinkError>) -> Result<(), SinkError> {
        match result {
            Err(error) if error.closed => {
                self.seen.set_reader_gone();
                Ok(())
            }
            other => other,
        }
    }
}

#[async_trait]
impl Delivery for Sinks {
    async fn deliver(&mut self, batch: &BatchId, results: &mut Vec<JobResult>) -> Result<(), SinkError> {
        self.seen.gather(results);
        for place in 0..self.outlets.len() {
            // The first sink to close is the output; what drains now is still written to the others.
            if place == 0 && self.seen.is_reader_gone() {
                continue;
            }
            let written = self.outlets[place].write(batch, results, &self.seen).await;
            self.unless_gone(written)?;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        let mut first_error = Ok(());
        for place in 0..self.outlets.len() {
            let outlet = &mut self.outlets[place];
            let closed = outlet.sink.close().await;
            if closed.is_ok() {
                self.seen.hear(&outlet.name, &*outlet.sink);
            }
            let closed = self.unless_gone(closed);
            if first_error.is_ok() {
                first_error = closed;
            }
        }
        first_error
    }
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.outlets.iter().map(|outlet| &outlet.name)).finish()
    }
}
