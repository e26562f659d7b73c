//! First in, first out.
//!
//! **What it is.** A [`Scheduler`] that starts jobs in the order in which they were queued. A retried job keeps its
//! place: it goes before everything that was queued after it.
//!
//! **When to use it.** When all jobs are equal, or when the order of the file is the order that is wanted.
//!
//! **What it deliberately does not do.** It looks at no priority, share, cost or deadline, and it holds no classes: the
//! host parks what may not start.
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

use batchmill_core::{Entry, MonoTime, Pick, QueuePosition, Scheduler, Token, format_duration};
use batchmill_plugin::{Lanes, Registry, TypedFactory};

pub use options::Options;

/// Makes `kind = "fifo"` known.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn Scheduler>(TypedFactory::new(
        "fifo",
        "starts jobs in the order in which they were queued; a retried job keeps its place",
        |_: Options, _| Ok(Box::new(Fifo::new()) as Box<dyn Scheduler>),
    ));
}

/// The only lane.
const LANE: usize = 0;

/// Orders by `enqueued`, then by order of arrival.
#[derive(Debug)]
pub struct Fifo {
    queue: Lanes,
}

impl Fifo {
    /// An empty queue.
    pub fn new() -> Self {
        Self { queue: Lanes::new(1) }
    }
}

impl Default for Fifo {
    fn default() -> Self {
        Self::new()
    }
}

impl Scheduler for Fifo {
    fn push(&mut self, entry: Entry<'_>) {
        self.queue.push(LANE, entry.token, entry.enqueued, ());
    }

    fn pop(&mut self, _: MonoTime) -> Pick {
        self.queue.pop(LANE).map_or(Pick::Empty, |(token, ())| Pick::Run(token))
    }

    fn remove(&mut self, token: Token) -> bool {
        self.queue.remove(token).is_some()
    }

    fn len(&self) -> usize {
        self.queue.len()
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        let spot = self.queue.find(token)?;
        let reason = format!("first in, first out, queued {} ago", format_duration(now.since(spot.enqueued)));
        Some(QueuePosition::new(Some(spot.ahead as u64), reason))
    }
}
