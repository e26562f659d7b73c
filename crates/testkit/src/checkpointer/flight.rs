//! Cases about puts that nobody has waited for yet, or ever will.

use super::{
    Subject,
    calls::{Calls, checkpoint},
};
use crate::{
    Make,
    case::{Checked, Unmet, ensure},
    sink::on_threads,
};

/// Often enough that a disorder that only happens now and then shows.
const ROUNDS: u64 = 20;

pub(super) fn puts_in_flight_take_effect_in_their_order(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    on_threads(async {
        let mut latest_first = Vec::new();
        for round in 0..ROUNDS {
            let ids = (1..=10).map(|number| round * 10 + number);
            let mut puts = Vec::new();
            for id in ids.clone() {
                puts.push((id, calls.begin_put("b/1", checkpoint(id, "old")).await));
                puts.push((id, calls.begin_put("b/1", checkpoint(id, "new")).await));
            }
            for (id, put) in puts {
                put.await?;
                let latest = calls.latest("b/1").await?.map(|latest| latest.id.0);
                ensure!(latest >= Some(id), "{id} is confirmed, and the latest is {latest:?}");
            }
            let last = round * 10 + 10;
            calls.expect_older("b/1", &checkpoint(last - 1, "new")).await?;
            calls.expect_latest("b/1", Some(&checkpoint(last, "new"))).await?;
            latest_first.splice(0..0, ids.rev());
        }
        calls.expect_list("b/1", &latest_first).await
    })
}

pub(super) fn a_call_sees_the_puts_before_it(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    on_threads(async {
        for id in 1..=ROUNDS {
            let put = calls.begin_put("b/1", checkpoint(id, "x")).await;
            let (latest, ()) = tokio::try_join!(calls.latest("b/1"), put)?;
            let latest = latest.map(|latest| latest.id.0);
            ensure!(latest == Some(id), "a get that was polled after the put of {id} found {latest:?}");
            let put = calls.begin_put("b/2", checkpoint(id, "x")).await;
            tokio::try_join!(put, calls.delete("b/2"))?;
            calls.expect_latest("b/2", None).await?;
        }
        Ok(())
    })
}

pub(super) fn a_dropped_put_is_there_whole_or_not_at_all(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    on_threads(async {
        for round in 0..ROUNDS {
            let (thread, dropped) = (format!("b/{round}"), checkpoint(2, &"large ".repeat(20_000)));
            calls.put(&thread, checkpoint(1, "x")).await?;
            drop(calls.begin_put(&thread, dropped.clone()).await);
            match calls.latest(&thread).await?.map(|latest| latest.id.0) {
                Some(1) => calls.expect_at(&thread, 2, None).await?,
                Some(2) => calls.expect_latest(&thread, Some(&dropped)).await?,
                other => return Err(Unmet::Failed(format!("the latest is {other:?} after a put of 1"))),
            }
            calls.put(&thread, checkpoint(3, "y")).await?;
            calls.expect_latest(&thread, Some(&checkpoint(3, "y"))).await?;
        }
        Ok(())
    })
}

pub(super) fn a_dropped_put_never_comes_late(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    on_threads(async {
        for round in 0..ROUNDS {
            let thread = format!("b/{round}");
            // A host that gave up on an attempt starts another one, which writes the same ids.
            drop(calls.begin_put(&thread, checkpoint(2, "dropped")).await);
            calls.put(&thread, checkpoint(2, "again")).await?;
            calls.expect_latest(&thread, Some(&checkpoint(2, "again"))).await?;
            // And a job that has ended is not heard of again.
            drop(calls.begin_put(&thread, checkpoint(4, "dropped")).await);
            calls.delete(&thread).await?;
        }
        for round in 0..ROUNDS {
            let thread = format!("b/{round}");
            calls.put(&thread, checkpoint(1, "x")).await?;
            calls.expect_list(&thread, &[1]).await?;
        }
        Ok(())
    })
}

pub(super) fn what_was_confirmed_outlives_the_process(make: Make<'_, Subject>) -> Checked {
    let Subject { checkpointer, only_latest, reopen } = make();
    let Some(reopen) = reopen else { return Err(Unmet::NotApplicable("it is memory")) };
    on_threads(async {
        let calls = Calls::on(checkpointer, only_latest);
        for id in [1, 2, 3] {
            calls.put("b/1", checkpoint(id, "x")).await?;
        }
        calls.put("b/2", checkpoint(1, "x")).await?;
        calls.delete("b/2").await
    })?;
    on_threads(async {
        let calls = Calls::on(reopen(), only_latest);
        calls.expect_list("b/1", &[3, 2, 1]).await?;
        calls.expect_latest("b/1", Some(&checkpoint(3, "x"))).await?;
        calls.expect_list("b/2", &[]).await?;
        calls.put("b/1", checkpoint(4, "y")).await?;
        calls.expect_list("b/1", &[4, 3, 2, 1]).await
    })
}
