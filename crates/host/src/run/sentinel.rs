//! The program leaves in the time that was granted, whatever is stuck.
//!
//! A shutdown goes through its phases by itself, and each of them has a limit. But a sink whose file is on a disk that does not
//! answer, a pipe that nobody opens for reading, a plugin that blocks its thread: what never comes back can be waited for in
//! many places, some of them before the batch runs. So somebody else looks at the clock, who waits for nothing.

use std::{
    io::Write,
    process,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

use crate::{
    exit::Exit,
    signals::{Asked, Signals},
    summary::Next,
};

/// Signals to end from which on somebody is in a hurry.
const HURRY_FROM: u32 = 3;

/// What is granted to somebody in a hurry.
const HURRY: Duration = Duration::from_secs(5);

/// How long the last words may take: whoever reads stderr may have stopped reading.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Watches over the end of this process. Clones share one.
#[derive(Debug, Clone)]
pub(crate) struct Sentinel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the watch when it has to end sooner.
    changed: mpsc::SyncSender<()>,
    waits: Mutex<Option<mpsc::Receiver<()>>>,
}

#[derive(Debug)]
struct State {
    granted: Duration,
    /// When the end was asked for, and by when it has to be there.
    armed: Option<Armed>,
    /// How the batch goes on.
    next: Option<Next>,
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    at: Instant,
    until: Instant,
}

impl Sentinel {
    /// Grants as much as is granted by default, until somebody knows better.
    pub(crate) fn new(granted: Duration) -> Self {
        // One that is pending says all that there is to say.
        let (changed, waits) = mpsc::sync_channel(1);
        let state = Mutex::new(State { granted, armed: None, next: None });
        Self(Arc::new(Shared { state, changed, waits: Mutex::new(Some(waits)) }))
    }

    /// What config grants, and how the batch goes on afterwards.
    pub(crate) fn know(&self, granted: Duration, next: Option<Next>) {
        let mut state = self.lock();
        (state.granted, state.next) = (granted, next);
        if let Some(armed) = &mut state.armed {
            armed.until = armed.at + granted;
        }
        drop(state);
        self.wake();
    }

    /// The end was asked for: from now on time runs.
    pub(crate) fn arm(&self) {
        let mut state = self.lock();
        if state.armed.is_none() {
            let at = Instant::now();
            state.armed = Some(Armed { at, until: at + state.granted });
            drop(state);
            self.begin();
        }
    }

    /// Nobody wants to wait any longer.
    fn hurry(&self) {
        let soon = Instant::now() + HURRY;
        if let Some(armed) = &mut self.lock().armed {
            armed.until = armed.until.min(soon);
        }
        self.wake();
    }

    /// Hears signals on a task of its own, so that it hears them where nobody else does.
    pub(crate) fn listen(&self, mut signals: Signals) -> AbortHandle {
        let sentinel = self.clone();
        let listening = tokio::spawn(async move {
            let mut asked_to_end = 0;
            loop {
                match signals.next().await {
                    Asked::Status => continue,
                    Asked::Drain => {}
                    Asked::End => asked_to_end += 1,
                }
                sentinel.arm();
                if asked_to_end >= HURRY_FROM {
                    sentinel.hurry();
                }
            }
        });
        listening.abort_handle()
    }

    /// Starts the thread that looks at the clock.
    fn begin(&self) {
        let Some(waits) = self.0.waits.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let sentinel = self.clone();
        let started = thread::Builder::new().name("sentinel".to_owned()).spawn(move || sentinel.watch(&waits));
        if let Err(error) = started {
            tracing::warn!(%error, "nobody watches that the program ends in time");
        }
    }

    fn watch(&self, changed: &mpsc::Receiver<()>) {
        loop {
            let Some(Armed { until, .. }) = self.lock().armed else { return };
            match changed.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return self.leave(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn leave(&self) {
        let text = {
            let state = self.lock();
            let next = state.next.as_ref().map(|next| format!(" {next}.")).unwrap_or_default();
            format!(
                "Something is stuck: the program leaves before everything was closed. Nothing that was recorded is lost.{next}\n"
            )
        };
        let (told, waits) = mpsc::sync_channel(1);
        let telling = thread::Builder::new().spawn(move || {
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
            let _ = told.send(());
        });
        if telling.is_ok() {
            let _ = waits.recv_timeout(LAST_WORDS);
        }
        // What is stuck never returns to where the program ends by itself.
        process::exit(Exit::Interrupted.code().into());
    }

    fn wake(&self) {
        // If one is pending, the watch looks anyway.
        let _ = self.0.changed.try_send(());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
