//! Queues with jobs in them: the schedulers, and the `BinaryHeap`s that people write instead.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use batchmill_core::{ClassId, Entry, MonoTime, Pick, Priority, Scheduler, Token, Usage};

/// Attempts that run while others are queued.
const RUNNING: usize = 1000;

/// What kinds of jobs there are, spread evenly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    pub(super) tenants: u32,
    /// At most 256.
    pub(super) priorities: u32,
    pub(super) shares: Shares,
}

/// How tenants belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shares {
    Flat,
    /// Ten users a team, ten teams an organisation.
    Tree,
}

impl Mix {
    fn share(self, tenant: u32) -> String {
        match self.shares {
            Shares::Flat => format!("tenant-{tenant}"),
            Shares::Tree => format!("org-{}/team-{}/user-{tenant}", tenant / 100, tenant / 10),
        }
    }

    /// Tenant and priority of a job.
    #[expect(clippy::cast_possible_truncation, reason = "remainders of small numbers")]
    fn of(self, job: u64) -> (u32, u8) {
        let bits = job.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((bits >> 40) as u32 % self.tenants, ((bits >> 20) as u32 % self.priorities) as u8)
    }
}

/// A queue that is held at a size.
pub(super) trait Queue {
    fn push(&mut self);

    /// Takes one out.
    fn pop(&mut self) -> u64;

    /// An attempt that was picked earlier ends.
    fn end(&mut self) {}
}

/// Urgent first, then in the order of arrival.
#[derive(Debug)]
pub(super) struct ByPriority {
    mix: Mix,
    heap: BinaryHeap<(u8, Reverse<u64>)>,
    next: u64,
}

impl ByPriority {
    pub(super) fn new(mix: Mix) -> Self {
        Self { mix, heap: BinaryHeap::new(), next: 0 }
    }
}

impl Queue for ByPriority {
    fn push(&mut self) {
        self.heap.push((self.mix.of(self.next).1, Reverse(self.next)));
        self.next += 1;
    }

    fn pop(&mut self) -> u64 {
        let (_, Reverse(job)) = self.heap.pop().expect("it is held at its size");
        job
    }
}

/// Fair share with nothing more: where a job stands in virtual time is decided when it is queued.
#[derive(Debug)]
pub(super) struct ByPass {
    mix: Mix,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    passes: Vec<u64>,
    now: u64,
    next: u64,
}

impl ByPass {
    pub(super) fn new(mix: Mix) -> Self {
        Self { mix, heap: BinaryHeap::new(), passes: vec![0; mix.tenants as usize], now: 0, next: 0 }
    }
}

impl Queue for ByPass {
    fn push(&mut self) {
        let pass = &mut self.passes[self.mix.of(self.next).0 as usize];
        *pass = self.now.max(*pass) + 1000;
        self.heap.push(Reverse((*pass, self.next)));
        self.next += 1;
    }

    fn pop(&mut self) -> u64 {
        let Reverse((pass, job)) = self.heap.pop().expect("it is held at its size");
        self.now = pass;
        job
    }
}

/// A scheduler as dispatch uses it: a class a tenant and priority, and every attempt ends.
#[derive(Debug)]
pub(super) struct Scheduled {
    mix: Mix,
    scheduler: Box<dyn Scheduler>,
    tenants: Vec<String>,
    running: VecDeque<Token>,
    next: u64,
}

impl Scheduled {
    pub(super) fn new(mix: Mix, scheduler: Box<dyn Scheduler>) -> Self {
        let tenants = (0..mix.tenants).map(|tenant| mix.share(tenant)).collect();
        Self { mix, scheduler, tenants, running: VecDeque::with_capacity(RUNNING + 1), next: 0 }
    }

    fn now(&self) -> MonoTime {
        MonoTime::from_nanos(self.next * 1000)
    }
}

impl Queue for Scheduled {
    fn push(&mut self) {
        let (tenant, priority) = self.mix.of(self.next);
        let class = ClassId(tenant * self.mix.priorities + u32::from(priority));
        let share = &self.tenants[tenant as usize];
        self.scheduler.push(Entry::new(Token(self.next), class, Priority(priority), share, self.now()));
        self.next += 1;
    }

    fn pop(&mut self) -> u64 {
        let Pick::Run(token) = self.scheduler.pop(self.now()) else { panic!("it is held at its size") };
        self.running.push_back(token);
        token.0
    }

    fn end(&mut self) {
        if self.running.len() > RUNNING
            && let Some(token) = self.running.pop_front()
        {
            self.scheduler.on_finish(token, Usage::new(Duration::from_micros(50 + token.0 % 100)));
        }
    }
}
