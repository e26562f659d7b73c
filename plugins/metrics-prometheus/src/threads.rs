//! Numbers for threads: small, and given again when a thread has ended.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Numbers that ended threads gave back, and the first that was never given.
static FREE: Mutex<(BTreeSet<usize>, usize)> = Mutex::new((BTreeSet::new(), 0));

thread_local! {
    static NUMBER: Number = Number::take();
}

/// The number of this thread: no other thread that lives has it. `None` while the thread ends.
pub(crate) fn number() -> Option<usize> {
    NUMBER.try_with(|number| number.0).ok()
}

struct Number(usize);

impl Number {
    /// The lock also orders what the thread before did with the number before what this one does.
    fn take() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let number = free.0.pop_first().unwrap_or(free.1);
        free.1 = free.1.max(number + 1);
        Self(number)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.insert(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn threads_that_live_at_once_have_different_numbers() {
        let together = Barrier::new(8);
        let numbers: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let number = number().unwrap();
                        together.wait();
                        number
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 8, "{numbers:?}");
    }
}
