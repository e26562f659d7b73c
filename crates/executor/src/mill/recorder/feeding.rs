//! One feed, at its own position and pace.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use batchmill_core::{
    BatchId, Delivered, JobResult, Journal, Position, Resumed, SinkError,
    fault::{self, Sabotage},
};
use futures_util::FutureExt;
use tokio::sync::watch;

use crate::{
    durable::{Begins, Feed, Past, Undelivered},
    meters::FeedMeters,
    mill::{Phase, attempt::panic_text},
};

use super::{
    marks::Marks,
    tail::{Next, Tail},
};

/// Between two tries of a feed that is out of order for a while.
const PATIENCE: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// Results that are read from the journal at a time.
const PAGE: usize = 256;

/// What every feed of a batch shares.
#[derive(Clone)]
pub(super) struct Outside {
    pub(super) batch: BatchId,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) tail: Arc<Tail>,
    pub(super) marks: Arc<Marks>,
    pub(super) phase: watch::Receiver<Phase>,
}

/// A feed and how far it has got.
pub(super) struct Feeding {
    outside: Outside,
    place: usize,
    feed: Box<dyn Feed>,
    /// What an earlier host recorded of it.
    known: Option<Delivered>,
    position: Position,
    /// How many results stand upto there.
    delivered: u64,
    meters: FeedMeters,
}

/// A feed that has not got everything.
pub(super) struct Short {
    sink: String,
    upto: Position,
    delivered: u64,
    message: String,
    interrupted: bool,
}

impl Short {
    pub(super) fn lacks_any_of(&self, total: u64) -> bool {
        self.delivered < total
    }

    pub(super) fn of(self, total: u64) -> Undelivered {
        let Self { sink, upto, delivered, message, interrupted } = self;
        Undelivered { sink, upto, missing: total.saturating_sub(delivered), message, interrupted }
    }
}

/// What a feed is asked to do.
enum Call<'a> {
    Resume(Option<&'a str>),
    Take(&'a BatchId, &'a [JobResult]),
    Close,
}

impl Call<'_> {
    /// Where the feed stands then means something after a resume only.
    async fn make(&self, feed: &mut dyn Feed) -> Result<Resumed, SinkError> {
        match self {
            Self::Resume(mark) => return feed.resume(*mark).await,
            Self::Take(batch, results) => feed.take(batch, results).await?,
            Self::Close => feed.close().await?,
        }
        Ok(Resumed::AtMark)
    }
}

/// Why a feed takes nothing any more.
enum Trouble {
    Failed(SinkError),
    /// The host ends; with what was wrong then.
    Interrupted(Option<SinkError>),
}

impl Feeding {
    /// Ready to begin. A feed that was never fed says so first: what it takes before the journal knows of it would be
    /// nobody's.
    pub(super) fn new(outside: &Outside, place: usize, feed: Box<dyn Feed>, past: &Past) -> Self {
        let name = feed.name();
        let known = past.delivered(name).filter(|_| feed.begins() == Begins::AtItsMark).cloned();
        if known.is_none() && feed.begins() == Begins::AtItsMark {
            outside.marks.put(Delivered::new(name, Position(0), feed.mark()));
        }
        let position = known.as_ref().map_or(Position(0), |known| known.upto);
        let (outside, delivered, meters) = (outside.clone(), past.recorded_upto(position), FeedMeters::new(name));
        Self { outside, place, feed, known, position, delivered, meters }
    }

    /// Whether it may begin at once.
    pub(super) fn is_known(&self) -> bool {
        self.known.is_some() || self.feed.begins() == Begins::Anew
    }

    /// Feeds until nothing more comes. Whatever happens in the feed stays in it.
    pub(super) async fn run(mut self) -> Result<(), Short> {
        let fed = AssertUnwindSafe(self.feed_all()).catch_unwind().await;
        let trouble = match fed {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(trouble)) => trouble,
            Err(panic) => Trouble::Failed(SinkError::permanent(format!("panicked: {}", panic_text(&*panic)))),
        };
        Err(self.short_by(trouble))
    }

    /// It never began, because the journal would not hear of it.
    pub(super) fn unheard(self) -> Short {
        let error = SinkError::permanent("the journal failed before it was fed");
        self.short_by(Trouble::Interrupted(Some(error)))
    }

    fn short_by(self, trouble: Trouble) -> Short {
        self.outside.tail.left(self.place);
        let (sink, upto, delivered) = (self.feed.name().to_owned(), self.position, self.delivered);
        let (message, interrupted) = match trouble {
            Trouble::Failed(error) => {
                self.meters.failed.increment(1);
                tracing::error!(sink, %error, "a sink failed: it gets nothing more, and the results stay in the store");
                (error.message, false)
            }
            Trouble::Interrupted(Some(error)) => (error.message, true),
            Trouble::Interrupted(None) => ("the host ended before it had everything".to_owned(), true),
        };
        Short { sink, upto, delivered, message, interrupted }
    }

    async fn feed_all(&mut self) -> Result<(), Trouble> {
        let mut changed = self.outside.tail.watch();
        self.resume().await?;
        loop {
            changed.mark_unchanged();
            match self.outside.tail.next(self.place) {
                Next::Take(results, upto) => self.take(&results, upto).await?,
                Next::Replay(upto) => self.replay(upto).await?,
                Next::Wait => {
                    if changed.changed().await.is_err() {
                        return Ok(());
                    }
                }
                Next::Over => break,
            }
        }
        self.call(Call::Close).await.map(drop)
    }

    /// Goes to where it begins.
    async fn resume(&mut self) -> Result<(), Trouble> {
        if let Some(Delivered { mark, .. }) = self.known.take() {
            let resumed = self.call(Call::Resume(mark.as_deref())).await?;
            if resumed == Resumed::Empty {
                (self.position, self.delivered) = (Position(0), 0);
            }
        }
        self.outside.tail.reached(self.place, self.position);
        self.show_lag();
        Ok(())
    }

    /// Reads the journal upto a position; what stands behind that is in the tail.
    async fn replay(&mut self, upto: Position) -> Result<(), Trouble> {
        while self.position < upto {
            let page = self.outside.journal.replay(&self.outside.batch, self.position, PAGE).await;
            let page = page.map_err(|error| Trouble::Failed(SinkError::permanent(error.message)))?;
            let here: Vec<_> = page.into_iter().take_while(|(position, _)| *position <= upto).collect();
            let Some((last, _)) = here.last() else {
                self.reach(upto, 0);
                return Ok(());
            };
            let (last, results): (_, Vec<JobResult>) = (*last, here.into_iter().map(|(_, result)| result).collect());
            self.take(&results, last).await?;
        }
        Ok(())
    }

    async fn take(&mut self, results: &[JobResult], upto: Position) -> Result<(), Trouble> {
        self.show_lag();
        let batch = self.outside.batch.clone();
        fault::point("feed.before-write");
        self.call(Call::Take(&batch, results)).await?;
        if fault::breaks(Sabotage::DoubleDelivery) {
            self.call(Call::Take(&batch, results)).await?;
        }
        fault::point("feed.after-write");
        self.meters.written.increment(1);
        self.reach(upto, results.len());
        Ok(())
    }

    fn reach(&mut self, upto: Position, results: usize) {
        (self.position, self.delivered) = (upto, self.delivered + results as u64);
        self.outside.tail.reached(self.place, upto);
        if self.feed.begins() == Begins::AtItsMark {
            self.outside.marks.put(Delivered::new(self.feed.name(), upto, self.feed.mark()));
        }
        self.show_lag();
    }

    fn show_lag(&self) {
        self.meters.show_lag(self.outside.tail.total().saturating_sub(self.delivered));
    }

    /// Makes a call, and again as long as the feed says that this may help and the host does not end.
    async fn call(&mut self, call: Call<'_>) -> Result<Resumed, Trouble> {
        let Self { outside: Outside { phase, tail, .. }, feed, meters, delivered, .. } = self;
        let mut tries = 0;
        loop {
            let mut killing = phase.clone();
            let answer = tokio::select! {
                biased;
                _ = killing.wait_for(|phase| *phase >= Phase::Killing) => return Err(Trouble::Interrupted(None)),
                answer = call.make(feed.as_mut()) => answer,
            };
            let error = match answer {
                Ok(answer) => {
                    if tries > 0 {
                        tracing::info!(sink = feed.name(), "the sink takes results again");
                    }
                    return Ok(answer);
                }
                Err(error) if error.temporary => error,
                Err(error) => return Err(Trouble::Failed(error)),
            };
            if tries == 0 {
                tracing::warn!(sink = feed.name(), %error, "a sink takes no results; they wait in the store");
            }
            meters.repeated.increment(1);
            meters.show_lag(tail.total().saturating_sub(*delivered));
            tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase >= Phase::Draining) => return Err(Trouble::Interrupted(Some(error))),
                () = tokio::time::sleep(PATIENCE[tries.min(PATIENCE.len() - 1)]) => tries += 1,
            }
        }
    }
}
