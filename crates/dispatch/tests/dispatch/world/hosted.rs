//! A world as one host among several: its batches were there before it, and go on after it.

use batchmill_core::{MonoTime, Outcome};
use batchmill_dispatch::{Event, Lease};

use super::{Fate, Recorder, World};
use crate::model::Check;

impl World {
    /// Becomes a host that begins at a moment and writes down what it decides.
    pub(crate) fn host(&mut self, now: MonoTime, recorder: Recorder) {
        (self.now, self.recorder) = (now, Some(recorder));
    }

    pub(crate) fn now(&self) -> MonoTime {
        self.now
    }

    /// Something that happens as soon as its turn comes.
    pub(crate) fn expect(&mut self, event: Event) {
        self.openings.push_back(event);
    }

    /// The next word on the batches that it takes over, if not all is said.
    pub(crate) fn open_on(&mut self) -> Result<bool, String> {
        match self.openings.pop_front() {
            Some(opening) => self.step(opening).map(|()| true),
            None => Ok(false),
        }
    }

    /// The end of an attempt that was told to end because the host does.
    pub(super) fn note_stop(&mut self, lease: Lease, outcome: &Outcome) {
        if let Some(recorder) = self.recorder.as_mut().filter(|_| *outcome == Outcome::Stopped && self.model.draining) {
            recorder.note_stop(lease);
        }
    }

    pub(super) fn is_durable(&self) -> bool {
        self.recorder.is_some()
    }

    pub(crate) fn recorder_mut(&mut self) -> &mut Recorder {
        self.recorder.as_mut().expect("a host")
    }

    /// The jobs that run, with their batches.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (usize, u32)> {
        let recorder = self.recorder.as_ref().expect("a host");
        self.model.live.values().map(|lease| (recorder.batch_of(lease.batch), lease.index))
    }

    /// The recorder writes, and dispatch hears what became of it.
    pub(super) fn write(&mut self, fate: Option<Fate>) -> Check {
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        for event in recorder.write(&mut self.rng, fate)? {
            self.step(event)?;
        }
        Ok(())
    }

    /// The host leaves: everything is written.
    pub(crate) fn write_all(&mut self) -> Check {
        while self.recorder.as_ref().is_some_and(Recorder::has_work) {
            self.write(Some(Fate::Ok))?;
        }
        Ok(())
    }
}
