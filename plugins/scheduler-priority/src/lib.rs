//! Urgent jobs first, and waiting makes urgent.
//!
//! **What it is.** A [`Scheduler`] that orders jobs by `enqueued − priority × age_step`. Jobs queued together start by
//! priority, and in the order of the file within one. A job is overtaken only by one that was queued less than *priority
//! difference × `age_step`* later: that is the bound on starvation. With `age_step = "0s"` the order is by priority alone.
//!
//! **When to use it.** When some jobs matter more than others, and none may wait for ever.
//!
//! **What it deliberately does not do.** It divides nothing between tenants, looks at no cost and no deadline, and it holds
//! no classes: the host parks what may not start.
//!
//! ```
//! use std::time::Duration;
//!
//! use batchmill_core::{ClassId, Entry, MonoTime, Pick, Priority, Scheduler, Token};
//! use batchmill_scheduler_priority::{Options, PriorityScheduler};
//!
//! let mut scheduler = PriorityScheduler::new(&Options::default().age_step(Duration::from_secs(60)));
//! let at = |seconds| MonoTime::ZERO + Duration::from_secs(seconds);
//! let entry = |token, priority, queued| Entry::new(Token(token), ClassId(0), Priority(priority), "default", queued);
//! scheduler.push(entry(1, 0, at(0)));
//! scheduler.push(entry(2, 1, at(59))); // less than 1 × 60 s later: overtakes
//! scheduler.push(entry(3, 1, at(60))); // too late to overtake
//! let picks: Vec<Pick> = (0..3).map(|_| scheduler.pop(at(70))).collect();
//! assert_eq!(picks, [2, 1, 3].map(|token| Pick::Run(Token(token))));
//! ```

mod front;
mod options;

use batchmill_core::{Entry, MonoTime, Pick, Priority, QueuePosition, Scheduler, Token, format_duration};
use batchmill_plugin::{Ageing, Lanes, Registry, Spot, TypedFactory};
use front::{Front, LANES};

pub use options::Options;

/// Makes `kind = "priority"` known.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn Scheduler>(TypedFactory::new(
        "priority",
        "starts urgent jobs first; waiting makes a job more urgent, so none waits for ever",
        |options: Options, _| Ok(Box::new(PriorityScheduler::new(&options)) as Box<dyn Scheduler>),
    ));
}

/// Orders by priority and age: one lane a priority, and a tournament of their heads.
#[derive(Debug)]
pub struct PriorityScheduler {
    ageing: Ageing,
    lanes: Lanes,
    front: Front,
}

impl PriorityScheduler {
    /// An empty queue.
    pub fn new(options: &Options) -> Self {
        Self { ageing: Ageing::new(options.age_step.0), lanes: Lanes::new(LANES), front: Front::new() }
    }

    fn head_changed(&mut self, lane: u8) {
        let head = self.lanes.head(usize::from(lane));
        self.front.set(lane, head.map(|(enqueued, _)| self.ageing.rank(Priority(lane), enqueued)));
    }

    /// How many jobs of all lanes go before the one at `spot`.
    fn ahead(&self, spot: Spot) -> usize {
        let own = lane_number(spot.lane);
        let others = (0..=u8::MAX).filter(|lane| *lane != own);
        let in_others = others.filter_map(|lane| {
            let until = self.ageing.goes_before(Priority(lane), Priority(own), spot.enqueued)?;
            Some(self.lanes.count_until(usize::from(lane), until))
        });
        spot.ahead + in_others.sum::<usize>()
    }
}

impl Scheduler for PriorityScheduler {
    fn push(&mut self, entry: Entry<'_>) {
        let lane = entry.priority.0;
        if self.lanes.push(usize::from(lane), entry.token, entry.enqueued, ()) {
            self.head_changed(lane);
        }
    }

    fn pop(&mut self, _: MonoTime) -> Pick {
        let Some(lane) = self.front.first() else { return Pick::Empty };
        let first = self.lanes.pop(usize::from(lane));
        self.head_changed(lane);
        first.map_or(Pick::Empty, |(token, ())| Pick::Run(token))
    }

    fn remove(&mut self, token: Token) -> bool {
        match self.lanes.remove(token) {
            Some(lane) => {
                self.head_changed(lane_number(lane));
                true
            }
            None => false,
        }
    }

    fn len(&self) -> usize {
        self.lanes.len()
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        let spot = self.lanes.find(token)?;
        let reason = format!("priority {}, queued {} ago", spot.lane, format_duration(now.since(spot.enqueued)));
        Some(QueuePosition::new(Some(self.ahead(spot) as u64), reason))
    }
}

fn lane_number(lane: usize) -> u8 {
    u8::try_from(lane).expect("there are 256 lanes")
}
