//! From the end of a job into the journal, and from there to all who want its result.
//!
//! ```text
//! slots ─ results ──────────────────┐
//! brain ─ setbacks, closing, pauses ┴─► outlet ─► group ─► journal ─ Ok ─┬─► dispatch: ended
//!                                                   ▲                    └─► tail ─► feeds, each at its own position
//!                                                   └───────────── marks ◄───────────┘
//! ```
//! One task a batch. It records at once what is there; what arrives meanwhile is the next group. It waits only for the
//! journal, and before it tries again where the journal is full.

mod append;
mod feeding;
mod group;
mod marks;
mod tail;

use std::{sync::Arc, time::Instant};

use batchmill_core::{
    Journal, JournalEvent, Verdict,
    fault::{self, Sabotage},
};
use batchmill_dispatch::{Event, JournalFailure};
use metrics::{Histogram, histogram};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    Workload,
    durable::{Feed, Past},
    meters::ResultMeters,
};

use self::{
    feeding::{Feeding, Outside, Short},
    group::{Events, Group},
    marks::Marks,
    tail::Tail,
};

use super::{
    Phase, Shared,
    batch::{BatchEnd, OpenBatch},
    delivery::{places, tell_end},
};

/// Records one batch until it is over.
pub(super) struct Recorder<W: Workload> {
    shared: Arc<Shared<W>>,
    batch: Arc<OpenBatch<W>>,
    journal: Arc<dyn Journal>,
    tail: Arc<Tail>,
    marks: Arc<Marks>,
    feeds: JoinSet<Result<(), Short>>,
    /// Feeds that begin once their first mark is recorded.
    waiting: Vec<Feeding>,
    /// Feeds that have not got everything.
    short: Vec<Short>,
    phase: watch::Receiver<Phase>,
    meters: Option<ResultMeters>,
    commits: Option<Histogram>,
    /// Why nothing is recorded any more.
    failed: Option<JournalFailure>,
}

impl<W: Workload> Recorder<W> {
    pub(super) fn new(
        shared: Arc<Shared<W>>,
        batch: Arc<OpenBatch<W>>,
        journal: Arc<dyn Journal>,
        past: &Past,
        feeds: Vec<Box<dyn Feed>>,
        meters: Option<ResultMeters>,
    ) -> Self {
        let tail = Arc::new(Tail::new(past.position(), past.ended(), feeds.len()));
        let (marks, phase) = (Arc::new(Marks::default()), shared.phase.subscribe());
        let outside = Outside {
            batch: batch.id.clone(),
            journal: journal.clone(),
            tail: tail.clone(),
            marks: marks.clone(),
            phase: phase.clone(),
        };
        let waiting =
            feeds.into_iter().enumerate().map(|(place, feed)| Feeding::new(&outside, place, feed, past)).collect();
        let commits = shared.meters.is_some().then(|| histogram!("batchmill_store_commit_seconds"));
        let (feeds, short) = (JoinSet::new(), Vec::new());
        Self { shared, batch, journal, tail, marks, feeds, waiting, short, phase, meters, commits, failed: None }
    }

    /// Records and feeds until the batch is over, then says so.
    pub(super) async fn run(mut self, ended: watch::Sender<Option<BatchEnd>>) {
        self.begin_feeds(Feeding::is_known);
        let mut group = Group::default();
        let mut end = loop {
            let over = self.fill(&mut group).await;
            if let Some(end) = over.filter(|_| group.is_empty()) {
                break end;
            }
            let events = std::mem::take(&mut group).seal(self.marks.take());
            self.settle(events, &mut group).await;
        };
        self.shared.unload(self.batch.outlet.close());
        self.complete(&mut end).await;
        tell_end(&self.shared, end, &ended);
    }

    /// Waits until there is something to record; how the batch ended, if it is over.
    async fn fill(&mut self, group: &mut Group) -> Option<BatchEnd> {
        loop {
            let over = group.take_from(&self.batch, &self.shared.clock);
            if over.is_some() || !group.is_empty() {
                return over;
            }
            tokio::select! {
                biased;
                () = self.batch.outlet.wake.notified() => {}
                () = self.marks.due() => return None,
            }
        }
    }

    /// Records a group and does what follows from that. After a failure it is dropped: its jobs have not ended.
    async fn settle(&mut self, events: Events, next: &mut Group) {
        if events.is_empty() || self.failed.is_some() {
            return self.shared.unload(events.load);
        }
        if let Some(meters) = &mut self.meters {
            meters.note(&events.results);
        }
        if fault::breaks(Sabotage::AckBeforeCommit) {
            self.answer(&events).await;
        }
        match self.record(&events, next).await {
            Ok(position) => {
                self.tail.push(events.results.clone(), position);
                self.begin_feeds(|_| true);
                self.answer(&events).await;
            }
            Err(failure) => self.fail(failure),
        }
        self.shared.unload(events.load);
    }

    async fn answer(&mut self, events: &Events) {
        if events.results.is_empty() {
            return;
        }
        if let Some(meters) = &mut self.meters {
            meters.count_noted();
        }
        self.shared.leave_word(Event::Answered { batch: self.batch.key, jobs: places(&events.results) });
        self.batch.workload.forget(&self.batch.id, &events.results).await;
    }

    fn fail(&mut self, failure: JournalFailure) {
        if failure == JournalFailure::Fenced {
            // What another host feeds must not be fed from here.
            self.feeds.abort_all();
        }
        // Nothing can be recorded of those that have not begun, so they must not take anything.
        let total = self.tail.total();
        self.short.extend(self.waiting.drain(..).map(Feeding::unheard).filter(|short| short.lacks_any_of(total)));
        self.tell(Event::JournalFailed { batch: self.batch.key, failure: failure.clone() });
        self.failed = Some(failure);
    }

    fn tell(&self, event: Event) {
        self.shared.step(event);
    }

    fn clock_for_commits(&self) -> Option<Instant> {
        self.commits.is_some().then(Instant::now)
    }

    fn begin_feeds(&mut self, which: impl Fn(&Feeding) -> bool) {
        for feeding in self.waiting.extract_if(.., |feeding| which(feeding)) {
            self.feeds.spawn_on(feeding.run(), &self.shared.runtime);
        }
    }

    /// Feeds get what they lack, and the journal the end.
    async fn complete(&mut self, end: &mut BatchEnd) {
        if !self.waiting.is_empty() {
            // They have never been fed, and nothing else was recorded.
            let marks = Events::last(self.marks.take(), None);
            self.settle(marks, &mut Group::default()).await;
        }
        self.tail.end();
        loop {
            tokio::select! {
                biased;
                fed = self.feeds.join_next() => match fed {
                    Some(Ok(fed)) => self.short.extend(fed.err()),
                    // Aborted, because the batch is another host's.
                    Some(Err(_)) => {}
                    None => break,
                },
                () = self.marks.due() => {
                    let marks = Events::last(self.marks.take(), None);
                    self.settle(marks, &mut Group::default()).await;
                }
            }
        }
        let total = self.tail.total();
        end.undelivered = self.short.drain(..).map(|short| short.of(total)).collect();
        self.close(end).await;
    }

    /// The last group: how far feeds have got, and that nothing more comes, if so. A batch whose feeds lack something
    /// stays open: a later host brings it to them.
    async fn close(&mut self, end: &mut BatchEnd) {
        let is_over = end.counts.is_complete() && !broke_off(&end.verdict) && end.undelivered.is_empty();
        let at = self.shared.clock.wall(self.shared.clock.now());
        let closed = is_over.then(|| JournalEvent::Closed { verdict: end.verdict.clone(), at });
        let last = Events::last(self.marks.take(), closed);
        if !last.is_empty() && self.failed.is_none() {
            fault::point("end.before-closed");
            self.failed = self.record(&last, &mut Group::default()).await.err();
        }
        match &self.failed {
            None if is_over => {
                fault::point("end.after-closed");
                if let Err(error) = self.journal.compact(&self.batch.id).await {
                    tracing::warn!(%error, "the journal of a batch that has ended can not be compacted");
                }
            }
            // What the batch has come to is not recorded, so it has come to nothing yet.
            Some(failure) if !broke_off(&end.verdict) => end.verdict = verdict_of(failure),
            _ => {}
        }
    }
}

/// Whether a later host goes on.
fn broke_off(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Drained | Verdict::StorageFailed(_) | Verdict::Fenced | Verdict::HostFailed(_))
}

fn verdict_of(failure: &JournalFailure) -> Verdict {
    match failure {
        JournalFailure::Fenced => Verdict::Fenced,
        JournalFailure::Broken(message) => Verdict::StorageFailed(message.clone()),
        other => Verdict::StorageFailed(format!("{other:?}")),
    }
}
