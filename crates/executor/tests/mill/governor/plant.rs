//! A simulated service, and a mill that works on it.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use batchmill_core::{BatchId, ErrorClass, Governor, Job, JobId, Node, NodeContext, NodeError, StateData};
use batchmill_executor::{BatchHandle, FlowWorkload, Governing, Graphs, JobSource, Mill, Opening, Settings};
use batchmill_failure_halt::Halt;
use batchmill_flow::{NodeSpec, StateGraph};
use batchmill_retry_exponential::{Backoff, Exponential, Jitter, Options as RetryOptions};
use batchmill_testkit::Seed;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{after, kept, scheduler};

/// What becomes of requests beyond the capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// They wait for their turn.
    Waits,
    /// They are asked to come back in a second.
    IsSentAway,
}

/// It works on so many requests at once; each takes 100 to 300 ms.
#[derive(Debug)]
struct Service {
    excess: Excess,
    /// First come, first served.
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seed: Seed,
    capacity: usize,
    /// Places that go as soon as they are free.
    surplus: usize,
    served: u64,
}

impl Service {
    fn new(excess: Excess) -> Self {
        let state = State { seed: Seed::new(1), capacity: 0, surplus: 0, served: 0 };
        Self { excess, places: Semaphore::new(0), state: Mutex::new(state) }
    }

    fn set(&self, capacity: usize) {
        let mut state = self.state.lock().unwrap();
        let before = std::mem::replace(&mut state.capacity, capacity);
        if capacity >= before {
            let kept = state.surplus.min(capacity - before);
            state.surplus -= kept;
            self.places.add_permits(capacity - before - kept);
        } else {
            state.surplus += before - capacity - self.places.forget_permits(before - capacity);
        }
    }

    /// A request is served; its place is free, or goes.
    fn served(&self, place: SemaphorePermit<'_>) {
        let mut state = self.state.lock().unwrap();
        state.served += 1;
        if state.surplus > 0 {
            state.surplus -= 1;
            place.forget();
        }
    }
}

#[async_trait]
impl Node for Service {
    async fn run(&self, _: &StateData, _: NodeContext<'_>) -> Result<StateData, NodeError> {
        let place = match self.excess {
            Excess::Waits => self.places.acquire().await.unwrap(),
            Excess::IsSentAway => match self.places.try_acquire() {
                Ok(place) => place,
                Err(_) => {
                    after(Duration::from_millis(100)).await;
                    let busy = NodeError::new(ErrorClass::Recoverable, "busy", "come back later");
                    return Err(busy.retry_after(Duration::from_secs(1)));
                }
            },
        };
        let takes = 100_000 + self.state.lock().unwrap().seed.below(200_000);
        after(Duration::from_micros(takes)).await;
        self.served(place);
        Ok(StateData::new())
    }
}

/// A mill at work on a service.
pub(crate) struct Run {
    service: Arc<Service>,
    mill: Mill<FlowWorkload>,
    batch: BatchHandle<FlowWorkload>,
}

/// What a window was like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// The limit at its end.
    pub(crate) limit: u32,
    pub(crate) served: u64,
}

impl Run {
    pub(crate) fn start(excess: Excess, jobs: u64, limit: u32, governor: Box<dyn Governor>) -> Self {
        let service = Arc::new(Service::new(excess));
        let node = NodeSpec::new(service.clone());
        let graph = StateGraph::new("request").start(["request"]).node("request", node).compile().unwrap();
        let jobs: Arc<dyn JobSource> =
            Arc::new((0..jobs).map(|n| Job::new(JobId::from(n), StateData::new())).collect::<Vec<_>>());
        let mill = Mill::start(&Settings::new(NonZeroU32::new(limit).unwrap()), scheduler());
        let governing = Governing::new(governor);
        let workload = FlowWorkload::new(Graphs::One(Arc::new(graph)), jobs.clone(), None).timed(&governing.latency);
        mill.govern(governing);
        let mut retry = RetryOptions::with_max_attempts(1000);
        (retry.backoff, retry.jitter) = (Backoff::Fixed, Jitter::None);
        let retry = Exponential::new(&retry).unwrap();
        let failure = Box::new(Halt::new(&Default::default()).unwrap());
        let id = BatchId::new("requests").unwrap();
        let opening = Opening::new(id, Arc::new(workload), jobs, failure, vec![Arc::new(retry)], kept().0);
        let batch = mill.open(opening);
        Self { service, mill, batch }
    }

    /// A second with this capacity.
    pub(crate) async fn window(&mut self, capacity: u32) -> Window {
        self.service.set(capacity as usize);
        let before = self.service.state.lock().unwrap().served;
        after(Duration::from_secs(1)).await;
        assert!(self.batch.verdict().is_none(), "there are not enough jobs");
        let served = self.service.state.lock().unwrap().served - before;
        Window { limit: self.mill.limit().attempts, served }
    }
}
