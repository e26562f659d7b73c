//! A finished batch that is asked for by its name again: its stored results answer, and nothing runs.

use std::{path::PathBuf, time::Duration};

use batchmill_core::{BatchCounts, Position, ResultSink, Status, Verdict};
use batchmill_executor::{Begins, JobSource};

use super::{
    Shown,
    delivery::{Outlet, Seen},
    earlier::Earlier,
    output::Place,
    raw::RawOutput,
};
use crate::{
    batches,
    cli::{BatchArgs, ExitCode},
    exit::Exit,
    intake::JsonLines,
    problems::Refusal,
    refusal::of_store,
    screen::Screen,
    summary::{self, BadLines, Next, Summary},
};

/// Results that are read from the store at a time.
const PAGE: usize = 1000;

/// A batch that has ended.
pub(super) struct Stored {
    earlier: Earlier,
    args: BatchArgs,
    shown: Shown,
    quiet: bool,
    bad_lines: BadLines,
    jobs: u64,
}

impl Stored {
    pub(super) fn new(earlier: Earlier, args: BatchArgs, shown: Shown, quiet: bool, jobs: &JsonLines) -> Self {
        let left_out = earlier.manifest.left_out();
        let quarantine = earlier.manifest.quarantine().map(|path| path.display().to_string());
        let bad_lines = BadLines { action: left_out.action, lines: left_out.lines, quarantine };
        Self { earlier, args, shown, quiet, bad_lines, jobs: jobs.len() }
    }

    /// Hands the results out again, and exits as the batch did.
    pub(super) async fn answer(self, screen: &Screen) -> Result<Exit, Refusal> {
        let Some((verdict, ended)) = self.earlier.reader.verdict().map_err(|error| of_store(&error))? else {
            let message = format!("`{}`: the store does not say how it ended", self.earlier.id());
            return Err(Refusal::data(message));
        };
        let seen = Seen::default();
        seen.set_earlier(self.jobs, 0);
        let place = Place::of(&self.args, self.earlier.id(), self.shown);
        let mut sinks = self.open(place.as_ref(), screen)?;
        let reader_gone = self.hand_out(&mut sinks, &seen).await?;
        let exit = match self.args.terms.exit_code.unwrap_or_default() {
            _ if reader_gone => Exit::Interrupted,
            ExitCode::Standard => Exit::of(&verdict),
            ExitCode::Count => Exit::of(&verdict).counting(&verdict, &self.counts()?),
        };
        let summary = self.summary(verdict, exit, ended, &seen, place.as_ref())?;
        if !self.quiet && !reader_gone {
            screen.write(&format!("{}: finished before; nothing has run, the stored results answer\n", summary.batch));
            screen.write(&summary::text(&summary, screen.paint()));
        }
        if let Some(path) = &self.args.terms.report {
            let written = tokio::fs::write(path, summary::report(&summary)).await;
            written.map_err(|error| Refusal::storage(format!("--report {}: {error}", path.display())))?;
        }
        Ok(exit)
    }

    /// Where the results go. A file that the batch wrote has them already.
    fn open(&self, place: Option<&Place>, screen: &Screen) -> Result<Vec<Box<dyn ResultSink>>, Refusal> {
        let mut sinks: Vec<Box<dyn ResultSink>> = Vec::new();
        if self.shown == Shown::Raw {
            sinks.push(Box::new(RawOutput::open(screen)?));
        }
        let is_written = |path: &PathBuf| path.metadata().is_ok_and(|about| about.is_file() && about.len() > 0);
        match place {
            Some(Place::File(path)) if is_written(path) && !self.args.terms.overwrite => {}
            Some(place) => {
                let (outlet, _): (Outlet, Begins) = place.open(&self.args.terms, false)?;
                sinks.push(outlet.into_parts().1);
            }
            None => {}
        }
        Ok(sinks)
    }

    /// Whether nobody wanted them to the end.
    async fn hand_out(&self, sinks: &mut [Box<dyn ResultSink>], seen: &Seen) -> Result<bool, Refusal> {
        let failed = |error: batchmill_core::SinkError| match error.closed {
            true => Ok(true),
            false => Err(Refusal::storage(error.to_string())),
        };
        let mut position = Position::default();
        loop {
            let page = self.earlier.reader.results(position, PAGE).map_err(|error| of_store(&error))?;
            let Some((last, _)) = page.last() else { break };
            position = *last;
            let results: Vec<_> = page.into_iter().map(|(_, result)| result).collect();
            seen.gather(&results);
            for sink in &mut *sinks {
                if let Err(error) = sink.write(self.earlier.id(), &results).await {
                    return failed(error);
                }
            }
        }
        for sink in sinks {
            if let Err(error) = sink.close().await {
                return failed(error);
            }
        }
        Ok(false)
    }

    fn counts(&self) -> Result<BatchCounts, Refusal> {
        let stored = self.earlier.reader.counts().map_err(|error| of_store(&error))?;
        let mut counts = BatchCounts::default();
        counts.submitted = self.jobs;
        counts.succeeded = stored.of(Status::Succeeded);
        counts.failed = stored.of(Status::Failed);
        counts.timed_out = stored.of(Status::TimedOut);
        counts.cancelled = stored.of(Status::Cancelled);
        counts.skipped = stored.of(Status::Skipped);
        counts.quarantined = stored.of(Status::Quarantined);
        Ok(counts)
    }

    fn summary(
        &self,
        verdict: Verdict,
        exit: Exit,
        ended: batchmill_core::WallTime,
        seen: &Seen,
        place: Option<&Place>,
    ) -> Result<Summary, Refusal> {
        let started = self.earlier.reader.accepted();
        let duration: Duration = ended.since(started);
        Ok(Summary {
            batch: self.earlier.id().clone(),
            flow: self.earlier.listed.flow.clone(),
            verdict,
            paused: None,
            exit,
            counts: self.counts()?,
            retries: seen.retries_before(),
            started,
            finished: ended,
            duration,
            collected: seen.take(),
            left: Vec::new(),
            limit: None,
            results: place.and_then(Place::shown),
            bad_lines: self.bad_lines.clone(),
            kinds: std::collections::BTreeMap::new(),
            next: Some(Next::Resume(batches::argument(&self.args.terms.state, self.earlier.id()))),
            resumed: None,
            undelivered: Vec::new(),
            sinks: Vec::new(),
        })
    }
}
