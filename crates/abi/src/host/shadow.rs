//! What a scheduler knows, kept beside it, so that another one can take its place.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use batchmill_core::{ClassId, Entry, MonoTime, Priority, Token};

/// A scheduler that takes the place of another.
pub(super) trait Heir {
    type Error;

    fn weight(&mut self, share: &str, weight: f64) -> Result<(), Self::Error>;
    fn push(&mut self, entry: Entry<'_>) -> Result<(), Self::Error>;
    fn hold(&mut self, class: ClassId) -> Result<(), Self::Error>;
}

/// The queued jobs, what is held, and the weights that were set.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    queued: HashMap<Token, Kept>,
    next_turn: u64,
    held: BTreeSet<ClassId>,
    /// Tokens that the present scheduler picked and that have not ended: only of these it hears.
    picked: HashSet<Token>,
    /// Shares by their text: many jobs have one.
    shares: HashSet<Arc<str>>,
    weights: BTreeMap<String, f64>,
}

#[derive(Debug)]
struct Kept {
    turn: u64,
    class: ClassId,
    priority: Priority,
    share: Arc<str>,
    cost: f64,
    enqueued: MonoTime,
    deadline: Option<MonoTime>,
}

impl Shadow {
    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        let share = match self.shares.get(entry.share) {
            Some(share) => Arc::clone(share),
            None => {
                let share: Arc<str> = entry.share.into();
                self.shares.insert(Arc::clone(&share));
                share
            }
        };
        let kept = Kept {
            turn: self.next_turn,
            class: entry.class,
            priority: entry.priority,
            share,
            cost: entry.cost,
            enqueued: entry.enqueued,
            deadline: entry.deadline,
        };
        self.next_turn += 1;
        self.queued.insert(entry.token, kept);
    }

    /// Whether this token is queued; it is not any more.
    pub(super) fn pick(&mut self, token: Token) -> bool {
        let is_here = self.queued.remove(&token).is_some();
        if is_here {
            self.picked.insert(token);
        }
        is_here
    }

    pub(super) fn remove(&mut self, token: Token) -> bool {
        self.queued.remove(&token).is_some()
    }

    /// Whether the present scheduler picked it.
    pub(super) fn finish(&mut self, token: Token) -> bool {
        self.picked.remove(&token)
    }

    pub(super) fn hold(&mut self, class: ClassId) {
        self.held.insert(class);
    }

    pub(super) fn release(&mut self, class: ClassId) {
        self.held.remove(&class);
    }

    pub(super) fn weigh(&mut self, share: &str, weight: f64) {
        self.weights.insert(share.to_owned(), weight);
    }

    /// Everything, jobs in the order in which they were pushed, to a scheduler that takes the place of the one before. What
    /// shares used is not known here: it counts anew.
    pub(super) fn teach<H: Heir>(&mut self, heir: &mut H) -> Result<(), H::Error> {
        self.picked.clear();
        self.weights.iter().try_for_each(|(share, weight)| heir.weight(share, *weight))?;
        let mut all: Vec<(&Token, &Kept)> = self.queued.iter().collect();
        all.sort_unstable_by_key(|(_, kept)| kept.turn);
        for (token, kept) in all {
            let mut entry = Entry::new(*token, kept.class, kept.priority, &kept.share, kept.enqueued);
            entry.cost = kept.cost;
            entry.deadline = kept.deadline;
            heir.push(entry)?;
        }
        self.held.iter().try_for_each(|class| heir.hold(*class))
    }
}
