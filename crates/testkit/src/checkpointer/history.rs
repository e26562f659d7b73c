//! Cases about the checkpoints of one thread.

use batchmill_core::CheckpointId;

use super::{
    Subject,
    calls::{Calls, checkpoint},
};
use crate::{Make, case::Checked, sink::block_on};

pub(super) fn an_unknown_thread_is_empty(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        calls.expect_latest("b/1", None).await?;
        calls.expect_at("b/1", 1, None).await?;
        calls.expect_list("b/1", &[]).await?;
        calls.delete("b/1").await
    })
}

pub(super) fn the_latest_has_the_largest_id(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for id in [1, 2, 10, 11, 100] {
            calls.put("b/1", checkpoint(id, "first")).await?;
            calls.expect_latest("b/1", Some(&checkpoint(id, "first"))).await?;
        }
        // Replacing an older one does not make it the latest.
        calls.put("b/1", checkpoint(2, "again")).await?;
        calls.expect_latest("b/1", Some(&checkpoint(100, "first"))).await?;
        calls.expect_list("b/1", &[100, 11, 10, 2, 1]).await
    })
}

pub(super) fn each_id_finds_its_checkpoint(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for id in [1, 2, 3] {
            calls.put("b/1", checkpoint(id, "x")).await?;
        }
        calls.expect_older("b/1", &checkpoint(1, "x")).await?;
        calls.expect_older("b/1", &checkpoint(2, "x")).await?;
        calls.expect_at("b/1", 3, Some(&checkpoint(3, "x"))).await?;
        calls.expect_at("b/1", 4, None).await
    })
}

pub(super) fn list_is_latest_first(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for id in [1, 2, 9, 10, 11] {
            calls.put("b/1", checkpoint(id, "x")).await?;
        }
        calls.expect_list("b/1", &[11, 10, 9, 2, 1]).await
    })
}

pub(super) fn the_same_id_replaces(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        calls.put("b/1", checkpoint(1, "old")).await?;
        calls.put("b/1", checkpoint(1, "new")).await?;
        calls.expect_at("b/1", 1, Some(&checkpoint(1, "new"))).await?;
        calls.expect_list("b/1", &[1]).await
    })
}

pub(super) fn parents_are_kept(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    let child = |id: u64, parent: u64| {
        let mut child = checkpoint(id, "child");
        child.parent = Some(CheckpointId(parent));
        child
    };
    block_on(async {
        calls.put("b/1", checkpoint(0, "root")).await?;
        calls.put("b/1", child(1, 0)).await?;
        calls.expect_older("b/1", &checkpoint(0, "root")).await?;
        calls.expect_at("b/1", 1, Some(&child(1, 0))).await?;
        calls.put("b/1", child(u64::MAX, u64::MAX - 1)).await?;
        calls.expect_latest("b/1", Some(&child(u64::MAX, u64::MAX - 1))).await
    })
}

pub(super) fn extreme_ids_are_taken(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    let ids = [0, 1, i64::MAX.unsigned_abs(), i64::MAX.unsigned_abs() + 1, u64::MAX];
    block_on(async {
        for id in ids {
            calls.put("b/1", checkpoint(id, "x")).await?;
            calls.expect_latest("b/1", Some(&checkpoint(id, "x"))).await?;
            calls.expect_at("b/1", id, Some(&checkpoint(id, "x"))).await?;
        }
        let latest_first: Vec<u64> = ids.into_iter().rev().collect();
        calls.expect_list("b/1", &latest_first).await
    })
}

pub(super) fn a_thousand_checkpoints_are_taken(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    block_on(async {
        for id in 1..=1000 {
            calls.put("b/1", checkpoint(id, "x")).await?;
        }
        let latest_first: Vec<u64> = (1..=1000).rev().collect();
        calls.expect_list("b/1", &latest_first).await?;
        calls.expect_older("b/1", &checkpoint(500, "x")).await?;
        calls.expect_latest("b/1", Some(&checkpoint(1000, "x"))).await
    })
}
