//! What this process and its children that have ended used.

use std::mem::MaybeUninit;

/// User and system time so far.
pub(crate) fn seconds() -> f64 {
    of(libc::RUSAGE_SELF) + of(libc::RUSAGE_CHILDREN)
}

fn of(who: libc::c_int) -> f64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is writable and of the right size; all zeros are a valid rusage, should the call fail.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
