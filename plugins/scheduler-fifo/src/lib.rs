//! First in, first out.
//!
//! **What it is.** A [`Scheduler`] that starts jobs in the order in which they were queued. A retried job keeps its
//! place: it goes before everything that was queued after it.
//!
//! **When to use it.** When all jobs are equal, or when the order of the file is the order that is wanted.
//!
//! **What it deliberately does not do.** It looks at no priority, share, cost or deadline.
//!
//! ```
//! use batchmill_core::{ClassId, Entry, MonoTime, Pick, Priority, Scheduler, Token};
//! use batchmill_scheduler_fifo::Fifo;
//!
//! let mut fifo = Fifo::new();
//! let entry = |token, queued| Entry::new(Token(token), ClassId(0), Priority(0), "default", MonoTime::from_nanos(queued));
//! fifo.push(entry(2, 20));
//! fifo.push(entry(1, 10)); // a retry of a job that was queued first
//! assert_eq!(fifo.pop(MonoTime::from_nanos(30)), Pick::Run(Token(1)));
//! ```

mod options;

use std::time::Duration;

use batchmill_core::{ClassId, Entry, MonoTime, Pick, Priority, QueuePosition, Scheduler, Token, format_duration};
use batchmill_plugin::{Ageing, Apart, Key, Lanes, Registry, TypedFactory};

pub use options::Options;

/// Makes `kind = "fifo"` known.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn Scheduler>(TypedFactory::new(
        "fifo",
        "starts jobs in the order in which they were queued; a retried job keeps its place",
        |_: Options, _| Ok(Box::new(Fifo::new()) as Box<dyn Scheduler>),
    ));
}

batchmill_plugin::export_plugin!(register, [scheduler]);

/// The lane of all classes that were never held.
const LANE: usize = 0;

/// Here all jobs are of one.
const PRIORITY: Priority = Priority(0);

/// Orders by `enqueued`, then by order of arrival.
#[derive(Debug)]
pub struct Fifo {
    /// With the class of each job.
    lanes: Lanes<ClassId>,
    ageing: Ageing,
    apart: Apart,
}

impl Fifo {
    /// An empty queue.
    pub fn new() -> Self {
        let ageing = Ageing::new(Duration::ZERO);
        Self { lanes: Lanes::new(1), ageing, apart: Apart::new(ageing) }
    }
}

impl Default for Fifo {
    fn default() -> Self {
        Self::new()
    }
}

impl Fifo {
    /// The first job that is not held, where classes were.
    fn pop_past_held(&mut self) -> Option<Token> {
        loop {
            if self.apart.has_first() {
                let head = self.lanes.head(LANE);
                let key =
                    head.map(|(enqueued, token)| Key { rank: self.ageing.rank(PRIORITY, enqueued), turn: token.0 });
                if let Some(token) = self.apart.pop_before(&mut self.lanes, key) {
                    return Some(token);
                }
            }
            let (enqueued, token, class) = self.lanes.pop(LANE)?;
            if !self.apart.is_held(class) {
                return Some(token);
            }
            self.apart.push(&mut self.lanes, (class, PRIORITY), (token, enqueued), class);
        }
    }
}

impl Scheduler for Fifo {
    fn push(&mut self, entry: Entry<'_>) {
        let Entry { token, class, enqueued, .. } = entry;
        if self.apart.is_empty() || !self.apart.push(&mut self.lanes, (class, PRIORITY), (token, enqueued), class) {
            self.lanes.push(LANE, token, enqueued, class);
        }
    }

    fn pop(&mut self, _: MonoTime) -> Pick {
        let token = match self.apart.is_empty() {
            true => self.lanes.pop(LANE).map(|(_, token, _)| token),
            false => self.pop_past_held(),
        };
        token.map_or(Pick::Empty, Pick::Run)
    }

    fn remove(&mut self, token: Token) -> bool {
        let Some(lane) = self.lanes.remove(token) else { return false };
        self.apart.removed(&self.lanes, lane);
        true
    }

    fn len(&self) -> usize {
        self.lanes.len()
    }

    fn hears_finish(&self) -> bool {
        false
    }

    fn can_hold(&self) -> bool {
        true
    }

    fn hold(&mut self, class: ClassId) {
        self.apart.hold(&mut self.lanes, class);
    }

    fn release(&mut self, class: ClassId) {
        self.apart.release(&self.lanes, class);
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        let spot = self.lanes.find(token)?;
        let held = self.lanes.note(token).is_some_and(|class| self.apart.is_held(class));
        let held = if held { "its class is held, " } else { "" };
        let reason = format!("{held}first in, first out, queued {} ago", format_duration(now.since(spot.enqueued)));
        // Which jobs ahead are held, and what is released before they start, is not known.
        Some(QueuePosition::new(self.apart.is_empty().then_some(spot.ahead as u64), reason))
    }
}
