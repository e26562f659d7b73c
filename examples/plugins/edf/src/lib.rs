//! Earliest deadline first: of the queued jobs, the one starts that is due soonest.
//!
//! If jobs take the same time and there is an order in which all of them end in time, this is one (Liu and Layland, 1973). It
//! looks at nothing else: where not all can end in time, it does not choose whom to give up.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use batchmill_core::{Entry, MonoTime, Pick, QueuePosition, Scheduler, Token, format_duration};
use batchmill_plugin::{HumanDuration, Registry, TypedFactory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The options of `edf`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// How long after it was queued a job is due that has no deadline. Without it, such jobs start after all that have one.
    pub assume: Option<HumanDuration>,
}

/// Makes `kind = "edf"` known.
pub fn register(registry: &mut Registry) {
    registry.register::<dyn Scheduler>(TypedFactory::new(
        "edf",
        "starts the job with the earliest deadline first",
        |options: Options, _| Ok(Box::new(Edf::new(&options)) as Box<dyn Scheduler>),
    ));
}

batchmill_plugin::export_plugin!(register, [scheduler]);

/// When it is due, when it was queued, and the job, so that no two are equal.
type Place = (MonoTime, MonoTime, Token);

/// Orders by deadline, then by the time of queueing.
#[derive(Debug, Default)]
pub struct Edf {
    assume: Option<Duration>,
    queue: BTreeSet<Place>,
    places: HashMap<Token, Place>,
}

impl Edf {
    /// An empty queue.
    pub fn new(options: &Options) -> Self {
        Self { assume: options.assume.map(Duration::from), ..Self::default() }
    }

    fn due(&self, entry: &Entry<'_>) -> MonoTime {
        let assumed = |after| entry.enqueued + after;
        entry.deadline.or(self.assume.map(assumed)).unwrap_or(MonoTime::NEVER)
    }
}

impl Scheduler for Edf {
    fn push(&mut self, entry: Entry<'_>) {
        let place = (self.due(&entry), entry.enqueued, entry.token);
        self.queue.insert(place);
        self.places.insert(entry.token, place);
    }

    fn pop(&mut self, _: MonoTime) -> Pick {
        let Some((_, _, token)) = self.queue.pop_first() else { return Pick::Empty };
        self.places.remove(&token);
        Pick::Run(token)
    }

    fn remove(&mut self, token: Token) -> bool {
        self.places.remove(&token).is_some_and(|place| self.queue.remove(&place))
    }

    fn len(&self) -> usize {
        self.queue.len()
    }

    fn hears_finish(&self) -> bool {
        // How an attempt went changes nothing here, so nobody need tell.
        false
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        let (due, _, _) = *self.places.get(&token)?;
        let due = match due {
            MonoTime::NEVER => "it has no deadline".to_owned(),
            due if due <= now => format!("it was due {} ago", format_duration(now.since(due))),
            due => format!("it is due in {}", format_duration(due.since(now))),
        };
        // How many are ahead would have to be counted.
        Some(QueuePosition::new(None, format!("earliest deadline first, {due}")))
    }
}
