//! What a seed makes: schedulers, batches, jobs, failures.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use batchmill_core::{
    AttemptFailure, Closing, Directive, ErrorClass, FailureStrategy, MonoTime, NodeError, NodeFailure, Pause, Priority,
    RetryBudget, RetryPolicy, RetryRef, Scheduler, StopReason, Tenant,
};
use batchmill_dispatch::{BatchKey, BatchSetup, Ladder, Needs, NewJob, ResourceSettings};

use super::{Lie, Under, World};
use crate::{
    halting::{Logged, PlainHalt},
    model::{Opened, Order},
    policies::{Capped, HeardLog, Scripted},
    rig::at_least_1,
    rng::SplitMix64,
    schedulers::{Manner, Plain},
};

/// Whether a life may have what was not in the first ones. Those stay as they were, so that the seeds that are kept go on
/// showing what they once showed.
pub(crate) fn is_later(seed: u64) -> bool {
    seed >= 2_000
}

/// The first seed of lives with few rules: most of their ends are plain, and are decided the short way.
pub(crate) const FEW_RULES: u64 = 900_000;

/// Whether a life has few rules.
pub(super) fn has_few_rules(seed: u64) -> bool {
    (FEW_RULES..1_000_000).contains(&seed)
}

/// Whether jobs of a life have limits of their keys. Lives that were there before there were any are left as they are; the
/// first ones with limits have neither too little memory nor a scheduler that hands out jobs twice.
pub(crate) fn is_limited(seed: u64) -> bool {
    let alone = seed % 6 != 4 && !is_pressed(seed);
    let beside_all_else = seed >= 7_000 && seed % 5 != 1;
    let beside_little = has_few_rules(seed) && seed.is_multiple_of(3);
    (4_000..FEW_RULES).contains(&seed) && (alone || beside_all_else) || beside_little
}

/// Whether memory runs short in the life of a seed.
pub(crate) fn is_pressed(seed: u64) -> bool {
    (4_000..FEW_RULES).contains(&seed) && seed % 5 < 2
}

/// How memory is shared out in such a life.
pub(crate) fn resources(seed: u64) -> ResourceSettings {
    let mut settings = ResourceSettings::default();
    (settings.memory, settings.ladder) = (Some(100), Some(Ladder::default()));
    settings.reserve_after = Duration::from_micros(seed % 7 * 3_000);
    settings.kill_limit = u32::try_from(seed % 3).expect("small");
    settings
}

/// Whether a life may have jobs that wait, or take, too long. Those before, and kept seeds among those after, stay as they
/// were.
pub(crate) fn is_timed(seed: u64) -> bool {
    (6_000..50_000).contains(&(seed % 1_000_000))
}

/// The scheduler that belongs to a seed.
pub(crate) fn scheduler(seed: u64) -> Under {
    let age_step = Duration::from_millis(seed % 40);
    let (inner, manner): (Box<dyn Scheduler>, _) = match seed % 6 {
        0 if is_fair(seed) => (fair_share(), Manner::Honest),
        0 => (Box::new(batchmill_scheduler_fifo::Fifo::new()), Manner::Honest),
        1 => {
            let options = batchmill_scheduler_priority::Options::default().age_step(age_step);
            (Box::new(batchmill_scheduler_priority::PriorityScheduler::new(&options)), Manner::Honest)
        }
        2 => (Box::new(Plain::default()), Manner::Honest),
        3 if is_later(seed) && seed % 4 == 1 => (Box::new(Plain::default()), Manner::Lags),
        3 => (Box::new(Plain::default()), Manner::Waits),
        4 => (Box::new(batchmill_scheduler_fifo::Fifo::new()), Manner::Doubles),
        _ => (Box::new(batchmill_scheduler_fifo::Fifo::new()), Manner::Invents),
    };
    let order = match seed % 6 {
        0 if !is_fair(seed) => Some(Order::Arrival),
        1 => Some(Order::Ageing(age_step)),
        _ => None,
    };
    Under { inner, manner, order }
}

/// Whether the scheduler of a seed divides the slots between tenants.
fn is_fair(seed: u64) -> bool {
    is_later(seed) && seed % 12 == 6
}

fn fair_share() -> Box<dyn Scheduler> {
    let options = batchmill_scheduler_fair_share::Options::default().weight("a", 3.0).weight("b", 0.5);
    Box::new(batchmill_scheduler_fair_share::FairShare::new(&options).expect("good options"))
}

/// How a batch is to be treated, by whichever host.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) crash_limit: u32,
    pub(crate) budget: Option<RetryBudget>,
    pub(crate) policies: Vec<Arc<dyn RetryPolicy>>,
    /// What its strategy answers, unless it has rules.
    pub(crate) script: Vec<(u64, Directive)>,
    pub(crate) halt: Option<PlainHalt>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) job_timeout: Option<Duration>,
    pub(crate) deadline: Option<MonoTime>,
    pub(crate) limit: Option<NonZeroU64>,
    pub(crate) needs: Needs,
}

/// What an earlier host left of a batch as a whole.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    pub(crate) accepted: Option<MonoTime>,
    pub(crate) closing: Option<Closing>,
    pub(crate) paused: Option<Pause>,
}

impl Plan {
    /// What is scripted, or rules of the real grammar. Its answers are written down.
    pub(crate) fn strategy(&self, log: &HeardLog) -> Box<dyn FailureStrategy> {
        let log = log.clone();
        match &self.halt {
            Some(halt) => Box::new(Logged { strategy: halt.plugin(), log }),
            None => {
                let mut strategy = Scripted::new(self.script.clone());
                strategy.log = log;
                Box::new(strategy)
            }
        }
    }
}

impl World {
    pub(super) fn open(&mut self) -> Result<(), String> {
        if self.is_durable() || self.model.batches.len() >= 4 {
            return Ok(());
        }
        let plan = self.plan();
        let key = self.open_as(&plan, None);
        self.accept(key)
    }

    /// How some batch is to be treated.
    pub(crate) fn plan(&mut self) -> Plan {
        let crash_limit = 1 + self.rng.small(3);
        let budget = self.budget();
        let policies: Vec<Arc<dyn RetryPolicy>> = (1..=2)
            .map(|n| {
                let (max_attempts, delay) = (n + self.rng.small(3), Duration::from_micros(self.rng.below(9_000)));
                Arc::new(Capped { max_attempts, delay, jitter: self.rng.one_in(2), budget }) as _
            })
            .collect();
        let script: Vec<_> = (0..self.rng.below(3)).map(|_| (1 + self.rng.below(30), self.directive())).collect();
        let halt = self.later.as_mut().and_then(|later| later.one_in(2).then(|| PlainHalt::some(later)));
        let timeout = self.rng.one_in(2).then(|| Duration::from_millis(self.rng.below(20)));
        let deadline = self.rng.one_in(5).then(|| self.moment(60_000));
        let trial = |later: &mut SplitMix64| if later.one_in(6) { later.below(20) } else { 0 };
        let limit = self.later.as_mut().map(trial).and_then(NonZeroU64::new);
        let needs = self.needs();
        // None is zero: config takes no such limit.
        let limit_of_time =
            |times: &mut SplitMix64, most| times.one_in(3).then(|| Duration::from_micros(times.below(most).max(1)));
        let queue_timeout = self.times.as_mut().and_then(|times| limit_of_time(times, 40_000));
        let job_timeout = self.times.as_mut().and_then(|times| limit_of_time(times, 60_000));
        let deadline = deadline.filter(|_| !self.has_few_rules || self.rng.one_in(4));
        let limit = limit.filter(|_| !self.has_few_rules || self.rng.one_in(4));
        Plan {
            crash_limit,
            budget,
            policies,
            script,
            halt,
            timeout,
            queue_timeout,
            job_timeout,
            deadline,
            limit,
            needs,
        }
    }

    /// Opens a batch, perhaps one that an earlier host accepted.
    pub(crate) fn open_as(&mut self, plan: &Plan, earlier: Option<Earlier>) -> BatchKey {
        let heard = HeardLog::default();
        let mut setup = BatchSetup::new(plan.strategy(&heard), plan.policies.clone());
        (setup.timeout, setup.deadline, setup.crash_limit) = (plan.timeout, plan.deadline, plan.crash_limit);
        setup.limit = plan.limit;
        setup.needs = plan.needs.clone();
        (setup.queue_timeout, setup.job_timeout) = (plan.queue_timeout, plan.job_timeout);
        let resumed = earlier.is_some();
        let Earlier { accepted, closing, paused } = earlier.unwrap_or_default();
        (setup.accepted, setup.resumed) = (accepted, resumed);
        (setup.closing, setup.paused) = (closing.clone(), paused.clone());
        let key = self.dispatch.open(setup, self.now);
        let mut opened = Opened { plan: plan.clone(), heard, accepted, resumed, closing, paused };
        self.lie_about(&mut opened);
        self.model.opened(self.now, key.0, opened);
        key
    }

    fn lie_about(&mut self, opened: &mut Opened) {
        match self.lie {
            Some(Lie::Budget) => {
                let richer = |budget: RetryBudget| {
                    RetryBudget::new(budget.burst().saturating_add(1), budget.ratio(), budget.per_second()).ok()
                };
                opened.plan.budget = opened.plan.budget.and_then(richer);
            }
            Some(Lie::Rules) => {
                opened.plan.halt = opened.plan.halt.as_ref().and(self.later.as_mut()).map(PlainHalt::some);
            }
            Some(Lie::Trial) => opened.plan.limit = opened.plan.limit.map(|limit| limit.saturating_add(1)),
            Some(Lie::Concurrency | Lie::Rate) | None => {}
        }
    }

    /// Rates of which a millionth of a token comes in a whole number of nanoseconds.
    fn budget(&mut self) -> Option<RetryBudget> {
        let later = self.later.as_mut()?;
        if later.one_in(3) || self.has_few_rules && later.one_in(2) {
            return None;
        }
        let (ratio, per_second) = (later.pick(&[0.0, 0.1, 0.5]), later.pick(&[500.0, 100.0, 20.0, 4.0]));
        Some(RetryBudget::new(at_least_1(1 + later.small(4)), ratio, per_second).expect("a good budget"))
    }

    fn directive(&mut self) -> Directive {
        match self.rng.below(3) {
            0 => Directive::Pause(StopReason::new("pause", "as scripted")),
            1 => Directive::Soon(StopReason::new("soon", "as scripted")),
            _ => Directive::Now(StopReason::new("now", "as scripted")),
        }
    }

    fn moment(&mut self, within_us: u64) -> MonoTime {
        // Some lie in the past.
        MonoTime::from_nanos((self.now.as_nanos() + self.rng.below(within_us * 1_000)).saturating_sub(2_000_000))
    }

    pub(crate) fn new_job(&mut self) -> NewJob {
        let mut job = NewJob::default();
        job.priority = Priority(self.rng.pick(&[0, 0, 1, 9, 255]));
        job.tenant = Tenant::new(self.rng.pick(&["default", "a", "b"])).expect("a name");
        job.cost = self.rng.pick(&[1.0, 0.5, 7.0]);
        job.timeout = self.rng.one_in(8).then(|| Duration::from_millis(self.rng.below(9)));
        job.after = self.rng.one_in(6).then(|| self.moment(20_000));
        job.deadline = self.rng.one_in(6).then(|| self.moment(40_000));
        job.limits = self.limited.as_mut().map(super::limits::keys).unwrap_or_default();
        if self.has_few_rules && !self.rng.one_in(30) {
            (job.cost, job.timeout, job.after, job.deadline) = (1.0, None, None, None);
        }
        job
    }

    pub(super) fn failure(&mut self) -> AttemptFailure {
        let classes = [ErrorClass::Transient, ErrorClass::Transient, ErrorClass::Timeout, ErrorClass::Crash];
        let mut failures = Vec::new();
        let many = self.rng.pick(&[1, 1, 1, 2, 3]);
        for _ in 0..many {
            let class = match self.rng.below(24) {
                0 if self.rng.one_in(2) => ErrorClass::Fatal,
                1 => ErrorClass::Cancelled,
                2..4 => ErrorClass::Permanent,
                _ => self.rng.pick(&classes),
            };
            let mut error = NodeError::new(class, "scripted", "as the seed says");
            error.retry_after = self.rng.one_in(5).then(|| Duration::from_micros(self.rng.below(12_000)));
            let error = self.may_run_out(error);
            let (retry, handled) = (RetryRef(self.rng.pick(&[0, 1])), self.rng.one_in(2));
            let mut failure = NodeFailure::at_node(self.rng.pick(&["x", "y", "z"]).into(), error, retry, handled);
            if self.rng.one_in(4) {
                failure.node = None;
            }
            failures.push(failure);
        }
        AttemptFailure::of(failures).expect("at least one")
    }
}
