//! What dispatch is told.

use std::{borrow::Cow, num::NonZeroU32, time::Duration};

use batchmill_core::{
    CancelReason, Draw, FinalResult, LimitId, LimitKeys, MonoTime, Outcome, Priority, SharePath, Tenant, Usage,
};

use crate::{LimitChange, Past, Pressure};

/// Stands for an open batch. Keys are never used twice in the life of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchKey(pub u32);

/// Stands for a place where an attempt runs. Below the highest concurrency limit there ever was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub u32);

/// The right to run one attempt of one job. A lease whose epoch has passed is void: what comes with it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The batch.
    pub batch: BatchKey,
    /// The job's place in its batch, in submission order from 0.
    pub index: u32,
    /// Grows by one with every attempt of the job.
    pub epoch: u32,
    /// Where it runs.
    pub slot: SlotId,
}

/// A job as dispatch sees it, or several in a row that are alike.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NewJob {
    /// Larger is sooner.
    pub priority: Priority,
    /// Who it belongs to.
    pub tenant: Tenant,
    /// Its weight in fair share: finite and above 0.
    pub cost: f64,
    /// Bounds each of its attempts; the batch's limit where absent.
    pub timeout: Option<Duration>,
    /// Not before this moment.
    pub after: Option<MonoTime>,
    /// Ended by this moment, or timed out.
    pub deadline: Option<MonoTime>,
    /// Whose share it counts against; its tenant's where absent.
    pub share: Option<SharePath>,
    /// What the limits of the host make of it.
    pub limits: LimitKeys,
    /// What earlier hosts left of it.
    pub past: Past,
    /// How many jobs in a row all of this is true of. Jobs that are alike are taken in as one, which costs a fifth.
    pub many: NonZeroU32,
}

impl NewJob {
    /// The same jobs one by one.
    pub fn each(self) -> impl Iterator<Item = Self> {
        let many = self.many.get() as usize;
        std::iter::repeat_n(Self { many: NonZeroU32::MIN, ..self }, many)
    }
}

impl Default for NewJob {
    fn default() -> Self {
        let (priority, tenant) = (Priority::default(), Tenant::default());
        let (share, limits) = (None, LimitKeys::NONE);
        Self {
            priority,
            tenant,
            cost: 1.0,
            timeout: None,
            after: None,
            deadline: None,
            share,
            limits,
            past: Past::None,
            many: NonZeroU32::MIN,
        }
    }
}

/// Why a journal takes nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalFailure {
    /// Another host owns the batch.
    Fenced,
    /// It can not be written. Says why, with the place.
    Broken(String),
}

/// What can happen. One event, one file under `step/`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Jobs of a batch, in submission order after those accepted before.
    JobsAccepted {
        /// The batch, which is not sealed.
        batch: BatchKey,
        /// The jobs.
        jobs: Vec<NewJob>,
    },
    /// More jobs of a batch, in submission order after those accepted before, each like one of those in all that [`NewJob`] says of
    /// it: half the cost. Of jobs that have no `after` and of which earlier hosts left nothing.
    JobsAlike {
        /// The batch, which is not sealed.
        batch: BatchKey,
        /// For each job the place of one that it is like.
        like: Vec<u32>,
    },
    /// What the failure strategy of a batch heard under earlier hosts; after all its jobs and before [`Event::Sealed`]. May
    /// come in parts.
    Recalled {
        /// The batch, which is not sealed.
        batch: BatchKey,
        /// Ends, in the order of the journal. It hears of them again; what it answers was obeyed then, and is in
        /// [`BatchSetup`](crate::BatchSetup).
        ends: Vec<FinalResult>,
    },
    /// All jobs of a batch are accepted: its total is known and it may start.
    Sealed {
        /// The batch.
        batch: BatchKey,
    },
    /// An attempt has ended; its slot is free.
    AttemptEnded {
        /// Which.
        lease: Lease,
        /// How.
        outcome: Outcome,
        /// What it used.
        usage: Usage,
        /// For the jitter of its retry.
        draw: Draw,
    },
    /// The moment that [`crate::Effect::WakeAt`] named has come. Harmless at any other time.
    TimerFired,
    /// Records are where they belong: these jobs have ended.
    Answered {
        /// The batch.
        batch: BatchKey,
        /// Their places in the batch.
        jobs: Vec<u32>,
    },
    /// Records of a batch can not be put where they belong, and never will be.
    DeliveryFailed {
        /// The batch.
        batch: BatchKey,
        /// Why, with the place.
        message: String,
    },
    /// The journal of a batch takes nothing any more. Nothing is recorded after that.
    JournalFailed {
        /// The batch.
        batch: BatchKey,
        /// Why.
        failure: JournalFailure,
    },
    /// The store of a batch has no room: it starts nothing until it has. A pause by a person is another matter.
    StorageFull {
        /// The batch.
        batch: BatchKey,
        /// What is full; `None`: there is room again.
        why: Option<String>,
    },
    /// Whether the results that wait to be recorded are so large together that nothing may start. The body knows: it has
    /// them.
    Crowded {
        /// Whether they are.
        crowded: bool,
    },
    /// The body has looked at memory, CPUs and swap. Several times a second, where
    /// [`ResourceSettings::samples`](crate::ResourceSettings::samples).
    PressureSampled {
        /// What it saw.
        pressure: Pressure,
    },
    /// So many attempts may run at once from now on.
    LimitChanged {
        /// A limit of nothing would never end.
        limit: NonZeroU32,
        /// Why, in a word that people are shown; `None`: somebody asked for it.
        why: Option<Cow<'static, str>>,
    },
    /// A person changes a limit of jobs with one key. One that is not there changes nothing.
    LimitSet {
        /// Which.
        limit: LimitId,
        /// What is changed.
        change: LimitChange,
    },
    /// A person cancels jobs of a batch.
    CancelRequested {
        /// The batch.
        batch: BatchKey,
        /// Their places; `None` for the whole batch.
        jobs: Option<Vec<u32>>,
    },
    /// A person pauses a batch, or lets it go on.
    PauseRequested {
        /// The batch.
        batch: BatchKey,
        /// Whether it pauses.
        paused: bool,
    },
    /// Start nothing more; let running attempts finish.
    DrainRequested,
    /// Drain, and stop running attempts: they are not recorded and run again on resume.
    StopRequested {
        /// How fast.
        how: CancelReason,
    },
}
