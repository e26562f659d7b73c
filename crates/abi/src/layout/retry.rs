//! Whether and when a failed job runs again: [`batchmill_core::RetryPolicy`].

use std::ffi::c_void;

use super::{BuildInfo, Text, Writer, shape::abi_structs};

abi_structs! {
    /// A failed attempt.
    RawFailedAttempt = "bm_failed_attempt" {
        /// The size of this struct.
        size: u32,
        /// From 1.
        attempt: u32,
        /// `CLASS_*`.
        error_class: u32,
        /// 1: there is a hint.
        has_hint: u32,
        /// Since the job's first attempt started.
        elapsed_ns: u64,
        /// The delay that the other side named.
        hint_ns: u64,
        /// Uniform in `[0, 1)`.
        draw: f64,
    }

    /// An answer of `decide`.
    RawRetryDecision = "bm_retry_decision" {
        /// The size of this struct.
        size: u32,
        /// `RETRY_*`.
        action: u32,
        /// Of `RETRY_AFTER`: the delay.
        delay_ns: u64,
    }

    /// What bounds the retries of a batch.
    RawBudget = "bm_retry_budget" {
        /// The size of this struct.
        size: u32,
        /// The most tokens there ever are.
        burst: u32,
        /// Tokens that a job brings which succeeds at once.
        ratio: f64,
        /// Tokens that come with time.
        per_second: f64,
    }

    /// The functions of a retry policy: called from any thread, also at the same time.
    RetryTable = "bm_retry" {
        /// The size of this struct.
        size: u32,
        /// Zero.
        reserved: u32,
        /// Makes an instance. `options` is a JSON object that `validate` has seen.
        create: Option<
            unsafe extern "C" fn(*mut c_void, options: Text, *const BuildInfo, out: *mut *mut c_void, *const Writer) -> i32,
        >,
        /// Ends an instance: the last call.
        destroy: Option<unsafe extern "C" fn(*mut c_void) -> i32>,
        /// Decides about one failed attempt; `reason` is the clause of a `RETRY_GIVE_UP`.
        decide: Option<
            unsafe extern "C" fn(
                *mut c_void,
                *const RawFailedAttempt,
                *mut RawRetryDecision,
                reason: *const Writer,
                *const Writer,
            ) -> i32,
        >,
        /// The budget; `NONE` without. Null: none.
        budget: Option<unsafe extern "C" fn(*mut c_void, *mut RawBudget, *const Writer) -> i32>,
    }
}
