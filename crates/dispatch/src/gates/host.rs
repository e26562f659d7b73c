//! What keeps everything from starting.

use batchmill_core::MonoTime;

use super::{Block, KeyId};
use crate::dispatch::Dispatch;

/// Why nothing starts, whatever the scheduler would pick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    /// The host ends.
    Draining,
    /// Results are too large together.
    Crowded,
    /// So many results wait.
    Unanswered,
    /// All slots are taken.
    Slots,
    /// So many jobs are set aside.
    Parking,
    /// A limit of all jobs.
    Limit(KeyId, Block),
}

/// The first gate of the host that says no.
pub(crate) fn shut(dispatch: &Dispatch, now: MonoTime) -> Option<Shut> {
    if dispatch.draining {
        return Some(Shut::Draining);
    }
    if dispatch.crowded {
        return Some(Shut::Crowded);
    }
    if !dispatch.has_room() {
        return Some(Shut::Unanswered);
    }
    if dispatch.slots.running() >= dispatch.settings.limit.get() {
        return Some(Shut::Slots);
    }
    if dispatch.set_aside() >= dispatch.settings.parked_limit.get() {
        return Some(Shut::Parking);
    }
    let (key, block) = dispatch.limits.as_ref()?.shut(now)?;
    Some(Shut::Limit(key, block))
}
