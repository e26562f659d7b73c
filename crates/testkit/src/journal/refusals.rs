//! A job ends once, and what belongs together is recorded together.

use batchmill_core::{Closing, JobResult, JournalAnswer, JournalEvent};

use crate::{
    Make, ResultBuilder,
    case::{Checked, Unmet, ensure},
    sink::block_on,
};

use super::{Calls, Subject, ended, results::results, sequels::setback};

/// The append of `events` must be an error that does not mend itself.
async fn refused(calls: &Calls, events: Vec<JournalEvent>) -> Checked {
    match calls.journal.append(&calls.batch, events).await {
        Err(error) => {
            ensure!(!error.full, "a refusal is told as a lack of room: {error}");
            Ok(())
        }
        Ok(JournalAnswer::Ok(position)) => Err(Unmet::Failed(format!("it is recorded, at {position:?}"))),
        Ok(other) => Err(Unmet::Failed(format!("it is answered {other:?}"))),
    }
}

fn other_end(place: u64) -> JobResult {
    ResultBuilder::new(place).priority(9).build()
}

pub(super) fn a_second_end_of_a_job_is_refused(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let all = results(0..3);
    block_on(async {
        calls.end(&all).await?;
        refused(&calls, vec![ended([other_end(1)])]).await?;
        calls.expect_results(&all).await
    })
}

pub(super) fn a_second_end_in_one_group_is_refused(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    block_on(async {
        refused(&calls, vec![ended([other_end(1), other_end(2)]), ended([other_end(1)])]).await?;
        calls.expect_results(&[]).await
    })
}

pub(super) fn a_group_is_recorded_together_or_not_at_all(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let all = results(0..3);
    block_on(async {
        calls.end(&all).await?;
        let events = vec![
            JournalEvent::Retrying(Box::new(setback(9, 1))),
            JournalEvent::Closing(Closing::Cancelled),
            ended([other_end(7), other_end(2)]),
        ];
        refused(&calls, events).await?;
        calls.expect_results(&all).await?;
        let recalled = calls.recall(100).await?;
        let nothing_else = recalled.setbacks.is_empty() && recalled.closing.is_none() && recalled.ends.len() == 3;
        ensure!(nothing_else, "a part of what was refused is recalled: {recalled:?}");
        Ok(())
    })
}
