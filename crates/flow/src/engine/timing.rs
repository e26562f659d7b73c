//! How long nodes run, for who asks.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::superstep::Visit;

/// Is told how long each node took that succeeded. Where nobody asks, nobody looks at a clock.
pub trait NodeTimer: Send + Sync + fmt::Debug {
    /// The node at this place of the graph, in declaration order, took so long.
    fn ran(&self, node: u32, took: Duration);
}

/// Measures one run of a node: for a timer, and for a limit that is made of what is usual.
#[derive(Clone, Copy)]
pub(super) struct Stopwatch<'a> {
    visit: Visit<'a>,
    began: Instant,
}

impl<'a> Stopwatch<'a> {
    pub(super) fn start(visit: Visit<'a>) -> Option<Self> {
        let is_asked = visit.timer.is_some() || visit.node.usual.is_some();
        is_asked.then(|| Self { visit, began: Instant::now() })
    }

    pub(super) fn stop(self) {
        let took = self.began.elapsed();
        if let Some(timer) = self.visit.timer {
            timer.ran(self.visit.place, took);
        }
        if let Some(usual) = &self.visit.node.usual {
            usual.add(took);
        }
    }
}
