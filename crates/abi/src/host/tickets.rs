//! Calls of sinks that were accepted and are not complete.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    thread::Thread,
    time::Duration,
};

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: i32,
    pub(super) value: u32,
    pub(super) message: String,
}

/// What the warden answers for a call that did not end in its time. No status of the ABI is positive but `NONE`.
pub(super) const LOST: i32 = 100;

#[derive(Debug, Default)]
struct State {
    answer: Option<Answer>,
    waker: Option<Waker>,
}

struct Open {
    plugin: String,
    state: Arc<Mutex<State>>,
    /// Takes the next call.
    bell: Thread,
    left: Duration,
}

static OPEN: LazyLock<Mutex<HashMap<u64, Open>>> = LazyLock::new(Mutex::default);

/// A call that waits for its answer. Dropped, it is forgotten, and a late answer is one to nobody.
#[derive(Debug)]
pub(super) struct Ticket {
    /// What the plugin completes. Never given again.
    pub(super) number: u64,
    state: Arc<Mutex<State>>,
}

impl Ticket {
    /// Opens one that is answered within `limit`, if need be by the warden. Its answer rings `bell` first.
    pub(super) fn open(plugin: &str, limit: Duration, bell: Thread) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (number, state) = (NEXT.fetch_add(1, Ordering::Relaxed), Arc::<Mutex<State>>::default());
        let open = Open { plugin: plugin.to_owned(), state: Arc::clone(&state), bell, left: limit };
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(number, open);
        Self { number, state }
    }

    /// The answer.
    pub(super) async fn answer(&self) -> Answer {
        poll_fn(|context| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match state.answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => {
                    state.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// Completes a ticket, which is then closed; false if there is no such ticket of this plugin.
pub(super) fn complete(plugin: &str, number: u64, answer: Answer) -> bool {
    let open = {
        let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(&number).is_none_or(|open| open.plugin != plugin) {
            return false;
        }
        all.remove(&number)
    };
    open.is_some_and(|open| {
        // Before the answer: whoever calls next does not have to wake it.
        open.bell.unpark();
        settle(&open.state, answer);
        true
    })
}

fn settle(state: &Mutex<State>, answer: Answer) {
    let waker = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.answer = Some(answer);
        state.waker.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Time passes: what is due is answered as lost.
pub(super) fn tick(passed: Duration) {
    let mut due = Vec::new();
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, open| {
        let is_due = open.left <= passed;
        open.left = open.left.saturating_sub(passed);
        if is_due {
            due.push(Arc::clone(&open.state));
        }
        !is_due
    });
    for state in due {
        settle(&state, Answer { status: LOST, value: 0, message: String::new() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: i32) -> Answer {
        Answer { status, value: 0, message: String::new() }
    }

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut context = std::task::Context::from_waker(Waker::noop());
        match std::pin::pin!(future).as_mut().poll(&mut context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_ticket_completes_once_and_only_for_its_plugin() {
        let ticket = Ticket::open("one", Duration::from_secs(1 << 30), std::thread::current());
        assert!(!complete("other", ticket.number, answer(0)));
        assert!(now(ticket.answer()).is_none());
        assert!(complete("one", ticket.number, answer(-1)));
        assert!(!complete("one", ticket.number, answer(0)), "a second completion is one of nothing");
        assert_eq!(now(ticket.answer()), Some(answer(-1)));
    }

    #[test]
    fn a_ticket_that_nobody_completes_is_lost_in_its_time() {
        // Longer than the tick of the test below, which moves the time of all tickets of this process.
        let ticket = Ticket::open("slow", Duration::from_millis(250), std::thread::current());
        tick(Duration::from_millis(200));
        assert!(now(ticket.answer()).is_none());
        tick(Duration::from_millis(100));
        assert_eq!(now(ticket.answer()), Some(answer(LOST)));
        assert!(!complete("slow", ticket.number, answer(0)), "late");
    }
}
