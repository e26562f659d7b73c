//! The end of a world: nothing new comes, and whatever was stuck goes on.

use batchmill_core::Outcome;
use batchmill_dispatch::{BatchKey, Event};

use super::{Batch, Fate, Recorder, World};

impl World {
    /// Everything that was stuck goes on: now every batch must end.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..20_000 {
            if self.is_empty() {
                return self.is_finished();
            }
            self.settle_on()?;
        }
        Err(format!("no end in sight of {:?}", self.model.batches.keys()))
    }

    /// The next event that brings the end nearer.
    pub(crate) fn settle_on(&mut self) -> Result<(), String> {
        self.sink_is_stuck = false;
        if self.model.is_pressed() && self.model.turn() {
            return self.look_at_room();
        }
        let first = |of: fn(&Batch) -> bool| {
            self.model.batches.iter().find(|(_, batch)| of(batch)).map(|(key, _)| BatchKey(*key))
        };
        let (paused, unsealed) = (first(|batch| batch.paused.is_some()), first(|batch| !batch.sealed));
        let lease = self.model.live.values().next().copied();
        if let Some(opening) = self.openings.pop_front() {
            self.step(opening)
        } else if let Some(batch) = paused {
            self.step(Event::PauseRequested { batch, paused: false })
        } else if let Some(batch) = unsealed {
            self.step(Event::Sealed { batch })
        } else if let Some(lease) = lease {
            let outcome = if self.stopped.contains(&lease) { Outcome::Stopped } else { Outcome::Succeeded };
            self.end(lease, outcome)
        } else if let Some((batch, index)) = self.unanswered.pop() {
            self.step(Event::Answered { batch, jobs: vec![index] })
        } else if self.recorder.as_ref().is_some_and(Recorder::has_work) {
            self.write(Some(Fate::Ok))
        } else if let Some(alarm) = self.model.alarm() {
            self.now = self.now.max(alarm);
            self.step(Event::TimerFired)
        } else if self.model.is_pressed() {
            self.look_at_room()
        } else {
            Err(format!("stuck: nothing will happen any more in {:?}", self.model.batches.keys()))
        }
    }

    /// Whether all its batches have ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.model.batches.is_empty()
    }

    /// Whether the scheduler was told of the end of everything that it started.
    pub(crate) fn is_finished(&self) -> Result<(), String> {
        let unfinished = self.unfinished.lock().unwrap();
        match unfinished.first() {
            Some(token) => Err(format!("the scheduler was not told of the end of {token:?}")),
            None => Ok(()),
        }
    }
}
