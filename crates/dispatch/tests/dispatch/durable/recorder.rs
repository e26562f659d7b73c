//! Between a host and the journal: what dispatch decides is written down, and what is written is answered.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use batchmill_core::{Closing, MonoTime};
use batchmill_dispatch::{BatchKey, Effect, Event, JournalFailure, Lease, Start};

use super::{
    Bug, Store,
    journal::{End, Written},
    ledger::Ledger,
};
use crate::{
    model::{Check, hold},
    rng::SplitMix64,
};

/// What becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Ok,
    Full,
    /// The answer is lost; the group may stand there or not.
    Unknown {
        recorded: bool,
    },
    Broken,
}

impl Fate {
    pub(crate) fn some(rng: &mut SplitMix64) -> Self {
        match rng.below(40) {
            0..4 => Self::Full,
            4..7 => Self::Unknown { recorded: true },
            7..10 => Self::Unknown { recorded: false },
            10 if rng.one_in(6) => Self::Broken,
            _ => Self::Ok,
        }
    }
}

/// What one host has to write of one batch.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Written>,
    /// Records that have not reached the line: slots hand them over late, and not in order.
    late: Vec<Written>,
    /// How much of the journal it knows to be there.
    known: usize,
    /// Whether the last answer was lost.
    in_doubt: bool,
    full: bool,
    /// Nothing is written any more.
    dead: bool,
}

/// The recorder of one host.
pub(crate) struct Recorder {
    store: Rc<RefCell<Store>>,
    pub(super) host: u32,
    /// The batches by their keys in this host.
    batches: Vec<usize>,
    lines: BTreeMap<usize, Line>,
    /// Attempts that ended because the host ends.
    pub(super) stopped: Vec<(usize, u32)>,
}

impl Recorder {
    pub(super) fn new(store: Rc<RefCell<Store>>, host: u32) -> Self {
        Self { store, host, batches: Vec::new(), lines: BTreeMap::new(), stopped: Vec::new() }
    }

    /// The next key stands for this batch.
    pub(super) fn open(&mut self, batch: usize) {
        let known = self.store.borrow().journal.batches[batch].len();
        self.batches.push(batch);
        self.lines.insert(batch, Line { known, ..Line::default() });
    }

    pub(crate) fn batch_of(&self, key: BatchKey) -> usize {
        self.batches[key.0 as usize]
    }

    fn key_of(&self, batch: usize) -> BatchKey {
        let key = self.batches.iter().position(|other| *other == batch).expect("it is open");
        BatchKey(u32::try_from(key).expect("a few"))
    }

    /// Takes what dispatch decided, while these attempts run. `goes_on` is an attempt that may have gone on.
    pub(crate) fn takes<'a>(
        &mut self,
        now: MonoTime,
        effects: &[Effect],
        goes_on: Option<Lease>,
        live: impl Iterator<Item = &'a Lease>,
    ) -> Check {
        for effect in effects {
            let goes_on = |start: &Start| goes_on.is_some_and(|lease| is_same_job(lease, start.lease));
            match effect {
                Effect::Start(start) if goes_on(start) => {}
                effect => self.takes_one(now, effect)?,
            }
        }
        let store = self.store.borrow();
        let is_suspect = |lease: &&Lease| store.batches[self.batch_of(lease.batch)].ledger.is_suspect(lease.index);
        if store.owner == self.host {
            let suspects = live.filter(is_suspect).count();
            hold!(suspects <= 1, "{suspects} suspects run at once");
        }
        Ok(())
    }

    fn takes_one(&mut self, now: MonoTime, effect: &Effect) -> Check {
        let (key, written) = match effect {
            Effect::Start(start) => {
                return self.of_owner(start.lease.batch, |ledger, host| ledger.starts(now, host, start));
            }
            Effect::Record(record) => (record.batch, Written::Ended(End::of(record))),
            Effect::Retrying { lease, setback, .. } => (lease.batch, Written::Retrying(lease.index, setback.clone())),
            Effect::Closing { batch, closing } => (*batch, Written::Closing(closing.clone())),
            Effect::Paused { batch, pause } => {
                self.of_owner(*batch, |ledger, _| {
                    ledger.paused(pause.as_ref());
                    Ok(())
                })?;
                (*batch, Written::Paused(pause.clone()))
            }
            Effect::BatchEnded { batch, verdict, counts, .. } => {
                let batch = self.batch_of(*batch);
                let mut store = self.store.borrow_mut();
                let decided = self.lines.get(&batch).and_then(Line::decided);
                return if store.owner == self.host {
                    store.batch_ended(batch, verdict, counts, decided)
                } else {
                    Ok(())
                };
            }
            _ => return Ok(()),
        };
        let closes_late = self.store.borrow().journal.bug == Some(Bug::CloseLate);
        let batch = self.batch_of(key);
        let line = self.lines.get_mut(&batch).ok_or("a batch that was never opened")?;
        match written {
            _ if line.dead => {}
            Written::Ended(_) => line.late.push(written),
            Written::Closing(_) if closes_late => line.late.push(written),
            _ => line.waiting.push_back(written),
        }
        Ok(())
    }

    /// Asks the ledger of a batch, unless another host owns it: then what this one does has no consequence.
    fn of_owner(&self, key: BatchKey, ask: impl FnOnce(&mut Ledger, u32) -> Check) -> Check {
        let mut store = self.store.borrow_mut();
        if store.owner != self.host {
            return Ok(());
        }
        ask(&mut store.batches[self.batch_of(key)].ledger, self.host)
    }

    /// An attempt ended because the host ends.
    pub(crate) fn note_stop(&mut self, lease: Lease) {
        self.stopped.push((self.batch_of(lease.batch), lease.index));
    }

    /// Whether a host had better not die now: an answer is missing, or a stop is not written yet.
    pub(super) fn is_delicate(&self) -> bool {
        self.lines.values().any(|line| line.in_doubt || line.decided().is_some())
    }

    /// Whether anything waits to be written.
    pub(crate) fn has_work(&self) -> bool {
        self.lines.values().any(Line::has_work)
    }

    /// Writes some of what waits, or finds out what became of it; what dispatch is to be told.
    pub(crate) fn write(&mut self, rng: &mut SplitMix64, fate: Option<Fate>) -> Result<Vec<Event>, String> {
        let open: Vec<usize> = self.lines.iter().filter(|(_, line)| line.has_work()).map(|(batch, _)| *batch).collect();
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let batch = rng.pick(&open);
        let (key, store) = (self.key_of(batch), self.store.clone());
        let mut store = store.borrow_mut();
        let line = self.lines.get_mut(&batch).expect("it is there");
        if std::mem::take(&mut line.in_doubt) {
            return Ok(if store.owner == self.host { line.replay(key, &store, batch) } else { line.fenced(key) });
        }
        line.hand_over(rng, store.is_ordered);
        let many = line.waiting.len().min(1 + rng.small(4) as usize);
        let group: Vec<Written> = line.waiting.range(..many).cloned().collect();
        let bug = store.journal.bug;
        match fate.unwrap_or_else(|| Fate::some(rng)) {
            Fate::Full => {
                if bug == Some(Bug::DropWhenFull) {
                    line.waiting.drain(..many);
                }
                let was_full = std::mem::replace(&mut line.full, true);
                let why = Some("no space left on the disk".to_owned());
                Ok(if was_full { Vec::new() } else { vec![Event::StorageFull { batch: key, why }] })
            }
            Fate::Broken => {
                line.die();
                let failure = JournalFailure::Broken("the disk is gone".to_owned());
                Ok(vec![Event::JournalFailed { batch: key, failure }])
            }
            Fate::Unknown { recorded } => {
                if recorded {
                    store.write(self.host, batch, &group)?;
                }
                line.in_doubt = bug != Some(Bug::AppendBlindly);
                Ok(Vec::new())
            }
            Fate::Ok if bug == Some(Bug::AnswerFirst) && rng.one_in(4) => Ok(line.written(key, many)),
            Fate::Ok => {
                Ok(if store.write(self.host, batch, &group)? { line.written(key, many) } else { line.fenced(key) })
            }
        }
    }

    /// The host dies: what was being written may stand there or not, and nobody is told.
    pub(super) fn dies(&mut self, rng: &mut SplitMix64) -> Check {
        let mut store = self.store.borrow_mut();
        for (batch, line) in self.lines.iter().filter(|(_, line)| !line.dead && !line.in_doubt) {
            let many = line.waiting.len().min(1 + rng.small(4) as usize);
            if many > 0 && rng.one_in(2) {
                let group: Vec<Written> = line.waiting.range(..many).cloned().collect();
                store.write(self.host, *batch, &group)?;
            }
        }
        Ok(())
    }
}

fn is_same_job(one: Lease, other: Lease) -> bool {
    (one.batch, one.index) == (other.batch, other.index)
}

impl Line {
    fn has_work(&self) -> bool {
        !self.dead && (self.in_doubt || !self.waiting.is_empty() || !self.late.is_empty())
    }

    /// A stop that is not written yet.
    fn decided(&self) -> Option<&Closing> {
        self.waiting.iter().chain(&self.late).find_map(|written| match written {
            Written::Closing(closing) => Some(closing),
            _ => None,
        })
    }

    /// Slots hand over what they kept.
    fn hand_over(&mut self, rng: &mut SplitMix64, is_ordered: bool) {
        if is_ordered || rng.one_in(2) {
            self.waiting.extend(self.late.drain(..));
        } else if !self.late.is_empty() {
            let place = rng.below(self.late.len() as u64);
            self.waiting.push_back(self.late.remove(usize::try_from(place).expect("an index")));
        }
    }

    /// The first of those that wait stand in the journal.
    fn written(&mut self, key: BatchKey, many: usize) -> Vec<Event> {
        self.known += many;
        let ended = |written: Written| if let Written::Ended(end) = written { Some(end.index) } else { None };
        let jobs: Vec<u32> = self.waiting.drain(..many).filter_map(ended).collect();
        let goes_on = std::mem::take(&mut self.full).then_some(Event::StorageFull { batch: key, why: None });
        let answered = (!jobs.is_empty()).then_some(Event::Answered { batch: key, jobs });
        goes_on.into_iter().chain(answered).collect()
    }

    /// What stands there that this host does not know of is what it wrote last.
    fn replay(&mut self, key: BatchKey, store: &Store, batch: usize) -> Vec<Event> {
        // A recorder that believes in what is not there finds less than it knows of.
        self.written(key, store.journal.batches[batch].len().saturating_sub(self.known))
    }

    fn fenced(&mut self, key: BatchKey) -> Vec<Event> {
        self.die();
        vec![Event::JournalFailed { batch: key, failure: JournalFailure::Fenced }]
    }

    fn die(&mut self) {
        self.dead = true;
        self.waiting.clear();
        self.late.clear();
    }
}
