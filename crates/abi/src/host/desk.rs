//! The thread that takes the calls of an instance, and what makes it cheap to hand one over.
//!
//! Whoever hands over is a thread of the runtime, with other jobs to run. To wake a sleeping thread costs it more than all else
//! about a call; so the thread looks for the next call for a moment before it sleeps. And a thread that is woken on the
//! processor of its caller would take it away at once; so this one never does that, it runs when there is room.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// How long the thread looks for the next call. Under load the next one comes within this time; whoever needs the processor
/// meanwhile gets it.
const LINGER: Duration = Duration::from_micros(50);

/// Starts a thread that takes calls, one after the other, until nobody can hand over any more. One call waits at most.
pub(super) fn open<C: Send + 'static>(
    name: String,
    mut take: impl FnMut(C) + Send + 'static,
) -> io::Result<SyncSender<C>> {
    let (calls, to_do) = sync_channel(1);
    thread::Builder::new().name(name).spawn(move || {
        give_way();
        while let Some(call) = next(&to_do) {
            take(call);
        }
    })?;
    Ok(calls)
}

fn next<C>(to_do: &Receiver<C>) -> Option<C> {
    let until = Instant::now() + LINGER;
    loop {
        match to_do.try_recv() {
            Ok(call) => return Some(call),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) if Instant::now() < until => thread::yield_now(),
            Err(TryRecvError::Empty) => return to_do.recv().ok(),
        }
    }
}

/// From here on this thread takes the processor from nobody when it wakes. It keeps its share.
#[cfg(target_os = "linux")]
fn give_way() {
    // SAFETY: a struct of integers, for which zeros are right: this policy knows no priority.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // Where it is not allowed, a call is slower and nothing else differs.
    // SAFETY: of this thread, and the pointer is good for the call.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_taken_in_order_until_nobody_hands_over() {
        let (tell, told) = std::sync::mpsc::channel();
        let calls = open("desk".to_owned(), move |call: u32| tell.send(call).unwrap()).unwrap();
        (0..100).for_each(|call| calls.send(call).unwrap());
        drop(calls);
        assert!(told.iter().eq(0..100), "it ends behind the last one");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn its_thread_takes_the_processor_from_nobody() {
        let (tell, told) = std::sync::mpsc::channel();
        // SAFETY: of the thread that asks.
        let policy = move |()| tell.send(unsafe { libc::sched_getscheduler(0) }).unwrap();
        open("desk".to_owned(), policy).unwrap().send(()).unwrap();
        assert_eq!(told.recv(), Ok(libc::SCHED_BATCH));
    }
}
