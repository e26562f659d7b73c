//! What is remembered of jobs that failed at least once. Jobs without trouble have no entry.
//!
//! When what jobs talk to is down, all of a batch may be here at once: so an entry is one cache line, with the last attempt
//! that failed and the node that did it in place. What few have (earlier attempts, other nodes) is beside it, and texts are
//! shared ([`crate::texts`]).

use std::{sync::Arc, time::Duration};

use batchmill_core::{ErrorClass, GivenUp, MonoTime};

use crate::{
    Setback,
    texts::{Messages, Name, Names},
};

/// One attempt that failed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FailedTry {
    /// Its number, from 1.
    pub attempt: u32,
    /// Why.
    pub class: ErrorClass,
    /// The message of its error.
    pub message: Arc<str>,
    /// When it ended.
    pub at: MonoTime,
    /// How long it ran.
    pub ran: Duration,
}

impl FailedTry {
    /// Attempt number `attempt`, which ended at `at`.
    pub fn new(attempt: u32, class: ErrorClass, message: impl Into<Arc<str>>, at: MonoTime, ran: Duration) -> Self {
        Self { attempt, class, message: message.into(), at, ran }
    }
}

/// What is remembered of one job.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// When the first attempt started; [`MonoTime::NEVER`] where that is not known: a host that died says of a job only
    /// that it ran.
    begun: MonoTime,
    /// Of the last attempt that failed; `None` if none did.
    message: Option<Arc<str>>,
    at: MonoTime,
    /// Nanoseconds: 584 years.
    ran: u64,
    attempt: u32,
    class: ErrorClass,
    /// Whether a timer watches how long it takes as a whole.
    pub(crate) is_timed: bool,
    /// The first node that failed, and how often it did.
    failures: (Name, u32),
    more: Option<Box<More>>,
}

/// What few jobs in trouble have.
#[derive(Debug, Default)]
struct More {
    /// The attempts that failed before the last one.
    earlier: Vec<FailedTry>,
    /// How often other nodes failed than the first one that did.
    failures: Vec<(Name, u32)>,
    /// Nodes that were given up beside one that is retried: the next attempt goes on without them.
    given_up: Vec<GivenUp>,
    /// How often its host or worker was lost while it ran.
    crashes: u32,
    /// How often it was ended because memory ran short.
    kills: u32,
    /// How often an attempt of it failed because its memory ran out.
    memory_level: u32,
}

const _: () = assert!(size_of::<Option<Trouble>>() <= 64);

impl Trouble {
    pub(crate) fn new(first_started: MonoTime) -> Self {
        let (message, at, ran, attempt, class) = (None, MonoTime::ZERO, 0, 0, ErrorClass::Transient);
        let failures = (Name::NONE, 0);
        Self { begun: first_started, message, at, ran, attempt, class, is_timed: false, failures, more: None }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    pub(crate) fn first_started(&self) -> Option<MonoTime> {
        (self.begun != MonoTime::NEVER).then_some(self.begun)
    }

    /// When the first attempt started: the one that started at `started`, if none is known.
    pub(crate) fn begun(&mut self, started: MonoTime) -> MonoTime {
        if self.begun == MonoTime::NEVER {
            self.begun = started;
        }
        self.begun
    }

    /// The last attempt that failed.
    pub(crate) fn last_try(&self) -> Option<FailedTry> {
        let Self { message, at, ran, attempt, class, .. } = self;
        Some(FailedTry::new(*attempt, *class, message.clone()?, *at, Duration::from_nanos(*ran)))
    }

    /// Every attempt that failed, oldest first.
    pub(crate) fn tries(&self) -> Vec<FailedTry> {
        let earlier = self.more.iter().flat_map(|more| &more.earlier).cloned();
        earlier.chain(self.last_try()).collect()
    }

    pub(crate) fn crashes(&self) -> u32 {
        self.more.as_ref().map_or(0, |more| more.crashes)
    }

    /// Once more its host or worker was lost; how often that is now.
    pub(crate) fn count_crash(&mut self) -> u32 {
        let crashes = &mut self.more().crashes;
        *crashes = crashes.saturating_add(1);
        *crashes
    }

    pub(crate) fn kills(&self) -> u32 {
        self.more.as_ref().map_or(0, |more| more.kills)
    }

    /// Once more it was ended because memory ran short; how often that is now.
    pub(crate) fn count_kill(&mut self) -> u32 {
        let kills = &mut self.more().kills;
        *kills = kills.saturating_add(1);
        *kills
    }

    /// Once more its memory ran out.
    pub(crate) fn count_memory(&mut self) {
        let level = &mut self.more().memory_level;
        *level = level.saturating_add(1);
    }

    pub(crate) fn give_up(&mut self, given_up: Vec<GivenUp>) {
        if !given_up.is_empty() || self.more.is_some() {
            self.more().given_up = given_up;
        }
    }

    pub(crate) fn take_given_up(&mut self) -> Vec<GivenUp> {
        self.more.as_mut().map(|more| std::mem::take(&mut more.given_up)).unwrap_or_default()
    }

    fn push(&mut self, tried: FailedTry) {
        if let Some(before) = self.last_try() {
            let earlier = &mut self.more().earlier;
            // Most jobs fail once or twice: room for four would be most of what they take.
            if earlier.len() < 2 {
                earlier.reserve_exact(1);
            }
            earlier.push(before);
        }
        let FailedTry { attempt, class, message, at, ran } = tried;
        (self.attempt, self.class, self.message, self.at) = (attempt, class, Some(message), at);
        self.ran = u64::try_from(ran.as_nanos()).unwrap_or(u64::MAX);
    }

    /// How often a node failed.
    fn failures(&mut self, node: Name) -> &mut u32 {
        let (first, count) = self.failures;
        if count == 0 || first == node {
            self.failures.0 = node;
            return &mut self.failures.1;
        }
        let others = &mut self.more().failures;
        let place = others.iter().position(|(known, _)| *known == node).unwrap_or_else(|| {
            others.push((node, 0));
            others.len() - 1
        });
        &mut others[place].1
    }

    fn all_failures(&self) -> impl Iterator<Item = (Name, u32)> {
        let others = self.more.iter().flat_map(|more| more.failures.iter().copied());
        std::iter::once(self.failures).filter(|(_, count)| *count > 0).chain(others)
    }
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TroubleId(u32);

impl TroubleId {
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// Entries are kept in pieces: nothing is moved as they become more.
const PIECE: u32 = 1024;

#[derive(Debug)]
enum Slot {
    Used(Trouble),
    /// The next one that is free.
    Free(TroubleId),
}

const _: () = assert!(size_of::<Slot>() <= 64);

/// All that is remembered of the jobs of a batch.
#[derive(Debug)]
pub(crate) struct Troubles {
    pieces: Vec<Vec<Slot>>,
    free: TroubleId,
    many: u32,
    names: Names,
    messages: Messages,
}

impl Default for Troubles {
    fn default() -> Self {
        let (names, messages) = Default::default();
        Self { pieces: Vec::new(), free: TroubleId::NONE, many: 0, names, messages }
    }
}

impl Troubles {
    fn slot(&mut self, TroubleId(id): TroubleId) -> &mut Slot {
        &mut self.pieces[(id / PIECE) as usize][(id % PIECE) as usize]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.many == 0
    }

    pub(crate) fn add(&mut self, trouble: Trouble) -> TroubleId {
        self.many += 1;
        let free = self.free;
        if free != TroubleId::NONE {
            if let Slot::Free(next) = std::mem::replace(self.slot(free), Slot::Used(trouble)) {
                self.free = next;
            }
            return free;
        }
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE as usize) {
            self.pieces.push(Vec::with_capacity(PIECE as usize));
        }
        let before = self.pieces.len() - 1;
        let piece = &mut self.pieces[before];
        piece.push(Slot::Used(trouble));
        let place = before * PIECE as usize + piece.len() - 1;
        // As many as there are jobs of a batch, at most.
        TroubleId(u32::try_from(place).expect("fewer than 2^32 jobs"))
    }

    pub(crate) fn get(&self, TroubleId(id): TroubleId) -> Option<&Trouble> {
        match self.pieces.get((id / PIECE) as usize)?.get((id % PIECE) as usize)? {
            Slot::Used(trouble) => Some(trouble),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, TroubleId(id): TroubleId) -> Option<&mut Trouble> {
        match self.pieces.get_mut((id / PIECE) as usize)?.get_mut((id % PIECE) as usize)? {
            Slot::Used(trouble) => Some(trouble),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn remove(&mut self, id: TroubleId) -> Option<Trouble> {
        self.get(id)?;
        let next = self.free;
        let Slot::Used(trouble) = std::mem::replace(self.slot(id), Slot::Free(next)) else { return None };
        (self.free, self.many) = (id, self.many - 1);
        if self.many == 0 {
            // The storm is over.
            (self.pieces, self.free) = (Vec::new(), TroubleId::NONE);
        }
        Some(trouble)
    }

    /// What an earlier host knew.
    pub(crate) fn recall(&mut self, setback: Setback) -> TroubleId {
        let Setback { first_started, tries, failures, given_up, crashes, kills, memory_level, .. } = setback;
        let mut trouble = Trouble::new(first_started.unwrap_or(MonoTime::NEVER));
        for mut tried in tries {
            tried.message = self.messages.share(tried.message);
            trouble.push(tried);
        }
        for (node, count) in failures {
            *trouble.failures(self.names.of(node.as_ref())) = count;
        }
        if !given_up.is_empty() || crashes > 0 || kills > 0 || memory_level > 0 {
            let more = trouble.more();
            (more.given_up, more.crashes, more.kills) = (given_up, crashes, kills);
            more.memory_level = memory_level;
        }
        self.add(trouble)
    }

    /// One more attempt failed.
    pub(crate) fn failed(&mut self, id: TroubleId, tried: FailedTry) {
        if let Some(trouble) = self.get_mut(id) {
            trouble.push(tried);
        }
    }

    /// A message, shared where it was heard before.
    pub(crate) fn message(&mut self, text: &str) -> Arc<str> {
        self.messages.of(text)
    }

    /// Counts one more failure of `node` and says how many there are now.
    pub(crate) fn count(&mut self, id: TroubleId, node: Option<&Arc<str>>) -> u32 {
        let node = self.names.of(node);
        let Some(trouble) = self.get_mut(id) else { return 1 };
        let count = trouble.failures(node);
        *count = count.saturating_add(1);
        *count
    }

    /// What a later host must know of a job that is due again at `due`.
    pub(crate) fn setback(&self, id: TroubleId, attempts: u32, due: MonoTime) -> Setback {
        let mut setback = Setback { attempts, due, ..Setback::default() };
        let Some(trouble) = self.get(id) else { return setback };
        (setback.first_started, setback.tries) = (trouble.first_started(), trouble.tries());
        setback.failures = trouble.all_failures().map(|(node, count)| (self.names.name(node), count)).collect();
        if let Some(more) = &trouble.more {
            setback.given_up.clone_from(&more.given_up);
            (setback.crashes, setback.kills, setback.memory_level) = (more.crashes, more.kills, more.memory_level);
        }
        setback
    }

    /// The bytes that are kept for entries, and for what few of them have beside it.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(|piece| piece.capacity() * size_of::<Slot>()).sum();
        let slots = self.pieces.iter().flatten();
        let more = slots.filter(|slot| matches!(slot, Slot::Used(trouble) if trouble.more.is_some())).count();
        pieces + more * size_of::<More>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> MonoTime {
        MonoTime::ZERO + Duration::from_secs(second)
    }

    fn tried(attempt: u32) -> FailedTry {
        let message = format!("attempt {}", attempt % 2);
        FailedTry::new(attempt, ErrorClass::Transient, message, at(attempt.into()), Duration::from_millis(7))
    }

    #[test]
    fn nothing_of_a_history_is_lost() {
        let (mut troubles, a, b) = (Troubles::default(), Arc::from("a"), Arc::from("b"));
        let id = troubles.add(Trouble::new(at(1)));
        let nodes = [Some(&a), Some(&b), None, Some(&a), None];
        let counts: Vec<u32> = nodes.into_iter().map(|node| troubles.count(id, node)).collect();
        assert_eq!(counts, [1, 1, 1, 2, 2]);
        let tries: Vec<FailedTry> = (1..=5).map(tried).collect();
        tries.iter().for_each(|tried| troubles.failed(id, tried.clone()));
        assert_eq!((1..=2).map(|_| troubles.get_mut(id).unwrap().count_crash()).max(), Some(2));
        let setback = troubles.setback(id, 5, at(9));
        assert_eq!((setback.attempts, setback.crashes, setback.due), (5, 2, at(9)));
        assert_eq!((setback.first_started, &setback.tries), (Some(at(1)), &tries));
        assert_eq!(setback.failures, [(Some(a), 2), (Some(b), 1), (None, 2)]);
        // Another host knows the same, and hands it on.
        let mut later = Troubles::default();
        let again = later.recall(setback.clone());
        assert_eq!(later.setback(again, 5, at(9)), setback);
        assert_eq!(later.remove(again).unwrap().tries(), tries);
    }

    #[test]
    fn what_few_have_is_handed_on_too() {
        let mut setback = Setback { kills: 2, memory_level: 1, ..Setback::default() };
        let error = batchmill_core::JobError::new(ErrorClass::Permanent, "code", "gone");
        setback.given_up = vec![GivenUp::new(Arc::from("a"), error, 1)];
        let mut troubles = Troubles::default();
        let id = troubles.recall(setback.clone());
        assert_eq!(troubles.setback(id, 0, MonoTime::ZERO), setback);
        let trouble = troubles.get_mut(id).unwrap();
        assert_eq!((trouble.count_kill(), trouble.begun(at(4)), trouble.begun(at(5))), (3, at(4), at(4)));
        assert_eq!((trouble.take_given_up().len(), trouble.take_given_up().len()), (1, 0));
    }

    #[test]
    fn entries_are_used_again_and_all_are_free_when_the_last_has_gone() {
        let mut troubles = Troubles::default();
        let some: Vec<TroubleId> = (0..3000).map(|n| troubles.add(Trouble::new(at(n)))).collect();
        let full = troubles.bytes();
        for id in &some[..2000] {
            assert!(troubles.remove(*id).is_some());
            assert!(troubles.remove(*id).is_none() && troubles.get(*id).is_none());
        }
        let new: Vec<TroubleId> = (0..2000).map(|n| troubles.add(Trouble::new(at(5000 + n)))).collect();
        assert_eq!(troubles.bytes(), full, "no more than before");
        let begun = |id: &TroubleId| troubles.get(*id).unwrap().first_started();
        let expected = (2000..3000).chain(5000..7000).map(|n| Some(at(n)));
        assert!(some[2000..].iter().chain(&new).map(begun).eq(expected));
        for id in some[2000..].iter().chain(&new) {
            troubles.remove(*id);
        }
        assert_eq!(troubles.bytes(), 0);
        assert!(troubles.get(TroubleId::NONE).is_none());
    }
}
