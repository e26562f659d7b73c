//! Which jobs of a batch would start first, without running any.

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
};

use batchmill_core::{
    Directive, FailedAttempt, FailureStrategy, FinalResult, MonoTime, RetryDecision, RetryPolicy, Scheduler,
};
use batchmill_dispatch::{BatchSetup, Dispatch, Effect, Event, Settings};

use crate::{Clock, JobSource, Past, mill};

/// The places of the first `many` jobs that would start, in their order, if none ended before. The same dispatch decides
/// that runs batches, with the same scheduler; where jobs wait for a moment (`after`), that moment is taken to have come.
pub fn first_starts(scheduler: Box<dyn Scheduler>, jobs: &dyn JobSource, many: NonZeroU32) -> Vec<u64> {
    let mut settings = Settings::new(many);
    settings.unanswered_limit = NonZeroU64::MAX;
    let mut dispatch = Dispatch::new(settings, scheduler);
    let (clock, mut effects, mut started) = (Clock::start(), Vec::new(), Vec::new());
    let mut now = clock.now();
    let batch = dispatch.open(BatchSetup::new(Box::new(Idle), vec![Arc::new(Idle)]), now);
    for lot in mill::lots(&clock, jobs, &mut Past::default()) {
        dispatch.step(now, lot.of(batch), &mut effects);
    }
    dispatch.step(now, Event::Sealed { batch }, &mut effects);
    loop {
        let mut wake: Option<MonoTime> = None;
        for effect in effects.drain(..) {
            match effect {
                Effect::Start(start) => started.push(u64::from(start.lease.index)),
                Effect::WakeAt(at) => wake = Some(at),
                _ => {}
            }
        }
        // The alarm only moves: one that lies before has gone off.
        let Some(at) = wake.filter(|_| started.len() < many.get() as usize) else { return started };
        now = now.max(at);
        dispatch.step(now, Event::TimerFired, &mut effects);
    }
}

/// Policies of a batch in which nothing ends.
#[derive(Debug)]
struct Idle;

impl FailureStrategy for Idle {
    fn on_result(&mut self, _: &FinalResult, _: u64) -> Directive {
        Directive::Continue
    }
}

impl RetryPolicy for Idle {
    fn decide(&self, _: &FailedAttempt) -> RetryDecision {
        RetryDecision::GiveUp("nothing runs".into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use batchmill_core::{Job, JobId, Priority, StateData};
    use batchmill_scheduler_priority::{Options, PriorityScheduler};

    use super::*;

    fn first(many: u32, jobs: &[(u8, Option<u64>)]) -> Vec<u64> {
        let scheduler = PriorityScheduler::new(&Options::default());
        let clock = Clock::start();
        let jobs: Vec<Job> = jobs
            .iter()
            .enumerate()
            .map(|(number, (priority, after))| {
                let mut job = Job::new(JobId::from(number as u64), StateData::new());
                job.priority = Priority(*priority);
                job.after = after.map(|seconds| clock.wall(clock.now() + Duration::from_secs(seconds)));
                job
            })
            .collect();
        first_starts(Box::new(scheduler), &jobs, NonZeroU32::new(many).unwrap())
    }

    #[test]
    fn the_scheduler_says_who_is_first() {
        assert_eq!(first(3, &[(0, None), (9, None), (5, None), (9, None)]), [1, 3, 2]);
        assert_eq!(first(3, &[(0, None)]), [0]);
        assert_eq!(first(3, &[]), [0; 0]);
    }

    #[test]
    fn who_waits_for_a_moment_comes_when_it_has_come() {
        assert_eq!(first(3, &[(9, Some(600)), (0, None), (5, Some(60))]), [1, 2, 0]);
    }
}
