//! Slots are divided between tenants by weight.
//!
//! **What it is.** A [`Scheduler`] that gives each share what its weight says, counted in the time for which slots are held (or the memory, for that time):
//! while `research` (weight 3) and `batch` (weight 1) both have jobs waiting, `research` gets three quarters, however
//! many jobs each of them has queued and however long they run. A share is a tenant; a tenant such as `research/alice`
//! is a share within `research`. Within a share the order is that of the `priority` scheduler. Classes can be held, and
//! cost nothing while they are.
//!
//! **When to use it.** When several people, teams or customers share one host, and none may keep the others waiting.
//!
//! **What it deliberately does not do.** It reserves nothing: what a share does not use goes to the others, and is not saved
//! up. Unless it is given a half-life it remembers nothing of who used what before. It looks at no deadline.
//!
//! ```
//! use batchmill_core::{ClassId, Entry, MonoTime, Pick, Priority, Scheduler, Token};
//! use batchmill_scheduler_fair_share::{FairShare, Options};
//!
//! let mut scheduler = FairShare::new(&Options::default().weight("research", 3.0)).unwrap();
//! for token in 0..6 {
//!     let (class, share) = if token < 3 { (ClassId(0), "batch") } else { (ClassId(1), "research") };
//!     scheduler.push(Entry::new(Token(token), class, Priority(0), share, MonoTime::ZERO));
//! }
//! let picks: Vec<Pick> = (0..6).map(|_| scheduler.pop(MonoTime::ZERO)).collect();
//! assert_eq!(picks, [0, 3, 4, 5, 1, 2].map(|token| Pick::Run(Token(token))));
//! ```

mod charge;
mod classes;
mod decay;
mod explain;
mod ledger;
mod options;
mod shares;

use std::{collections::HashMap, fmt, hash::BuildHasherDefault};

use batchmill_core::{
    BuildError, ClassId, Entry, MonoTime, Pick, Priority, Problem, QueuePosition, Scheduler, Token, Usage,
};
use batchmill_plugin::{Ageing, IdHasher, Key, Lanes, NOWHERE, Registry, TypedFactory};
use charge::{Cost, held, used};
use classes::{Classes, Lane};
use decay::{Decay, Worth};
use options::SLOT_MEMORY;
use shares::{Paths, ShareId, Shares};

pub use options::{Charge, Options};

/// Makes `kind = "fair-share"` known.
pub fn register(registry: &mut Registry) {
    let build = |options: Options, _: &_| {
        let scheduler = FairShare::new(&options).map_err(BuildError::Options)?;
        Ok(Box::new(scheduler) as Box<dyn Scheduler>)
    };
    registry.register::<dyn Scheduler>(
        TypedFactory::new(
            "fair-share",
            "divides the slots between tenants by weight; within one, as `priority`",
            build,
        )
        .check(Options::problems),
    );
}

batchmill_plugin::export_plugin!(register, [scheduler]);

/// Divides the slots by weight.
pub struct FairShare {
    charge: Charge,
    /// In bytes: the least that an attempt is charged for, by memory.
    slot_memory: u64,
    ageing: Ageing,
    paths: Paths,
    shares: Shares,
    classes: Classes,
    /// One a class, with what each job costs.
    lanes: Lanes<Cost>,
    /// Where each lane stands in the front of its leaf.
    lane_places: Vec<u32>,
    /// What was picked and has not ended.
    running: HashMap<Token, Running, BuildHasherDefault<IdHasher>>,
}

/// What a picked job was charged.
#[derive(Debug, Clone, Copy)]
struct Running {
    leaf: ShareId,
    cost: Cost,
    charged: u64,
    worth: Worth,
}

impl FairShare {
    /// An empty queue, or everything that is wrong with the options.
    pub fn new(options: &Options) -> Result<Self, Vec<Problem>> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            charge: options.charge,
            slot_memory: options.slot_memory.unwrap_or(SLOT_MEMORY).0,
            ageing: Ageing::new(options.age_step.0),
            paths: Paths::new(options),
            shares: Shares::new(Decay::of(options.half_life.0)),
            classes: Classes::default(),
            lanes: Lanes::new(0),
            lane_places: Vec::new(),
            running: HashMap::default(),
        })
    }

    fn lane_of(&mut self, entry: &Entry<'_>) -> u32 {
        if let Some(lane) = self.classes.same_as_before(entry) {
            return lane;
        }
        let leaf = self.paths.leaf(&mut self.shares, entry.share);
        let lane = self.classes.lane_of(entry, leaf);
        if lane as usize == self.lane_places.len() {
            self.lanes.add();
            self.lane_places.push(NOWHERE);
        }
        lane
    }

    /// The first job of a lane is another one, or the lane is held or released.
    fn lane_changed(&mut self, number: u32) {
        let &Lane { leaf, priority, held, .. } = self.classes.lane(number);
        if held {
            self.shares.set_lane(leaf, &mut self.lane_places, number, None);
        } else {
            self.line_up(number, leaf, priority);
        }
    }

    /// A lane that is not held stands in line by its first job.
    fn line_up(&mut self, number: u32, leaf: ShareId, priority: Priority) {
        let rank = |enqueued| self.ageing.rank(priority, enqueued);
        // Of jobs that were queued together the one with the smaller token comes first: that is the order of the file.
        let first = self.lanes.head(number as usize);
        let key = first.map(|(enqueued, token)| Key { rank: rank(enqueued), turn: token.0 });
        self.shares.set_lane(leaf, &mut self.lane_places, number, key);
    }

    fn estimate(&self, leaf: ShareId, cost: Cost) -> u64 {
        match self.charge {
            Charge::Time | Charge::Memory => self.shares.estimate(leaf, cost),
            Charge::Cost => cost.amount(),
        }
    }

    /// What an attempt used that was charged so much; 0 for one that was picked and given back.
    fn really(&self, usage: Usage, charged: u64) -> u64 {
        let memory = usage.peak_memory.unwrap_or_default().max(self.slot_memory);
        match self.charge {
            Charge::Time => used(usage.ran),
            Charge::Memory => held(usage.ran, memory),
            Charge::Cost if usage.ran.is_zero() => 0,
            Charge::Cost => charged,
        }
    }

    fn set_held(&mut self, class: ClassId, held: bool) {
        for lane in self.classes.set_held(class, held).to_vec() {
            self.lane_changed(lane);
        }
    }
}

impl Scheduler for FairShare {
    fn push(&mut self, entry: Entry<'_>) {
        let lane = self.lane_of(&entry);
        if self.lanes.push(lane as usize, entry.token, entry.enqueued, Cost::of(entry.cost)) {
            self.lane_changed(lane);
        }
    }

    fn pop(&mut self, now: MonoTime) -> Pick {
        self.shares.advance(now);
        let Some(leaf) = self.shares.first_leaf() else { return Pick::Empty };
        let Some(lane) = self.shares.front(leaf).first() else { return Pick::Empty };
        let Some((_, token, cost)) = self.lanes.pop(lane.id as usize) else { return Pick::Empty };
        let charged = self.estimate(leaf, cost);
        // A lane in line is not held, and its rank tells its priority: its entry among thousands need not be looked at.
        self.line_up(lane.id, leaf, Ageing::priority_of(lane.rank));
        let worth = self.shares.charge(leaf, charged);
        self.running.insert(token, Running { leaf, cost, charged, worth });
        Pick::Run(token)
    }

    fn remove(&mut self, token: Token) -> bool {
        let Some(lane) = self.lanes.remove(token) else { return false };
        self.lane_changed(u32::try_from(lane).expect("lanes are counted in 32 bits"));
        true
    }

    fn len(&self) -> usize {
        self.lanes.len()
    }

    fn on_finish(&mut self, token: Token, usage: Usage) {
        let Some(Running { leaf, cost, charged, worth }) = self.running.remove(&token) else { return };
        let used = self.really(usage, charged);
        // One that was picked and given back says nothing of the others.
        if used > 0 && self.charge != Charge::Cost {
            self.shares.learn(leaf, cost.per_cost(used));
        }
        self.shares.correct(leaf, charged, used, worth);
    }

    fn can_hold(&self) -> bool {
        true
    }

    fn hold(&mut self, class: ClassId) {
        self.set_held(class, true);
    }

    fn release(&mut self, class: ClassId) {
        self.set_held(class, false);
    }

    fn shares(&mut self) -> Option<&mut dyn batchmill_core::Shares> {
        Some(self)
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        self.position(token, now)
    }
}

impl fmt::Debug for FairShare {
    /// The sizes only: a queue may hold a million jobs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lanes, running) = (&self.lanes, self.running.len());
        f.debug_struct("FairShare").field("lanes", lanes).field("running", &running).finish_non_exhaustive()
    }
}
