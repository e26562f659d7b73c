//! What a scheduler knows, kept beside it, so that another one can take its place.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use batchmill_core::{ClassId, Entry, MonoTime, Priority, Scheduler, Token};

/// The queued jobs, and what is held.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    queued: HashMap<Token, Kept>,
    next_turn: u64,
    held: BTreeSet<ClassId>,
    /// Tokens that the present scheduler picked and that have not ended: only of these it hears.
    picked: HashSet<Token>,
    /// Shares by their text: many jobs have one.
    shares: HashSet<Arc<str>>,
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

    /// Everything in the order in which it was pushed, for a scheduler that takes the place of the one before.
    pub(super) fn hand_over<E>(
        &mut self,
        mut push: impl FnMut(Entry<'_>) -> Result<(), E>,
        hold: impl FnMut(ClassId) -> Result<(), E>,
    ) -> Result<(), E> {
        self.picked.clear();
        let mut all: Vec<(&Token, &Kept)> = self.queued.iter().collect();
        all.sort_unstable_by_key(|(_, kept)| kept.turn);
        for (token, kept) in all {
            let mut entry = Entry::new(*token, kept.class, kept.priority, &kept.share, kept.enqueued);
            entry.cost = kept.cost;
            entry.deadline = kept.deadline;
            push(entry)?;
        }
        self.held.iter().copied().try_for_each(hold)
    }

    /// The same to a scheduler that cannot fail.
    pub(super) fn hand_to(&mut self, scheduler: &mut dyn Scheduler) {
        let scheduler = std::cell::RefCell::new(scheduler);
        let push = |entry: Entry<'_>| {
            scheduler.borrow_mut().push(entry);
            Ok::<(), std::convert::Infallible>(())
        };
        let hold = |class| {
            scheduler.borrow_mut().hold(class);
            Ok(())
        };
        let Ok(()) = self.hand_over(push, hold);
    }
}
