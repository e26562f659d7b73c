//! A journal whose storage has bad days.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use batchmill_core::{BatchId, JobResult, Journal, JournalAnswer, JournalError, JournalEvent, Position, Recalled};
use tokio::sync::Notify;

/// What an append meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no room: nothing is recorded, and the same append may be tried again.
    Full,
    /// It is recorded, and the answer is lost.
    UnknownRecorded,
    /// It is not recorded, and the answer is lost.
    UnknownLost,
    /// Another host owns the batch, from now on.
    Fenced,
    /// The storage fails, from now on.
    Broken,
}

/// Passes everything on to another journal, except where a test says otherwise, and watches that the contract's other side
/// is kept.
///
/// Appends can be held: the test knows when one has begun, and says when it goes on.
pub struct FaultyJournal {
    inner: Arc<dyn Journal>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What the next appends meet; nothing special where it is empty.
    script: VecDeque<Option<Fault>>,
    /// Appends wait for a permit.
    held: bool,
    permits: usize,
    /// What was to be appended, each call a group.
    groups: Vec<Vec<JournalEvent>>,
    replays: usize,
    under_way: bool,
    /// The last answer was `Unknown`, and nobody has looked since.
    must_replay: bool,
    /// `Fenced` or `Broken`, for good.
    over: Option<Fault>,
    reads_fail: bool,
    violations: Vec<String>,
}

impl FaultyJournal {
    /// Passes everything on to `inner`.
    pub fn new(inner: Arc<dyn Journal>) -> Arc<Self> {
        Arc::new(Self { inner, state: Mutex::default(), changed: Notify::new() })
    }

    /// The appends to come meet these, in order: `None` is a good day. After the last one all days are good.
    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().script.extend(faults);
    }

    /// The next append meets this.
    pub fn next(&self, fault: Fault) {
        self.script([Some(fault)]);
    }

    /// Whether reading fails from now on.
    pub fn fail_reads(&self, fail: bool) {
        self.lock().reads_fail = fail;
    }

    /// Appends wait from now on, before anything is recorded.
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Lets so many appends through that are held, or will be.
    pub fn let_through(&self, appends: usize) {
        self.lock().permits += appends;
        self.changed.notify_waiters();
    }

    /// Holds no append any more.
    pub fn open(&self) {
        let mut state = self.lock();
        (state.held, state.permits) = (false, 0);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Ready when so many appends have begun since the journal was made.
    pub async fn begun(&self, appends: usize) {
        self.until(|state| state.groups.len() >= appends).await;
    }

    /// What was to be appended, each call a group, those that failed included.
    pub fn groups(&self) -> Vec<Vec<JournalEvent>> {
        self.lock().groups.clone()
    }

    /// How often results were read.
    pub fn replays(&self) -> usize {
        self.lock().replays
    }

    /// What the caller did that it had promised not to do.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Only whole values are changed under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until(&self, mut holds: impl FnMut(&mut State) -> bool) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Registered before the look, so that a change in between is not missed.
            changed.as_mut().enable();
            if holds(&mut self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn begin(&self, events: &[JournalEvent]) {
        let mut state = self.lock();
        let mut violated = |rule: &str| state.violations.push(rule.to_owned());
        if events.is_empty() {
            violated("an append of nothing");
        }
        if state.under_way {
            state.violations.push("two appends at once".to_owned());
        }
        if state.must_replay {
            state.violations.push("an append after an unknown answer, without a replay".to_owned());
        }
        if let Some(over) = state.over {
            state.violations.push(format!("an append after {over:?}"));
        }
        state.under_way = true;
        state.groups.push(events.to_vec());
        drop(state);
        self.changed.notify_waiters();
    }

    async fn wait_for_permit(&self) {
        self.until(|state| {
            let passes = !state.held || state.permits > 0;
            state.permits -= usize::from(passes && state.held);
            passes
        })
        .await;
    }

    fn fault(&self) -> Option<Fault> {
        let mut state = self.lock();
        let fault = state.over.or_else(|| state.script.pop_front().flatten());
        match fault {
            Some(Fault::UnknownLost | Fault::UnknownRecorded) => state.must_replay = true,
            Some(Fault::Fenced | Fault::Broken) => state.over = fault,
            Some(Fault::Full) | None => {}
        }
        fault
    }

    fn read(&self) -> Result<(), JournalError> {
        let mut state = self.lock();
        state.replays += 1;
        if state.reads_fail {
            return Err(JournalError::new("journal: input/output error"));
        }
        state.must_replay = false;
        Ok(())
    }
}

/// An append that is dropped half way is not under way any more.
struct UnderWay<'a>(&'a FaultyJournal);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way = false;
    }
}

#[async_trait]
impl Journal for FaultyJournal {
    async fn append(&self, batch: &BatchId, events: Vec<JournalEvent>) -> Result<JournalAnswer, JournalError> {
        self.begin(&events);
        let _under_way = UnderWay(self);
        self.wait_for_permit().await;
        match self.fault() {
            None => self.inner.append(batch, events).await,
            Some(Fault::Full) => Err(JournalError::full("journal: No space left on device")),
            Some(Fault::Broken) => Err(JournalError::new("journal: input/output error")),
            Some(Fault::Fenced) => Ok(JournalAnswer::Fenced),
            Some(Fault::UnknownLost) => Ok(JournalAnswer::Unknown),
            Some(Fault::UnknownRecorded) => {
                self.inner.append(batch, events).await?;
                Ok(JournalAnswer::Unknown)
            }
        }
    }

    async fn replay(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, JobResult)>, JournalError> {
        self.read()?;
        self.inner.replay(batch, after, max).await
    }

    async fn recall(
        &self,
        batch: &BatchId,
        after: Position,
        max: usize,
    ) -> Result<Vec<(Position, Recalled)>, JournalError> {
        self.inner.recall(batch, after, max).await
    }

    async fn compact(&self, batch: &BatchId) -> Result<(), JournalError> {
        self.inner.compact(batch).await
    }
}

impl fmt::Debug for FaultyJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultyJournal").field(&self.inner).finish()
    }
}
