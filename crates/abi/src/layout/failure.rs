//! When failures stop a batch: [`batchmill_core::FailureStrategy`].

use std::ffi::c_void;

use super::{BuildInfo, Text, Writer, shape::abi_structs};

abi_structs! {
    /// A job that ended for good.
    RawFinalResult = "bm_final_result" {
        /// The size of this struct.
        size: u32,
        /// `STATUS_*`.
        status: u32,
        /// `CLASS_*`.
        error_class: u32,
        /// Zero.
        reserved: u32,
        /// When its end was decided, in nanoseconds.
        at: u64,
    }

    /// An answer of `on_result`.
    RawDirective = "bm_directive" {
        /// The size of this struct.
        size: u32,
        /// `DIRECTIVE_*`.
        action: u32,
        /// 1: to be stopped so is a success of the batch.
        success: u32,
        /// Zero.
        reserved: u32,
    }

    /// The functions of a failure strategy: one call at a time.
    FailureTable = "bm_failure" {
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
        /// A job ended for good; of all but `DIRECTIVE_CONTINUE`, the rule and what it saw are written.
        on_result: Option<
            unsafe extern "C" fn(
                *mut c_void,
                *const RawFinalResult,
                total: u64,
                *mut RawDirective,
                rule: *const Writer,
                message: *const Writer,
                *const Writer,
            ) -> i32,
        >,
    }
}
