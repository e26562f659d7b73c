//! Jobs that may be what takes hosts down: lost with them so often that once more is the limit. They run one at a time,
//! whichever batch they are of; others may run beside them. So the next host that dies has one suspect, and a job that was
//! only there when another one did it goes free.

use std::collections::VecDeque;

use batchmill_core::{MonoTime, Token};

use crate::{Lease, batch::of_token, dispatch::Dispatch, step::queue};

/// The one that runs, and those that were picked meanwhile. While none runs, none is set aside.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// The one that runs.
    pub(crate) running: Option<Lease>,
    /// Those that were picked meanwhile, in that order.
    pub(crate) aside: VecDeque<Token>,
}

/// Sets a picked suspect aside until the one that runs has ended. Picked, not run: the scheduler hears at once that this is
/// over.
pub(crate) fn set_aside(dispatch: &mut Dispatch, token: Token, now: MonoTime) {
    queue::leave_out(dispatch, token, now);
    dispatch.suspects.aside.push_back(token);
}

/// An attempt has ended. Was it the suspect, the scheduler gets back all the others and says who is next: they keep their
/// places.
pub(crate) fn ended(dispatch: &mut Dispatch, lease: Lease) {
    if dispatch.suspects.running != Some(lease) {
        return;
    }
    dispatch.suspects.running = None;
    for token in std::mem::take(&mut dispatch.suspects.aside) {
        let (key, index) = of_token(token);
        queue::mark(dispatch, token, false);
        queue::hand_over(dispatch, key, index);
    }
}
