//! One host after the other.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use batchmill_core::{CancelReason, MonoTime};
use batchmill_dispatch::{Event, NewJob};

use super::{
    Bug, Durable, Recorder, Store,
    journal::{Journal, Written},
    ledger::Ledger,
};
use crate::{
    model::Check,
    rng::SplitMix64,
    world::{Earlier, World, scheduler},
};

/// All lives of some batches.
pub(crate) struct Lineage {
    seed: u64,
    rng: SplitMix64,
    store: Rc<RefCell<Store>>,
    /// The host that owns the batches.
    host: u32,
    world: World,
    /// One that has been replaced and does not know it yet.
    replaced: Option<World>,
    /// The one job that takes hosts down; nothing else does then.
    poison: Option<u32>,
    /// Events and effects, where somebody wants to read them.
    pub(crate) trace: Option<Vec<String>>,
}

impl Lineage {
    pub(crate) fn new(seed: u64, bug: Option<Bug>, traced: bool) -> Self {
        let mut rng = SplitMix64::new(seed.rotate_left(17));
        // Draws the batches, and is no host.
        let mut world = World::new(seed, scheduler(seed));
        let many = 1 + rng.small(2);
        let has_poison = rng.one_in(4);
        let is_ordered = rng.one_in(2);
        let crash_limit = 2 + rng.small(2);
        let mut poison = None;
        let mut batches = Vec::new();
        for batch in 0..many {
            let mut plan = world.plan();
            let mut jobs: Vec<NewJob> = (0..1 + rng.below(20)).map(|_| world.new_job()).collect();
            let mut alike = SplitMix64::new(seed.rotate_left(31) ^ u64::from(batch));
            for place in 1..jobs.len() {
                if alike.one_in(6) {
                    jobs[place] = jobs[place - 1].clone();
                }
            }
            let innocent = if has_poison { Some(u32::MAX) } else { None };
            if has_poison {
                plan.crash_limit = crash_limit;
                if batch == 0 {
                    poison = Some(rng.small(u32::try_from(jobs.len()).expect("a few")));
                }
            }
            let guilty = if batch == 0 { poison } else { innocent };
            let ledger = Ledger::new(&plan, jobs.len(), guilty, is_ordered);
            batches.push(Durable { plan, jobs, accepted: MonoTime::ZERO, ledger, finished: false });
        }
        let journal = Journal { owner: 1, batches: vec![Vec::new(); batches.len()], bug };
        let store = Rc::new(RefCell::new(Store { journal, batches, owner: 1, is_ordered }));
        let trace = traced.then(Vec::new);
        let mut lineage = Self { seed, rng, store, host: 0, world, replaced: None, poison, trace };
        lineage.next_host(MonoTime::ZERO);
        lineage
    }

    /// Lives through so many events, then lets every batch end.
    pub(crate) fn live(&mut self, steps: u32) -> Check {
        let lived = self.live_on(steps).and_then(|()| self.live_out());
        self.keep_trace();
        lived
    }

    fn live_on(&mut self, steps: u32) -> Check {
        for _ in 0..steps {
            if self.is_over() {
                break;
            }
            self.something_happens()?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.store.borrow().batches.iter().all(|batch| batch.finished)
    }

    fn something_happens(&mut self) -> Check {
        if self.world.is_empty() {
            return self.leave();
        }
        match self.poison {
            Some(_) if self.poison_runs() && self.rng.one_in(2) => return self.crash(),
            Some(_) => {}
            // Hosts die at the worst moment.
            None if self.rng.one_in(if self.world.recorder_mut().is_delicate() { 9 } else { 60 }) => {
                return self.crash();
            }
            None if self.rng.one_in(120) => return self.take_over(),
            None => {}
        }
        if self.rng.one_in(70) {
            let how = self.rng.pick(&[CancelReason::Stop, CancelReason::Kill]);
            let stop = if self.rng.one_in(2) { Event::DrainRequested } else { Event::StopRequested { how } };
            return self.world.step(stop);
        }
        if self.replaced.is_some() && self.rng.one_in(2) {
            return self.replaced_goes_on();
        }
        if self.rng.one_in(4) && self.world.open_on()? {
            return Ok(());
        }
        self.world.something_happens()
    }

    fn poison_runs(&self) -> bool {
        let runs = |poison| self.world.runs().any(|(batch, index)| batch == 0 && index == poison);
        self.poison.is_some_and(runs)
    }

    /// The host that has been replaced does what it would have done, until it learns of it.
    fn replaced_goes_on(&mut self) -> Check {
        let Some(world) = &mut self.replaced else { return Ok(()) };
        world.something_happens()?;
        if world.is_empty() {
            self.keep_trace();
            self.replaced = None;
        }
        Ok(())
    }

    /// The host dies: what it did not write is gone.
    fn crash(&mut self) -> Check {
        self.world.recorder_mut().dies(&mut self.rng)?;
        self.tell("the host dies");
        self.count_crash()?;
        self.next_host_later();
        Ok(())
    }

    /// Another host takes over while this one goes on.
    fn take_over(&mut self) -> Check {
        self.tell("another host takes over");
        self.count_crash()?;
        let before = self.next_host_later();
        self.replaced = Some(before);
        Ok(())
    }

    /// All batches of the host have ended: it writes what is left, or dies before.
    fn leave(&mut self) -> Check {
        if self.rng.one_in(4) {
            self.world.recorder_mut().dies(&mut self.rng)?;
        } else {
            self.world.write_all()?;
        }
        self.world.is_finished()?;
        self.tell("the host leaves");
        let stopped = std::mem::take(&mut self.world.recorder_mut().stopped);
        if self.store.borrow().journal.bug == Some(Bug::StopIsCrash) {
            self.own();
            for (batch, index) in stopped {
                self.write_lost(batch, index)?;
            }
        }
        if !self.is_over() {
            self.next_host_later();
        }
        Ok(())
    }

    /// What the slots file says: those that ran lost their host. It survives all but a loss of power.
    fn count_crash(&mut self) -> Check {
        let keeps_slots = self.poison.is_some() || !self.rng.one_in(8);
        let ran: Vec<(usize, u32)> = self.world.runs().collect();
        self.own();
        for (batch, index) in ran.into_iter().filter(|_| keeps_slots) {
            self.store.borrow_mut().batches[batch].ledger.crashed(index);
            self.write_lost(batch, index)?;
        }
        Ok(())
    }

    fn own(&mut self) {
        let mut store = self.store.borrow_mut();
        store.owner = self.host + 1;
        store.journal.owner = store.owner;
    }

    fn write_lost(&mut self, batch: usize, index: u32) -> Check {
        let mut store = self.store.borrow_mut();
        let lost = Written::Lost(index, store.journal.crashes(batch, index) + 1);
        let owner = store.owner;
        store.write(owner, batch, &[lost]).map(|_| ())
    }

    fn next_host_later(&mut self) -> World {
        let down = self.rng.pick(&[0, 0, 100, 9_000]);
        let down = Duration::from_micros(self.rng.below(1 + down));
        self.next_host(self.world.now() + down)
    }

    /// The next host, with all batches that are not finished; the one before.
    fn next_host(&mut self, now: MonoTime) -> World {
        self.keep_trace();
        self.own();
        self.host += 1;
        let seed = self.seed + u64::from(self.host) * 1_000_003;
        let mut world = World::new(seed, scheduler(self.seed));
        world.trace = self.trace.is_some().then(Vec::new);
        world.host(now, Recorder::new(self.store.clone(), self.host));
        let many = self.store.borrow().batches.len();
        for batch in 0..many {
            self.open(&mut world, batch);
        }
        std::mem::replace(&mut self.world, world)
    }

    fn open(&mut self, world: &mut World, batch: usize) {
        let mut store = self.store.borrow_mut();
        let jobs = store.batches[batch].jobs.len();
        let recalled = store.journal.recall(batch, jobs);
        let is_first = self.host == 1;
        let durable = &mut store.batches[batch];
        if durable.finished {
            return;
        }
        durable.ledger.new_host();
        // A trial that is over is followed by a larger one, or by the whole batch.
        if !is_first && self.rng.one_in(2) {
            durable.plan.limit = durable.plan.limit.filter(|_| self.rng.one_in(2)).map(|limit| limit.saturating_add(4));
        }
        let (plan, accepted) = (durable.plan.clone(), durable.accepted);
        let mut jobs: VecDeque<NewJob> = durable.jobs.iter().cloned().collect();
        drop(store);
        for (job, past) in jobs.iter_mut().zip(recalled.pasts) {
            job.past = past;
        }
        world.recorder_mut().open(batch);
        let (closing, paused) = (recalled.closing, recalled.paused);
        let earlier = Earlier { accepted: Some(accepted), closing, paused };
        let key = world.open_as(&plan, (!is_first).then_some(earlier));
        while !jobs.is_empty() {
            let lot = jobs.len().min(1 + self.rng.small(15) as usize);
            let mut jobs: Vec<NewJob> = jobs.drain(..lot).collect();
            // What is alike comes as one.
            jobs.dedup_by(|job, before| {
                let mut like_it = before.clone();
                like_it.many = job.many;
                let goes_on = *job == like_it;
                before.many = before.many.saturating_add(goes_on.into());
                goes_on
            });
            world.expect(Event::JobsAccepted { batch: key, jobs });
        }
        let mut ends = recalled.ends;
        let later = ends.split_off(ends.len() / 2);
        world.expect(Event::Recalled { batch: key, ends });
        world.expect(Event::Recalled { batch: key, ends: later });
        world.expect(Event::Sealed { batch: key });
    }

    /// Nothing goes wrong any more, but for the poison: every batch must end.
    fn live_out(&mut self) -> Check {
        while let Some(world) = &mut self.replaced {
            if world.is_empty() {
                self.keep_trace();
                self.replaced = None;
            } else {
                world.settle_on()?;
            }
        }
        for batch in &mut self.store.borrow_mut().batches {
            batch.plan.limit = None;
        }
        for _ in 0..20_000 {
            if self.is_over() {
                return Ok(());
            }
            if self.poison_runs() {
                self.crash()?;
            } else if self.world.is_empty() {
                self.leave()?;
            } else {
                self.world.settle_on()?;
            }
        }
        Err("no end in sight of batches that outlive their hosts".to_owned())
    }

    fn tell(&mut self, what: &str) {
        let told = format!("{:?} {what}", self.world.now());
        if let Some(trace) = &mut self.world.trace {
            trace.push(told);
        }
    }

    fn keep_trace(&mut self) {
        let Some(trace) = &mut self.trace else { return };
        for world in self.replaced.as_mut().into_iter().chain([&mut self.world]) {
            if let Some(of_host) = &mut world.trace {
                trace.append(of_host);
            }
        }
    }
}
