//! One owner after the other.

use batchmill_core::{JournalAnswer, JournalEvent, Pause};

use crate::{
    Make,
    case::{Checked, Unmet, ensure},
    sink::block_on,
};

use super::{Calls, Subject, ended, results::results, sequels::setback};

impl Subject {
    /// The next owner.
    fn next(&self) -> Result<Self, Unmet> {
        let adopt = self.adopt.as_ref().ok_or(Unmet::NotApplicable("it does not outlive its owner"))?;
        Ok(Self::new(adopt(), self.batch.clone()))
    }
}

pub(super) fn what_was_answered_outlives_its_owner(make: Make<'_, Subject>) -> Checked {
    let first = make();
    let calls = Calls::of(&first);
    let all = results(0..100);
    let before = block_on(async {
        for group in all.chunks(30) {
            calls.end(group).await?;
        }
        calls.append(vec![JournalEvent::Retrying(Box::new(setback(200, 2)))]).await?;
        calls.append(vec![JournalEvent::Paused(Some(Pause::Requested))]).await?;
        calls.recall(100).await
    })?;
    let second = Calls::of(&first.next()?);
    block_on(async {
        second.expect_results(&all).await?;
        let after = second.recall(100).await?;
        ensure!(after == before, "the next owner recalls {after:?}, the first recalled {before:?}");
        Ok(())
    })
}

pub(super) fn who_was_replaced_is_fenced(make: Make<'_, Subject>) -> Checked {
    let first = make();
    let calls = Calls::of(&first);
    block_on(calls.end(&results([0])))?;
    let second = Calls::of(&first.next()?);
    block_on(async {
        let answer = first.journal.append(&first.batch, vec![ended(results([1]))]).await;
        let answer = answer.map_err(|error| super::unmet("an append of who was replaced", &error))?;
        ensure!(answer == JournalAnswer::Fenced, "who was replaced is answered {answer:?}");
        second.end(&results([1])).await?;
        second.expect_results(&results([0, 1])).await?;
        Ok(())
    })
}

pub(super) fn positions_go_on_after_a_succession(make: Make<'_, Subject>) -> Checked {
    let first = make();
    let calls = Calls::of(&first);
    let before = block_on(calls.end(&results(0..5)))?;
    let second = Calls::of(&first.next()?);
    block_on(async {
        let after = second.end(&results(5..6)).await?;
        ensure!(after > before, "{after:?} comes behind {before:?}, which the owner before was answered");
        let rest: Vec<u64> = second.replay(before, 10).await?.iter().map(|(_, result)| result.sequence).collect();
        ensure!(rest == [5], "after {before:?} come the jobs {rest:?}");
        Ok(())
    })
}
