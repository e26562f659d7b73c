//! The thread that takes the calls of an instance, and what makes it cheap to hand one over.
//!
//! Whoever hands over is a thread of the runtime, with other jobs to run. To wake a sleeping thread costs it more than all else
//! about a call, and a thread that is woken on the processor of its caller would take it away at once. So the thread is woken by
//! whoever completes the call before ([`Desk::bell`]), looks for the next one for a moment, and never takes the processor from
//! anybody: it runs when there is room.

use std::{
    hint::spin_loop,
    io,
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// How long the thread looks for the next call when the one before is complete. Under load the next one comes within this time;
/// whoever needs the processor meanwhile gets it.
const LINGER: Duration = Duration::from_micros(50);

/// Pauses between two looks.
const PAUSES: u32 = 64;

/// Where calls are handed over. Dropped, its thread ends when it has taken what it got.
#[derive(Debug)]
pub(super) struct Desk<C> {
    calls: Option<SyncSender<C>>,
    thread: Thread,
}

impl<C: Send + 'static> Desk<C> {
    /// Starts a thread that takes calls, one after the other. One call waits at most.
    pub(super) fn open(name: String, mut take: impl FnMut(C) + Send + 'static) -> io::Result<Self> {
        let (calls, to_do) = sync_channel(1);
        let thread = thread::Builder::new().name(name).spawn(move || {
            give_way();
            while let Some(call) = next(&to_do) {
                take(call);
            }
        })?;
        Ok(Self { calls: Some(calls), thread: thread.thread().clone() })
    }

    /// Hands a call over. False if the one before has not been taken, or the thread is gone.
    pub(super) fn hand_over(&self, call: C) -> bool {
        let handed = self.calls.as_ref().is_some_and(|calls| calls.try_send(call).is_ok());
        self.thread.unpark();
        handed
    }
}

impl<C> Desk<C> {
    /// What wakes the thread: rung by who completes a call, so that the caller of the next one need not.
    pub(super) fn bell(&self) -> Thread {
        self.thread.clone()
    }
}

impl<C> Drop for Desk<C> {
    fn drop(&mut self) {
        self.calls = None;
        self.thread.unpark();
    }
}

/// The next call; `None` when nobody can hand one over any more.
fn next<C>(to_do: &Receiver<C>) -> Option<C> {
    loop {
        let until = Instant::now() + LINGER;
        loop {
            match to_do.try_recv() {
                Ok(call) => return Some(call),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) if Instant::now() < until => {
                    // The processor beside may share its core with this one.
                    (0..PAUSES).for_each(|_| spin_loop());
                    thread::yield_now();
                }
                Err(TryRecvError::Empty) => break,
            }
        }
        // Rung for since it was last looked, it goes on at once.
        thread::park();
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
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn calls_are_taken_in_order_until_nobody_hands_over() {
        let (tell, told) = mpsc::channel();
        let desk = Desk::open("desk".to_owned(), move |call: u32| tell.send(call).unwrap()).unwrap();
        for call in 0..100 {
            while !desk.hand_over(call) {
                thread::yield_now();
            }
        }
        drop(desk);
        assert!(told.iter().eq(0..100), "it ends behind the last one");
    }

    #[test]
    fn a_call_that_comes_while_the_thread_sleeps_is_taken() {
        let (tell, told) = mpsc::channel();
        let desk = Desk::open("desk".to_owned(), move |call: u32| tell.send(call).unwrap()).unwrap();
        for call in 0..20 {
            // Longer than it looks for one.
            assert_eq!(told.recv_timeout(4 * LINGER), Err(mpsc::RecvTimeoutError::Timeout));
            assert!(desk.hand_over(call));
            assert_eq!(told.recv(), Ok(call));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn its_thread_takes_the_processor_from_nobody() {
        let (tell, told) = mpsc::channel();
        // SAFETY: of the thread that asks.
        let policy = move |()| tell.send(unsafe { libc::sched_getscheduler(0) }).unwrap();
        let desk = Desk::open("desk".to_owned(), policy).unwrap();
        assert!(desk.hand_over(()));
        assert_eq!(told.recv(), Ok(libc::SCHED_BATCH));
    }
}
