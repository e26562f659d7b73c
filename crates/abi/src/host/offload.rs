//! Calls that may hang and must not take the caller with them.

use std::{
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// Runs on a thread of this module, and gets the way to it; whether that thread waits for more.
struct Work(Box<dyn FnOnce(&Way) -> bool + Send>);

/// The way to a thread.
type Way = mpsc::SyncSender<Work>;

/// A thread that waits for work, one at most. A hundred instances are made one after the other, and each new thread has memory
/// of its own, which the allocator takes and the kernel clears by two megabytes: that costs more than to make them.
static IDLE: Mutex<Option<Way>> = Mutex::new(None);

fn idle() -> MutexGuard<'static, Option<Way>> {
    // Only whole threads come and go.
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on another thread and waits for it, but not longer than `limit`. `None`: it is still at it, or died; its thread is
/// left to itself.
pub(super) fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = mpsc::sync_channel(1);
    let work = Work(Box::new(move |me| {
        let answer = work();
        // Before the answer: who gets it may have more work at once.
        let waits = wait_for_more(me);
        // Nobody listens any more where it took too long.
        let _ = tell.send(answer);
        waits
    }));
    hand_over(work)?;
    told.recv_timeout(limit).ok()
}

/// Gives work to the thread that waits, or to a new one.
fn hand_over(work: Work) -> Option<()> {
    let waiting = idle().take();
    let work = match waiting {
        // A thread that waits has not ended: it would have to be told.
        Some(waiting) => match waiting.send(work) {
            Ok(()) => return Some(()),
            Err(mpsc::SendError(work)) => work,
        },
        None => work,
    };
    let run = move || {
        let (me, more) = mpsc::sync_channel::<Work>(1);
        let mut next = Some(work);
        while let Some(Work(work)) = next.take() {
            if work(&me) {
                next = more.recv().ok();
            }
        }
    };
    thread::Builder::new().name("bm-instance".to_owned()).spawn(run).ok().map(drop)
}

/// Whether a thread is the one that waits now.
fn wait_for_more(me: &Way) -> bool {
    let mut idle = idle();
    let is_free = idle.is_none();
    if is_free {
        *idle = Some(me.clone());
    }
    is_free
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn one_call_after_the_other_needs_few_threads_and_one_that_hangs_keeps_its_own() {
        let thread = |()| thread::current().id();
        let ids: Vec<_> = (0..50).map(|_| within(LONG, move || thread(())).unwrap()).collect();
        let mut known = Vec::new();
        ids.iter().for_each(|id| {
            if !known.contains(id) {
                known.push(*id)
            }
        });
        // Other tests of this process make calls too.
        assert!(known.len() < ids.len(), "each call had a thread of its own");

        let gate = Arc::new(Barrier::new(2));
        let held = Arc::clone(&gate);
        assert!(within(Duration::from_millis(1), move || held.wait().is_leader()).is_none());
        assert_eq!(within(LONG, || 7), Some(7), "it does not wait for the one that hangs");
        gate.wait();
        assert_eq!(within(LONG, || 8), Some(8));
    }

    #[test]
    fn work_that_dies_is_no_answer_and_no_end() {
        assert_eq!(within(LONG, || panic!("it dies")), None::<()>);
        assert_eq!(within(LONG, || 7), Some(7));
    }
}
