//! Jobs that do not fit: picked, set aside, and started when there is room. They stay the scheduler's choice meanwhile; what
//! is like them is held in it.

use batchmill_core::{AttemptFailure, ClassId, MonoTime, Token, Usage};

use crate::{
    BatchKey, Lease,
    batch::of_token,
    dispatch::Dispatch,
    resources::{DemandId, Unfit},
    step::{limited, queue},
    timers::Due,
};

/// Sets a picked job aside that does not fit, and holds all that are like it.
pub(crate) fn set_aside(dispatch: &mut Dispatch, token: Token, id: DemandId, why: Unfit, now: MonoTime) {
    queue::mark(dispatch, token, true);
    let class = class_of(dispatch, token);
    if let Some(class) = class.filter(|_| dispatch.limits.is_some()) {
        limited::passed_over(dispatch, class, now);
    }
    // Classes are held by the limits of keys, where there are any; then single jobs are set aside here.
    let class = class.filter(|_| dispatch.limits.is_none() && dispatch.scheduler.can_hold());
    dispatch.resources.set_aside(id, token, class);
    class.into_iter().for_each(|class| dispatch.scheduler.hold(class));
    wait(dispatch, id, why, now);
}

/// The next job of those that were set aside: one that has room now, or that does not wait for room any more.
pub(crate) fn next(dispatch: &mut Dispatch, now: MonoTime) -> Option<Token> {
    if dispatch.resources.held == 0 {
        return None;
    }
    let mut held = dispatch.resources.held();
    // Who has waited longest goes first.
    held.sort_by_key(|id| (dispatch.resources.demand(*id).waiting.map(|waiting| waiting.since), *id));
    for id in &held {
        if let Some(why) = dispatch.resources.unfit(*id) {
            wait(dispatch, *id, why, now);
        }
    }
    dispatch.resources.reserve(now);
    let may_go = |id: &DemandId| {
        let head = dispatch.resources.demand(*id).aside.front().copied();
        head.filter(|token| dispatch.resources.unfit(*id).is_none() || !is_eligible(dispatch, *token, now))
    };
    let token = held.iter().find_map(may_go)?;
    take_back(dispatch, token);
    Some(token)
}

/// Whether a job could start if there were room.
fn is_eligible(dispatch: &Dispatch, token: Token, now: MonoTime) -> bool {
    let (key, index) = of_token(token);
    dispatch.batch(key).is_some_and(|batch| {
        let left_out = batch.rows[index as usize].epoch == 0 && batch.is_limit_reached();
        batch.takes_starts(now) && !batch.is_too_late(index, now) && !left_out
    })
}

/// The first of a demand waits for room from now on, if it does not yet. Whoever waits for a look waits for no room.
fn wait(dispatch: &mut Dispatch, id: DemandId, why: Unfit, now: MonoTime) {
    if why != Unfit::Unknown
        && let Some(job) = dispatch.resources.wait(id, now)
    {
        let reserve_at = now + dispatch.resources.settings.reserve_after;
        dispatch.timers.arm(reserve_at, Due::Reserve(of_token(job).0));
    }
}

/// Takes a job out of those that were set aside; false if it is not among them. What is like it is held no more if it was
/// the last.
pub(crate) fn take_back(dispatch: &mut Dispatch, token: Token) -> bool {
    if !dispatch.resources.on {
        return false;
    }
    let id = demand_of(dispatch, token);
    let Some(released) = dispatch.resources.take_back(id, token) else { return false };
    queue::mark(dispatch, token, false);
    for class in released {
        dispatch.scheduler.release(class);
    }
    true
}

/// Drops jobs of a batch that ends. The scheduler hears that what it picked is over.
pub(crate) fn forget(dispatch: &mut Dispatch, key: BatchKey) {
    if !dispatch.resources.on {
        return;
    }
    for id in dispatch.resources.of(key) {
        while let Some(token) = dispatch.resources.demand(id).aside.front().copied() {
            take_back(dispatch, token);
            dispatch.scheduler.on_finish(token, Usage::default());
        }
        dispatch.resources.forget(id);
    }
}

/// The memory of an attempt ran out, and it is repeated: with more, if its flow says so. Its place in the queue stays.
pub(crate) fn ask_for_more(dispatch: &mut Dispatch, lease: Lease, failure: &AttemptFailure, now: MonoTime) {
    let Dispatch { batches, classes, resources, limits, .. } = dispatch;
    let Some(batch) = batches[lease.batch.0 as usize].as_deref_mut() else { return };
    if !failure.iter().any(|failed| failed.error.is_out_of_memory()) {
        return;
    }
    if let Some(trouble) = batch.trouble_mut(lease.index) {
        trouble.count_memory();
    }
    let row = &mut batch.rows[lease.index as usize];
    let demand = resources.more(classes.get(row.class).demand, &batch.setup.needs);
    row.class = classes.asking_for(row.class, demand);
    if let Some(limits) = limits {
        let known = classes.get(row.class);
        limits.know(row.class, (&known.limits, known.share(), known.priority), now);
    }
}

/// Why a picked job does not fit; `None` if it does.
#[inline]
pub(crate) fn unfit(dispatch: &Dispatch, token: Token) -> Option<(DemandId, Unfit)> {
    if !dispatch.resources.on {
        return None;
    }
    let id = demand_of(dispatch, token);
    dispatch.resources.unfit(id).map(|why| (id, why))
}

fn demand_of(dispatch: &Dispatch, token: Token) -> DemandId {
    class_of(dispatch, token).map_or(DemandId::NONE, |class| dispatch.classes.get(class).demand)
}

fn class_of(dispatch: &Dispatch, token: Token) -> Option<ClassId> {
    let (key, index) = of_token(token);
    dispatch.batch(key)?.rows.get(index as usize).map(|row| row.class)
}
