//! Results come back as they were, in order, each once.

use std::time::Duration;

use batchmill_core::{AttemptRecord, ErrorClass, JobResult, Position, Status, WallTime};
use serde_json::json;

use crate::{
    Make, ResultBuilder,
    case::{Checked, Unmet, ensure},
    sink::{block_on, on_threads},
};

use super::{Calls, Subject};

pub(super) fn results(places: impl IntoIterator<Item = u64>) -> Vec<JobResult> {
    places.into_iter().map(|n| ResultBuilder::new(n).output(json!({"square": n * n})).build()).collect()
}

pub(super) fn what_nothing_was_written_to_is_empty(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    block_on(async {
        calls.expect_results(&[]).await?;
        ensure!(calls.recall(10).await? == Default::default(), "something is recalled");
        Ok(())
    })
}

pub(super) fn results_come_back_whole(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let (millis, micros) = (Duration::from_millis, Duration::from_micros);
    let failed =
        |place: u64, status, class, attempts| ResultBuilder::new(place).ended(status, class, "it broke", attempts);
    let mut fails = failed(1, Status::Failed, ErrorClass::Permanent, 3).took(micros(12), millis(34)).build();
    let error = fails.error.as_mut().expect("it failed");
    (error.node, error.retry_after) = (Some("fetch".into()), Some(millis(1500)));
    error.output = Some(Box::new(json!({"stderr": "no\n"})));
    error.code = "exit_status".into();
    let at = WallTime::from_micros(1_800_000_000_034_000);
    error.history = (1..=2)
        .map(|n| {
            AttemptRecord::new(n, ErrorClass::Transient, format!("try {n}"), at + millis(n.into()), micros(1_234_567))
        })
        .collect();
    let mut never_ran = failed(2, Status::Skipped, ErrorClass::Cancelled, 0).build();
    never_ran.started_at = None;
    never_ran.finished_at = never_ran.queued_at + micros(9);
    never_ran.queued = micros(9);
    let all = [
        ResultBuilder::new(0)
            .id("a")
            .tenant("team/部門")
            .priority(255)
            .output(json!({"n": [1, 2.5, null, -7]}))
            .build(),
        fails,
        never_ran,
        failed(3, Status::TimedOut, ErrorClass::Timeout, 1).build(),
        failed(4, Status::Cancelled, ErrorClass::Cancelled, 0).build(),
        failed(5, Status::Quarantined, ErrorClass::Crash, 0).build(),
        ResultBuilder::new(4095).output(json!(null)).took(micros(1), micros(999_999)).build(),
        ResultBuilder::new(6).output(json!("text")).build(),
    ];
    block_on(async {
        calls.end(&all).await?;
        calls.expect_results(&all).await
    })
}

pub(super) fn any_text_survives(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let text = "line\nbreak\r\n\t\"quoted\" back\\slash, 'comma'; \u{0} \u{7f} \u{2028} 🦀 e\u{301} %_";
    let all = [
        ResultBuilder::new(0).id("a, \"b\"; ü 🦀").tenant("部門'").output(json!({text: text})).build(),
        ResultBuilder::new(1).id("é").ended(Status::Failed, ErrorClass::Crash, text, 1).build(),
        ResultBuilder::new(2).id("e\u{301}").build(),
        ResultBuilder::new(3).id("É").build(),
    ];
    block_on(async {
        calls.end(&all).await?;
        calls.expect_results(&all).await
    })
}

pub(super) fn results_come_back_in_order_and_once(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    // Not in submission order: results come as their jobs end.
    let all = results((0..600).rev());
    block_on(async {
        let mut last = Position(0);
        for group in all.chunks(7) {
            let answered = calls.end(group).await?;
            ensure!(answered > last, "the position {answered:?} comes behind {last:?}");
            last = answered;
        }
        calls.expect_results(&all).await?;
        let positions: Vec<Position> =
            calls.replay(Position(0), 1000).await?.into_iter().map(|(position, _)| position).collect();
        ensure!(positions.last() == Some(&last), "{last:?} was answered, the last result is at {:?}", positions.last());
        Ok(())
    })
}

pub(super) fn results_come_back_in_pages(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let all = results(0..50);
    block_on(async {
        for group in all.chunks(9) {
            calls.end(group).await?;
        }
        let whole = calls.replay(Position(0), 1000).await?;
        ensure!(whole.len() == 50, "{} results are recorded", whole.len());
        for page in [1, 3, 9, 50] {
            ensure!(calls.replay(Position(0), page).await? == whole, "pages of {page} are not the same results");
        }
        for (place, (position, _)) in whole.iter().enumerate() {
            let rest = calls.replay(*position, 20).await?;
            ensure!(rest == whole[place + 1..], "after {position:?} come other results than before");
        }
        Ok(())
    })
}

pub(super) fn a_group_of_a_thousand_is_taken(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let all = results(0..2048);
    block_on(async {
        for group in all.chunks(1024) {
            calls.end(group).await?;
        }
        calls.expect_results(&all).await
    })
}

pub(super) fn ten_mebibytes_survive(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::of(&make());
    let mut all = results(0..3);
    all[1].output = Some(json!({"text": "x".repeat(10 << 20)}));
    block_on(async {
        calls.end(&all).await?;
        let found = calls.replay(Position(0), 10).await?;
        // Too long to be printed.
        ensure!(
            found.iter().map(|(_, result)| result).eq(&all),
            "a result of 10 MiB, or one beside it, is not as it was written"
        );
        Ok(())
    })
}

pub(super) fn replay_runs_beside_appends(make: Make<'_, Subject>) -> Checked {
    let subject = make();
    let (writing, reading) = (Calls::of(&subject), Calls::of(&subject));
    let all = results(0..400);
    let expected = all.clone();
    on_threads(async move {
        let writer = tokio::spawn(async move {
            for group in all.chunks(4) {
                writing.end(group).await?;
            }
            Ok::<_, Unmet>(())
        });
        let mut seen = 0;
        while seen < expected.len() {
            let ended = writer.is_finished();
            let found = reading.replay(Position(0), 1000).await?;
            let same = found.iter().map(|(_, result)| result).eq(&expected[..found.len().min(expected.len())]);
            ensure!(same, "while others are written, results are not those that were answered, in order");
            ensure!(found.len() >= seen, "{seen} results were there, and now {}", found.len());
            seen = found.len();
            ensure!(!ended || seen == expected.len(), "all were answered, and {seen} are there");
            tokio::task::yield_now().await;
        }
        writer.await.map_err(|error| Unmet::Failed(format!("the writer ended early: {error}")))?
    })
}
