//! A governor behind its table.

use std::{ffi::c_void, mem::size_of, time::Duration};

use batchmill_core::{Governor, LoadSample, MonoTime};

use super::{
    create,
    guard::{self, exclusive},
};
use crate::{
    layout::{ERROR, GovernorTable, NONE, OK, RawAdjustment, RawLoadSample, Writer, read_sized, write_sized},
    text,
};

type Subject = dyn Governor;

pub(super) static TABLE: GovernorTable = GovernorTable {
    size: size_of::<GovernorTable>() as u32,
    reserved: 0,
    create: Some(create::create::<Subject>),
    destroy: Some(guard::destroy::<Subject>),
    adjust: Some(adjust),
    window: Some(window),
    range: Some(range),
};

fn sample_of(raw: &RawLoadSample) -> LoadSample {
    let known = |ratio: f64| (!ratio.is_nan()).then_some(ratio);
    let mut sample = LoadSample::default();
    sample.at = MonoTime::from_nanos(raw.at);
    sample.interval = Duration::from_nanos(raw.interval_ns);
    sample.in_flight = raw.in_flight;
    sample.queued = raw.queued;
    sample.finished = raw.finished;
    sample.failed = raw.failed;
    sample.strained = raw.strained;
    sample.throttled = raw.throttled;
    sample.latency_ratio = known(raw.latency_ratio);
    sample.memory_ratio = known(raw.memory_ratio);
    sample.cpu_ratio = known(raw.cpu_ratio);
    sample.memory_pressure = known(raw.memory_pressure);
    sample
}

unsafe extern "C" fn adjust(
    this: *mut c_void,
    sample: *const RawLoadSample,
    current: u32,
    out: *mut RawAdjustment,
    reason: *const Writer,
    error: *const Writer,
) -> i32 {
    // SAFETY: the host's pointers, valid for the call.
    let Some(raw) = (unsafe { read_sized(sample) }) else { return ERROR };
    // SAFETY: as above; the instance is one of ours that nobody else calls meanwhile.
    unsafe {
        exclusive::<Subject>(this, error, |governor| {
            let Some(adjustment) = governor.adjust(&sample_of(&raw), current) else { return NONE };
            text::write(reason, &adjustment.reason);
            write_sized(out, &RawAdjustment { size: size_of::<RawAdjustment>() as u32, limit: adjustment.limit });
            OK
        })
    }
}

unsafe extern "C" fn window(this: *mut c_void, out: *mut u64, error: *const Writer) -> i32 {
    // SAFETY: the host's pointers, valid for the call; the instance is one of ours that nobody else calls meanwhile.
    unsafe {
        exclusive::<Subject>(this, error, |governor| {
            let Some(window) = governor.window() else { return NONE };
            *out = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
            OK
        })
    }
}

unsafe extern "C" fn range(this: *mut c_void, least: *mut u32, most: *mut u32, error: *const Writer) -> i32 {
    // SAFETY: as above.
    unsafe {
        exclusive::<Subject>(this, error, |governor| {
            (*least, *most) = governor.range().into_inner();
            OK
        })
    }
}
