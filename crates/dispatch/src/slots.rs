//! Where attempts run. The live attempts are the single truth about slots, so none can leak.

use std::time::Duration;

use batchmill_core::{
    MonoTime,
    fault::{self, Sabotage},
};

use crate::{BatchKey, Lease, SlotId, StopCause};

/// An attempt that runs.
///
/// On a cache line of its own: slots that are numbered one after the other end on different cores.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Live {
    pub(crate) lease: Lease,
    pub(crate) started: MonoTime,
    /// How long it may take.
    pub(crate) limit: Option<Duration>,
    pub(crate) stopping: Option<StopCause>,
}

impl Live {
    /// Notes why it is told to end; false if that changes nothing. The first cause that decides about the job stays, so
    /// that what a person cancelled is not called skipped later; the end of the host, and memory that runs short, decide
    /// nothing and give way.
    pub(crate) fn stop(&mut self, cause: StopCause) -> bool {
        let changes = match self.stopping {
            None => true,
            Some(known) => !decides(known) && decides(cause),
        };
        if changes {
            self.stopping = Some(cause);
        }
        changes
    }

    /// Whether it was told to end for a reason that decides about its job.
    pub(crate) fn is_decided(&self) -> bool {
        self.stopping.is_some_and(decides)
    }
}

/// Whether a cause decides about the job: else it runs again.
fn decides(cause: StopCause) -> bool {
    !matches!(cause, StopCause::Host | StopCause::Pressure)
}

#[derive(Debug, Default)]
pub(crate) struct Slots {
    live: Vec<Option<Live>>,
    /// Free places, the one freed last on top: the slot that reports an end is the one that gets the next start.
    free: Vec<SlotId>,
    running: u32,
}

impl Slots {
    pub(crate) fn running(&self) -> u32 {
        self.running
    }

    /// Takes a free slot for an attempt that started at `started` and may take `limit`, and makes its lease.
    pub(crate) fn take(
        &mut self,
        batch: BatchKey,
        index: u32,
        epoch: u32,
        started: MonoTime,
        limit: Option<Duration>,
    ) -> Lease {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.live.push(None);
            SlotId(u32::try_from(self.live.len() - 1).expect("slots are bounded by the concurrency limit, a u32"))
        });
        let lease = Lease { batch, index, epoch, slot };
        self.live[slot.0 as usize] = Some(Live { lease, started, limit, stopping: None });
        self.running += 1;
        lease
    }

    /// Puts an attempt in the place of the one that has just ended there, as if that had been freed.
    pub(crate) fn take_over(&mut self, lease: Lease, started: MonoTime, limit: Option<Duration>) -> Lease {
        self.live[lease.slot.0 as usize] = Some(Live { lease, started, limit, stopping: None });
        lease
    }

    /// Frees the slot of a lease; `None` if the lease is void.
    pub(crate) fn free(&mut self, lease: Lease) -> Option<Live> {
        let place = self.live.get_mut(lease.slot.0 as usize)?;
        let live = place.take_if(|live| live.lease == lease || is_taken_for(live.lease, lease))?;
        self.free.push(lease.slot);
        self.running -= 1;
        Some(live)
    }

    pub(crate) fn get(&self, slot: SlotId) -> Option<&Live> {
        self.live.get(slot.0 as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: SlotId) -> Option<&mut Live> {
        self.live.get_mut(slot.0 as usize)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Live> {
        self.live.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Live> {
        self.live.iter_mut().flatten()
    }
}

/// A lease of another attempt of the same job is void, unless that promise is to be broken.
fn is_taken_for(live: Lease, stale: Lease) -> bool {
    fault::breaks(Sabotage::SkipEpochCheck) && (live.batch, live.index) == (stale.batch, stale.index)
}
