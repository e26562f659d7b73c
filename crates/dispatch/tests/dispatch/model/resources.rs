//! Memory, plainly: what was asked for, what was seen, and what the last look said.

use std::{collections::BTreeMap, time::Duration};

use batchmill_core::{Draw, ErrorClass, FailedAttempt, MonoTime, RetryDecision, Usage};
use batchmill_dispatch::{Effect, Lease, Pressure, ResourceSettings, StopCause};

use super::{At, Batch, Check, Expect, Job, Model, effects::hold};

#[derive(Debug)]
pub(super) struct Memory {
    pub(super) settings: ResourceSettings,
    own: u64,
    /// How far it is filled: the number of thresholds that are reached.
    rung: usize,
    /// So many attempts may run.
    cap: Option<u32>,
    /// The cap that a rung goes on from.
    base: u32,
    may_learn: bool,
    /// All that was seen, by batch and by how often memory ran out.
    peaks: BTreeMap<(u32, u32), Vec<u64>>,
    victim: Option<Lease>,
    is_settling: bool,
}

impl Memory {
    pub(super) fn new(settings: ResourceSettings) -> Self {
        let peaks = BTreeMap::new();
        Self { settings, own: 0, rung: 0, cap: None, base: 0, may_learn: true, peaks, victim: None, is_settling: false }
    }

    fn is_on(&self) -> bool {
        self.settings.ladder.is_some()
    }

    /// The highest of the last window that is full and the one that is being filled.
    fn seen(&self, batch: u32, level: u32) -> Option<u64> {
        let peaks = self.peaks.get(&(batch, level))?;
        let from = (peaks.len().div_ceil(32).saturating_sub(2)) * 32;
        peaks[from..].iter().copied().max()
    }
}

impl Model {
    /// Whether lives have any of this.
    pub(crate) fn is_pressed(&self) -> bool {
        self.memory.is_on()
    }

    /// Every other step: nothing comes to its end without a look now and then.
    pub(crate) fn turn(&self) -> bool {
        self.step.is_multiple_of(2)
    }

    pub(super) fn looked(&mut self, pressure: &Pressure) {
        if !self.is_pressed() {
            return;
        }
        let running = u32::try_from(self.live.len()).expect("a few");
        let expected = pressure.own + self.taken();
        let memory = &mut self.memory;
        (memory.own, memory.may_learn) = (pressure.own, true);
        let before = memory.rung;
        let ladder = memory.settings.ladder.expect("looked");
        let percent = pressure.memory.map_or(0, |memory| memory.used * 100 / memory.limit);
        let thresholds = [ladder.slow, ladder.shrink, ladder.stop, ladder.kill].map(u64::from);
        let reached =
            |(place, at): (usize, &u64)| (percent >= if place < before { at - 5 } else { *at }).then_some(place + 1);
        memory.rung = thresholds.iter().enumerate().filter_map(reached).max().unwrap_or(0);
        let is_meant = memory.rung < 3 && pressure.memory.is_some_and(|memory| memory.used <= expected);
        memory.base = match memory.rung {
            _ if is_meant => running.max(1),
            1 if before == 1 => memory.base + 1,
            0 => memory.base,
            2 if before == 2 => memory.base,
            2 if before < 2 => (running / 2).max(1),
            1 | 2 => running.max(1),
            3 => 1,
            _ => 0,
        };
        memory.cap = (memory.rung > 0 && !is_meant).then_some(memory.base);
        self.kill();
    }

    /// The newest that may be repeated is told to end.
    fn kill(&mut self) {
        let is_settling = std::mem::take(&mut self.memory.is_settling);
        if self.memory.rung < 4 || self.memory.victim.is_some() || is_settling {
            return;
        }
        let may = |lease: &&Lease| {
            let batch = &self.batches[&lease.batch.0];
            batch.opened.plan.needs.processes && batch.repeats() && batch.jobs[lease.index as usize].stop.is_empty()
        };
        let age = |lease: &&Lease| (self.batches[&lease.batch.0].jobs[lease.index as usize].started, lease.slot.0);
        let newest = self.live.values().filter(may).max_by_key(age).copied();
        let step = self.step;
        if let Some(job) = newest.and_then(|lease| self.job(lease)) {
            job.told(StopCause::Pressure, step);
        }
        self.memory.victim = newest;
    }

    /// An attempt has ended and used so much.
    pub(super) fn used(&mut self, lease: Lease, usage: &Usage) {
        if self.memory.victim == Some(lease) {
            (self.memory.victim, self.memory.is_settling) = (None, true);
        }
        let Some(batch) = self.batches.get(&lease.batch.0).filter(|batch| batch.asks()) else { return };
        let level = batch.jobs[lease.index as usize].level;
        if let Some(peak) = usage.peak_memory.filter(|_| self.memory.is_on()) {
            self.memory.peaks.entry((lease.batch.0, level)).or_default().push(peak);
        }
    }

    /// What an attempt of a job is taken to need, and whether nobody knows.
    fn request(&self, key: u32, batch: &Batch, job: &Job) -> (u64, bool) {
        if !batch.asks() {
            return (0, false);
        }
        let declared = &batch.opened.plan.needs.declared;
        let declared = declared.get(job.level as usize).map_or(0, |request| request.memory);
        let seen = self.memory.seen(key, job.level);
        (declared.max(seen.unwrap_or(0)), batch.opened.plan.needs.processes && declared == 0 && seen.is_none())
    }

    fn taken(&self) -> u64 {
        let of = |lease: &Lease| {
            let batch = &self.batches[&lease.batch.0];
            self.request(lease.batch.0, batch, &batch.jobs[lease.index as usize]).0
        };
        self.live.values().map(of).sum()
    }

    /// What may be asked for, all together.
    fn limit(&self) -> Option<u64> {
        let stop = self.memory.settings.ladder?.stop;
        Some(self.memory.settings.memory? * u64::from(stop) / 100)
    }

    /// Whether no more attempts may run, whichever they are.
    pub(super) fn gate_is_closed(&self) -> bool {
        self.memory.cap.is_some_and(|cap| self.live.len() as u64 >= u64::from(cap))
    }

    /// Whether a job has no room beside what runs. One that is too large beside nothing has.
    pub(super) fn is_unfit(&self, key: u32, batch: &Batch, job: &Job) -> bool {
        let Some(limit) = self.limit().filter(|_| batch.asks()) else { return false };
        let (request, is_unknown) = self.request(key, batch, job);
        let taken = self.taken();
        let is_over = request > 0 && taken > 0 && self.memory.own + taken + request > limit;
        is_unknown && !self.memory.may_learn || is_over
    }

    /// Whether what it needs may be kept for a larger job that has waited long enough.
    pub(super) fn may_be_reserved(&self, now: MonoTime, key: u32, batch: &Batch, job: &Job) -> bool {
        let Some(limit) = self.limit().filter(|_| batch.asks()) else { return false };
        let patience = self.memory.settings.reserve_after;
        let (request, taken) = (self.request(key, batch, job).0, self.taken());
        let all = self.batches.iter().flat_map(|(key, batch)| batch.jobs.iter().map(move |job| (*key, batch, job)));
        let mut others = all.filter(|(other, of, larger)| {
            (*other, larger.level) != (key, job.level) && of.asks() && of.is_open_for_starts() && larger.at == At::Ready
        });
        others.any(|(other, of, larger)| {
            let kept = self.request(other, of, larger).0;
            now - larger.accepted >= patience && self.memory.own + taken + request + kept > limit
        })
    }

    /// A start that memory allows.
    pub(super) fn has_memory(&mut self, lease: Lease) -> Check {
        if !self.is_pressed() {
            return Ok(());
        }
        hold!(!self.gate_is_closed(), "a start above the cap of memory: {lease:?} {:?}", self.memory);
        let batch = self.batches.get(&lease.batch.0).ok_or("start in a batch that is not open")?;
        let job = batch.jobs.get(lease.index as usize).ok_or("start of an unknown job")?;
        hold!(!self.is_unfit(lease.batch.0, batch, job), "a start without room: {job:?} {:?}", self.memory);
        if self.request(lease.batch.0, batch, job).1 {
            self.memory.may_learn = false;
        }
        Ok(())
    }

    /// What must come of an attempt that ended because memory ran short.
    pub(super) fn ended_by_pressure(&mut self, lease: Lease) -> Expect {
        let limit = self.memory.settings.kill_limit;
        let batch = self.batches.get_mut(&lease.batch.0).expect("a batch is open while it runs");
        let closing = batch.ends_of_waiting();
        let job = &mut batch.jobs[lease.index as usize];
        (job.kills, job.tries) = (job.kills + 1, job.tries + 1);
        let end = |allowed| Expect::End { batch: lease.batch.0, index: lease.index, allowed };
        if !closing.is_empty() {
            return end(closing);
        }
        if job.kills > limit { end(vec![batchmill_core::Status::Failed]) } else { Expect::Requeue(lease) }
    }

    pub(super) fn requeued(&mut self, effect: &Effect, now: MonoTime) -> Check {
        let Effect::Requeued { lease, setback } = effect else { return Err("looked before".to_owned()) };
        match std::mem::replace(&mut self.expect, Expect::Nothing) {
            Expect::Requeue(expected) if expected == *lease => {}
            other => return Err(format!("{lease:?} is queued again where {other:?} was due")),
        }
        let job = self.job(*lease).ok_or("an unknown job is queued again")?;
        hold!(setback.kills == job.kills, "ended {} times, not: {setback:?}", job.kills);
        job.at = At::Ready;
        job.is_handed_on(setback, now)
    }
}

impl Batch {
    /// Whether its jobs ask for anything.
    fn asks(&self) -> bool {
        let needs = &self.opened.plan.needs;
        needs.processes || needs.declared.iter().any(|request| request.memory > 0)
    }

    /// Whether its policies want a first attempt repeated that was short of resources.
    fn repeats(&self) -> bool {
        let first = FailedAttempt::new(1, ErrorClass::Resource, Duration::ZERO, None, Draw::from_bits(0));
        self.opened.plan.policies.iter().all(|policy| matches!(policy.decide(&first), RetryDecision::After(_)))
    }
}
