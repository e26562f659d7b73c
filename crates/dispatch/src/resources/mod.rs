//! Memory, CPUs and swap: what closes the gate of the host, and which job fits.
//!
//! Two things keep a job from starting. *Gates* look at what was measured, and say how many attempts may run at most
//! ([`caps`]). *Requests* look ahead: what the flow of a job declares, or what its attempts were seen to use, must fit beside
//! the requests of all that runs. A job that does not fit is passed over, and its kind is held in the scheduler; after
//! [`ResourceSettings::reserve_after`] what it needs is kept for it, which is the only case in which a slot idles.
//!
//! Nothing here is looked at while nothing of it is configured: one branch a decision.

mod caps;
mod demand;
mod ladder;
mod pressure;
mod settings;

use std::num::NonZeroU64;

use batchmill_core::{ClassId, MonoTime, Request, Token, Usage};

use crate::{BatchKey, Lease, SlotId};

pub(crate) use caps::{Caps, Gate};
pub use demand::Needs;
pub(crate) use demand::{Demand, DemandId, Waiting};
pub use ladder::{Ladder, Rung};
pub use pressure::{MemoryUse, Pressure};
pub use settings::ResourceSettings;

/// Why a job does not fit now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Its memory: what it needs, and what is left of how much.
    Memory { needs: u64, left: u64, limit: u64 },
    /// Its CPUs, in thousandths.
    Cpu { needs: u32, left: u32, limit: u32 },
    /// It would fit if nothing were kept for this job.
    Reserved { job: Token },
    /// Nobody knows how much memory its flow needs: one starts a look.
    Unknown,
}

/// What is shared out.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) settings: ResourceSettings,
    /// Whether any of this is looked at.
    pub(crate) on: bool,
    pub(crate) pressure: Pressure,
    pub(crate) caps: Caps,
    /// By [`DemandId`]; the first asks for nothing.
    demands: Vec<Demand>,
    free: Vec<DemandId>,
    /// Those of which attempts run.
    running: Vec<DemandId>,
    /// That of the attempt in each slot.
    taken: Vec<DemandId>,
    /// Of how many demands jobs are set aside.
    pub(crate) held: u32,
    /// For whose job what it needs is kept.
    pub(crate) reserved: Option<DemandId>,
    /// Whether a job of which nothing is known may start before the next look.
    may_learn: bool,
    /// How many jobs are set aside.
    pub(crate) aside: usize,
    /// The attempt that was told to end because memory ran short.
    pub(crate) victim: Option<Lease>,
    /// Whether the last one has ended since the last look: what it held may not be free yet.
    pub(crate) is_settling: bool,
}

impl Resources {
    pub(crate) fn new(settings: ResourceSettings) -> Self {
        Self {
            settings,
            on: settings.is_on(),
            pressure: Pressure::default(),
            caps: Caps::default(),
            demands: vec![Demand::default()],
            free: Vec::new(),
            running: Vec::new(),
            taken: Vec::new(),
            held: 0,
            reserved: None,
            may_learn: true,
            aside: 0,
            victim: None,
            is_settling: false,
        }
    }

    /// What keeps one more attempt from starting while so many run.
    #[inline]
    pub(crate) fn gate(&self, running: u32) -> Option<Gate> {
        if self.on { self.caps.refuses(running) } else { None }
    }

    /// Reads a sample.
    pub(crate) fn read(&mut self, pressure: Pressure, running: u32) {
        self.pressure = pressure;
        let expected = pressure.own.saturating_add(self.taken().memory);
        self.caps.read(&self.settings, &pressure, running, expected);
        self.may_learn = true;
    }

    /// Makes room for jobs of a batch.
    pub(crate) fn open(&mut self, batch: BatchKey, needs: &Needs) -> DemandId {
        if !self.on || needs.is_nothing() { DemandId::NONE } else { self.add(Demand::new(batch, needs, 0)) }
    }

    fn add(&mut self, demand: Demand) -> DemandId {
        if let Some(id) = self.free.pop() {
            self.demands[id.0 as usize] = demand;
            return id;
        }
        self.demands.push(demand);
        DemandId(u32::try_from(self.demands.len() - 1).expect("fewer demands than jobs"))
    }

    /// The demand of a job whose memory ran out once more than those of `id`: it asks for more, if its flow says so.
    pub(crate) fn more(&mut self, id: DemandId, needs: &Needs) -> DemandId {
        let demand = self.demand(id);
        let (level, batch) = (demand.level + 1, demand.batch);
        match (demand.more, batch) {
            (Some(more), _) => more,
            (None, Some(batch)) if (level as usize) < needs.declared.len() => {
                let more = self.add(Demand::new(batch, needs, level));
                self.demands[id.0 as usize].more = Some(more);
                more
            }
            _ => id,
        }
    }

    /// The demands of a batch.
    pub(crate) fn of(&self, batch: BatchKey) -> Vec<DemandId> {
        self.demands().filter(|(_, demand)| demand.batch == Some(batch)).map(|(id, _)| id).collect()
    }

    /// A demand of a batch that has ended, of which nothing runs or is held.
    pub(crate) fn forget(&mut self, id: DemandId) {
        self.demands[id.0 as usize] = Demand::default();
        self.free.push(id);
    }

    pub(crate) fn demand(&self, id: DemandId) -> &Demand {
        &self.demands[id.0 as usize]
    }

    pub(crate) fn demands(&self) -> impl Iterator<Item = (DemandId, &Demand)> {
        (0..).map(DemandId).zip(&self.demands)
    }

    /// An attempt starts in a slot. What it is told to have of memory, where its flow declares any.
    pub(crate) fn begin(&mut self, lease: Lease, id: DemandId) -> Option<NonZeroU64> {
        let slot = lease.slot.0 as usize;
        if self.taken.len() <= slot {
            self.taken.resize(slot + 1, DemandId::NONE);
        }
        self.taken[slot] = id;
        if id == DemandId::NONE {
            return None;
        }
        let demand = &mut self.demands[id.0 as usize];
        if demand.is_unknown() && self.settings.ladder.is_some() {
            self.may_learn = false;
        }
        demand.running += 1;
        if demand.running == 1 {
            self.running.push(id);
        }
        self.memory_of(lease.slot)
    }

    /// What the attempt in a slot is told to have of memory.
    pub(crate) fn memory_of(&self, slot: SlotId) -> Option<NonZeroU64> {
        let id = self.taken.get(slot.0 as usize).filter(|_| self.on)?;
        NonZeroU64::new(self.demand(*id).declared.memory)
    }

    /// An attempt used so much, whether it has ended or goes on.
    pub(crate) fn learn(&mut self, lease: Lease, usage: Usage) {
        let Some(id) = self.taken.get(lease.slot.0 as usize).filter(|id| **id != DemandId::NONE) else { return };
        if let Some(peak) = usage.peak_memory.filter(|_| self.settings.ladder.is_some()) {
            self.demands[id.0 as usize].peaks.add(peak);
        }
    }

    /// An attempt has ended.
    pub(crate) fn end(&mut self, lease: Lease) {
        if self.victim == Some(lease) {
            (self.victim, self.is_settling) = (None, true);
        }
        let Some(id) = self.taken.get_mut(lease.slot.0 as usize).map(std::mem::take) else { return };
        if id == DemandId::NONE {
            return;
        }
        let demand = &mut self.demands[id.0 as usize];
        demand.running -= 1;
        if demand.running == 0 {
            self.running.retain(|other| *other != id);
        }
    }

    /// Why one more job of a demand does not fit beside all that runs; `None` if it does.
    pub(crate) fn unfit(&self, id: DemandId) -> Option<Unfit> {
        if id == DemandId::NONE {
            return None;
        }
        let demand = self.demand(id);
        if self.settings.ladder.is_some() && self.settings.memory.is_some() && demand.is_unknown() && !self.may_learn {
            return Some(Unfit::Unknown);
        }
        let (request, taken) = (demand.request(), self.taken());
        if let Some(unfit) = self.over(request, taken) {
            return Some(unfit);
        }
        let reserved = self.reserved.filter(|reserved| *reserved != id)?;
        let kept = self.demand(reserved);
        let request = Request {
            memory: request.memory.saturating_add(kept.request().memory),
            cpu_milli: request.cpu_milli.saturating_add(kept.request().cpu_milli),
        };
        self.over_strictly(request, taken).and(kept.waiting).map(|waiting| Unfit::Reserved { job: waiting.job })
    }

    /// What all that runs has asked for, together.
    pub(crate) fn taken(&self) -> Request {
        self.running.iter().map(|id| self.demand(*id)).fold(Request::default(), |sum, demand| {
            let (one, running) = (demand.request(), demand.running);
            Request {
                memory: sum.memory.saturating_add(one.memory.saturating_mul(running.into())),
                cpu_milli: sum.cpu_milli.saturating_add(one.cpu_milli.saturating_mul(running)),
            }
        })
    }

    /// What is too much of a request. A job that is too large beside nothing at all runs alone: it would never run else.
    fn over(&self, request: Request, taken: Request) -> Option<Unfit> {
        self.over_memory(request, taken)
            .filter(|_| taken.memory > 0)
            .or_else(|| self.over_cpu(request, taken).filter(|_| taken.cpu_milli > 0))
    }

    fn over_strictly(&self, request: Request, taken: Request) -> Option<Unfit> {
        self.over_memory(request, taken).or_else(|| self.over_cpu(request, taken))
    }

    fn over_memory(&self, request: Request, taken: Request) -> Option<Unfit> {
        let (limit, needs) = (self.settings.memory_for_requests()?, request.memory);
        let left = limit.saturating_sub(self.pressure.own).saturating_sub(taken.memory);
        (needs > left).then_some(Unfit::Memory { needs, left, limit })
    }

    fn over_cpu(&self, request: Request, taken: Request) -> Option<Unfit> {
        let (limit, needs) = (self.settings.cpu_milli?, request.cpu_milli);
        let left = limit.saturating_sub(taken.cpu_milli);
        (needs > left).then_some(Unfit::Cpu { needs, left, limit })
    }

    /// Demands of which jobs are set aside.
    pub(crate) fn held(&self) -> Vec<DemandId> {
        self.demands().filter(|(_, demand)| !demand.aside.is_empty()).map(|(id, _)| id).collect()
    }

    /// A picked job is set aside, and its class is held where the scheduler can.
    pub(crate) fn set_aside(&mut self, id: DemandId, job: Token, class: Option<ClassId>) {
        let demand = &mut self.demands[id.0 as usize];
        self.held += u32::from(demand.aside.is_empty());
        self.aside += 1;
        demand.aside.push_back(job);
        demand.classes.extend(class);
    }

    /// Takes a job out of those that were set aside, and says which classes are held no more; `None` if it is not there.
    pub(crate) fn take_back(&mut self, id: DemandId, job: Token) -> Option<Vec<ClassId>> {
        let demand = &mut self.demands[id.0 as usize];
        let place = demand.aside.iter().position(|other| *other == job)?;
        demand.aside.remove(place);
        self.aside -= 1;
        if demand.waiting.is_some_and(|waiting| waiting.job == job) {
            demand.waiting = None;
            self.reserved = self.reserved.filter(|reserved| *reserved != id);
        }
        if !demand.aside.is_empty() {
            return Some(Vec::new());
        }
        self.held -= 1;
        Some(std::mem::take(&mut demand.classes))
    }

    /// The first job of a demand waits for room: says which, if it did not before.
    pub(crate) fn wait(&mut self, id: DemandId, now: MonoTime) -> Option<Token> {
        let demand = &mut self.demands[id.0 as usize];
        let job = demand.aside.front().copied().filter(|_| demand.waiting.is_none())?;
        demand.waiting = Some(Waiting { job, since: now });
        Some(job)
    }

    /// Keeps what it needs for the job that waits longest, if that is long enough.
    pub(crate) fn reserve(&mut self, now: MonoTime) {
        if self.reserved.is_some() {
            return;
        }
        let patience = self.settings.reserve_after;
        let tired = self.demands().filter_map(|(id, demand)| {
            let since = demand.waiting?.since;
            (now - since >= patience).then_some((since, id))
        });
        self.reserved = tired.min().map(|(_, id)| id);
    }
}
