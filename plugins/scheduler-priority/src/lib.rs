//! Urgent jobs first, and waiting makes urgent.
//!
//! **What it is.** A [`Scheduler`] that orders jobs by `enqueued − priority × age_step`. Jobs queued together start by
//! priority, and in the order of the file within one. A job is overtaken only by one that was queued less than *priority
//! difference × `age_step`* later: that is the bound on starvation. With `age_step = "0s"` the order is by priority alone.
//!
//! **When to use it.** When some jobs matter more than others, and none may wait for ever.
//!
//! **What it deliberately does not do.** It divides nothing between tenants, and looks at no cost and no deadline.
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

use batchmill_core::{ClassId, Entry, MonoTime, Pick, Priority, QueuePosition, Scheduler, Token, format_duration};
use batchmill_plugin::{Ageing, Apart, Key, Lanes, Registry, Spot, TypedFactory};
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

batchmill_plugin::export_plugin!(register, [scheduler]);

/// Orders by priority and age: one lane a priority, and a tournament of their heads.
#[derive(Debug)]
pub struct PriorityScheduler {
    ageing: Ageing,
    /// With the class of each job.
    lanes: Lanes<ClassId>,
    front: Front,
    apart: Apart,
}

impl PriorityScheduler {
    /// An empty queue.
    pub fn new(options: &Options) -> Self {
        let ageing = Ageing::new(options.age_step.0);
        Self { ageing, lanes: Lanes::new(LANES), front: Front::new(), apart: Apart::new(ageing) }
    }

    fn head_changed(&mut self, lane: u8) {
        let head = self.lanes.head(usize::from(lane));
        self.front.set(lane, head.map(|(enqueued, _)| self.ageing.rank(Priority(lane), enqueued)));
    }

    fn pop_of(&mut self, lane: u8) -> Option<(MonoTime, Token, ClassId)> {
        let first = self.lanes.pop(usize::from(lane));
        self.head_changed(lane);
        first
    }

    /// The first job that is not held, where classes were.
    fn pop_past_held(&mut self) -> Option<Token> {
        while let Some(lane) = self.front.first() {
            if self.apart.has_first() {
                let (enqueued, token) = self.lanes.head(usize::from(lane))?;
                let key = Key { rank: self.ageing.rank(Priority(lane), enqueued), turn: token.0 };
                if let Some(token) = self.apart.pop_before(&mut self.lanes, Some(key)) {
                    return Some(token);
                }
            }
            let (enqueued, token, class) = self.pop_of(lane)?;
            if !self.apart.is_held(class) {
                return Some(token);
            }
            self.apart.push(&mut self.lanes, (class, Priority(lane)), (token, enqueued), class);
        }
        self.apart.pop_before(&mut self.lanes, None)
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

/// Whether a job is like the one before it, and numbered after it.
fn goes_on(before: &Entry<'_>, next: &Entry<'_>) -> bool {
    next.token.0.checked_sub(1) == Some(before.token.0)
        && (next.class, next.priority, next.enqueued) == (before.class, before.priority, before.enqueued)
}

impl Scheduler for PriorityScheduler {
    fn push(&mut self, entry: Entry<'_>) {
        let Entry { token, class, priority, enqueued, .. } = entry;
        if !self.apart.is_empty() && self.apart.push(&mut self.lanes, (class, priority), (token, enqueued), class) {
            return;
        }
        if self.lanes.push(usize::from(priority.0), token, enqueued, class) {
            self.head_changed(priority.0);
        }
    }

    /// Jobs of a batch come numbered one after the other: such a run is queued at once.
    fn push_many(&mut self, entries: &[Entry<'_>]) {
        if !self.apart.is_empty() {
            return entries.iter().for_each(|entry| self.push(entry.clone()));
        }
        for run in entries.chunk_by(goes_on) {
            let Entry { token, class, priority, enqueued, .. } = run[0];
            let count = u32::try_from(run.len()).expect("a host queues fewer than 2^32 jobs at once");
            if self.lanes.push_run(usize::from(priority.0), token, count, enqueued, class) {
                self.head_changed(priority.0);
            }
        }
    }

    fn pop(&mut self, _: MonoTime) -> Pick {
        let token = match self.apart.is_empty() {
            true => self.front.first().and_then(|lane| self.pop_of(lane)).map(|(_, token, _)| token),
            false => self.pop_past_held(),
        };
        token.map_or(Pick::Empty, Pick::Run)
    }

    /// Jobs that were queued as a run leave as one.
    fn pop_many(&mut self, now: MonoTime, max: usize, picked: &mut Vec<Token>) -> Option<Pick> {
        let until = picked.len().saturating_add(max);
        while picked.len() < until {
            if !self.apart.is_empty() {
                match self.pop(now) {
                    Pick::Run(token) => picked.push(token),
                    other => return Some(other),
                }
                continue;
            }
            let Some(lane) = self.front.first() else { return Some(Pick::Empty) };
            let most = u32::try_from(until - picked.len()).unwrap_or(u32::MAX);
            let (first, count, _) = self.lanes.pop_run(usize::from(lane), most)?;
            self.head_changed(lane);
            picked.extend((0..u64::from(count)).map(|number| Token(first.0 + number)));
        }
        None
    }

    fn remove(&mut self, token: Token) -> bool {
        let Some(lane) = self.lanes.remove(token) else { return false };
        match u8::try_from(lane) {
            Ok(lane) => self.head_changed(lane),
            Err(_) => self.apart.removed(&self.lanes, lane),
        }
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
        let priority = self.apart.priority(spot.lane).unwrap_or_else(|| Priority(lane_number(spot.lane)));
        let held = self.lanes.note(token).is_some_and(|class| self.apart.is_held(class));
        let held = if held { "its class is held, " } else { "" };
        let reason = format!("{held}priority {priority}, queued {} ago", format_duration(now.since(spot.enqueued)));
        // Which jobs ahead are held, and what is released before they start, is not known.
        let ahead = self.apart.is_empty().then(|| self.ahead(spot) as u64);
        Some(QueuePosition::new(ahead, reason))
    }
}

fn lane_number(lane: usize) -> u8 {
    u8::try_from(lane).expect("there are 256 lanes")
}
