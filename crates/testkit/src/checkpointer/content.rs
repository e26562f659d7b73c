//! Cases about what a checkpoint holds.

use batchmill_core::{Checkpoint, CheckpointId, ErrorClass, JobError, PendingWrite};
use serde_json::{Map, Value, json};

use super::{
    Subject,
    calls::{Calls, checkpoint},
};
use crate::{Make, case::Checked, sink::block_on};

/// Puts a checkpoint with a state, and expects it back.
fn survives(make: Make<'_, Subject>, state: &Value) -> Checked {
    let calls = Calls::new(make());
    let mut kept = checkpoint(1, "x");
    kept.state.insert("kept".to_owned(), state.clone());
    block_on(async {
        calls.put("b/1", kept.clone()).await?;
        calls.expect_latest("b/1", Some(&kept)).await?;
        calls.expect_at("b/1", 1, Some(&kept)).await
    })
}

pub(super) fn what_was_put_is_there_whole(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    let mut full = checkpoint(7, "ü 🦀 \"quoted\"\n");
    full.step = u64::MAX;
    full.parent = Some(CheckpointId(6));
    full.state.insert("deep".to_owned(), json!({"list": [1, 2.5, null, {"a": []}], "big": u64::MAX}));
    full.next = vec!["b".to_owned(), "a".to_owned(), "ü b".to_owned()];
    full.joins = json!({"join": {"arrived": [true, false]}});
    let mut given_up = PendingWrite::new("c", Map::new());
    given_up.error = Some(JobError::new(ErrorClass::Permanent, "exit_status", "it broke").at_node("c"));
    full.pending = vec![PendingWrite::new("a", full.state.clone()), given_up];
    block_on(async {
        calls.put("b/1", full.clone()).await?;
        calls.expect_latest("b/1", Some(&full)).await?;
        calls.expect_at("b/1", 7, Some(&full)).await
    })
}

pub(super) fn an_empty_checkpoint_is_taken(make: Make<'_, Subject>) -> Checked {
    let calls = Calls::new(make());
    let empty = Checkpoint::new(CheckpointId(0), 0, Map::new(), Vec::new());
    block_on(async {
        calls.put("b/1", empty.clone()).await?;
        calls.expect_latest("b/1", Some(&empty)).await
    })
}

pub(super) fn any_text_survives(make: Make<'_, Subject>) -> Checked {
    let text = "\u{0}\u{1}\u{7f}\u{2028}\u{feff}\u{fffd}\u{10ffff}\r\n\t\\\"'$1 % _ e\u{301} é 🦀";
    survives(make, &json!({text: text, "": "", "\u{0}": ["\u{0}"]}))
}

pub(super) fn numbers_survive_to_the_last_digit(make: Make<'_, Subject>) -> Checked {
    let whole = [json!(u64::MAX), json!(i64::MIN), json!(9_007_199_254_740_993_u64), json!(0), json!(-1)];
    let broken =
        [0.1, 1.0 / 3.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1.0, -0.0, 1e23, 0.3 - 0.1, 122.416_294_033_786_58];
    survives(make, &json!([whole, broken]))
}

pub(super) fn keys_stay_in_their_order(make: Make<'_, Subject>) -> Checked {
    survives(make, &json!({"b": 1, "a": {"zz": 1, "y": 2, "": 3}, "A": 2, "aa": 3}))
}

pub(super) fn a_deep_state_survives(make: Make<'_, Subject>) -> Checked {
    survives(
        make,
        &(0..100).fold(json!("deep"), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({"a": inner}) }),
    )
}

pub(super) fn sixteen_mebibytes_survive(make: Make<'_, Subject>) -> Checked {
    // Nothing that a store could press together: xorshift (Marsaglia 2003), as letters.
    let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
    let mut letter = || {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        char::from(b'0' + (bits % 75) as u8)
    };
    let list: Vec<String> = (0..16).map(|_| (0..1 << 20).map(|_| letter()).collect()).collect();
    survives(make, &json!(list))
}
