//! Telling an attempt to end, without a runtime.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Why an attempt must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum CancelReason {
    /// Its time limit was reached.
    Timeout = 1,
    /// Its batch or job was cancelled, halted, or its deadline passed.
    Stop = 2,
    /// End at once: no time for anything.
    Kill = 3,
}

impl CancelReason {
    fn from_u8(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Timeout),
            2 => Some(Self::Stop),
            3 => Some(Self::Kill),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// 0, or the `CancelReason`. It only grows.
    reason: AtomicU8,
    /// Futures of [`CancelSignal::cancelled`] that were polled and are alive.
    listeners: AtomicUsize,
    /// Whether one of them was told.
    heard: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

/// A flag that can be awaited. Clones share it. Once raised it stays; only a stronger reason replaces it.
///
/// Whoever polls [`cancelled`](Self::cancelled) counts as *listening*, and so does who was told by it: the host then waits
/// a little for the attempt to end by itself, and drops it at once where nobody listens.
#[derive(Clone, Default)]
pub struct CancelSignal(Arc<Inner>);

impl CancelSignal {
    /// A signal that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises it. A weaker reason than the present one changes nothing.
    pub fn cancel(&self, reason: CancelReason) {
        if self.0.reason.fetch_max(reason as u8, Ordering::AcqRel) < reason as u8 {
            let wakers = std::mem::take(&mut *self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner));
            for waker in wakers {
                waker.wake();
            }
        }
    }

    /// Why it was raised, if it was.
    pub fn reason(&self) -> Option<CancelReason> {
        CancelReason::from_u8(self.0.reason.load(Ordering::Acquire))
    }

    /// Whether it was raised.
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Ready when it is raised.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { signal: self.clone(), above: 0, listening: false }
    }

    /// Ready when a reason stronger than `reason` is raised.
    pub fn stronger_than(&self, reason: CancelReason) -> Cancelled {
        Cancelled { signal: self.clone(), above: reason as u8, listening: false }
    }

    /// Whether somebody waits for it, or did until it was raised and acts on it now.
    pub fn is_listened_to(&self) -> bool {
        self.0.listeners.load(Ordering::Acquire) > 0 || self.0.heard.load(Ordering::Acquire)
    }

    /// Asks for the reason and leaves a waker for a stronger one than `above`, without counting as a listener: for
    /// those who raise it and watch over the attempt.
    pub fn poll_stronger_than(&self, above: Option<CancelReason>, context: &mut Context<'_>) -> Poll<CancelReason> {
        let above = above.map_or(0, |reason| reason as u8);
        let ready = || self.reason().filter(|reason| *reason as u8 > above);
        if let Some(reason) = ready() {
            return Poll::Ready(reason);
        }
        {
            let mut wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
        }
        // Raised between the first look and the registration: that wake found no waker.
        ready().map_or(Poll::Pending, Poll::Ready)
    }

    /// Whether it is as good as new for another attempt: never raised, nobody listens, and no more than `handles` share it.
    pub fn is_fresh(&self, handles: usize) -> bool {
        self.reason().is_none() && !self.is_listened_to() && Arc::strong_count(&self.0) <= handles
    }
}

impl fmt::Debug for CancelSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelSignal").field(&self.reason()).finish()
    }
}

/// See [`CancelSignal::cancelled`].
#[derive(Debug)]
pub struct Cancelled {
    signal: CancelSignal,
    above: u8,
    listening: bool,
}

impl Future for Cancelled {
    type Output = CancelReason;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<CancelReason> {
        if !self.listening {
            self.listening = true;
            self.signal.0.listeners.fetch_add(1, Ordering::AcqRel);
        }
        let told = self.signal.poll_stronger_than(CancelReason::from_u8(self.above), context);
        if told.is_ready() {
            // Before this future is dropped, as `select!` does ahead of the arm that cleans up.
            self.signal.0.heard.store(true, Ordering::Release);
        }
        told
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if self.listening {
            self.signal.0.listeners.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU8);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_listener_is_woken_once_per_stronger_reason() {
        let signal = CancelSignal::new();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        let mut listener = signal.cancelled();
        assert!(!signal.is_listened_to());
        assert!(Pin::new(&mut listener).poll(&mut context).is_pending());
        assert!(signal.is_listened_to());
        signal.cancel(CancelReason::Stop);
        signal.cancel(CancelReason::Timeout);
        assert_eq!(count.0.load(Ordering::SeqCst), 1, "a weaker reason changes nothing");
        assert_eq!(Pin::new(&mut listener).poll(&mut context), Poll::Ready(CancelReason::Stop));
        let mut kill = signal.stronger_than(CancelReason::Stop);
        assert!(Pin::new(&mut kill).poll(&mut context).is_pending());
        signal.cancel(CancelReason::Kill);
        assert_eq!(Pin::new(&mut kill).poll(&mut context), Poll::Ready(CancelReason::Kill));
    }

    #[test]
    fn a_signal_is_fresh_until_it_is_raised_listened_to_or_shared() {
        let signal = CancelSignal::new();
        let mut context = Context::from_waker(Waker::noop());
        assert!(signal.is_fresh(1));
        let mut listener = signal.cancelled();
        assert!(!signal.is_fresh(1), "shared");
        assert!(Pin::new(&mut listener).poll(&mut context).is_pending());
        assert!(!signal.is_fresh(2), "listened to");
        drop(listener);
        assert!(signal.is_fresh(1));
        assert!(signal.poll_stronger_than(None, &mut context).is_pending());
        assert!(!signal.is_listened_to(), "watching is not listening");
        signal.cancel(CancelReason::Stop);
        assert!(!signal.is_fresh(1), "raised");
    }

    #[test]
    fn who_was_told_may_clean_up() {
        let signal = CancelSignal::new();
        let mut context = Context::from_waker(Waker::noop());
        let mut listener = signal.cancelled();
        assert!(Pin::new(&mut listener).poll(&mut context).is_pending());
        signal.cancel(CancelReason::Stop);
        assert!(Pin::new(&mut listener).poll(&mut context).is_ready());
        drop(listener);
        assert!(signal.is_listened_to());
    }
}
