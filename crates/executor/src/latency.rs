//! How long nodes take, compared with how long they took at first.
//!
//! Jobs differ by orders of magnitude, and so do the nodes of one flow; the time of an attempt alone says nothing about
//! load. So each node is compared with itself. What it took at first is the mean of its first runs, and stays: what is normal
//! later, whoever reads the ratio learns.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use batchmill_flow::NodeTimer;

/// Runs of a node until it is known what to expect of it.
const FIRST: u32 = 16;

/// Measures nodes for a governor. Clones share it; without one no node is measured.
#[derive(Debug, Clone, Default)]
pub struct Latency(Arc<Mutex<Vec<Weak<NodeTimes>>>>);

impl Latency {
    /// Observed over expected time since this was last asked, of all nodes together: each counts by its time.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let mut observed = Sums::default();
        lock(&self.0).retain(|times| {
            let times = times.upgrade();
            if let Some(times) = &times {
                observed.add(&times.take());
            }
            times.is_some()
        });
        (observed.expected > 0.0).then(|| observed.took / observed.expected)
    }

    /// Measures `nodes` nodes of one workload, as long as that lives.
    pub(crate) fn of_nodes(&self, nodes: usize) -> Arc<NodeTimes> {
        let times = Arc::new(NodeTimes(Mutex::new(vec![NodeTime::default(); nodes])));
        lock(&self.0).push(Arc::downgrade(&times));
        times
    }
}

/// The nodes of one workload.
#[derive(Debug)]
pub(crate) struct NodeTimes(Mutex<Vec<NodeTime>>);

#[derive(Debug, Clone, Copy, Default)]
struct NodeTime {
    /// Of the first runs.
    known: u32,
    first: f64,
    /// Since somebody asked.
    runs: f64,
    took: f64,
}

#[derive(Debug, Default)]
struct Sums {
    took: f64,
    expected: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.took += other.took;
        self.expected += other.expected;
    }
}

impl NodeTimes {
    fn ran(&self, node: usize, took: Duration) {
        if let Some(node) = lock(&self.0).get_mut(node) {
            node.add(took.as_secs_f64());
        }
    }

    fn take(&self) -> Sums {
        let mut sums = Sums::default();
        for node in lock(&self.0).iter_mut() {
            sums.add(&Sums { took: node.took, expected: node.runs * node.first / f64::from(FIRST) });
            (node.runs, node.took) = (0.0, 0.0);
        }
        sums
    }
}

impl NodeTime {
    fn add(&mut self, seconds: f64) {
        if self.known < FIRST {
            self.known += 1;
            self.first += seconds;
        } else {
            self.runs += 1.0;
            self.took += seconds;
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Sums are whole at every moment that could panic: there is none.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The nodes of one graph among those of its workload.
#[derive(Debug)]
pub(crate) struct GraphTimer<'a> {
    pub(crate) times: &'a NodeTimes,
    /// Nodes of the graphs before it.
    pub(crate) before: usize,
}

impl NodeTimer for GraphTimer<'_> {
    fn ran(&self, node: u32, took: Duration) {
        self.times.ran(self.before + node as usize, took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn run(times: &NodeTimes, node: usize, runs: u32, took: Duration) {
        (0..runs).for_each(|_| times.ran(node, took));
    }

    #[test]
    fn a_node_is_compared_with_what_it_took_at_first() {
        let latency = Latency::default();
        let times = latency.of_nodes(2);
        run(&times, 0, FIRST, 10 * MS);
        assert_eq!(latency.ratio(), None, "only now it is known what to expect");
        run(&times, 0, 5, 20 * MS);
        assert_eq!(latency.ratio(), Some(2.0));
        assert_eq!(latency.ratio(), None, "what was told is told");
    }

    #[test]
    fn a_node_counts_by_its_time_and_not_by_its_runs() {
        let latency = Latency::default();
        let times = latency.of_nodes(2);
        run(&times, 0, FIRST, MS);
        run(&times, 1, FIRST, 999 * MS);
        run(&times, 0, 1, 500 * MS);
        run(&times, 1, 1, 999 * MS);
        let ratio = latency.ratio().unwrap();
        assert!((ratio - 1.499).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn workloads_are_measured_apart_and_forgotten_when_they_are_gone() {
        let latency = Latency::default();
        let (one, other) = (latency.of_nodes(1), latency.of_nodes(1));
        run(&one, 0, FIRST, MS);
        run(&other, 0, FIRST, 10 * MS);
        run(&one, 0, 1, MS);
        run(&other, 0, 1, 10 * MS);
        assert!((latency.ratio().unwrap() - 1.0).abs() < 1e-9);
        drop((one, other));
        assert_eq!(latency.ratio(), None);
        assert!(lock(&latency.0).is_empty());
    }
}
