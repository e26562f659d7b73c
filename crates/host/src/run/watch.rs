//! Waits for the end of a batch, and hears signals meanwhile.

use std::{future::Future, pin::Pin, time::Duration};

use batchmill_core::{JournalError, Pause, format_duration};
use batchmill_executor::{BatchEnd, BatchHandle, FlowWorkload, Mill, Phases};

use tokio::sync::watch;

use super::{delivery::Seen, sentinel::Sentinel, steering::Steering};
use crate::{
    screen::Screen,
    signals::{Asked, Signals},
};

/// How long a batch may take to close after it was killed. Then the program leaves all the same.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// How the wait ended.
#[derive(Debug)]
pub(super) enum Waited {
    /// The batch ended.
    Ended(BatchEnd),
    /// It could not be brought to an end in the time there is.
    Stuck,
}

impl From<BatchEnd> for Waited {
    fn from(end: BatchEnd) -> Self {
        Self::Ended(end)
    }
}

/// What ends a batch before its time.
pub(super) struct Watch<'a> {
    pub(super) mill: &'a Mill<FlowWorkload>,
    pub(super) batch: &'a BatchHandle<FlowWorkload>,
    pub(super) seen: &'a Seen,
    pub(super) phases: Phases,
    pub(super) screen: &'a Screen,
    /// Why its store takes nothing any more.
    pub(super) broken: Option<watch::Receiver<Option<JournalError>>>,
    pub(super) steering: &'a Steering,
    /// Sees to it that a shutdown ends in time.
    pub(super) sentinel: &'a Sentinel,
}

impl Watch<'_> {
    /// Waits. `status` says how the batch stands, for a person who asks by a signal.
    pub(super) async fn end(&self, signals: &mut Signals, status: impl Fn() -> String) -> Waited {
        let mut asked_to_end = 0;
        let mut shutdown = Shutdown::None;
        let mut reader_watched = true;
        let mut pauses = self.batch.pauses();
        let mut broken = self.broken.clone();
        loop {
            tokio::select! {
                biased;
                end = self.batch.wait() => return end.into(),
                closed = shutdown.closed() => return self.after(closed).await,
                error = store_breaks(&mut broken) => {
                    tracing::error!(%error, "the store takes nothing any more: stopping");
                    return self.kill().await;
                }
                () = self.seen.reader_gone(), if reader_watched => {
                    reader_watched = false;
                    tracing::info!("nobody reads the results any more: draining");
                    self.shut_down(&mut shutdown);
                }
                pause = pauses.next() => match pause {
                    Some(pause) => self.paused(&pause),
                    None => self.screen.write("The batch goes on.\n"),
                },
                () = self.steering.drain_asked() => self.drain(&mut shutdown),
                asked = signals.next() => match asked {
                    Asked::Status => self.screen.write(&status()),
                    Asked::Drain => self.drain(&mut shutdown),
                    Asked::End => {
                        asked_to_end += 1;
                        match asked_to_end {
                            1 => self.drain(&mut shutdown),
                            2 => self.stop(),
                            _ => return self.kill().await,
                        }
                    }
                },
            }
        }
    }

    /// A batch that waits says so, and what a person can do.
    fn paused(&self, pause: &Pause) {
        let counts = self.batch.snapshot().counts;
        let unpause = self.steering.unpause();
        let (why, mend) = match pause {
            Pause::Rule(reason) => (format!(" by `{}`: {}", reason.rule, reason.message), unpause),
            Pause::StorageFull(what) => (format!(" until there is room: {what}"), "It goes on by itself.".to_owned()),
            _ => (" by a person".to_owned(), unpause),
        };
        self.screen.write(&format!(
            "Paused{why}. Nothing starts; {} may finish, {} wait.\n{mend} Interrupt (Ctrl-C) to end it with what is done.\n",
            jobs(counts.running, "running "),
            jobs(counts.pending + counts.backing_off, ""),
        ));
    }

    fn drain(&self, shutdown: &mut Shutdown) {
        let running = self.batch.snapshot().counts.running;
        let limit = format_duration(self.phases.drain);
        self.screen.write(&format!(
            "Draining: nothing starts any more, {} may finish within {limit}. Interrupt again to stop them.\n",
            jobs(running, "running "),
        ));
        self.shut_down(shutdown);
    }

    fn shut_down(&self, shutdown: &mut Shutdown) {
        self.sentinel.arm();
        shutdown.begin(self.mill, self.phases);
    }

    fn stop(&self) {
        self.screen.write("Stopping running jobs. Interrupt again to kill them.\n");
        self.mill.stop();
    }

    async fn kill(&self) -> Waited {
        self.screen.write("Killing running jobs.\n");
        self.mill.kill();
        self.last().await
    }

    /// The shutdown is over; the end of the batch is known at once, or never will be.
    async fn after(&self, closed: bool) -> Waited {
        if closed { self.batch.wait().await.into() } else { self.last().await }
    }

    async fn last(&self) -> Waited {
        match tokio::time::timeout(LAST_GRACE, self.batch.wait()).await {
            Ok(end) => end.into(),
            Err(_) => Waited::Stuck,
        }
    }
}

/// Ready when the store is broken for good; never, where nothing is kept.
async fn store_breaks(broken: &mut Option<watch::Receiver<Option<JournalError>>>) -> JournalError {
    if let Some(watched) = broken
        && let Ok(error) = watched.wait_for(Option::is_some).await
        && let Some(error) = error.clone()
    {
        return error;
    }
    std::future::pending().await
}

/// `1 running job`, `3 jobs`
fn jobs(count: u64, which: &str) -> String {
    format!("{count} {which}{}", if count == 1 { "job" } else { "jobs" })
}

/// A shutdown that may be under way.
enum Shutdown {
    None,
    Running(Pin<Box<dyn Future<Output = bool> + Send>>),
}

impl Shutdown {
    /// Begins, unless it has begun.
    fn begin(&mut self, mill: &Mill<FlowWorkload>, phases: Phases) {
        if matches!(self, Self::None) {
            let mill = mill.clone();
            *self = Self::Running(Box::pin(async move { mill.shut_down(&phases).await }));
        }
    }

    /// Whether every batch was closed in time; never, if no shutdown has begun.
    async fn closed(&mut self) -> bool {
        match self {
            Self::None => std::future::pending().await,
            Self::Running(future) => future.await,
        }
    }
}
