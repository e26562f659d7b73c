//! Asks the governor how many attempts may run at once, and has it done.
//!
//! The governor belongs to one task and is asked without the lock: what it is told is taken under it, and what it answers is
//! an event like others.

use std::{
    borrow::Cow,
    fmt,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    time::Duration,
};

use batchmill_core::{AttemptFailure, ErrorClass, Governor, LoadSample, MonoTime, Outcome};
use batchmill_dispatch::{Decider, ask};
use tokio::time::MissedTickBehavior;

use crate::{Latency, Workload};

use super::{
    Shared,
    brain::{Brain, blame},
};

/// Nobody is asked more often, whatever it asks for.
const WINDOW_MIN: Duration = Duration::from_millis(100);

/// A governor, and what it is asked with.
#[non_exhaustive]
pub struct Governing {
    /// Decides.
    pub governor: Box<dyn Governor>,
    /// Measures the nodes of those workloads that were given it ([`FlowWorkload::timed`](crate::FlowWorkload::timed)).
    pub latency: Latency,
    /// What stands above every answer, and the word for it: the limit on open files.
    pub ceiling: Option<(NonZeroU32, &'static str)>,
}

impl Governing {
    /// Asks `governor`, which is told of attempts and nodes.
    pub fn new(governor: Box<dyn Governor>) -> Self {
        Self { governor, latency: Latency::default(), ceiling: None }
    }
}

impl fmt::Debug for Governing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governing").field("governor", &self.governor).finish_non_exhaustive()
    }
}

/// Attempts that ended by themselves since the governor was asked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    finished: u64,
    failed: u64,
    strained: u64,
    throttled: u64,
}

impl Ends {
    pub(super) fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Succeeded => self.finished += 1,
            Outcome::Failed(failure) => {
                self.finished += 1;
                self.failed += 1;
                self.strained += u64::from(has(failure, is_strain));
                self.throttled += u64::from(has(failure, |class| class == ErrorClass::Recoverable));
            }
            _ => {}
        }
    }
}

fn has(failure: &AttemptFailure, wanted: impl Fn(ErrorClass) -> bool) -> bool {
    failure.iter().any(|failed| wanted(failed.error.class))
}

fn is_strain(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Transient | ErrorClass::Recoverable | ErrorClass::Timeout | ErrorClass::Resource)
}

impl<W: Workload> Brain<W> {
    /// What happened since the last sample, and the limit in force. `None` where nothing is decided any more.
    fn sample(&mut self, shared: &Shared<W>, last: MonoTime) -> Option<(LoadSample, NonZeroU32)> {
        if self.broken {
            return None;
        }
        let at = self.advance(shared.clock.now());
        let Ends { finished, failed, strained, throttled } = std::mem::take(self.ends.get_or_insert_default());
        let totals = self.dispatch.totals();
        let mut sample = LoadSample::default();
        (sample.at, sample.interval) = (at, at - last);
        (sample.in_flight, sample.queued) = (totals.running, totals.queued);
        (sample.finished, sample.failed) = (finished, failed);
        (sample.strained, sample.throttled) = (strained, throttled);
        // Known where a gate of memory, load or swap has somebody look.
        sample.memory_ratio = self.memory_share;
        Some((sample, NonZeroU32::new(totals.limit).unwrap_or(NonZeroU32::MIN)))
    }
}

/// Asks once a window, until the mill is gone. It holds the mill only while it looks: a task that the mill owns must not
/// keep the mill alive.
pub(super) async fn run<W: Workload>(shared: Weak<Shared<W>>, mut governing: Governing, window: Duration) {
    let mut ticks = tokio::time::interval(window.max(WINDOW_MIN));
    // After a standstill there is one sample of all of it, not one a tick.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = MonoTime::ZERO;
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let sampled = shared.lock().sample(&shared, last);
        let Some((mut sample, current)) = sampled else { return };
        let is_first = std::mem::replace(&mut last, sample.at) == MonoTime::ZERO;
        sample.latency_ratio = governing.latency.ratio();
        if is_first {
            // It covers no time.
            continue;
        }
        let asked = || ask(Decider::Governor, || governing.governor.adjust(&sample, current.get()));
        match catch_unwind(AssertUnwindSafe(asked)) {
            Ok(None) => {}
            Ok(Some(adjustment)) => governing.obey(&shared, current, adjustment.limit, adjustment.reason),
            Err(payload) => {
                let message = blame(&shared, payload);
                shared.lock().break_down(&shared, &message);
                return;
            }
        }
    }
}

impl Governing {
    fn obey<W: Workload>(&self, shared: &Arc<Shared<W>>, current: NonZeroU32, answer: u32, reason: Cow<'static, str>) {
        let Some(limit) = NonZeroU32::new(answer).filter(|limit| self.governor.range().contains(&limit.get())) else {
            tracing::warn!(answer, "the governor named a limit outside its range; it is passed over");
            return;
        };
        let (limit, reason) = match self.ceiling {
            Some((ceiling, word)) if ceiling < limit => (ceiling, Cow::Borrowed(word)),
            _ => (limit, reason),
        };
        shared.change_limit(limit, Some(reason), Some(current));
    }
}
