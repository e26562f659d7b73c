//! A plugin's instance, and the wall that no panic passes.

use std::{
    any::Any,
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    layout::{PANIC, POISONED, Writer},
    text,
};

/// An instance behind the pointer that the host has. After a panic it is poisoned: nobody knows what state it is in.
pub(super) struct Guarded<P: ?Sized> {
    poisoned: AtomicBool,
    inner: Box<P>,
}

impl<P: ?Sized> Guarded<P> {
    /// The pointer that stands for it.
    pub(super) fn leak(inner: Box<P>) -> *mut c_void {
        Box::into_raw(Box::new(Self { poisoned: AtomicBool::new(false), inner })).cast()
    }
}

/// Calls an instance that one caller at a time has.
///
/// # Safety
/// `instance` came from [`Guarded::leak`] for the same `P` and is not destroyed; no other call runs; `error` is null or a
/// writer.
pub(super) unsafe fn exclusive<P: ?Sized>(
    instance: *mut c_void,
    error: *const Writer,
    call: impl FnOnce(&mut P) -> i32,
) -> i32 {
    // SAFETY: as the caller promises.
    let guarded = unsafe { &mut *instance.cast::<Guarded<P>>() };
    if *guarded.poisoned.get_mut() {
        return POISONED;
    }
    match catch_unwind(AssertUnwindSafe(|| call(&mut guarded.inner))) {
        Ok(code) => code,
        Err(payload) => {
            *guarded.poisoned.get_mut() = true;
            // SAFETY: as the caller promises.
            unsafe { tell_panic(payload, error) }
        }
    }
}

/// Calls an instance that callers share.
///
/// # Safety
/// As of [`exclusive`], but that other calls may run; then `P` must be `Sync`.
pub(super) unsafe fn shared<P: ?Sized + Sync>(
    instance: *mut c_void,
    error: *const Writer,
    call: impl FnOnce(&P) -> i32,
) -> i32 {
    // SAFETY: as the caller promises.
    let guarded = unsafe { &*instance.cast::<Guarded<P>>() };
    if guarded.poisoned.load(Ordering::Relaxed) {
        return POISONED;
    }
    match catch_unwind(AssertUnwindSafe(|| call(&guarded.inner))) {
        Ok(code) => code,
        Err(payload) => {
            guarded.poisoned.store(true, Ordering::Relaxed);
            // SAFETY: as the caller promises.
            unsafe { tell_panic(payload, error) }
        }
    }
}

/// Ends an instance, whose drop may panic too.
///
/// # Safety
/// As of [`exclusive`], and the pointer is not used again.
pub(super) unsafe extern "C" fn destroy<P: ?Sized>(instance: *mut c_void) -> i32 {
    // SAFETY: as the caller promises; made by `Box::into_raw`.
    contained(std::ptr::null(), || unsafe { drop(Box::from_raw(instance.cast::<Guarded<P>>())) })
}

/// Runs something that has no instance.
pub(super) fn contained(error: *const Writer, work: impl FnOnce()) -> i32 {
    answered(error, || {
        work();
        crate::layout::OK
    })
}

/// The same for something that has an answer of its own.
pub(super) fn answered(error: *const Writer, work: impl FnOnce() -> i32) -> i32 {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(code) => code,
        // SAFETY: every caller has the writer from the host, or null.
        Err(payload) => unsafe { tell_panic(payload, error) },
    }
}

/// Writes what a panic said, and gets rid of what it carried.
///
/// # Safety
/// `error` is null or a writer.
unsafe fn tell_panic(payload: Box<dyn Any + Send>, error: *const Writer) -> i32 {
    let said = panic_text(&*payload);
    // SAFETY: as the caller promises.
    unsafe { text::write(error, &said) };
    discard(payload);
    PANIC
}

/// What a panic said.
pub(super) fn panic_text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "a panic without a message".to_owned(),
    }
}

/// Drops what a panic carried. Where that panics again, what comes of it stays in memory.
pub(super) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        Box::leak(again);
    }
}
