//! Telling an attempt to end, without a runtime.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
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
    wakers: Mutex<Vec<Waker>>,
}

/// A flag that can be awaited. Clones share it. Once raised it stays; only a stronger reason replaces it.
///
/// Whoever polls [`cancelled`](Self::cancelled) counts as *listening*: the host then waits a little for the attempt to
/// end by itself, and drops it at once where nobody listens.
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
        Cancelled { signal: self.clone(), above: 0 }
    }

    /// Ready when a reason stronger than `reason` is raised.
    pub fn stronger_than(&self, reason: CancelReason) -> Cancelled {
        Cancelled { signal: self.clone(), above: reason as u8 }
    }

    /// Whether somebody waits for it.
    pub fn is_listened_to(&self) -> bool {
        !self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Makes the signal new again for the next attempt, if this is its only handle; otherwise makes a fresh one.
    pub fn renew(&mut self) {
        match Arc::get_mut(&mut self.0) {
            Some(inner) => {
                *inner.reason.get_mut() = 0;
                inner.wakers.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
            }
            None => *self = Self::new(),
        }
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
}

impl Future for Cancelled {
    type Output = CancelReason;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<CancelReason> {
        let ready = || self.signal.reason().filter(|reason| *reason as u8 > self.above);
        if let Some(reason) = ready() {
            return Poll::Ready(reason);
        }
        {
            let mut wakers = self.signal.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
        }
        // Raised between the first look and the registration: that wake found no waker.
        ready().map_or(Poll::Pending, Poll::Ready)
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
    fn a_renewed_signal_leaves_old_handles_as_they_were() {
        let mut signal = CancelSignal::new();
        let old = signal.clone();
        signal.cancel(CancelReason::Kill);
        signal.renew();
        assert_eq!((signal.reason(), old.reason()), (None, Some(CancelReason::Kill)));
    }
}
