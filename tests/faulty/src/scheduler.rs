//! First in, first out.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use batchmill_core::{
    ClassId, Entry, MonoTime, Pick, QueuePosition, Scheduler, ShareUsage, Shares, Token, Usage, UsageMemory,
};

use crate::{Fault, Method, Options, options::Trouble};

#[derive(Debug)]
pub(crate) struct Faulty {
    trouble: Trouble,
    queue: VecDeque<(Token, ClassId)>,
    held: BTreeSet<ClassId>,
    last: Option<Token>,
    weights: BTreeMap<String, f64>,
    ended: u32,
}

impl Faulty {
    pub(crate) fn new(options: Options) -> Self {
        let trouble = Trouble::new(options, Method::Pop);
        let (queue, held, weights) = (VecDeque::new(), BTreeSet::new(), BTreeMap::new());
        Self { trouble, queue, held, last: None, weights, ended: 0 }
    }

    fn next(&mut self) -> Option<Token> {
        let place = self.queue.iter().position(|(_, class)| !self.held.contains(class))?;
        self.queue.remove(place).map(|(token, _)| token)
    }
}

impl Scheduler for Faulty {
    fn push(&mut self, entry: Entry<'_>) {
        self.trouble.call(Method::Push);
        self.queue.push_back((entry.token, entry.class));
    }

    fn pop(&mut self, _: MonoTime) -> Pick {
        match (self.trouble.call(Method::Pop), self.last) {
            (Fault::Absurd, _) => return Pick::Run(Token(u64::MAX - 7)),
            (Fault::Twice, Some(last)) => return Pick::Run(last),
            _ => {}
        }
        self.last = self.next();
        self.last.map_or(Pick::Empty, Pick::Run)
    }

    fn remove(&mut self, token: Token) -> bool {
        self.trouble.call(Method::Remove);
        let place = self.queue.iter().position(|(queued, _)| *queued == token);
        place.and_then(|place| self.queue.remove(place)).is_some()
    }

    fn len(&self) -> usize {
        self.trouble.call(Method::Len);
        self.queue.len()
    }

    fn on_finish(&mut self, _: Token, _: Usage) {
        self.trouble.call(Method::OnFinish);
        self.ended += 1;
    }

    fn hears_finish(&self) -> bool {
        self.trouble.call(Method::HearsFinish);
        true
    }

    fn can_hold(&self) -> bool {
        self.trouble.call(Method::CanHold);
        true
    }

    fn hold(&mut self, class: ClassId) {
        self.trouble.call(Method::Hold);
        self.held.insert(class);
    }

    fn release(&mut self, class: ClassId) {
        self.trouble.call(Method::Release);
        self.held.remove(&class);
    }

    fn explain(&self, token: Token, _: MonoTime) -> Option<QueuePosition> {
        self.trouble.call(Method::Explain);
        let ahead = self.queue.iter().position(|(queued, _)| *queued == token)?;
        Some(QueuePosition::new(Some(ahead as u64), "first in, first out"))
    }

    fn shares(&mut self) -> Option<&mut dyn Shares> {
        self.trouble.call(Method::Shares);
        self.trouble.is_of_shares().then_some(self as &mut dyn Shares)
    }

    fn push_many(&mut self, entries: &[Entry<'_>]) {
        self.trouble.call(Method::PushMany);
        entries.iter().for_each(|entry| self.push(entry.clone()));
    }

    fn pop_many(&mut self, now: MonoTime, max: usize, picked: &mut Vec<Token>) -> Option<Pick> {
        self.trouble.call(Method::PopMany);
        for _ in 0..max {
            match self.pop(now) {
                Pick::Run(token) => picked.push(token),
                other => return Some(other),
            }
        }
        None
    }
}

/// They are kept, and nothing is divided by them.
impl Shares for Faulty {
    fn weight(&self, share: &str) -> f64 {
        self.trouble.call(Method::Weight);
        self.weights.get(share).copied().unwrap_or(1.0)
    }

    fn set_weight(&mut self, share: &str, weight: f64) -> Result<(), String> {
        self.trouble.call(Method::SetWeight);
        if weight > 100.0 {
            return Err("too heavy".to_owned());
        }
        self.weights.insert(share.to_owned(), weight);
        Ok(())
    }

    fn charges_memory(&self) -> bool {
        self.trouble.call(Method::ChargesMemory);
        false
    }

    fn memory(&self) -> Option<UsageMemory> {
        self.trouble.call(Method::Memory);
        Some(UsageMemory::new("attempts", Duration::from_secs(3600)))
    }

    fn recall(&mut self, _: MonoTime, _: &[ShareUsage]) {
        self.trouble.call(Method::Recall);
    }

    fn take_usage(&mut self) -> Vec<ShareUsage> {
        self.trouble.call(Method::TakeUsage);
        match std::mem::take(&mut self.ended) {
            0 => Vec::new(),
            ended => vec![ShareUsage::new("all", f64::from(ended))],
        }
    }
}
