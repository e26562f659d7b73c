//! A journal that is only its promises: events in order, one owner, groups whole or not at all.

use batchmill_core::{Closing, ErrorClass, FinalResult, MonoTime, Pause, Status};
use batchmill_dispatch::{Past, Record, Setback};

use super::Bug;

/// What is recorded of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Written {
    Ended(End),
    Retrying(u32, Box<Setback>),
    Lost(u32, u32),
    Closing(Closing),
    Paused(Option<Pause>),
}

/// A recorded end.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) index: u32,
    pub(crate) status: Status,
    pub(crate) class: Option<ErrorClass>,
    /// Whether the failure strategy heard of it.
    pub(crate) by_attempt: bool,
    pub(crate) attempts: u32,
    at: MonoTime,
}

impl End {
    pub(super) fn of(record: &Record) -> Self {
        let error = record.failure.as_ref().map(|failure| &failure.error);
        let by_attempt = match record.status {
            Status::Succeeded | Status::Failed | Status::Quarantined => true,
            Status::TimedOut => error.is_some_and(|error| error.code != "batch_deadline"),
            Status::Cancelled | Status::Skipped => false,
        };
        let class = error.map(|error| error.class);
        let Record { index, status, attempts, finished: at, .. } = *record;
        Self { index, status, class, by_attempt, attempts, at }
    }

    pub(super) fn heard(&self) -> FinalResult {
        let mut heard = FinalResult::new(self.status, None, self.at);
        heard.class = self.class;
        heard
    }
}

/// What the next host is told of a batch.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    pub(super) pasts: Vec<Past>,
    pub(super) ends: Vec<FinalResult>,
    pub(super) closing: Option<Closing>,
    pub(super) paused: Option<Pause>,
}

/// The journals of all batches.
#[derive(Debug)]
pub(super) struct Journal {
    /// The host that may write.
    pub(super) owner: u32,
    pub(super) batches: Vec<Vec<Written>>,
    pub(super) bug: Option<Bug>,
}

impl Journal {
    /// Records a group; false if another host owns the batches.
    pub(super) fn append(&mut self, by: u32, batch: usize, group: &[Written]) -> bool {
        let is_owner = by == self.owner || self.bug == Some(Bug::NoFence);
        if is_owner {
            self.batches[batch].extend_from_slice(group);
        }
        is_owner
    }

    /// How often the hosts of a job died while it ran.
    pub(super) fn crashes(&self, batch: usize, index: u32) -> u32 {
        let lost =
            |written: &Written| if let Written::Lost(at, crashes) = written { Some((*at, *crashes)) } else { None };
        let last = self.batches[batch].iter().rev().filter_map(lost).find(|(at, _)| *at == index);
        last.map_or(0, |(_, crashes)| crashes)
    }

    /// What stands there of a batch of so many jobs.
    pub(super) fn recall(&self, batch: usize, jobs: usize) -> Recalled {
        let mut recalled = Recalled::default();
        let mut setbacks: Vec<Option<Box<Setback>>> = vec![None; jobs];
        let mut ended: Vec<Option<Status>> = vec![None; jobs];
        for written in &self.batches[batch] {
            match written {
                Written::Ended(end) => {
                    ended[end.index as usize] = Some(end.status);
                    if end.by_attempt && self.bug != Some(Bug::ForgetEnds) {
                        recalled.ends.push(end.heard());
                    }
                }
                Written::Retrying(index, setback) if self.bug != Some(Bug::ForgetSetbacks) => {
                    let known = &mut setbacks[*index as usize];
                    let crashes = known.as_ref().map_or(0, |known| known.crashes);
                    let mut setback = setback.clone();
                    setback.crashes = crashes;
                    *known = Some(setback);
                }
                Written::Lost(index, crashes) if self.bug != Some(Bug::ForgetCrashes) => {
                    setbacks[*index as usize].get_or_insert_default().crashes = *crashes;
                }
                Written::Closing(closing) if self.bug != Some(Bug::ForgetClosing) => {
                    recalled.closing = Some(closing.clone());
                }
                Written::Paused(pause) if self.bug != Some(Bug::ForgetPause) => recalled.paused.clone_from(pause),
                _ => {}
            }
        }
        if self.bug == Some(Bug::ForgetDelay) {
            setbacks.iter_mut().flatten().for_each(|setback| setback.due = MonoTime::ZERO);
        }
        recalled.pasts =
            ended.into_iter().zip(setbacks).map(|(ended, setback)| past(ended, setback, self.bug)).collect();
        recalled
    }
}

fn past(ended: Option<Status>, setback: Option<Box<Setback>>, bug: Option<Bug>) -> Past {
    match (ended, setback) {
        (Some(status), _) if bug != Some(Bug::RunAgain) => Past::Ended(status),
        (_, Some(setback)) => Past::Interrupted(setback),
        _ => Past::None,
    }
}
