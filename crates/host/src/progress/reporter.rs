//! Shows progress while a batch runs, from its first moment to its last.

use std::time::Duration;

use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, Interval, MissedTickBehavior},
};

use super::{Pace, Snapshot, bar::Bar, json, plain};
use crate::screen::Screen;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Bar,
    Plain,
    Json,
    None,
}

impl Style {
    /// Between two looks.
    fn interval(self) -> Duration {
        match self {
            Self::Bar => Duration::from_millis(100),
            Self::Json => Duration::from_secs(1),
            Self::Plain | Self::None => Duration::from_secs(10),
        }
    }
}

/// A task that shows progress.
#[derive(Debug)]
pub(crate) struct Reporter {
    finish: oneshot::Sender<Snapshot>,
    task: JoinHandle<()>,
}

impl Reporter {
    /// Starts to show what `look` sees. The first line of JSON is written before anything else.
    pub(crate) fn start(style: Style, screen: Screen, look: impl Fn() -> Snapshot + Send + 'static) -> Self {
        let (finish, finished) = oneshot::channel();
        let mut view = View::new(style, screen);
        view.first(&look());
        let interval = style.interval();
        let ticks = tokio::time::interval_at(Instant::now() + interval, interval);
        Self { finish, task: tokio::spawn(show(view, ticks, look, finished)) }
    }

    /// Shows the end and takes the bar away.
    pub(crate) async fn finish(self, last: Snapshot) {
        // The task ends only by this; a panic in it must not hide the summary of a batch that ran.
        let _ = self.finish.send(last);
        let _ = self.task.await;
    }
}

async fn show(
    mut view: View,
    mut ticks: Interval,
    look: impl Fn() -> Snapshot + Send,
    mut finished: oneshot::Receiver<Snapshot>,
) {
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            last = &mut finished => {
                if let Ok(last) = last {
                    view.last(&last);
                }
                return;
            }
            _ = ticks.tick() => view.next(&look()),
        }
    }
}

/// How a style shows a snapshot.
#[derive(Debug)]
struct View {
    pace: Pace,
    screen: Screen,
    style: Style,
    bar: Option<Bar>,
}

impl View {
    fn new(style: Style, screen: Screen) -> Self {
        let bar = (style == Style::Bar).then(|| Bar::new(screen.bars(), screen.paint()));
        Self { pace: Pace::default(), screen, style, bar }
    }

    fn first(&mut self, snapshot: &Snapshot) {
        match self.style {
            Style::Json | Style::Bar => self.next(snapshot),
            Style::Plain | Style::None => {}
        }
    }

    fn next(&mut self, snapshot: &Snapshot) {
        let rate = self.pace.observe(snapshot);
        match self.style {
            Style::Bar => {
                if let Some(bar) = &self.bar {
                    bar.show(snapshot, rate);
                }
            }
            Style::Plain => self.screen.write(&format!("{}\n", plain::line(snapshot, rate))),
            Style::Json => self.screen.write(&format!("{}\n", json::line(snapshot, rate))),
            Style::None => {}
        }
    }

    /// The summary takes over where people read; programs get their last line.
    fn last(&mut self, snapshot: &Snapshot) {
        if self.style == Style::Json {
            self.next(snapshot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use indicatif::ProgressDrawTarget;

    use super::*;
    use crate::paint::Paint;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written in 25 seconds of a batch in which one job a second ends.
    async fn written(style: Style) -> Vec<String> {
        let written = Written::default();
        let screen = Screen::onto(written.clone(), ProgressDrawTarget::hidden(), Paint { colour: false });
        let started = Instant::now();
        let look = move || {
            let mut snapshot = Snapshot { elapsed: started.elapsed(), ..Snapshot::default() };
            let counts = &mut snapshot.counts;
            (counts.submitted, counts.succeeded) = (100, snapshot.elapsed.as_secs());
            counts.pending = 100 - counts.succeeded;
            snapshot
        };
        let reporter = Reporter::start(style, screen, look);
        // In small steps, so that no tick is missed; not to a tick, so that the last look is one of its own.
        for _ in 0..51 {
            tokio::time::advance(Duration::from_millis(500)).await;
            tokio::task::yield_now().await;
        }
        reporter.finish(look()).await;
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn plain_is_a_line_every_ten_seconds() {
        assert_eq!(
            written(Style::Plain).await,
            [
                "10 of 100 (10%), 1.0/s, 1m 30s left, 0 running, 0 failed, 0 retries",
                "20 of 100 (20%), 1.0/s, 1m 20s left, 0 running, 0 failed, 0 retries",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn json_has_its_first_and_its_last_line_and_one_a_second_between() {
        let lines = written(Style::Json).await;
        assert_eq!(lines.len(), 1 + 25 + 1);
        assert!(lines[0].contains("\"succeeded\":0,") && lines[26].contains("\"succeeded\":25,"));
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_nothing() {
        assert_eq!(written(Style::None).await, [""; 0]);
    }
}
