//! The body has looked at memory, CPUs and swap.

use std::sync::Arc;

use batchmill_core::{CancelReason, Draw, ErrorClass, FailedAttempt, MonoTime, RetryDecision, RetryPolicy};

use crate::{
    Effect, Pressure, Rung, StopCause,
    batch::Batch,
    dispatch::Dispatch,
    edge::{Decider, ask},
    slots::Live,
    step::fill,
};

pub(crate) fn step(dispatch: &mut Dispatch, now: MonoTime, pressure: Pressure, effects: &mut Vec<Effect>) {
    if !dispatch.resources.on {
        return;
    }
    dispatch.resources.read(pressure, dispatch.slots.running());
    end_the_newest(dispatch, effects);
    fill::fill(dispatch, now, effects);
}

/// Ends an attempt where memory runs out, one at a time: what it held must be free again before the next is looked for.
fn end_the_newest(dispatch: &mut Dispatch, effects: &mut Vec<Effect>) {
    let is_settling = std::mem::take(&mut dispatch.resources.is_settling);
    if dispatch.resources.caps.rung < Rung::Kill || dispatch.resources.victim.is_some() || is_settling {
        return;
    }
    let Dispatch { slots, batches, resources, .. } = dispatch;
    let may_end = |live: &Live| {
        let batch = batches.get(live.lease.batch.0 as usize).and_then(Option::as_deref);
        live.stopping.is_none() && batch.is_some_and(|batch| batch.setup.needs.processes && is_repeated(batch))
    };
    let newest = slots.iter_mut().filter(|live| may_end(live)).max_by_key(|live| (live.started, live.lease.slot));
    let Some(live) = newest else { return };
    live.stop(StopCause::Pressure);
    resources.victim = Some(live.lease);
    effects.push(Effect::Stop { lease: live.lease, how: CancelReason::Kill });
}

/// Whether who gave a batch its policies wants an attempt repeated that ran out of resources. Which node runs is not known:
/// all must want it.
fn is_repeated(batch: &Batch) -> bool {
    let first = FailedAttempt::new(1, ErrorClass::Resource, std::time::Duration::ZERO, None, Draw::from_bits(0));
    let wants = |policy: &Arc<dyn RetryPolicy>| ask(Decider::Retry, || policy.decide(&first));
    batch.setup.retry.iter().all(|policy| matches!(wants(policy), RetryDecision::After(_)))
}
