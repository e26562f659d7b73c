//! Cases about threads beside each other.

use std::sync::Arc;

use super::{
    Subject,
    calls::{Calls, checkpoint},
};
use crate::{
    Make,
    case::{Checked, Unmet},
    sink::{block_on, on_threads},
};

/// Names that a store might confuse: by prefix, case, wildcards, paths, spaces or normal forms.
const NAMES: [&str; 16] = [
    "b/1",
    "b/10",
    "B/1",
    "b/%",
    "b/_",
    "b/../b/1",
    "",
    "b/e\u{301}",
    "b/é",
    "b/1 ",
    "b//1",
    "/",
    "b\\1",
    "b/'; --",
    "b/🦀",
    "b/\u{202e}1",
];

pub(super) fn threads_do_not_mix(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for (id, name) in (1..).zip(NAMES) {
            calls.put(name, checkpoint(id, name)).await?;
        }
        for (id, name) in (1..).zip(NAMES) {
            calls.expect_latest(name, Some(&checkpoint(id, name))).await?;
            calls.expect_list(name, &[id]).await?;
        }
        Ok(())
    })
}

/// A batch and a job may have names of 256 bytes each.
pub(super) fn the_longest_names_are_told_apart(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    let name = |last: &str| format!("{}/{}{last}", "b".repeat(256), "🦀/".repeat(51));
    block_on(async {
        for (id, last) in [(1, "1"), (2, "2"), (3, "")] {
            calls.put(&name(last), checkpoint(id, last)).await?;
        }
        calls.delete(&name("1")).await?;
        calls.expect_latest(&name("1"), None).await?;
        calls.expect_latest(&name("2"), Some(&checkpoint(2, "2"))).await?;
        calls.expect_latest(&name(""), Some(&checkpoint(3, ""))).await
    })
}

pub(super) fn delete_forgets_one_thread_and_may_repeat(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for name in NAMES {
            calls.put(name, checkpoint(1, name)).await?;
            calls.put(name, checkpoint(2, name)).await?;
        }
        for _ in 0..2 {
            calls.delete("b/%").await?;
            calls.expect_latest("b/%", None).await?;
            calls.expect_at("b/%", 2, None).await?;
            calls.expect_list("b/%", &[]).await?;
        }
        for name in NAMES.into_iter().filter(|name| *name != "b/%") {
            calls.expect_list(name, &[2, 1]).await?;
        }
        calls.put("b/%", checkpoint(1, "again")).await?;
        calls.expect_latest("b/%", Some(&checkpoint(1, "again"))).await
    })
}

/// Runs `what` for eight threads at once.
fn at_once<F>(make: Make<'_, Subject>, what: impl Fn(Arc<Calls>, String) -> F) -> Checked
where
    F: Future<Output = Checked> + Send + 'static,
{
    let calls = Arc::new(Calls::new(make()));
    on_threads(async {
        let name = |number: u32| format!("b/{number}");
        let tasks: Vec<_> = (0..8).map(|number| tokio::spawn(what(calls.clone(), name(number)))).collect();
        for task in tasks {
            task.await.map_err(|error| Unmet::Failed(format!("a task ended early: {error}")))??;
        }
        // From here, what other tasks wrote is there too.
        let latest_first: Vec<u64> = (1..=50).rev().collect();
        for number in 0..8 {
            calls.expect_list(&name(number), &latest_first).await?;
        }
        Ok(())
    })
}

pub(super) fn threads_write_at_the_same_time(make: Make<'_, Subject>) -> Checked {
    at_once(make, async |calls, name| write_fifty(&calls, &name).await)
}

pub(super) fn threads_come_and_go_at_the_same_time(make: Make<'_, Subject>) -> Checked {
    at_once(make, async |calls, name| {
        for _ in 0..5 {
            write_fifty(&calls, &name).await?;
            calls.delete(&name).await?;
            calls.expect_latest(&name, None).await?;
            calls.expect_list(&name, &[]).await?;
        }
        write_fifty(&calls, &name).await
    })
}

async fn write_fifty(calls: &Calls, name: &str) -> Checked {
    for id in 1..=50 {
        calls.put(name, checkpoint(id, name)).await?;
        calls.expect_latest(name, Some(&checkpoint(id, name))).await?;
    }
    Ok(())
}
