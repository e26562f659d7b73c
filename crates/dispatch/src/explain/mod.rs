//! Why does it wait? A typed reason with the blocking object for every job in every state.
//!
//! The answers are taken from the state that the decisions are made of, so they cannot say anything else. They may look
//! at everything that is queued: meant for a person's question, not for a decision.

mod explanation;
mod limited;
mod reason;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use batchmill_core::{JobState, MonoTime, Status};

use crate::{
    BatchKey, SlotId,
    batch::{Batch, Row},
    dispatch::Dispatch,
    gates::{
        Limits,
        host::{self, Shut},
    },
    slots::Live,
    timers::Due,
    trouble::Trouble,
};

pub use explanation::{Expiry, Explanation, LastFailure, Share};
pub use reason::{Holder, LimitKeyOf, Reason};

impl Dispatch {
    /// Why a job of an open batch stands where it stands; `None` if there is no such job.
    pub fn explain(&self, key: BatchKey, index: u32, now: MonoTime) -> Option<Explanation> {
        let batch = self.batch(key)?;
        let row = batch.rows.get(index as usize)?;
        let reason = self.reason(batch, index, row, &Exceptions::of(self, batch, now), now);
        // Where it is in the queue matters only if the queue moves.
        let position = match reason {
            Reason::Slots { .. }
            | Reason::Unanswered { .. }
            | Reason::Crowded
            | Reason::Parking { .. }
            | Reason::MemoryPressure { .. }
            | Reason::Load { .. }
            | Reason::Swapping { .. }
            | Reason::MemoryStall { .. }
            | Reason::MemoryNeeded { .. }
            | Reason::CpuNeeded { .. }
            | Reason::Reserved { .. }
            | Reason::MemoryUnknown
            | Reason::Scheduler => self.scheduler.explain(batch.token(index), now),
            _ => None,
        };
        let mut explanation = Explanation {
            state: counter(row.state),
            attempts: row.attempts,
            crashes: batch.crashes(row),
            kills: batch.trouble(index).map_or(0, Trouble::kills),
            since: now - row.enqueued,
            due: self.due(batch, index, &reason, now),
            ahead: position.as_ref().and_then(|position| position.ahead),
            order: position.map(|position| position.reason),
            expires: self.expiry(batch, index, row, now),
            slot: None,
            last_failure: None,
            reason,
        };
        match &explanation.reason {
            Reason::Running | Reason::Stopping { .. } => {
                explanation.slot = Some(row.slot);
                explanation.since = self.live(row).map_or(Duration::ZERO, |live| now - live.started);
            }
            Reason::Backoff => explanation.last_failure = last_failure(batch, index),
            Reason::RetryBudget { .. } => {
                explanation.last_failure = last_failure(batch, index);
                explanation.ahead = in_line(batch, now).position(|parked| parked == index).map(|place| place as u64);
                let empty_since = batch.budget.as_ref().and_then(crate::budget::Budget::empty_since);
                explanation.since = empty_since.map_or(Duration::ZERO, |since| now - since);
            }
            _ => {}
        }
        Some(explanation)
    }

    /// How many jobs of an open batch have which reason, the most first; empty if there is no such batch.
    pub fn census(&self, key: BatchKey, now: MonoTime) -> Vec<Share> {
        let Some(batch) = self.batch(key) else { return Vec::new() };
        let exceptions = Exceptions::of(self, batch, now);
        let mut shares: Vec<Share> = Vec::new();
        let mut limited = limited::Tally::default();
        // Where its batch starts nothing, no limit is what a job waits for.
        let may_be_limited = self.limits.as_deref().filter(|_| !self.draining && batch.takes_starts(now));
        // Where nothing is special about a job, its state says why it stands there.
        let mut by_state: Vec<(JobState, usize)> = Vec::new();
        for (index, row) in (0..).zip(&batch.rows) {
            let asks_for_more = self.resources.on && self.classes.get(row.class).demand != batch.demand;
            let special = row.state == JobState::Running || asks_for_more || exceptions.have(batch, index, now);
            if let Some(limits) = may_be_limited.filter(|_| row.state == JobState::Ready && !special)
                && limited.count(self, limits, row, now)
            {
                continue;
            }
            let known = by_state.iter().find(|(state, _)| !special && *state == row.state);
            let place = match known {
                Some((_, place)) => *place,
                None => {
                    let reason = self.reason(batch, index, row, &exceptions, now);
                    let place = place_of(&mut shares, counter(row.state), reason);
                    if !special {
                        by_state.push((row.state, place));
                    }
                    place
                }
            };
            shares[place].jobs += 1;
        }
        for share in &mut shares {
            share.due = self.first_due(batch, &share.reason, now);
        }
        shares.extend(limited.shares(now));
        shares.sort_by_key(|share| std::cmp::Reverse(share.jobs));
        shares
    }

    fn reason(&self, batch: &Batch, index: u32, row: &Row, exceptions: &Exceptions, now: MonoTime) -> Reason {
        match row.state {
            JobState::Ended(status) => return Reason::Ended { status },
            JobState::Recording(status) => return Reason::Recording { status },
            JobState::Running => {
                let cause = self.live(row).and_then(|live| live.stopping);
                return cause.map_or(Reason::Running, |cause| Reason::Stopping { cause });
            }
            _ => {}
        }
        if let Some(reason) = self.why_never(batch, index, exceptions, now) {
            return reason;
        }
        match row.state {
            JobState::Pending => Reason::NotBefore,
            JobState::Backoff => match &batch.budget {
                Some(budget) if exceptions.in_line.contains(&index) => {
                    Reason::RetryBudget { burst: budget.settings().burst() }
                }
                _ => Reason::Backoff,
            },
            _ => self.why_not_now(batch, row, now),
        }
    }

    /// Why a job that waits will not start in this life of its batch.
    fn why_never(&self, batch: &Batch, index: u32, exceptions: &Exceptions, now: MonoTime) -> Option<Reason> {
        if let Some(failure) = &batch.journal_failed {
            return Some(failure.into());
        }
        if let Some(status) = exceptions.promised.get(&index) {
            return Some(Reason::EndDecided { status: *status });
        }
        if let Some(closing) = &batch.closing {
            return Some(closing.into());
        }
        // Deadlines count from their moment on, also where the timer comes later than the question.
        if batch.setup.deadline.is_some_and(|deadline| deadline <= now) {
            return Some(Reason::BatchDeadline);
        }
        if batch.sealed && exceptions.timed && batch.is_too_late(index, now) {
            return Some(Reason::EndDecided { status: Status::TimedOut });
        }
        if let Some(limit) = batch.setup.limit.filter(|_| is_left_out(batch, index)) {
            return Some(Reason::Trial { limit: limit.get() });
        }
        self.draining.then_some(Reason::Draining)
    }

    /// Why a job that is ready does not start now: what dispatch asks before a start, in the same order.
    fn why_not_now(&self, batch: &Batch, row: &Row, now: MonoTime) -> Reason {
        if !batch.sealed {
            return Reason::Accepting;
        }
        if let Some(message) = &batch.storage_full {
            return Reason::StorageFull { message: message.clone() };
        }
        if let Some(pause) = &batch.paused {
            return pause.into();
        }
        if let Some(other) = self.suspects.running.filter(|_| batch.is_suspect(row)) {
            return Reason::Suspect { other: other.slot.0 };
        }
        if let Some((blocked, limits)) = self.blocked(row, now) {
            return blocked.reason(self, limits);
        }
        match host::shut(self, now) {
            Some(Shut::Draining) => Reason::Draining,
            Some(Shut::Crowded) => Reason::Crowded,
            Some(Shut::Unanswered) => Reason::Unanswered { limit: self.settings.unanswered_limit.get() },
            Some(Shut::Slots) => {
                Reason::Slots { limit: self.settings.limit.get(), why: self.limit_reason.as_deref().map(str::to_owned) }
            }
            Some(Shut::Parking) => Reason::Parking { limit: self.settings.parked_limit.get() },
            // A limit of all jobs is one of this one too.
            Some(Shut::Limit(..)) => Reason::Scheduler,
            None => self.why_no_room(row),
        }
    }

    /// What of the limits keeps a job from starting.
    /// What memory, CPUs and swap say of a job that nothing else keeps.
    fn why_no_room(&self, row: &Row) -> Reason {
        let gate = self.resources.gate(self.slots.running()).map(Reason::from);
        let unfit = || self.resources.unfit(self.classes.get(row.class).demand).map(Reason::from);
        gate.or_else(unfit).unwrap_or(Reason::Scheduler)
    }

    fn blocked(&self, row: &Row, now: MonoTime) -> Option<(limited::Blocked, &Limits)> {
        let limits = self.limits.as_deref()?;
        Some((limited::Blocked::of(limits, row.class, now)?, limits))
    }

    /// When a job that waits ends because it waited too long.
    fn expiry(&self, batch: &Batch, index: u32, row: &Row, now: MonoTime) -> Option<Expiry> {
        let waits = matches!(row.state, JobState::Pending | JobState::Ready | JobState::Backoff);
        let (at, why) = batch.expiry(index).filter(|(at, _)| waits && *at > now)?;
        Some(Expiry { left: at - now, code: why.code() })
    }

    fn live(&self, row: &Row) -> Option<&Live> {
        self.slots.get(SlotId(row.slot))
    }

    /// When the reason of one job passes by itself.
    fn due(&self, batch: &Batch, index: u32, reason: &Reason, now: MonoTime) -> Option<Duration> {
        let row = &batch.rows[index as usize];
        let at = match reason {
            Reason::NotBefore => self.timers.first(|due| due == Due::Admit(batch.key, index)),
            Reason::Backoff => self.timers.first(|due| due == Due::Retry(batch.key, index, row.epoch)),
            Reason::Running => self.live(row).and_then(|live| live.limit.map(|limit| live.started + limit)),
            limit if limit.limit().is_some() => self.blocked(row, now).and_then(|(blocked, _)| blocked.until()),
            shared => return self.first_due(batch, shared, now),
        };
        at.map(|at| at - now)
    }

    /// When a reason passes by itself for the first job that has it.
    fn first_due(&self, batch: &Batch, reason: &Reason, now: MonoTime) -> Option<Duration> {
        let state = |index: u32| batch.rows[index as usize].state;
        let at = match reason {
            Reason::NotBefore => self.timers.first(
                |due| matches!(due, Due::Admit(key, index) if key == batch.key && state(index) == JobState::Pending),
            ),
            Reason::Backoff => self.timers.first(|due| {
                matches!(due, Due::Retry(key, index, epoch) if key == batch.key
                    && state(index) == JobState::Backoff && batch.rows[index as usize].epoch == epoch)
            }),
            Reason::RetryBudget { .. } => batch.budget.as_ref().and_then(crate::budget::Budget::next_release),
            Reason::Scheduler => self.refill_at,
            _ => None,
        };
        at.map(|at| at - now)
    }
}

/// Jobs of a batch of which more is to say than their state.
struct Exceptions {
    /// Their end is decided, and there was no room for its record.
    promised: HashMap<u32, Status>,
    /// Their retry waits for a token.
    in_line: HashSet<u32>,
    /// Whether jobs may wait too long.
    timed: bool,
}

impl Exceptions {
    fn of(dispatch: &Dispatch, batch: &Batch, now: MonoTime) -> Self {
        let mut promised = HashMap::new();
        for (_, index, why) in dispatch.ends.iter().filter(|(key, ..)| *key == batch.key) {
            // The first wish counts.
            promised.entry(*index).or_insert(why.status());
        }
        Self { promised, in_line: in_line(batch, now).collect(), timed: batch.is_timed() }
    }

    fn have(&self, batch: &Batch, index: u32, now: MonoTime) -> bool {
        self.promised.contains_key(&index)
            || self.in_line.contains(&index)
            || self.timed && batch.is_too_late(index, now)
            || is_left_out(batch, index)
            || batch.is_suspect(&batch.rows[index as usize])
    }
}

/// Whether a job has not begun in a trial that has begun all it may.
fn is_left_out(batch: &Batch, index: u32) -> bool {
    batch.is_limit_reached() && batch.rows[index as usize].epoch == 0
}

/// Jobs whose retry waits for a token, the next one first. One that is too late gets none.
fn in_line(batch: &Batch, now: MonoTime) -> impl Iterator<Item = u32> {
    let waits = move |(index, epoch): &(u32, u32)| {
        let row = &batch.rows[*index as usize];
        row.state == JobState::Backoff && row.epoch == *epoch && !batch.is_too_late(*index, now)
    };
    batch.budget.iter().flat_map(crate::budget::Budget::parked).filter(waits).map(|(index, _)| index)
}

fn last_failure(batch: &Batch, index: u32) -> Option<LastFailure> {
    let tried = batch.trouble(index)?.last_try()?;
    Some(LastFailure { attempt: tried.attempt, class: tried.class, message: tried.message.to_string() })
}

/// The share of a reason, made where there is none.
fn place_of(shares: &mut Vec<Share>, state: &'static str, reason: Reason) -> usize {
    let known = shares.iter().position(|share| share.state == state && share.reason == reason);
    known.unwrap_or_else(|| {
        shares.push(Share { jobs: 0, state, reason, due: None });
        shares.len() - 1
    })
}

/// The counter of the conservation law that a state counts in, by its name.
fn counter(state: JobState) -> &'static str {
    match state {
        JobState::Pending | JobState::Ready => "pending",
        JobState::Running => "running",
        JobState::Backoff => "backing_off",
        JobState::Ended(status) => status.as_str(),
        _ => "recording",
    }
}
