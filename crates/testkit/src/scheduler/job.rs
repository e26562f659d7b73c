//! A queued job that owns what an entry borrows.

use batchmill_core::{ClassId, Entry, MonoTime, Priority, Token};

use crate::Seed;

/// The keys of a queued job; [`entry`](Self::entry) is what a scheduler sees.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QueuedJob {
    /// The job.
    pub token: Token,
    /// Its class.
    pub class: ClassId,
    /// Larger is sooner.
    pub priority: Priority,
    /// Whose share it counts against.
    pub share: String,
    /// Its weight in that share.
    pub cost: f64,
    /// When it was first queued.
    pub enqueued: MonoTime,
    /// When it must have ended.
    pub deadline: Option<MonoTime>,
}

impl QueuedJob {
    /// A job of the default tenant, class 0, priority 0 and cost 1, queued at zero.
    pub fn new(token: u64) -> Self {
        Self {
            token: Token(token),
            class: ClassId(0),
            priority: Priority(0),
            share: "default".to_owned(),
            cost: 1.0,
            enqueued: MonoTime::ZERO,
            deadline: None,
        }
    }

    /// Queued at this nanosecond.
    #[must_use]
    pub fn queued(mut self, nanos: u64) -> Self {
        self.enqueued = MonoTime::from_nanos(nanos);
        self
    }

    /// Of this priority, and of the class of its own that this takes.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = Priority(priority);
        self.class = ClassId(u32::from(priority));
        self
    }

    /// One of six classes (three tenants, two priorities) at random, queued within 100 ns of `around`.
    pub fn random(token: u64, around: u64, seed: &mut Seed) -> Self {
        let (tenant, urgent) = (seed.below(3), seed.below(2));
        Self {
            class: ClassId(u32::try_from(tenant * 2 + urgent).expect("below six")),
            priority: Priority(if urgent == 1 { 9 } else { 0 }),
            share: format!("tenant-{tenant}"),
            cost: [0.5, 1.0, 3.0][seed.index(3)],
            deadline: seed.once_in(4).then(|| MonoTime::from_nanos(around + 1000)),
            ..Self::new(token).queued(around.saturating_sub(seed.below(100)))
        }
    }

    /// What a scheduler sees.
    pub fn entry(&self) -> Entry<'_> {
        let mut entry = Entry::new(self.token, self.class, self.priority, &self.share, self.enqueued);
        entry.cost = self.cost;
        entry.deadline = self.deadline;
        entry
    }
}
