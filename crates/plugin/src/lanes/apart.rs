//! Holding classes, for schedulers whose lanes are not of classes.

use std::{collections::HashMap, hash::BuildHasherDefault};

use batchmill_core::{ClassId, MonoTime, Priority, Token};

use super::{Ageing, Front, IdHasher, Key, Lanes, NOWHERE};

/// The classes that were ever held. Each has a lane of its own, beside those of the scheduler: a held one is not looked at,
/// and a released one takes part in the order by priority and age.
///
/// As long as nothing was held, nothing here is touched. A class that is held for the first time leaves its jobs where they
/// are; each is set aside when its turn comes, once. So a million jobs of a held class cost a move each, and nothing more.
/// Among jobs of such a class that have one `enqueued`, those that are pushed while it is held go before those that are set
/// aside later.
#[derive(Debug)]
pub struct Apart {
    ageing: Ageing,
    classes: Vec<Class>,
    numbers: HashMap<ClassId, u32, BuildHasherDefault<IdHasher>>,
    /// A bit for each class in `numbers`, by the end of its number: where few are set apart, most others are told from them without
    /// being looked for.
    bits: u64,
    front: Front,
    places: Vec<u32>,
}

#[derive(Debug)]
struct Class {
    lane: usize,
    held: bool,
    /// Known when it has had a job.
    priority: Priority,
}

impl Apart {
    /// With no classes.
    pub fn new(ageing: Ageing) -> Self {
        Self {
            ageing,
            classes: Vec::new(),
            numbers: HashMap::default(),
            bits: 0,
            front: Front::default(),
            places: Vec::new(),
        }
    }

    /// Whether no class was ever held.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Jobs of this class are not picked until it is released.
    pub fn hold<N: Copy + PartialEq>(&mut self, lanes: &mut Lanes<N>, class: ClassId) {
        let number = *self.numbers.entry(class).or_insert_with(|| {
            self.classes.push(Class { lane: lanes.add(), held: false, priority: Priority(0) });
            self.places.push(NOWHERE);
            u32::try_from(self.classes.len() - 1).expect("classes are numbered in 32 bits")
        });
        self.bits |= bit(class);
        self.classes[number as usize].held = true;
        self.line_up(lanes, number);
    }

    /// Jobs of this class are picked again.
    pub fn release<N: Copy + PartialEq>(&mut self, lanes: &Lanes<N>, class: ClassId) {
        let Some(number) = self.number(class) else { return };
        self.classes[number as usize].held = false;
        self.line_up(lanes, number);
    }

    /// Whether a class is held.
    #[inline]
    pub fn is_held(&self, class: ClassId) -> bool {
        self.number(class).is_some_and(|number| self.classes[number as usize].held)
    }

    /// Queues a job whose class is set apart; false, and not queued, if it is not.
    #[inline]
    pub fn push<N: Copy + PartialEq>(
        &mut self,
        lanes: &mut Lanes<N>,
        (class, priority): (ClassId, Priority),
        (token, enqueued): (Token, MonoTime),
        note: N,
    ) -> bool {
        let Some(number) = self.number(class) else { return false };
        self.push_to(number, lanes, priority, (token, enqueued), note);
        true
    }

    /// Apart from the question whether a class is apart, which most are not, and which is asked for every job.
    fn push_to<N: Copy + PartialEq>(
        &mut self,
        number: u32,
        lanes: &mut Lanes<N>,
        priority: Priority,
        (token, enqueued): (Token, MonoTime),
        note: N,
    ) {
        let class = &mut self.classes[number as usize];
        class.priority = priority;
        if lanes.push(class.lane, token, enqueued, note) {
            self.line_up(lanes, number);
        }
    }

    /// Whether a class that is apart and not held has a job.
    pub fn has_first(&self) -> bool {
        self.front.first().is_some()
    }

    /// Takes out the first job of a class that is apart, not held, and goes before `other`.
    pub fn pop_before<N: Copy + PartialEq>(&mut self, lanes: &mut Lanes<N>, other: Option<Key>) -> Option<Token> {
        let first = self.front.first().filter(|first| other.is_none_or(|other| first.key() < other))?;
        let (_, token, _) = lanes.pop(self.classes[first.id as usize].lane)?;
        self.line_up(lanes, first.id);
        Some(token)
    }

    /// A token was removed from this lane, of the scheduler or of a class.
    pub fn removed<N: Copy + PartialEq>(&mut self, lanes: &Lanes<N>, lane: usize) {
        if let Some(number) = self.number_of(lane) {
            self.line_up(lanes, number);
        }
    }

    /// The priority of the class whose lane this is; `None` for a lane of the scheduler.
    pub fn priority(&self, lane: usize) -> Option<Priority> {
        self.number_of(lane).map(|number| self.classes[number as usize].priority)
    }

    #[inline]
    fn number(&self, class: ClassId) -> Option<u32> {
        if self.bits & bit(class) == 0 { None } else { self.numbers.get(&class).copied() }
    }

    /// Lanes are added in the order of classes, one behind the other.
    fn number_of(&self, lane: usize) -> Option<u32> {
        let number = lane.checked_sub(self.classes.first()?.lane)?;
        u32::try_from(number).ok()
    }

    fn line_up<N: Copy + PartialEq>(&mut self, lanes: &Lanes<N>, number: u32) {
        let class = &self.classes[number as usize];
        let first = if class.held { None } else { lanes.head(class.lane) };
        let key =
            first.map(|(enqueued, token)| Key { rank: self.ageing.rank(class.priority, enqueued), turn: token.0 });
        self.front.set(&mut self.places, number, key);
    }
}

fn bit(class: ClassId) -> u64 {
    1 << (class.0 % u64::BITS)
}
