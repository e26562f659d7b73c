//! What a batch knows of the hosts before, put together from what a journal recalls.

use std::collections::BTreeMap;

use batchmill_core::{Closing, Delivered, ErrorClass, Pause, Recalled, Setback, Status, WallTime};

use crate::case::{Checked, Unmet};

/// The end of a job: its place, how, why, whether the failure strategy heard of it, and when.
pub(super) type End = (u64, Status, Option<ErrorClass>, bool, WallTime);

#[derive(Debug, Default, PartialEq)]
pub(super) struct Recollection {
    /// In the order of the journal.
    pub(super) ends: Vec<End>,
    /// Of jobs that have not ended.
    pub(super) setbacks: BTreeMap<u64, Setback>,
    pub(super) crashes: BTreeMap<u64, u32>,
    pub(super) closing: Option<Closing>,
    pub(super) paused: Option<Pause>,
    pub(super) delivered: BTreeMap<String, Delivered>,
}

impl Recollection {
    pub(super) fn take(&mut self, event: Recalled) -> Checked {
        match event {
            Recalled::Ended { place, status, class, by_attempt, at } => {
                self.setbacks.remove(&place);
                self.ends.push((place, status, class, by_attempt, at));
            }
            Recalled::Retrying(setback) => {
                // It may be told once more of a job that has ended; that changes nothing.
                if !self.ends.iter().any(|end| end.0 == setback.place) {
                    self.setbacks.insert(setback.place, *setback);
                }
            }
            Recalled::Lost { place, crashes } => drop(self.crashes.insert(place, crashes)),
            Recalled::Closing(closing) => self.closing = Some(closing),
            Recalled::Paused(pause) => self.paused = pause,
            Recalled::Delivered(delivered) => drop(self.delivered.insert(delivered.sink.clone(), delivered)),
            other => return Err(Unmet::Failed(format!("the kit does not know {other:?}"))),
        }
        Ok(())
    }
}
