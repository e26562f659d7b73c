//! How a batch stands: what its host says, or what its store has.

use batchmill_core::{BatchCounts, Status};
use batchmill_store_sqlite::{BatchReader, Standing as Stood};

use super::{
    Found,
    standing::{Host, Stage, Standing},
};
use crate::{
    control::{Answer, Live, Paused, Request},
    problems::Refusal,
    refusal,
};

impl Found {
    /// Everything that is known.
    pub(crate) fn standing(&self) -> Result<Standing, Refusal> {
        let mut standing = self.standing_in_brief()?;
        if standing.live.is_some()
            && let Some(Answer::Census { shares }) = self.ask_if_running(|host| host.ask(&Request::Census {}))
        {
            let waits = |state: &str| ["pending", "backing_off"].contains(&state);
            standing.waiting = shares;
            standing
                .waiting
                .retain(|share| share.data.get("state").and_then(|state| state.as_str()).is_some_and(waits));
        }
        Ok(standing)
    }

    /// The same without a look at every job.
    pub(super) fn standing_in_brief(&self) -> Result<Standing, Refusal> {
        let reader = self.reader()?;
        let mut standing = self.stored(&reader)?;
        if standing.stage == Stage::Running {
            standing.live = self.live();
        }
        Ok(standing)
    }

    fn live(&self) -> Option<Box<Live>> {
        match self.ask_if_running(|host| host.ask(&Request::Status {}))? {
            Answer::Status(live) => Some(live),
            _ => None,
        }
    }

    fn stored(&self, reader: &BatchReader) -> Result<Standing, Refusal> {
        let listed = &self.listed;
        let stored = reader.counts().map_err(|error| refusal::of_store(&error))?;
        let mut counts = BatchCounts::default();
        counts.submitted = listed.jobs;
        counts.succeeded = stored.of(Status::Succeeded);
        counts.failed = stored.of(Status::Failed);
        counts.timed_out = stored.of(Status::TimedOut);
        counts.cancelled = stored.of(Status::Cancelled);
        counts.skipped = stored.of(Status::Skipped);
        counts.quarantined = stored.of(Status::Quarantined);
        counts.backing_off = stored.retrying;
        counts.pending = listed.jobs.saturating_sub(counts.ended() + stored.retrying);
        let host = listed.owner.as_ref();
        let host = host.map(|owner| Host { pid: owner.pid, name: owner.host.clone(), since: owner.since });
        let stage = match listed.standing {
            _ if host.is_some() => Stage::Running,
            Stood::Finished => Stage::Finished,
            Stood::Halted => Stage::Halted,
            Stood::Abandoned => Stage::Abandoned,
            // Open; what a later version may add is no end either.
            _ => Stage::Interrupted,
        };
        let verdict = reader.verdict().map_err(|error| refusal::of_store(&error))?;
        let outlook = reader.outlook().map_err(|error| refusal::of_store(&error))?;
        let left_running = match stage {
            Stage::Interrupted => reader.left_running().map_err(|error| refusal::of_store(&error))?.len() as u64,
            _ => 0,
        };
        Ok(Standing {
            batch: listed.id.clone(),
            argument: self.argument(),
            flow: listed.flow.clone(),
            stage,
            counts,
            created: listed.created,
            ended: listed.ended,
            parent: listed.parent.clone(),
            generation: listed.generation,
            // What an earlier host said of itself is not how the one that runs ends.
            verdict: verdict.map(|(verdict, _)| verdict).filter(|_| stage != Stage::Running),
            host,
            paused: outlook.paused.as_ref().map(Paused::from),
            lost: outlook.lost + left_running,
            left_running,
            next_due: outlook.next_due,
            live: None,
            waiting: Vec::new(),
        })
    }
}
