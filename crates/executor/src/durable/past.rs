//! What earlier hosts of a batch left, read from its journal.

use std::collections::{BTreeMap, HashMap};

use batchmill_core::{
    AttemptRecord, BatchId, Closing, Delivered, ErrorClass, FinalResult, Journal, JournalError, Pause, Position,
    Recalled, Setback, Status, WallTime,
};
use batchmill_dispatch as dispatch;

use crate::Clock;

/// Events that are read at a time.
const PAGE: usize = 4096;

/// What a host must know of those before it. Ten bytes a job that has ended, and its setback for each that has to run
/// again.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// By place: 0, or one more than the place of the status in [`Status::ALL`].
    statuses: Vec<u8>,
    heard: Heard,
    setbacks: HashMap<u64, Box<Setback>>,
    crashes: HashMap<u64, u32>,
    closing: Option<Closing>,
    paused: Option<Pause>,
    delivered: BTreeMap<String, Delivered>,
    position: Position,
    ended: u64,
    runs: Vec<Run>,
}

/// The ends that the failure strategy heard of, in the order of the journal.
#[derive(Debug, Clone, Default)]
struct Heard {
    /// Status and class, each by its place in the list of all.
    kinds: Vec<u8>,
    moments: Vec<WallTime>,
}

/// Results whose positions follow on each other: the position of the first, and how many came before it.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u64,
    before: u64,
}

impl Past {
    /// Reads the journal of a batch, page by page.
    pub async fn read(journal: &dyn Journal, batch: &BatchId) -> Result<Self, JournalError> {
        let mut past = Self::default();
        loop {
            let page = journal.recall(batch, past.position, PAGE).await?;
            if page.is_empty() {
                return Ok(past);
            }
            for (position, event) in page {
                past.take(position, event)?;
            }
        }
    }

    /// How the job at a place ended, if it has.
    pub fn status(&self, place: u64) -> Option<Status> {
        let code = usize::try_from(place).ok().and_then(|place| self.statuses.get(place)).copied().unwrap_or(0);
        usize::from(code).checked_sub(1).map(|status| Status::ALL[status])
    }

    /// How many jobs have ended.
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// How many jobs failed and were to run again.
    pub fn set_back(&self) -> usize {
        self.setbacks.len()
    }

    /// Attempts of these jobs that failed.
    pub fn failed_attempts(&self) -> u64 {
        self.setbacks.values().map(|setback| u64::from(setback.attempts)).sum()
    }

    /// Why the batch takes no more starts.
    pub fn closing(&self) -> Option<&Closing> {
        self.closing.as_ref()
    }

    /// Why the batch starts nothing until a person lets it go on.
    pub fn paused(&self) -> Option<&Pause> {
        self.paused.as_ref()
    }

    /// How far a feed has got; `None` for one that was never fed in this batch.
    pub fn delivered(&self, feed: &str) -> Option<&Delivered> {
        self.delivered.get(feed)
    }

    /// The last position that was read.
    pub fn position(&self) -> Position {
        self.position
    }

    pub(crate) fn take(&mut self, position: Position, event: Recalled) -> Result<(), JournalError> {
        if position <= self.position {
            return Err(JournalError::new(format!("the journal tells position {} twice", position.0)));
        }
        self.position = position;
        match event {
            Recalled::Ended { place, status, class, by_attempt, at } => {
                self.end(place, status)?;
                self.count(position);
                if by_attempt {
                    self.heard.push(status, class, at);
                }
            }
            Recalled::Retrying(setback) => {
                if self.status(setback.place).is_none() {
                    self.setbacks.insert(setback.place, setback);
                }
            }
            Recalled::Lost { place, crashes } => drop(self.crashes.insert(place, crashes)),
            Recalled::Closing(closing) => self.closing = Some(closing),
            Recalled::Paused(paused) => self.paused = paused,
            Recalled::Delivered(delivered) => drop(self.delivered.insert(delivered.sink.clone(), delivered)),
            other => {
                return Err(JournalError::new(format!("the journal tells what this host does not know: {other:?}")));
            }
        }
        Ok(())
    }

    fn end(&mut self, place: u64, status: Status) -> Result<(), JournalError> {
        let wrong = |what: &str| JournalError::new(format!("the journal tells {what} of the job at place {place}"));
        let index = u32::try_from(place).map_err(|_| wrong("the end, which is not in any batch,"))? as usize;
        if self.statuses.len() <= index {
            self.statuses.resize(index + 1, 0);
        }
        if self.statuses[index] != 0 {
            return Err(wrong("two ends"));
        }
        self.statuses[index] = 1 + place_of(&Status::ALL, status);
        self.setbacks.remove(&place);
        self.ended += 1;
        Ok(())
    }

    fn count(&mut self, position: Position) {
        let before = self.ended - 1;
        let follows = self.runs.last().is_some_and(|run| run.first + (before - run.before) == position.0);
        if !follows {
            self.runs.push(Run { first: position.0, before });
        }
    }

    /// How many results stand at or before a position.
    pub(crate) fn recorded_upto(&self, position: Position) -> u64 {
        let next = self.runs.partition_point(|run| run.first <= position.0);
        let Some(run) = next.checked_sub(1).map(|place| self.runs[place]) else { return 0 };
        let end = self.runs.get(next).map_or(self.ended, |run| run.before);
        (run.before + 1 + position.0 - run.first).min(end)
    }

    /// What dispatch is told of a job. Asked once a job: what is told is let go of.
    #[inline]
    pub(crate) fn of(&mut self, place: u64, clock: &Clock) -> dispatch::Past {
        if self.statuses.is_empty() && self.setbacks.is_empty() && self.crashes.is_empty() {
            return dispatch::Past::None;
        }
        self.left_of(place, clock)
    }

    /// Whether nothing was left of a job.
    pub(crate) fn is_none(&self, place: u64) -> bool {
        self.statuses.is_empty() && self.setbacks.is_empty() && self.crashes.is_empty()
            || self.status(place).is_none() && !self.setbacks.contains_key(&place) && !self.crashes.contains_key(&place)
    }

    fn left_of(&mut self, place: u64, clock: &Clock) -> dispatch::Past {
        if let Some(status) = self.status(place) {
            return dispatch::Past::Ended(status);
        }
        // Most jobs have no trouble: do not hash for them.
        let crashes = if self.crashes.is_empty() { None } else { self.crashes.remove(&place) };
        let setback = if self.setbacks.is_empty() { None } else { self.setbacks.remove(&place) };
        match (setback, crashes) {
            (None, None) => dispatch::Past::None,
            (setback, crashes) => {
                let mut told = setback.map_or_else(dispatch::Setback::default, |setback| on_clock(*setback, clock));
                told.crashes = crashes.unwrap_or(0);
                dispatch::Past::Interrupted(Box::new(told))
            }
        }
    }

    /// What the failure strategy hears again, in parts.
    pub(crate) fn heard(&self, clock: &Clock) -> impl Iterator<Item = Vec<FinalResult>> {
        (0..self.heard.kinds.len().div_ceil(PAGE)).map(|part| self.heard.part(part, clock))
    }
}

impl Heard {
    fn push(&mut self, status: Status, class: Option<ErrorClass>, at: WallTime) {
        let class = class.map_or(0, |class| 1 + place_of(&ErrorClass::ALL, class));
        self.kinds.push(place_of(&Status::ALL, status) << 4 | class);
        self.moments.push(at);
    }

    fn part(&self, part: usize, clock: &Clock) -> Vec<FinalResult> {
        let from = part * PAGE;
        let upto = (from + PAGE).min(self.kinds.len());
        let ends = self.kinds[from..upto].iter().zip(&self.moments[from..upto]);
        ends.map(|(kind, at)| {
            let mut end = FinalResult::new(Status::ALL[usize::from(kind >> 4)], None, clock.mono(*at));
            end.class = usize::from(kind & 0xf).checked_sub(1).map(|class| ErrorClass::ALL[class]);
            end
        })
        .collect()
    }
}

fn place_of<T: PartialEq + Copy>(all: &[T], one: T) -> u8 {
    let place = all.iter().position(|known| *known == one).expect("the list names all there are");
    u8::try_from(place).expect("a short list")
}

fn on_clock(setback: Setback, clock: &Clock) -> dispatch::Setback {
    let mut told = dispatch::Setback::default();
    told.attempts = setback.attempts;
    told.first_started = Some(clock.mono(setback.first_started));
    told.failures = setback.failures;
    told.given_up = setback.given_up;
    told.due = clock.mono(setback.due);
    let tries = setback.history.into_iter();
    told.tries =
        tries.map(|t| dispatch::FailedTry::new(t.attempt, t.class, t.message, clock.mono(t.at), t.duration)).collect();
    told
}

/// What is recorded of a job that will run again.
pub(crate) fn on_the_wall(place: u32, setback: dispatch::Setback, clock: &Clock) -> Setback {
    let due = clock.wall(setback.due);
    let first_started = setback.first_started.map_or(due, |first_started| clock.wall(first_started));
    let mut recorded = Setback::new(place.into(), first_started, due);
    recorded.attempts = setback.attempts;
    recorded.failures = setback.failures;
    recorded.given_up = setback.given_up;
    recorded.history = tries_on_the_wall(setback.tries, clock);
    recorded
}

/// Attempts that failed, as they are recorded.
pub(crate) fn tries_on_the_wall(tries: Vec<dispatch::FailedTry>, clock: &Clock) -> Vec<AttemptRecord> {
    let record = |t: dispatch::FailedTry| {
        AttemptRecord::new(t.attempt, t.class, t.message.as_ref().into(), clock.wall(t.at), t.ran)
    };
    tries.into_iter().map(record).collect()
}
