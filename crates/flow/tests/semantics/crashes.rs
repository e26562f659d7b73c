//! Hosts that die: what the next one does again, and that it ends up where the first would have.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use batchmill_core::{AttemptFailure, CancelSignal, Checkpoint, GivenUp, JobError};
use batchmill_flow::{
    AttemptEnd, AttemptRequest, CheckpointMode, CompiledGraph, ExecutionEngine, NodeSpec, async_node_fn,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    check::{job, object},
    disk::Disk,
    random::{MAX_STEPS, Model, ModelError, ModelNext, assemble, models, prescribed},
};

/// What happens between two polls of an attempt.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// As many puts are written and confirmed.
    Confirm(usize),
    /// The host dies, and as many puts were written. Whether the next one hears what was given up.
    Crash { written: usize, recalls: bool },
}

/// Several hosts, one after the other, that run one job. A node that fails is given up at once, if the flow handles it.
struct Hosts {
    graph: CompiledGraph,
    mode: CheckpointMode,
    disk: Arc<Disk>,
    /// Nodes that the running host has started, by their place.
    started: Arc<Mutex<Vec<usize>>>,
    /// The supersteps that the reference prescribes.
    steps: Vec<Vec<usize>>,
    given_up: Vec<GivenUp>,
    /// The superstep in which the nodes above failed.
    failed_in: u64,
    /// Attempts that ended by themselves.
    attempts: u32,
}

/// How the life of a host ended.
enum Life {
    /// Whether the next one hears what was given up.
    Crashed {
        recalls: bool,
    },
    Failed(Box<AttemptFailure>),
    Done(Value),
}

impl Hosts {
    fn of(models: &[Model], mode: CheckpointMode) -> Self {
        let started = Arc::new(Mutex::new(Vec::new()));
        let graph = assemble(models, mode, |name, model| {
            let started = started.clone();
            NodeSpec::from(async_node_fn(move |state| {
                started.lock().unwrap().push(name);
                let end = model.act(name, &state);
                async move {
                    once_pending().await;
                    end
                }
            }))
        });
        let (disk, steps) = (Arc::new(Disk::default()), prescribed(models).0);
        Self { graph, mode, disk, started, steps, given_up: Vec::new(), failed_in: 0, attempts: 0 }
    }

    /// Runs to the end of the job, through everything that `events` brings. After them nothing bad happens any more.
    fn run(&mut self, mut events: impl Iterator<Item = Event>) -> Result<Value, Box<AttemptFailure>> {
        loop {
            let (kept, given_up) = (self.disk.written(), self.given_up.clone());
            let life = self.live(&given_up, &mut events);
            self.check(kept.as_ref(), &given_up, &life);
            match life {
                Life::Crashed { recalls: true } => {}
                Life::Crashed { recalls: false } => self.given_up.clear(),
                Life::Done(output) => return Ok(output),
                Life::Failed(failure) if failure.iter().all(|failed| failed.handled) => {
                    let error = |failed: &batchmill_core::NodeFailure| JobError::from(failed.error.clone());
                    self.attempts += 1;
                    let nodes = failure.iter().filter_map(|failed| Some((failed.node.clone()?, error(failed))));
                    self.given_up = nodes.map(|(node, error)| GivenUp::new(node, error, self.attempts)).collect();
                    self.failed_in = self.disk.written().map_or(0, |kept| kept.step);
                }
                Life::Failed(failure) => return Err(failure),
            }
        }
    }

    fn live(&self, given_up: &[GivenUp], events: &mut impl Iterator<Item = Event>) -> Life {
        let (mut job, input, cancel) = (job(), object(json!({})), CancelSignal::new());
        job.attempt = self.attempts + 1;
        let request = AttemptRequest { job: &job, input: &input, cancel: &cancel, resume: true, given_up };
        let engine = ExecutionEngine::new().checkpointer(self.disk.clone()).without_deletion();
        let mut attempt = pin!(engine.attempt(&self.graph, request));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match attempt.as_mut().poll(&mut context) {
                Poll::Ready(AttemptEnd::Done { output, .. }) => return Life::Done(output),
                Poll::Ready(AttemptEnd::Failed(failure)) => return Life::Failed(Box::new(failure)),
                Poll::Ready(end) => panic!("nobody told it to end: {end:?}"),
                Poll::Pending => {}
            }
            match events.next().unwrap_or(Event::Confirm(usize::MAX)) {
                Event::Confirm(count) => self.disk.confirm(count),
                Event::Crash { written, recalls } => {
                    self.disk.crash(written);
                    return Life::Crashed { recalls };
                }
            }
        }
    }

    /// A host that found `kept` ran what follows it, in order and nothing else.
    fn check(&self, kept: Option<&Checkpoint>, given_up: &[GivenUp], life: &Life) {
        let started = std::mem::take(&mut *self.started.lock().unwrap());
        let from = kept.map_or(0, |kept| kept.step);
        let pending = kept.iter().flat_map(|kept| &kept.pending).map(|write| write.node.as_str());
        let given_up = given_up.iter().filter(|_| self.failed_in == from).map(|given_up| &*given_up.node);
        let done: BTreeSet<usize> = pending.chain(given_up).map(|name| name.parse().unwrap()).collect();
        let first = self.steps[from as usize].iter().filter(|node| !done.contains(node));
        let following = self.steps.iter().zip(0..).skip(from as usize + 1);
        let expected: Vec<(u64, usize)> = first
            .map(|node| (from, *node))
            .chain(following.flat_map(|(nodes, step)| nodes.iter().map(move |node| (step, *node))))
            .collect();
        let expected_nodes: Vec<usize> = expected.iter().take(started.len()).map(|(_, node)| *node).collect();
        assert_eq!(started, expected_nodes, "from superstep {from}");
        if let (Life::Crashed { .. }, CheckpointMode::StepSync, Some(last)) =
            (life, self.mode, started.len().checked_sub(1))
        {
            // What was begun stands on what is kept.
            let (begun, kept) = (expected[last].0, self.disk.written().map_or(0, |kept| kept.step));
            assert!(kept >= begun, "superstep {begun} was begun, and {kept} are kept");
        }
    }
}

/// Pending once.
async fn once_pending() {
    let mut first = true;
    poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }).await;
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let crash = (0..4_usize, any::<bool>()).prop_map(|(written, recalls)| Event::Crash { written, recalls });
    proptest::collection::vec(prop_oneof![3 => (0..3_usize).prop_map(Event::Confirm), 1 => crash], 0..120)
}

/// The job must end as the reference says.
fn ends_as_prescribed(models: &[Model], end: Result<Value, Box<AttemptFailure>>) {
    let (steps, merged) = prescribed(models);
    match end {
        Ok(output) => assert_eq!(output["seen"], json!(merged)),
        Err(failure) => {
            assert_eq!((&*failure.first.error.code, steps.len() as u64), ("max_steps", MAX_STEPS));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    #[test]
    fn through_any_crashes_a_job_ends_as_if_there_had_been_none(models in models(true), events in events()) {
        for mode in [CheckpointMode::Step, CheckpointMode::StepSync] {
            ends_as_prescribed(&models, Hosts::of(&models, mode).run(events.iter().copied()));
        }
    }

    #[test]
    fn a_host_that_dies_in_every_superstep_gets_to_the_end(models in models(true)) {
        // It dies whenever a superstep is about to complete and the put before it is confirmed.
        let crash = Event::Crash { written: 0, recalls: true };
        let events = (0..400).flat_map(|_| [Event::Confirm(1), Event::Confirm(1), Event::Confirm(1), crash]);
        ends_as_prescribed(&models, Hosts::of(&models, CheckpointMode::StepSync).run(events));
    }
}

/// A loop of two nodes of which one fails at some visits, and a join over both.
fn looped() -> Vec<Model> {
    let node = |needs: &[usize], next, on_error| Model { needs: needs.iter().copied().collect(), next, on_error };
    let to = |targets: &[usize]| ModelNext::To(targets.iter().copied().collect());
    vec![
        node(&[], to(&[1, 2]), ModelError::Fail),
        node(&[], to(&[]), ModelError::Goto(Some(3))),
        node(&[], to(&[]), ModelError::Continue),
        node(&[], to(&[]), ModelError::Fail),
        node(&[1, 2, 3], to(&[0]), ModelError::Continue),
    ]
}

#[test]
fn a_crash_after_each_poll_of_a_loop_with_joins_and_failures_changes_nothing() {
    let models = looped();
    for mode in [CheckpointMode::Step, CheckpointMode::StepSync, CheckpointMode::Exit] {
        for polls in 0..90 {
            for written in [0, 1, 2] {
                for recalls in [false, true] {
                    let crash = Event::Crash { written, recalls };
                    let events = std::iter::repeat_n(Event::Confirm(1), polls).chain([crash]);
                    ends_as_prescribed(&models, Hosts::of(&models, mode).run(events));
                }
            }
        }
    }
}
