//! What the next host must know.

use std::time::Duration;

use batchmill_core::{
    AttemptRecord, Closing, Delivered, ErrorClass, GivenUp, JobError, JournalEvent, Pause, Position, Setback, Status,
    StopReason, Verdict, WallTime,
};

use crate::{
    Make, ResultBuilder,
    case::{Checked, ensure},
    sink::block_on,
};

use super::{Calls, Subject, ended, results::results};

/// Whole milliseconds: what is written for people has no finer ones.
const NOON: WallTime = WallTime::from_micros(1_800_000_000_123_000);

pub(super) fn setback(place: u64, attempts: u32) -> Setback {
    let mut setback = Setback::new(place, NOON, NOON + Duration::from_secs(60));
    setback.attempts = attempts;
    setback.failures = vec![(Some("fetch".into()), attempts), (None, 1)];
    setback.history = (1..=attempts)
        .map(|n| {
            let at = NOON + Duration::from_millis(n.into());
            AttemptRecord::new(
                n,
                ErrorClass::Recoverable,
                format!("try {n}: \"503\"\n"),
                at,
                Duration::from_micros(1500),
            )
        })
        .collect();
    let error = JobError::new(ErrorClass::Permanent, "exit_status", "gave up").at_node("notify");
    setback.given_up = vec![GivenUp::new("notify".into(), error, 2)];
    setback
}

fn retrying(setback: Setback) -> JournalEvent {
    JournalEvent::Retrying(Box::new(setback))
}

pub(super) fn ends_are_recalled_as_decisions_need_them(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let failed = |place, status, class| ResultBuilder::new(place).ended(status, class, "it broke", 1).build();
    let mut all = vec![
        ResultBuilder::new(7).build(),
        failed(1, Status::Failed, ErrorClass::Fatal),
        failed(2, Status::TimedOut, ErrorClass::Timeout),
        failed(3, Status::Cancelled, ErrorClass::Cancelled),
        failed(4, Status::Skipped, ErrorClass::Cancelled),
        failed(5, Status::Quarantined, ErrorClass::Crash),
        failed(6, Status::TimedOut, ErrorClass::Timeout),
    ];
    all[6].error = Some(Box::new(JobError::new(ErrorClass::Timeout, "batch_deadline", "too late")));
    for (result, micros) in all.iter_mut().zip([900, 2, 3, 5, 4, 5, 1_000_001]) {
        result.finished_at = result.queued_at + Duration::from_micros(micros);
    }
    block_on(async {
        calls.end(&all).await?;
        let recalled = calls.recall(100).await?;
        let expected = all.iter().map(|result| {
            let class = result.error.as_ref().map(|error| error.class);
            (result.sequence, result.status, class, result.by_attempt(), result.finished_at)
        });
        let expected: Vec<_> = expected.collect();
        ensure!(recalled.ends == expected, "recalled {:?}, expected {expected:?}", recalled.ends);
        Ok(())
    })
}

pub(super) fn recall_comes_in_pages(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    block_on(async {
        for place in 0..20 {
            calls.append(vec![retrying(setback(place, 1)), ended(results([100 + place]))]).await?;
        }
        calls.append(vec![JournalEvent::Paused(Some(Pause::Requested))]).await?;
        let whole = calls.recall(1000).await?;
        ensure!((whole.ends.len(), whole.setbacks.len()) == (20, 20), "found {whole:?}");
        for page in [1, 2, 7] {
            ensure!(calls.recall(page).await? == whole, "pages of {page} tell something else");
        }
        Ok(())
    })
}

pub(super) fn the_latest_setback_is_recalled_whole(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    block_on(async {
        calls.append(vec![retrying(setback(1, 1)), retrying(setback(2, 1))]).await?;
        calls.append(vec![retrying(setback(1, 2))]).await?;
        calls.append(vec![retrying(setback(1, 3)), retrying(setback(1, 4))]).await?;
        let found = calls.recall(100).await?.setbacks;
        let expected = [(1, setback(1, 4)), (2, setback(2, 1))].into();
        ensure!(found == expected, "recalled {found:?}, expected {expected:?}");
        Ok(())
    })
}

pub(super) fn a_job_that_ended_is_in_no_setback(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    block_on(async {
        calls.append(vec![retrying(setback(1, 1)), retrying(setback(2, 1)), retrying(setback(3, 1))]).await?;
        calls.end(&results([1])).await?;
        calls.append(vec![retrying(setback(2, 2)), ended(results([2]))]).await?;
        let found = calls.recall(100).await?;
        let waiting: Vec<u64> = found.setbacks.keys().copied().collect();
        ensure!(waiting == [3] && found.ends.len() == 2, "found {found:?}");
        Ok(())
    })
}

pub(super) fn crashes_are_recalled(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let lost = |place, crashes| JournalEvent::Lost { place, crashes, at: NOON };
    block_on(async {
        calls.append(vec![lost(4, 1), lost(9, 1)]).await?;
        calls.append(vec![lost(4, 2)]).await?;
        let found = calls.recall(100).await?.crashes;
        ensure!(found == [(4, 2), (9, 1)].into(), "recalled {found:?}");
        Ok(())
    })
}

pub(super) fn a_closing_is_recalled(make: Make<'_, Subject>) -> Checked {
    let reason = StopReason::new("soon,fail=10%", "103 of 1000 jobs \"failed\"").as_success();
    for closing in [Closing::Halted(reason), Closing::Cancelled, Closing::DeadlinePassed] {
        let calls = Calls::of(&make());
        block_on(async {
            calls.append(vec![JournalEvent::Closing(closing.clone()), ended(results([1]))]).await?;
            let found = calls.recall(100).await?;
            ensure!(found.closing.as_ref() == Some(&closing), "recalled {found:?}, expected {closing:?}");
            Ok(())
        })?;
    }
    Ok(())
}

pub(super) fn the_last_pause_is_recalled(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let rule = Pause::Rule(StopReason::new("pause,fail=3", "3 jobs failed"));
    block_on(async {
        for pause in [Some(Pause::Requested), None, Some(rule), None, Some(Pause::Requested)] {
            calls.append(vec![JournalEvent::Paused(pause.clone())]).await?;
            let found = calls.recall(100).await?.paused;
            ensure!(found == pause, "recalled {found:?}, expected {pause:?}");
        }
        Ok(())
    })
}

pub(super) fn the_last_mark_of_each_sink_is_recalled(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    block_on(async {
        let first = calls.end(&results(0..10)).await?;
        let mark = |sink: &str, upto, mark: Option<&str>| {
            JournalEvent::Delivered(Delivered::new(sink, upto, mark.map(str::to_owned)))
        };
        calls.append(vec![mark("output", first, Some("{\"offset\":17}")), mark("1:jsonl", Position(1), None)]).await?;
        let second = calls.end(&results(10..20)).await?;
        let long = "x".repeat(1024);
        calls.append(vec![mark("output", second, Some(&long)), ended(results(20..21))]).await?;
        let found = calls.recall(100).await?.delivered;
        let expected = [
            ("output".to_owned(), Delivered::new("output", second, Some(long))),
            ("1:jsonl".to_owned(), Delivered::new("1:jsonl", Position(1), None)),
        ];
        ensure!(found == expected.into(), "recalled {found:?}");
        Ok(())
    })
}

pub(super) fn acceptance_and_end_are_taken(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    block_on(async {
        calls.append(vec![JournalEvent::Accepted { jobs: 4096, content: "h".to_owned(), at: NOON }]).await?;
        calls.append(vec![ended(results([3]))]).await?;
        let verdict = Verdict::Halted(StopReason::new("now,fail=1", "1 job failed"));
        calls.append(vec![JournalEvent::Closed { verdict, at: NOON }]).await?;
        calls.expect_results(&results([3])).await
    })
}

pub(super) fn compacting_loses_nothing(make: Make<'_, Subject>) -> Checked {
    let subject = make();
    let calls = Calls::of(&subject);
    block_on(async {
        for attempts in 1..4 {
            calls.append(vec![retrying(setback(1, attempts)), retrying(setback(2, attempts))]).await?;
            let upto = calls.end(&results([100 + u64::from(attempts)])).await?;
            calls.append(vec![JournalEvent::Delivered(Delivered::new("output", upto, None))]).await?;
        }
        calls.append(vec![ended(results([2])), JournalEvent::Closing(Closing::Cancelled)]).await?;
        let before = (calls.recall(100).await?, calls.replay(Position(0), 100).await?);
        for _ in 0..2 {
            let compacted = subject.journal.compact(&subject.batch).await;
            compacted.map_err(|error| super::unmet("compact", &error))?;
            let after = (calls.recall(100).await?, calls.replay(Position(0), 100).await?);
            ensure!(before == after, "before {before:?}, after {after:?}");
        }
        calls.end(&results([50])).await.map(drop)
    })
}
