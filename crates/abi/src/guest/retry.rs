//! A retry policy behind its table.

use std::{ffi::c_void, mem::size_of, time::Duration};

use batchmill_core::{Draw, ErrorClass, FailedAttempt, RetryDecision, RetryPolicy};

use super::{
    create,
    guard::{self, shared},
};
use crate::{
    layout::{
        ERROR, NONE, OK, RETRY_AFTER, RETRY_GIVE_UP, RawBudget, RawFailedAttempt, RawRetryDecision, RetryTable, Writer,
        class_of, read_sized, write_sized,
    },
    text,
};

type Subject = dyn RetryPolicy;

pub(super) static TABLE: RetryTable = RetryTable {
    size: size_of::<RetryTable>() as u32,
    reserved: 0,
    create: Some(create::create::<Subject>),
    destroy: Some(guard::destroy::<Subject>),
    decide: Some(decide),
    budget: Some(budget),
};

/// The draw of which `value` was told: 53 bits, as `Draw::from_bits` makes them.
fn draw_of(value: f64) -> Draw {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let bits = (value.clamp(0.0, 1.0) * (1_u64 << 53) as f64) as u64;
    Draw::from_bits(bits.min((1 << 53) - 1) << 11)
}

fn failed_of(raw: &RawFailedAttempt) -> FailedAttempt {
    let class = class_of(raw.error_class).unwrap_or(ErrorClass::Permanent);
    let hint = (raw.has_hint == 1).then(|| Duration::from_nanos(raw.hint_ns));
    FailedAttempt::new(raw.attempt, class, Duration::from_nanos(raw.elapsed_ns), hint, draw_of(raw.draw))
}

unsafe extern "C" fn decide(
    this: *mut c_void,
    failed: *const RawFailedAttempt,
    out: *mut RawRetryDecision,
    reason: *const Writer,
    error: *const Writer,
) -> i32 {
    // SAFETY: the host's pointers, valid for the call.
    let Some(raw) = (unsafe { read_sized(failed) }) else { return ERROR };
    // SAFETY: as above; the instance is one of ours, and `RetryPolicy` is `Sync`.
    unsafe {
        shared::<Subject>(this, error, |policy| {
            let (action, delay_ns) = match policy.decide(&failed_of(&raw)) {
                RetryDecision::After(delay) => (RETRY_AFTER, u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)),
                RetryDecision::GiveUp(why) => {
                    text::write(reason, &why);
                    (RETRY_GIVE_UP, 0)
                }
                _ => (RETRY_GIVE_UP, 0),
            };
            write_sized(out, &RawRetryDecision { size: size_of::<RawRetryDecision>() as u32, action, delay_ns });
            OK
        })
    }
}

unsafe extern "C" fn budget(this: *mut c_void, out: *mut RawBudget, error: *const Writer) -> i32 {
    // SAFETY: the host's pointers, valid for the call; the instance is one of ours, and `RetryPolicy` is `Sync`.
    unsafe {
        shared::<Subject>(this, error, |policy| {
            let Some(budget) = policy.budget() else { return NONE };
            let raw = RawBudget {
                size: size_of::<RawBudget>() as u32,
                burst: budget.burst().get(),
                ratio: budget.ratio(),
                per_second: budget.per_second(),
            };
            write_sized(out, &raw);
            OK
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_crosses_whole() {
        for bits in [0, 1 << 11, 0x9e37_79b9_7f4a_7c15, u64::MAX] {
            let draw = Draw::from_bits(bits);
            assert_eq!(draw_of(draw.get()), draw);
        }
        assert!(draw_of(1.0).get() < 1.0 && draw_of(f64::NAN).get() == 0.0);
    }
}
