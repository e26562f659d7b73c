//! The shortcut: attempts that succeeded, where nothing but slots, room for records and limits of keys bounds what starts.
//!
//! Most ends are such, and what makes them so rarely changes. So it is looked at once ([`Plain::of`]) and then holds until an
//! event of another kind comes. An end then does what [`attempt_ended`](super::attempt_ended), [`finish`] and [`fill`] would do,
//! without asking again what cannot be. Whatever turns out to be different on the way goes to them. The simulation lives its lives
//! with and without the shortcut, and they must be the same to the last effect.

mod hand;

use std::time::Duration;

use batchmill_core::{ClassId, Directive, MonoTime, Pick, Status, Token, Usage};

use crate::{
    BatchKey, Effect, Lease, Record, SlotId, Start,
    batch::{Batch, Row, of_token},
    classes::Class,
    dispatch::Dispatch,
    gates::Call,
    slots::Slots,
    step::{close, fill, finish, limited, queue},
    trouble::TroubleId,
};

/// An attempt that succeeded, with the places of what becomes of it.
///
/// Starts and records are large. Written over the ones before, where they are read, they are moved nowhere: a third of what an
/// end cost was moving them.
#[derive(Debug)]
pub struct Turn<'a> {
    /// When it ended.
    pub at: MonoTime,
    /// What it used.
    pub usage: &'a Usage,
    /// Its start, then that of the attempt that follows in its slot.
    pub start: &'a mut Start,
    /// That of its job.
    pub record: &'a mut Option<Record>,
    /// What its end has led to.
    pub short: &'a mut Short,
}

/// What an end that was to be decided the short way has led to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Short {
    /// Nothing has happened: it is to be told as an event.
    #[default]
    Untold,
    /// The record is in its place, and so is the start of the attempt that follows.
    Followed,
    /// The record is in its place, and nothing follows in the slot.
    Left,
    /// It turned out not to be plain: all that it led to is among the effects.
    Otherwise,
}

/// A batch whose ends are plain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain {
    key: BatchKey,
    /// Of every attempt.
    timeout: Option<Duration>,
}

impl Plain {
    /// Looks whether a batch is plain now, unless that is known.
    fn of(dispatch: &Dispatch, key: BatchKey) -> Option<Self> {
        if let Some(plain) = dispatch.plain.filter(|plain| plain.key == key) {
            return Some(plain);
        }
        let bounded = dispatch.resources.on
            || dispatch.draining
            || dispatch.crowded
            || !dispatch.parked.is_empty()
            || dispatch.suspects.running.is_some();
        if bounded || !dispatch.takes_shortcuts {
            return None;
        }
        let batch = dispatch.batch(key)?;
        is_plain(batch).then_some(Self { key, timeout: batch.setup.timeout })
    }
}

fn is_plain(batch: &Batch) -> bool {
    let setup = &batch.setup;
    let timed = batch.is_timed() || setup.timeout_percent.is_some() || setup.deadline.is_some();
    let stands = batch.paused.is_some() || batch.storage_full.is_some();
    let ends = batch.closing.is_some() || batch.journal_failed.is_some();
    let counted = setup.limit.is_some() || batch.budget.is_some();
    batch.sealed && !timed && !stands && !ends && !counted
}

/// Takes the ends of attempts in their order, as long as they are plain and of one batch: up to the first that is not, which is
/// left untold, or the first that leads to effects, which follow on it.
pub(crate) fn take<'t>(dispatch: &mut Dispatch, mut turns: impl Iterator<Item = Turn<'t>>, effects: &mut Vec<Effect>) {
    let Some(first) = turns.next() else { return };
    let Some(plain) = Plain::of(dispatch, first.start.lease.batch) else { return };
    if dispatch.plain.is_none_or(|known| known.key != plain.key) {
        dispatch.plain = Some(plain);
    }
    let turns = std::iter::once(first).chain(turns);
    if let Some((turn, odd)) = hand::take(dispatch, plain, turns) {
        *turn.short = go_on(dispatch, turn.at, (turn.start.lease, turn.record), odd, effects);
        dispatch.announce(effects);
    }
}

/// What keeps an end from being plain.
#[derive(Debug)]
enum Odd {
    /// Jobs wait for keys of this class, which its end has left.
    Awaited(ClassId, Directive),
    /// The failure strategy has said this about it; what follows, if anything, is found the long way.
    Told(Directive),
    /// What follows is not plain.
    Picked(Pick),
    /// More may start than what follows, which has.
    Room,
}

/// Does what is left to do about an end that has come to be odd.
fn go_on(
    dispatch: &mut Dispatch,
    now: MonoTime,
    (ended, record): (Lease, &mut Option<Record>),
    odd: Odd,
    effects: &mut Vec<Effect>,
) -> Short {
    dispatch.plain = None;
    match odd {
        Odd::Awaited(class, directive) => {
            limited::call(dispatch, class, Call::Room, now);
            return go_on(dispatch, now, (ended, record), Odd::Told(directive), effects);
        }
        Odd::Told(directive) => {
            dispatch.slots.free(ended);
            let stop = finish::obey(dispatch, ended.batch, directive, effects);
            effects.extend(record.take().map(Effect::Record));
            if let Some((closing, stop_running)) = stop {
                close::begin(dispatch, ended.batch, closing, stop_running, now, effects);
            }
            fill::fill(dispatch, now, effects);
        }
        Odd::Picked(pick) => {
            dispatch.slots.free(ended);
            effects.extend(record.take().map(Effect::Record));
            fill::fill_with(dispatch, pick, now, effects);
        }
        Odd::Room => {
            fill::fill(dispatch, now, effects);
            return Short::Followed;
        }
    }
    Short::Otherwise
}

/// The record of a job that succeeded.
fn record(lease: Lease, row: &Row, class: &Class, started: MonoTime, now: MonoTime) -> Record {
    Record {
        batch: lease.batch,
        index: lease.index,
        status: Status::Succeeded,
        failure: None,
        attempts: row.attempts,
        priority: class.priority,
        tenant: class.tenant.clone(),
        queued: row.enqueued,
        started: Some(started),
        finished: now,
    }
}

/// The place of a picked job, if there is no more to its start than its limits.
fn plain_job(batch: &Batch, token: Token) -> Option<u32> {
    // One that was lost with its host may be what takes hosts down.
    let is_clean = |row: &Row| row.trouble == TroubleId::NONE && row.crashes == 0;
    let (key, index) = of_token(token);
    let is_plain = key == batch.key && queue::is_ready(batch, index) && is_clean(&batch.rows[index as usize]);
    is_plain.then_some(index)
}

/// Starts a job in the slot that was left.
fn start(
    batch: &mut Batch,
    slots: &mut Slots,
    (index, slot): (u32, SlotId),
    plain: Plain,
    now: MonoTime,
    start: &mut Start,
) {
    let row = &mut batch.rows[index as usize];
    row.epoch += 1;
    if row.epoch == 1 {
        batch.begun += 1;
        batch.begun_open += 1;
    }
    row.slot = slot.0;
    let lease = Lease { batch: plain.key, index, epoch: row.epoch, slot };
    slots.take_over(lease, now, plain.timeout);
    start.lease = lease;
    start.attempt = row.attempts.saturating_add(1);
    start.resume = row.epoch > 1 || batch.setup.resumed;
    start.timeout = plain.timeout;
    start.queued = row.enqueued;
    if !start.given_up.is_empty() {
        start.given_up = Vec::new();
    }
    start.memory = None;
}
