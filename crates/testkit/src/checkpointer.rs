//! The kit for [`Checkpointer`]s.

use std::sync::Arc;

use batchmill_core::{
    Checkpoint, CheckpointError, CheckpointId, Checkpointer, ErrorClass, JobError, PendingWrite, ThreadId,
};
use serde_json::json;

use crate::{
    Case, Make, Report,
    case::{Checked, Unmet, ensure},
    sink::{block_on, on_threads},
};

/// What the kit makes many of: each must be empty.
pub type Subject = Box<dyn Checkpointer>;

/// Runs every case, each in a tokio runtime of its own.
pub fn run(make: impl Fn() -> Subject) -> Report {
    Report::of("checkpointer", cases(), &make)
}

/// The cases, in the order of the report.
pub fn cases() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("an_unknown_thread_is_empty", an_unknown_thread_is_empty),
        Case::new("what_was_put_is_there_whole", what_was_put_is_there_whole),
        Case::new("the_latest_has_the_largest_id", the_latest_has_the_largest_id),
        Case::new("each_id_finds_its_checkpoint", each_id_finds_its_checkpoint),
        Case::new("list_is_latest_first", list_is_latest_first),
        Case::new("the_same_id_replaces", the_same_id_replaces),
        Case::new("parents_are_kept", parents_are_kept),
        Case::new("threads_do_not_mix", threads_do_not_mix),
        Case::new("delete_forgets_one_thread_and_may_repeat", delete_forgets_one_thread_and_may_repeat),
        Case::new("extreme_ids_are_taken", extreme_ids_are_taken),
        Case::new("a_thousand_checkpoints_are_taken", a_thousand_checkpoints_are_taken),
        Case::new("threads_write_at_the_same_time", threads_write_at_the_same_time),
    ];
    CASES
}

fn checkpoint(id: u64, note: &str) -> Checkpoint {
    let state = json!({"note": note, "id": id}).as_object().cloned().unwrap_or_default();
    Checkpoint::new(CheckpointId(id), id, state, vec!["next".to_owned()])
}

fn unmet(error: &CheckpointError) -> Unmet {
    Unmet::Failed(format!("a call failed: {error}"))
}

/// The calls of a case, with errors that fail it.
struct Calls(Arc<dyn Checkpointer>);

impl Calls {
    fn new(subject: Subject) -> Self {
        Self(Arc::from(subject))
    }

    async fn put(&self, thread: &str, checkpoint: Checkpoint) -> Checked {
        self.0.put(&ThreadId::new(thread), checkpoint).await.map_err(|error| unmet(&error))
    }

    async fn latest(&self, thread: &str) -> Result<Option<Checkpoint>, Unmet> {
        self.0.get(&ThreadId::new(thread), None).await.map_err(|error| unmet(&error))
    }

    async fn at(&self, thread: &str, id: u64) -> Result<Option<Checkpoint>, Unmet> {
        self.0.get(&ThreadId::new(thread), Some(CheckpointId(id))).await.map_err(|error| unmet(&error))
    }

    async fn list(&self, thread: &str) -> Result<Vec<u64>, Unmet> {
        let ids = self.0.list(&ThreadId::new(thread)).await.map_err(|error| unmet(&error))?;
        Ok(ids.into_iter().map(|id| id.0).collect())
    }

    async fn delete(&self, thread: &str) -> Checked {
        self.0.delete_thread(&ThreadId::new(thread)).await.map_err(|error| unmet(&error))
    }

    async fn expect_list(&self, thread: &str, expected: &[u64]) -> Checked {
        let ids = self.list(thread).await?;
        ensure!(ids == expected, "the list of {thread:?} is {ids:?}, expected {expected:?}");
        Ok(())
    }

    async fn expect_latest(&self, thread: &str, expected: Option<&Checkpoint>) -> Checked {
        let latest = self.latest(thread).await?;
        ensure!(latest.as_ref() == expected, "the latest of {thread:?} is {latest:?}, expected {expected:?}");
        Ok(())
    }

    async fn expect_at(&self, thread: &str, id: u64, expected: Option<&Checkpoint>) -> Checked {
        let found = self.at(thread, id).await?;
        ensure!(found.as_ref() == expected, "checkpoint {id} of {thread:?} is {found:?}, expected {expected:?}");
        Ok(())
    }
}

fn an_unknown_thread_is_empty(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        calls.expect_latest("b/1", None).await?;
        calls.expect_at("b/1", 1, None).await?;
        calls.expect_list("b/1", &[]).await?;
        calls.delete("b/1").await
    })
}

fn what_was_put_is_there_whole(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    let mut full = checkpoint(7, "ü 🦀 \"quoted\"\n");
    full.state.insert("deep".to_owned(), json!({"list": [1, 2.5, null, {"a": []}], "big": u64::MAX}));
    full.next = vec!["b".to_owned(), "a".to_owned()];
    full.joins = json!({"join": {"arrived": [true, false]}});
    let mut given_up = PendingWrite::new("c", serde_json::Map::new());
    given_up.error = Some(JobError::new(ErrorClass::Permanent, "exit_status", "it broke").at_node("c"));
    full.pending = vec![PendingWrite::new("a", full.state.clone()), given_up];
    block_on(async {
        calls.put("b/1", full.clone()).await?;
        calls.expect_latest("b/1", Some(&full)).await?;
        calls.expect_at("b/1", 7, Some(&full)).await
    })
}

fn the_latest_has_the_largest_id(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for id in [1, 2, 10, 11, 100] {
            calls.put("b/1", checkpoint(id, "first")).await?;
            calls.expect_latest("b/1", Some(&checkpoint(id, "first"))).await?;
        }
        // Replacing an older one does not make it the latest.
        calls.put("b/1", checkpoint(2, "again")).await?;
        calls.expect_latest("b/1", Some(&checkpoint(100, "first"))).await
    })
}

fn each_id_finds_its_checkpoint(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for id in [1, 2, 3] {
            calls.put("b/1", checkpoint(id, "x")).await?;
        }
        for id in [1, 2, 3] {
            calls.expect_at("b/1", id, Some(&checkpoint(id, "x"))).await?;
        }
        calls.expect_at("b/1", 4, None).await
    })
}

fn list_is_latest_first(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for id in [1, 2, 9, 10, 11] {
            calls.put("b/1", checkpoint(id, "x")).await?;
        }
        calls.expect_list("b/1", &[11, 10, 9, 2, 1]).await
    })
}

fn the_same_id_replaces(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        calls.put("b/1", checkpoint(1, "old")).await?;
        calls.put("b/1", checkpoint(1, "new")).await?;
        calls.expect_at("b/1", 1, Some(&checkpoint(1, "new"))).await?;
        calls.expect_list("b/1", &[1]).await
    })
}

fn parents_are_kept(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        calls.put("b/1", checkpoint(1, "root")).await?;
        let mut child = checkpoint(2, "child");
        child.parent = Some(CheckpointId(1));
        calls.put("b/1", child.clone()).await?;
        calls.expect_at("b/1", 1, Some(&checkpoint(1, "root"))).await?;
        calls.expect_at("b/1", 2, Some(&child)).await
    })
}

/// Names that a store might confuse: by prefix, case, wildcards, paths or normal forms.
const NAMES: [&str; 10] = ["b/1", "b/10", "B/1", "b/%", "b/_", "b/../b/1", "", "b/e\u{301}", "b/é", "b/1 "];

fn threads_do_not_mix(make: Make<'_, Subject>) -> Checked {
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

fn delete_forgets_one_thread_and_may_repeat(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for name in NAMES {
            calls.put(name, checkpoint(1, name)).await?;
            calls.put(name, checkpoint(2, name)).await?;
        }
        for _ in 0..2 {
            calls.delete("b/%").await?;
            calls.expect_latest("b/%", None).await?;
            calls.expect_at("b/%", 1, None).await?;
            calls.expect_list("b/%", &[]).await?;
        }
        for name in NAMES.into_iter().filter(|name| *name != "b/%") {
            calls.expect_list(name, &[2, 1]).await?;
        }
        calls.put("b/%", checkpoint(1, "again")).await?;
        calls.expect_latest("b/%", Some(&checkpoint(1, "again"))).await
    })
}

fn extreme_ids_are_taken(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    let ids = [0, 1, i64::MAX.unsigned_abs(), i64::MAX.unsigned_abs() + 1, u64::MAX];
    block_on(async {
        for id in ids {
            calls.put("b/1", checkpoint(id, "x")).await?;
            calls.expect_latest("b/1", Some(&checkpoint(id, "x"))).await?;
        }
        let latest_first: Vec<u64> = ids.into_iter().rev().collect();
        calls.expect_list("b/1", &latest_first).await
    })
}

fn a_thousand_checkpoints_are_taken(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for id in 1..=1000 {
            calls.put("b/1", checkpoint(id, "x")).await?;
        }
        let latest_first: Vec<u64> = (1..=1000).rev().collect();
        calls.expect_list("b/1", &latest_first).await?;
        calls.expect_at("b/1", 500, Some(&checkpoint(500, "x"))).await
    })
}

fn threads_write_at_the_same_time(make: Make<'_, Subject>) -> Checked {
    let calls = Arc::new(Calls::new(make()));
    on_threads(async {
        let writers: Vec<_> = (0..8).map(|number| tokio::spawn(write_fifty(Arc::clone(&calls), number))).collect();
        for writer in writers {
            writer.await.map_err(|error| Unmet::Failed(format!("a task ended early: {error}")))??;
        }
        // From here, what other tasks wrote is there too.
        let latest_first: Vec<u64> = (1..=50).rev().collect();
        for number in 0..8 {
            calls.expect_list(&format!("b/{number}"), &latest_first).await?;
        }
        Ok(())
    })
}

async fn write_fifty(calls: Arc<Calls>, number: u32) -> Checked {
    let name = format!("b/{number}");
    for id in 1..=50 {
        calls.put(&name, checkpoint(id, &name)).await?;
        calls.expect_latest(&name, Some(&checkpoint(id, &name))).await?;
    }
    Ok(())
}
