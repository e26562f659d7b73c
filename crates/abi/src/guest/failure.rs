//! A failure strategy behind its table.

use std::{ffi::c_void, mem::size_of};

use batchmill_core::{Directive, FailureStrategy, FinalResult, MonoTime, StopReason};

use super::{
    create,
    guard::{self, exclusive},
};
use crate::{
    layout::{
        DIRECTIVE_CONTINUE, DIRECTIVE_NOW, DIRECTIVE_PAUSE, DIRECTIVE_SOON, ERROR, FailureTable, OK, RawDirective,
        RawFinalResult, Writer, class_of, read_sized, status_of, write_sized,
    },
    text,
};

type Subject = dyn FailureStrategy;

pub(super) static TABLE: FailureTable = FailureTable {
    size: size_of::<FailureTable>() as u32,
    reserved: 0,
    create: Some(create::create::<Subject>),
    destroy: Some(guard::destroy::<Subject>),
    on_result: Some(on_result),
};

fn apart(directive: &Directive) -> (u32, Option<&StopReason>) {
    match directive {
        Directive::Pause(reason) => (DIRECTIVE_PAUSE, Some(reason)),
        Directive::Soon(reason) => (DIRECTIVE_SOON, Some(reason)),
        Directive::Now(reason) => (DIRECTIVE_NOW, Some(reason)),
        _ => (DIRECTIVE_CONTINUE, None),
    }
}

unsafe extern "C" fn on_result(
    this: *mut c_void,
    result: *const RawFinalResult,
    total: u64,
    out: *mut RawDirective,
    rule: *const Writer,
    message: *const Writer,
    error: *const Writer,
) -> i32 {
    // SAFETY: the host's pointers, valid for the call.
    let Some(raw) = (unsafe { read_sized(result) }) else { return ERROR };
    // A way to end that is younger than this plugin.
    let Some(status) = status_of(raw.status) else { return ERROR };
    let mut result = FinalResult::new(status, None, MonoTime::from_nanos(raw.at));
    result.class = class_of(raw.error_class);
    // SAFETY: as above; the instance is one of ours that nobody else calls meanwhile.
    unsafe {
        exclusive::<Subject>(this, error, |strategy| {
            let directive = strategy.on_result(&result, total);
            let (action, reason) = apart(&directive);
            if let Some(reason) = reason {
                text::write(rule, &reason.rule);
                text::write(message, &reason.message);
            }
            let success = u32::from(reason.is_some_and(|reason| reason.success));
            write_sized(out, &RawDirective { size: size_of::<RawDirective>() as u32, action, success, reserved: 0 });
            OK
        })
    }
}
