//! First in, first out.

use std::collections::VecDeque;

use batchmill_core::{Entry, MonoTime, Pick, QueuePosition, Scheduler, Token};

use crate::{Fault, Options, options::Trouble};

#[derive(Debug)]
pub(crate) struct Faulty {
    trouble: Trouble,
    queue: VecDeque<Token>,
    last: Option<Token>,
}

impl Faulty {
    pub(crate) fn new(options: Options) -> Self {
        Self { trouble: Trouble::new(options), queue: VecDeque::new(), last: None }
    }
}

impl Scheduler for Faulty {
    fn push(&mut self, entry: Entry<'_>) {
        self.queue.push_back(entry.token);
    }

    fn pop(&mut self, _: MonoTime) -> Pick {
        match (self.trouble.call(), self.last) {
            (Fault::Absurd, _) => return Pick::Run(Token(u64::MAX - 7)),
            (Fault::Twice, Some(last)) => return Pick::Run(last),
            _ => {}
        }
        self.last = self.queue.pop_front();
        self.last.map_or(Pick::Empty, Pick::Run)
    }

    fn remove(&mut self, token: Token) -> bool {
        let place = self.queue.iter().position(|queued| *queued == token);
        place.and_then(|place| self.queue.remove(place)).is_some()
    }

    fn len(&self) -> usize {
        self.queue.len()
    }

    fn explain(&self, token: Token, _: MonoTime) -> Option<QueuePosition> {
        let ahead = self.queue.iter().position(|queued| *queued == token)?;
        Some(QueuePosition::new(Some(ahead as u64), "first in, first out"))
    }
}
