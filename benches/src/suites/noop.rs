//! What the machinery costs: jobs that do nothing or almost nothing.

use std::process::Command;

use super::Suite;
use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    sides::{
        Peer, by_hand,
        mill::{self, Metrics},
        task::{Nothing, Sleep, Spin, Task, Yield},
    },
    tools::{Need, Tools},
};

pub(super) const SUITE: Suite = Suite {
    name: "noop",
    about: "jobs that do little, with every policy on, against `JoinSet` + `Semaphore` + `timeout`",
    needs: &[Need::Peers],
    cases,
    only_by_name: false,
};

const BY_HAND: &str = "by hand: JoinSet + Semaphore + timeout";
const BARE: &str = "bare tokio: JoinSet + Semaphore";
const FULL: &str = "batchmill";
const FLOW: &str = "batchmill, a flow of one node";
const LIMITED: &str = "batchmill with two limits";
const WITHOUT_METRICS: &str = "batchmill without metrics";
const APALIS: &str = "apalis in memory";

const MILLION: u32 = 1_000_000;

fn cases(tools: &Tools) -> Vec<Case> {
    let peer = Peer::new(tools.path(Need::Peers).map(Command::new));
    let mut cases = Vec::new();
    cases.extend([10, 1000].map(|at_once| noop(at_once, &peer)));
    cases.extend([10, 1000].map(|at_once| {
        against_by_hand::<Yield>(format!("jobs that yield once, {at_once} at a time"), MILLION / 2, at_once, 0.8)
    }));
    cases.push(against_by_hand::<Spin<10>>("10 µs of CPU, 10 at a time".to_owned(), MILLION / 10, 10, 0.97));
    cases.push(against_by_hand::<Sleep<1>>("1 ms of sleep, 10 at a time".to_owned(), MILLION / 200, 10, 0.98));
    cases.push(against_by_hand::<Sleep<1>>("1 ms of sleep, 1000 at a time".to_owned(), MILLION / 5, 1000, 0.98));
    cases.push(makespan());
    cases.extend([10, 1000].map(metrics));
    cases.extend([10, 1000].map(two_limits));
    cases
}

/// Each job has a key of ten and one of a thousand, which let as many run as there are slots.
fn two_limits(at_once: u32) -> Case {
    Case::new(format!("no-op jobs under two limits, {at_once} at a time"), Unit::JobsPerSecond)
        .side(Kind::ByHand, BY_HAND, MILLION, move |jobs| by_hand::full::<Nothing>(jobs, at_once))
        .side(Kind::Batchmill, LIMITED, MILLION, move |jobs| mill::limited::<Nothing>(jobs, at_once))
        .goal(LIMITED, BY_HAND, Bound::AtLeast(2.0))
}

fn noop(at_once: u32, peer: &Peer) -> Case {
    let peer = peer.clone();
    Case::new(format!("no-op jobs, {at_once} at a time"), Unit::JobsPerSecond)
        .side(Kind::ByHand, BY_HAND, MILLION, move |jobs| by_hand::full::<Nothing>(jobs, at_once))
        .side(Kind::Outside, APALIS, MILLION, move |jobs| peer.ask("apalis", jobs, at_once))
        .side(Kind::Batchmill, FULL, MILLION, full::<Nothing>(at_once))
        .side(Kind::Batchmill, FLOW, MILLION, move |jobs| mill::flow(jobs, at_once))
        .goal(FULL, BY_HAND, Bound::AtLeast(2.0))
        .goal(FULL, APALIS, Bound::AtLeast(1.0))
}

fn against_by_hand<T: Task>(name: String, jobs: u32, at_once: u32, at_least: f64) -> Case {
    Case::new(name, Unit::JobsPerSecond)
        .side(Kind::ByHand, BY_HAND, jobs, move |jobs| by_hand::full::<T>(jobs, at_once))
        .side(Kind::Batchmill, FULL, jobs, full::<T>(at_once))
        .goal(FULL, BY_HAND, Bound::AtLeast(at_least))
}

/// How long a batch takes from its first start to its last end.
fn makespan() -> Case {
    const JOBS: u32 = 10_000;
    const AT_ONCE: u32 = 100;
    let seconds = |jobs: u32| move |rate: Sample| Sample { value: f64::from(jobs) / rate.value, ..rate };
    Case::new("makespan of 10,000 jobs that sleep 10 ms, 100 at a time", Unit::Seconds)
        .side(Kind::ByHand, BARE, JOBS, move |jobs| by_hand::bare::<Sleep<10>>(jobs, AT_ONCE).map(seconds(jobs)))
        .side(Kind::Batchmill, FULL, JOBS, move |jobs| full::<Sleep<10>>(AT_ONCE)(jobs).map(seconds(jobs)))
        .goal(FULL, BARE, Bound::AtMost(1.05))
}

fn metrics(at_once: u32) -> Case {
    let without = move |jobs| mill::full::<Nothing>(jobs, at_once, Metrics::Off);
    Case::new(format!("metrics on against off, no-op jobs, {at_once} at a time"), Unit::JobsPerSecond)
        .side(Kind::Batchmill, WITHOUT_METRICS, MILLION, without)
        .side(Kind::Batchmill, FULL, MILLION, full::<Nothing>(at_once))
        .goal(FULL, WITHOUT_METRICS, Bound::AtLeast(0.95))
}

fn full<T: Task>(at_once: u32) -> impl Fn(u32) -> Result<Sample, String> {
    move |jobs| mill::full::<T>(jobs, at_once, Metrics::On)
}
