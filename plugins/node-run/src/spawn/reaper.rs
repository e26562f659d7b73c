//! The thread that takes care of children nobody awaits any more, and of kernels without pidfds.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::sys;

/// What the reaper does about one child.
#[derive(Debug)]
enum Duty {
    /// It was killed and its owner is gone: take its status, so that no zombie stays.
    Reap(libc::pid_t),
    /// Its owner cannot be woken by the kernel: tell it that the child has ended.
    Tell(libc::pid_t, oneshot::Sender<()>),
}

#[derive(Debug, Default)]
struct Shared {
    duties: Mutex<Vec<Duty>>,
    arrived: Condvar,
}

/// A handle to the thread. It asks the kernel about each of its children by name, in growing intervals: a wait that
/// blocks would let one child in uninterruptible sleep hold up all others, and waiting for any child would take those of
/// the embedding program.
#[derive(Debug, Clone)]
pub(super) struct Reaper(Arc<Shared>);

const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl Reaper {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = Reaper(shared.clone());
        thread::Builder::new().name("batchmill-reap".into()).spawn(move || thread.work())?;
        Ok(Self(shared))
    }

    /// Takes over a child that was killed.
    pub(super) fn reap(&self, pid: libc::pid_t) {
        self.accept(Duty::Reap(pid));
    }

    /// Ready when the child has ended; it is not reaped by that.
    pub(super) fn told(&self, pid: libc::pid_t) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.accept(Duty::Tell(pid, sender));
        receiver
    }

    fn accept(&self, duty: Duty) {
        self.duties().push(duty);
        self.0.arrived.notify_one();
    }

    fn duties(&self) -> MutexGuard<'_, Vec<Duty>> {
        self.0.duties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let (mut mine, mut pause) = (Vec::new(), SHORTEST_PAUSE);
        loop {
            let arrived = self.wait(mine.is_empty(), pause);
            let before = mine.len() + arrived.len();
            let news = !arrived.is_empty();
            mine.extend(arrived);
            mine.retain_mut(|duty| !done(duty));
            pause = if news || mine.len() < before { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        }
    }

    /// New duties; waits for one if there is nothing else to do, otherwise not longer than `pause`.
    fn wait(&self, idle: bool, pause: Duration) -> Vec<Duty> {
        let mut duties = self.duties();
        if idle {
            while duties.is_empty() {
                duties = self.0.arrived.wait(duties).unwrap_or_else(PoisonError::into_inner);
            }
        } else if duties.is_empty() {
            duties = self.0.arrived.wait_timeout(duties, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut *duties)
    }
}

fn done(duty: &mut Duty) -> bool {
    match duty {
        // An error means that there is no such child: somebody else has taken its status.
        Duty::Reap(pid) => !matches!(sys::reap(*pid, false), Ok(None)),
        Duty::Tell(pid, owner) => {
            if owner.is_closed() {
                return true;
            }
            let ended = sys::has_ended(*pid);
            if ended {
                let unheard = oneshot::channel().0;
                // A send that fails found an owner that has just gone: it cares for the child itself.
                let _ = std::mem::replace(owner, unheard).send(());
            }
            ended
        }
    }
}
