//! Schedulers: a plain one, a difficult one that keeps its promises, and some that break them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use batchmill_core::{ClassId, Entry, MonoTime, Pick, QueuePosition, Scheduler, Token, Usage};

use crate::rng::SplitMix64;

/// What the last `pop` answered, for the model.
pub(crate) type LastPick = Arc<Mutex<Option<Pick>>>;

/// What an honest scheduler picked, and of whose end it was not told yet.
pub(crate) type Unfinished = Arc<Mutex<BTreeSet<Token>>>;

/// Larger priority first, then by time queued. Checks what its caller promises.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    queue: BTreeMap<(u8, MonoTime, Token), ()>,
    keys: BTreeMap<Token, (u8, MonoTime, Token)>,
    picked: BTreeSet<Token>,
    now: MonoTime,
}

impl Scheduler for Plain {
    fn push(&mut self, entry: Entry<'_>) {
        let key = (u8::MAX - entry.priority.0, entry.enqueued, entry.token);
        assert!(!self.picked.contains(&entry.token), "pushed before it was finished: {entry:?}");
        assert!(self.keys.insert(entry.token, key).is_none(), "pushed twice: {entry:?}");
        self.queue.insert(key, ());
    }

    fn pop(&mut self, now: MonoTime) -> Pick {
        assert!(now >= self.now, "time goes back");
        self.now = now;
        let Some(((_, _, token), ())) = self.queue.pop_first() else { return Pick::Empty };
        self.keys.remove(&token);
        self.picked.insert(token);
        Pick::Run(token)
    }

    fn remove(&mut self, token: Token) -> bool {
        self.keys.remove(&token).is_some_and(|key| self.queue.remove(&key).is_some())
    }

    fn len(&self) -> usize {
        self.queue.len()
    }

    fn on_finish(&mut self, token: Token, _: Usage) {
        assert!(self.picked.remove(&token), "finished, but not picked: {token:?}");
    }

    fn explain(&self, token: Token, _: MonoTime) -> Option<QueuePosition> {
        let key = self.keys.get(&token)?;
        Some(QueuePosition::new(Some(self.queue.range(..key).count() as u64), format!("priority {}", u8::MAX - key.0)))
    }
}

/// A plain scheduler that first says what it is told to.
#[derive(Debug)]
pub(crate) struct Said {
    picks: VecDeque<Pick>,
    then: Plain,
}

impl Said {
    pub(crate) fn new(picks: impl IntoIterator<Item = Pick>) -> Self {
        Self { picks: picks.into_iter().collect(), then: Plain::default() }
    }
}

impl Scheduler for Said {
    fn push(&mut self, entry: Entry<'_>) {
        self.then.push(entry);
    }

    fn pop(&mut self, now: MonoTime) -> Pick {
        if self.then.is_empty() {
            return Pick::Empty;
        }
        self.picks.pop_front().unwrap_or_else(|| self.then.pop(now))
    }

    fn remove(&mut self, token: Token) -> bool {
        self.then.remove(token)
    }

    fn len(&self) -> usize {
        self.then.len()
    }

    fn on_finish(&mut self, token: Token, usage: Usage) {
        self.then.on_finish(token, usage);
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        self.then.explain(token, now)
    }
}

/// A plain scheduler whose calls are dear: it writes down how it is asked for jobs.
#[derive(Debug, Default)]
pub(crate) struct Dear {
    pub(crate) asked: Arc<Mutex<Vec<usize>>>,
    plain: Plain,
}

impl Dear {
    /// It does not hear of ends, and so forgets what it picks.
    fn unheard<R>(&mut self, pick: impl FnOnce(&mut Plain) -> R) -> R {
        let answer = pick(&mut self.plain);
        self.plain.picked.clear();
        answer
    }
}

impl Scheduler for Dear {
    fn push(&mut self, entry: Entry<'_>) {
        self.plain.push(entry);
    }

    fn pop(&mut self, now: MonoTime) -> Pick {
        self.asked.lock().unwrap().push(1);
        self.unheard(|plain| plain.pop(now))
    }

    fn pop_many(&mut self, now: MonoTime, max: usize, picked: &mut Vec<Token>) -> Option<Pick> {
        self.asked.lock().unwrap().push(max);
        self.unheard(|plain| plain.pop_many(now, max, picked))
    }

    fn remove(&mut self, token: Token) -> bool {
        self.plain.remove(token)
    }

    fn len(&self) -> usize {
        self.plain.len()
    }

    fn hears_finish(&self) -> bool {
        false
    }

    fn prefers_many(&self) -> bool {
        true
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        self.plain.explain(token, now)
    }
}

/// A plain scheduler that writes down how long each pick is said to have run: place and milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Noting {
    pub(crate) heard: Arc<Mutex<Vec<(u64, u128)>>>,
    plain: Plain,
}

impl Scheduler for Noting {
    fn push(&mut self, entry: Entry<'_>) {
        self.plain.push(entry);
    }

    fn pop(&mut self, now: MonoTime) -> Pick {
        self.plain.pop(now)
    }

    fn remove(&mut self, token: Token) -> bool {
        self.plain.remove(token)
    }

    fn len(&self) -> usize {
        self.plain.len()
    }

    fn on_finish(&mut self, token: Token, usage: Usage) {
        self.heard.lock().unwrap().push((token.0, usage.ran.as_millis()));
        self.plain.on_finish(token, usage);
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        self.plain.explain(token, now)
    }
}

/// In the order of arrival. Says that it can hold, and holds nothing but the first class that it is told to.
#[derive(Debug, Default)]
pub(crate) struct Forgetful {
    inner: batchmill_scheduler_fifo::Fifo,
    held: Option<ClassId>,
}

impl Scheduler for Forgetful {
    fn push(&mut self, entry: Entry<'_>) {
        self.inner.push(entry);
    }

    fn pop(&mut self, now: MonoTime) -> Pick {
        self.inner.pop(now)
    }

    fn remove(&mut self, token: Token) -> bool {
        self.inner.remove(token)
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn can_hold(&self) -> bool {
        true
    }

    fn hold(&mut self, class: ClassId) {
        if *self.held.get_or_insert(class) == class {
            self.inner.hold(class);
        }
    }

    fn release(&mut self, class: ClassId) {
        self.inner.release(class);
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        self.inner.explain(token, now)
    }
}

/// What is wrong, or only difficult, about a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Says what it is told to by the inner one.
    Honest,
    /// Lets a free slot wait now and then, as a scheduler with reservations may.
    Waits,
    /// Names moments that have come, which would be asked for again at once.
    Lags,
    /// Hands out some tokens twice.
    Doubles,
    /// Hands out tokens that never were.
    Invents,
    /// Loses some tokens.
    Drops,
    /// Says that it is empty while it is not.
    Hides,
}

/// Wraps a scheduler and misbehaves.
#[derive(Debug)]
pub(crate) struct Mannered {
    inner: Box<dyn Scheduler>,
    manner: Manner,
    rng: SplitMix64,
    again: Option<Token>,
    waits_until: MonoTime,
    pub(crate) last: LastPick,
    pub(crate) unfinished: Unfinished,
}

impl Mannered {
    pub(crate) fn new(inner: Box<dyn Scheduler>, manner: Manner, seed: u64) -> Self {
        let (again, waits_until) = (None, MonoTime::ZERO);
        let (last, unfinished) = (LastPick::default(), Unfinished::default());
        Self { inner, manner, rng: SplitMix64::new(seed), again, waits_until, last, unfinished }
    }

    fn pick(&mut self, now: MonoTime) -> Pick {
        match self.manner {
            Manner::Waits if now < self.waits_until && !self.inner.is_empty() => {
                return Pick::NotBefore(self.waits_until);
            }
            Manner::Waits if !self.inner.is_empty() && self.rng.one_in(4) => {
                self.waits_until = now + Duration::from_micros(1 + self.rng.below(5_000));
                return Pick::NotBefore(self.waits_until);
            }
            Manner::Lags if !self.inner.is_empty() && self.rng.one_in(4) => {
                let passed = now.as_nanos().saturating_sub(self.rng.below(2_000_000));
                return Pick::NotBefore(MonoTime::from_nanos(passed));
            }
            Manner::Doubles if self.rng.one_in(2) && self.again.is_some() => {
                return Pick::Run(self.again.take().expect("looked"));
            }
            Manner::Invents if self.rng.one_in(3) => return Pick::Run(Token(self.rng.bits() | 1 << 63)),
            Manner::Hides if self.rng.one_in(3) => return Pick::Empty,
            Manner::Drops if self.rng.one_in(8) => drop(self.inner.pop(now)),
            _ => {}
        }
        let pick = self.inner.pop(now);
        if let Pick::Run(token) = pick {
            if matches!(self.manner, Manner::Honest | Manner::Waits | Manner::Lags) {
                self.unfinished.lock().unwrap().insert(token);
            }
            self.again = Some(token);
        }
        pick
    }
}

impl Scheduler for Mannered {
    fn push(&mut self, entry: Entry<'_>) {
        self.inner.push(entry);
    }

    fn pop(&mut self, now: MonoTime) -> Pick {
        let pick = self.pick(now);
        *self.last.lock().unwrap() = Some(pick);
        pick
    }

    fn remove(&mut self, token: Token) -> bool {
        self.inner.remove(token)
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn on_finish(&mut self, token: Token, usage: Usage) {
        self.unfinished.lock().unwrap().remove(&token);
        self.inner.on_finish(token, usage);
    }

    fn can_hold(&self) -> bool {
        self.inner.can_hold()
    }

    fn hold(&mut self, class: ClassId) {
        self.inner.hold(class);
    }

    fn release(&mut self, class: ClassId) {
        self.inner.release(class);
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        self.inner.explain(token, now)
    }
}
