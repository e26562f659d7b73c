//! What is recorded together.

use std::sync::Arc;

use batchmill_core::{Closing, Delivered, JobResult, JournalEvent, Pause, Setback};
use batchmill_dispatch::Record;

use crate::{
    Clock, Workload,
    durable::on_the_wall,
    mill::{
        batch::{BatchEnd, OpenBatch},
        delivery::result,
        load::{RESULT, size},
        outlet::{Decided, Lot, Next},
    },
};

/// Records of a group, at most.
const RECORDS: usize = 1024;
/// Bytes of a group, about, at most; a result that is larger ends its group.
const BYTES: usize = 1 << 20;

/// Grows until it is recorded. The events of a job keep their order: what it failed by comes before its end.
#[derive(Debug, Default)]
pub(super) struct Group {
    setbacks: Vec<Setback>,
    closing: Option<Closing>,
    /// The last word.
    paused: Option<Option<Pause>>,
    results: Vec<JobResult>,
    bytes: usize,
    /// Of these, what is part of the host's load: results that slots left.
    load: usize,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        let Self { setbacks, closing, paused, results, .. } = self;
        setbacks.is_empty() && closing.is_none() && paused.is_none() && results.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.room() > 0 && self.bytes < BYTES
    }

    /// Takes what waits as far as there is room; how the batch ended, if nothing waits and nothing more comes.
    pub(super) fn take_from<W: Workload>(&mut self, batch: &OpenBatch<W>, clock: &Clock) -> Option<BatchEnd> {
        while self.has_room() {
            match batch.outlet.take() {
                Next::Lot(Lot::Results(results)) => {
                    let before = self.bytes;
                    self.add(batch, results);
                    self.load += self.bytes - before;
                }
                Next::Lot(Lot::Records(records)) => self.add_records(batch, clock, records),
                Next::Lot(Lot::Decided(decided)) => self.decide(decided, clock),
                Next::End(end) => return Some(end),
                Next::Wait => return None,
            }
        }
        None
    }

    fn add<W: Workload>(&mut self, batch: &OpenBatch<W>, mut results: Vec<JobResult>) {
        let mut fits = 0;
        while fits < results.len().min(self.room()) && self.bytes < BYTES {
            self.bytes += size(&results[fits]);
            fits += 1;
        }
        let rest = results.split_off(fits);
        if !rest.is_empty() {
            batch.outlet.put_back(Lot::Results(rest));
        }
        if self.results.is_empty() {
            self.results = results;
        } else {
            self.results.append(&mut results);
        }
    }

    /// Ends of jobs that had no attempt of their own. They are put into words here, and are no part of the host's load: so
    /// what is too much goes back without words.
    fn add_records<W: Workload>(&mut self, batch: &OpenBatch<W>, clock: &Clock, mut records: Vec<Record>) {
        let rest = records.split_off(records.len().min(self.room()));
        if !rest.is_empty() {
            batch.outlet.put_back(Lot::Records(rest));
        }
        for record in records {
            let result = result(clock, batch, record, None, None);
            self.bytes += size(&result);
            self.results.push(result);
        }
    }

    fn room(&self) -> usize {
        RECORDS.saturating_sub(self.setbacks.len() + self.results.len())
    }

    fn decide(&mut self, decided: Decided, clock: &Clock) {
        match decided {
            Decided::Retrying { place, setback } => {
                let setback = on_the_wall(place, *setback, clock);
                self.bytes += setback.history.iter().map(|t| RESULT + t.message.len()).sum::<usize>();
                self.setbacks.push(setback);
            }
            Decided::Closing(closing) => self.closing = Some(closing),
            Decided::Paused(pause) => self.paused = Some(pause),
        }
    }

    /// Nothing is added any more, but how far feeds have got.
    pub(super) fn seal(self, marks: Vec<Delivered>) -> Events {
        let Self { setbacks, closing, paused, results, load, .. } = self;
        let mut decided: Vec<JournalEvent> =
            setbacks.into_iter().map(|setback| JournalEvent::Retrying(Box::new(setback))).collect();
        decided.extend(closing.map(JournalEvent::Closing));
        decided.extend(paused.map(JournalEvent::Paused));
        Events { decided, results: Arc::new(results), marks, closed: None, load }
    }
}

/// A group as it is recorded, as often as it takes.
#[derive(Debug)]
pub(super) struct Events {
    decided: Vec<JournalEvent>,
    pub(super) results: Arc<Vec<JobResult>>,
    marks: Vec<Delivered>,
    closed: Option<JournalEvent>,
    /// What it is part of the host's load.
    pub(super) load: usize,
}

impl Events {
    /// How far feeds have got, and perhaps the end of the batch.
    pub(super) fn last(marks: Vec<Delivered>, closed: Option<JournalEvent>) -> Self {
        Self { decided: Vec::new(), results: Arc::default(), marks, closed, load: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { decided, results, marks, closed, .. } = self;
        decided.is_empty() && results.is_empty() && marks.is_empty() && closed.is_none()
    }

    pub(super) fn to_append(&self) -> Vec<JournalEvent> {
        let Self { decided, results, marks, closed, .. } = self;
        let mut events = decided.clone();
        if !results.is_empty() {
            events.push(JournalEvent::Ended(results.clone()));
        }
        events.extend(marks.iter().cloned().map(JournalEvent::Delivered));
        events.extend(closed.clone());
        events
    }
}
