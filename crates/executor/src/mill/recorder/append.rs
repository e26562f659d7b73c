//! One group after the other into the journal, and what its answers mean.

use std::{pin::pin, time::Duration};

use batchmill_core::{
    JournalAnswer, JournalError, Position,
    fault::{self, Sabotage},
};
use batchmill_dispatch::{Event, JournalFailure};

use crate::{Workload, mill::Phase};

use super::{
    Recorder,
    group::{Events, Group},
};

/// Between two tries.
const PATIENCE: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];

/// Results that are read at a time after a lost answer.
const PAGE: usize = 1024;

impl<W: Workload> Recorder<W> {
    /// Records a group, however long that takes, and collects the next one meanwhile. Nothing is recorded after an error.
    pub(super) async fn record(&mut self, events: &Events, next: &mut Group) -> Result<Position, JournalFailure> {
        let (mut tries, mut lost) = (0, 0);
        let position = loop {
            match self.append(events, next).await {
                Ok(JournalAnswer::Ok(position)) => break position,
                Ok(JournalAnswer::Fenced) => return Err(JournalFailure::Fenced),
                Ok(JournalAnswer::Unknown) => {
                    if let Some(position) = self.look_up(events).await.map_err(broken)? {
                        break position;
                    }
                    if lost > 0 {
                        // A journal that loses every answer is not asked without a rest.
                        self.wait(lost - 1, JournalError::new("the answers of the journal are lost")).await?;
                    }
                    lost += 1;
                }
                Ok(_) => return Err(JournalFailure::Broken("the journal gave an answer that nobody knows".into())),
                Err(error) if error.full && fault::breaks(Sabotage::DropOnFull) => break self.tail.upto(),
                Err(error) if error.full => {
                    if tries == 0 {
                        tracing::warn!(%error, "the store is full: nothing starts until there is room");
                        self.tell(Event::StorageFull { batch: self.batch.key, why: Some(error.message.clone()) });
                    }
                    self.wait(tries, error).await?;
                    tries += 1;
                }
                Err(error) => return Err(broken(error)),
            }
        };
        if tries > 0 {
            tracing::info!("the store has room again: the batch goes on");
            self.tell(Event::StorageFull { batch: self.batch.key, why: None });
        }
        Ok(position)
    }

    async fn append(&mut self, events: &Events, next: &mut Group) -> Result<JournalAnswer, JournalError> {
        fault::point("record.before-append");
        let before = self.clock_for_commits();
        let mut append = pin!(self.journal.append(&self.batch.id, events.to_append()));
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut append => break answer,
                () = self.batch.outlet.wake.notified(), if next.has_room() => {
                    // That it is over is seen again when nothing is left to record.
                    let _ = next.take_from(&self.batch, &self.shared.clock);
                }
            }
        };
        fault::point("record.after-append");
        if let (Some(commits), Some(before)) = (&self.commits, before) {
            commits.record(before.elapsed());
        }
        answer
    }

    /// After a lost answer: where the group stands, if it is recorded. A group stands as a whole, so one of its results
    /// says it; one without results may be recorded once more without harm.
    async fn look_up(&mut self, events: &Events) -> Result<Option<Position>, JournalError> {
        let (mut after, mut found) = (self.tail.upto(), None);
        loop {
            let page = self.journal.replay(&self.batch.id, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            after = *last;
            let ours = |place| events.results.iter().any(|result| result.sequence == place);
            if found.is_some() || page.iter().any(|(_, result)| ours(result.sequence)) {
                found = Some(after);
            }
        }
    }

    /// Until the next try; an error where the host does not wait so long.
    async fn wait(&mut self, tries: usize, error: JournalError) -> Result<(), JournalFailure> {
        let pause = PATIENCE[tries.min(PATIENCE.len() - 1)];
        tokio::select! {
            biased;
            _ = self.phase.wait_for(|phase| *phase >= Phase::Stopping) => Err(broken(error)),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}

fn broken(error: JournalError) -> JournalFailure {
    JournalFailure::Broken(error.message)
}
