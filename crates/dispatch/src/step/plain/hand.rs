//! A hand of ends at once, because that is how they come, and what they have in common is found once.

use batchmill_core::{Directive, FinalResult, JobState, Pick, Status, Transition};

use crate::{
    Settings,
    batch::{Batch, token},
    classes::Classes,
    dispatch::Dispatch,
    edge::{self, Asking, Decider, Queue},
    gates::{Attempt, AttemptEnd, Limits},
    slots::Slots,
    trouble::TroubleId,
};

use super::{Odd, Plain, Short, Turn, plain_job, record, start};

/// Takes ends up to the first that is odd.
pub(super) fn take<'t>(
    dispatch: &mut Dispatch,
    plain: Plain,
    turns: impl Iterator<Item = Turn<'t>>,
) -> Option<(Turn<'t>, Odd)> {
    let Dispatch { settings, scheduler, batches, classes, limits, slots, unanswered, .. } = dispatch;
    let batch = batches[plain.key.0 as usize].as_deref_mut().expect("it was looked at");
    let limits = limits.as_deref_mut();
    let mut hand = Hand { plain, settings, scheduler, batch, classes, limits, slots, unanswered };
    // One catch for all of them: with one a question it would be a tenth of their cost.
    edge::asking(|asking| {
        for mut turn in turns {
            match hand.take(asking, &mut turn) {
                // Nothing has happened.
                Ok(Short::Untold) => return None,
                Ok(short) => *turn.short = short,
                Err(odd) => return Some((turn, odd)),
            }
        }
        None
    })
}

/// What dispatch has to do with plain ends.
struct Hand<'d> {
    plain: Plain,
    settings: &'d Settings,
    scheduler: &'d mut Queue,
    batch: &'d mut Batch,
    classes: &'d mut Classes,
    limits: Option<&'d mut Limits>,
    slots: &'d mut Slots,
    unanswered: &'d mut u64,
}

impl Hand<'_> {
    fn take(&mut self, asking: &Asking, turn: &mut Turn<'_>) -> Result<Short, Odd> {
        let (lease, now) = (turn.start.lease, turn.at);
        if lease.batch != self.plain.key {
            return Ok(Short::Untold);
        }
        let Some(live) = self.slots.get(lease.slot).filter(|live| live.lease == lease) else {
            return Ok(Short::Untold);
        };
        let started = live.started;
        let row = &mut self.batch.rows[lease.index as usize];
        if row.trouble != TroubleId::NONE {
            return Ok(Short::Untold);
        }
        row.attempts = row.attempts.saturating_add(1);
        let class = row.class;
        *turn.record = Some(record(lease, row, self.classes.get(class), started, now));
        if self.scheduler.hears_finish() {
            let mut usage = *turn.usage;
            usage.ran = usage.ran.max(now - started);
            asking.ask(Decider::Scheduler, || self.scheduler.tell_finish(token(lease.batch, lease.index), usage));
        }
        let attempt = Attempt { started, end: AttemptEnd::Succeeded };
        let is_awaited = self.limits.as_mut().is_some_and(|limits| limits.ended(class, attempt, now));
        self.batch.apply_to(lease.index, JobState::Running, Transition::End(Status::Succeeded));
        let result = FinalResult::new(Status::Succeeded, None, now);
        let submitted = self.batch.counts.submitted;
        let directive = asking.ask(Decider::Failure, || self.batch.setup.failure.on_result(&result, submitted));
        self.batch.begun_open -= 1;
        *self.unanswered += 1;
        if is_awaited {
            return Err(Odd::Awaited(class, directive));
        }
        if directive != Directive::Continue {
            return Err(Odd::Told(directive));
        }
        // The slot that was left counts as free.
        let others = self.slots.running() - 1;
        let has_room = *self.unanswered < self.settings.unanswered_limit.get();
        if others >= self.settings.limit.get() || !has_room {
            self.slots.free(lease);
            return Ok(Short::Left);
        }
        if let Some(limits) = &self.limits
            && (limits.shut(now).is_some() || limits.aside() >= self.settings.parked_limit.get())
        {
            return Err(Odd::Told(directive));
        }
        let pick = asking.ask(Decider::Scheduler, || self.scheduler.next(now));
        let Pick::Run(token) = pick else { return Err(Odd::Picked(pick)) };
        let Some(index) = plain_job(self.batch, token) else { return Err(Odd::Picked(pick)) };
        let class = self.batch.rows[index as usize].class;
        if self.limits.as_mut().is_some_and(|limits| !limits.enter(class)) {
            return Err(Odd::Picked(pick));
        }
        self.batch.apply_to(index, JobState::Ready, Transition::Start);
        *self.classes.queued(class) -= 1;
        start(self.batch, self.slots, (index, lease.slot), self.plain, now, turn.start);
        if others + 1 < self.settings.limit.get() {
            return Err(Odd::Room);
        }
        Ok(Short::Followed)
    }
}
