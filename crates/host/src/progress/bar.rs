//! The bar on a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Snapshot, pace::Rate, plain};
use crate::paint::Paint;

/// A bar that is drawn until it is dropped.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new(bars: &MultiProgress, paint: Paint) -> Self {
        // Short, so that the counts of a million jobs fit into 100 columns beside it.
        let bar = if paint.colour { "{bar:20.cyan/dim}" } else { "{bar:20}" };
        let style = ProgressStyle::with_template(&format!("{bar} {{pos}}/{{len}} {{wide_msg}}"))
            .expect("the template is well formed")
            .progress_chars("━╸─");
        Self { bar: bars.add(ProgressBar::no_length().with_style(style)) }
    }

    pub(super) fn show(&self, snapshot: &Snapshot, rate: Rate) {
        self.bar.set_length(snapshot.expected());
        self.bar.set_position(snapshot.counts.ended());
        self.bar.set_message(plain::details(snapshot, rate));
    }
}

impl Drop for Bar {
    /// The summary says it better than a full bar.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};

    use super::*;

    #[test]
    fn the_bar_shows_counts_and_details_and_goes_when_dropped() {
        let terminal = InMemoryTerm::new(10, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bars = MultiProgress::with_draw_target(target);
        let bar = Bar::new(&bars, Paint { colour: false });
        let mut snapshot = Snapshot::default();
        (snapshot.counts.submitted, snapshot.counts.succeeded) = (10, 5);
        bar.show(&snapshot, Rate { per_second: 2.0, left: None });
        bar.bar.force_draw();
        assert_eq!(terminal.width(), 100);
        assert_eq!(terminal.contents(), "━━━━━━━━━━╸───────── 5/10 2.0/s, 0 running, 0 failed, 0 retries");
        drop(bar);
        assert_eq!(terminal.contents(), "");
    }
}
