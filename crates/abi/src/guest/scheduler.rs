//! A scheduler behind its table.

use std::{ffi::c_void, mem::size_of, time::Duration};

use batchmill_core::{ClassId, Entry, MonoTime, Pick, Priority, Scheduler, Token, Usage};

use super::{
    create,
    guard::{self, exclusive},
};
use crate::{
    layout::{
        CAN_HOLD, ERROR, NEVER, NONE, OK, PICK_EMPTY, PICK_NOT_BEFORE, PICK_RUN, RawEntry, RawPick, RawUsage,
        SchedulerTable, Writer, read_sized, write_sized,
    },
    text,
};

type Subject = dyn Scheduler;

pub(super) static TABLE: SchedulerTable = SchedulerTable {
    size: size_of::<SchedulerTable>() as u32,
    reserved: 0,
    create: Some(create::create::<Subject>),
    destroy: Some(guard::destroy::<Subject>),
    capabilities: Some(capabilities),
    push: Some(push),
    pop: Some(pop),
    remove: Some(remove),
    len: Some(len),
    on_finish: Some(on_finish),
    hold: Some(hold),
    release: Some(release),
    explain: Some(explain),
    push_many: Some(push_many),
    pop_many: Some(pop_many),
};

// In each of these functions the pointers are the host's, valid for the call as `batchmill_plugin.h` says, and the instance is
// one of ours that nobody else calls meanwhile.

unsafe extern "C" fn capabilities(this: *mut c_void) -> u64 {
    let mut bits = 0;
    let set = |scheduler: &mut Subject| {
        bits = if scheduler.can_hold() { CAN_HOLD } else { 0 };
        OK
    };
    // SAFETY: see above.
    unsafe { exclusive::<Subject>(this, std::ptr::null(), set) };
    bits
}

unsafe extern "C" fn push(this: *mut c_void, entry: *const RawEntry, error: *const Writer) -> i32 {
    // SAFETY: see above.
    let Some(raw) = (unsafe { read_sized(entry) }) else { return ERROR };
    // SAFETY: see above.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            scheduler.push(entry_of(&raw));
            OK
        })
    }
}

/// The entry of a raw one.
///
/// # Safety
/// Its share is there for the length of `'a`.
unsafe fn entry_of<'a>(raw: &RawEntry) -> Entry<'a> {
    // SAFETY: as the caller promises.
    let share = std::str::from_utf8(unsafe { raw.share.bytes() }).unwrap_or_default();
    let priority = Priority(u8::try_from(raw.priority).unwrap_or(u8::MAX));
    let enqueued = MonoTime::from_nanos(raw.enqueued);
    let mut entry = Entry::new(Token(raw.token), ClassId(raw.class_id), priority, share, enqueued);
    entry.cost = raw.cost;
    entry.deadline = (raw.deadline != NEVER).then(|| MonoTime::from_nanos(raw.deadline));
    entry
}

fn raw_pick(pick: Pick) -> RawPick {
    let (answer, value) = match pick {
        Pick::Run(token) => (PICK_RUN, token.0),
        Pick::NotBefore(at) => (PICK_NOT_BEFORE, at.as_nanos()),
        _ => (PICK_EMPTY, 0),
    };
    RawPick { size: size_of::<RawPick>() as u32, answer, value }
}

unsafe extern "C" fn pop(this: *mut c_void, now: u64, out: *mut RawPick, error: *const Writer) -> i32 {
    // SAFETY: see above.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            write_sized(out, &raw_pick(scheduler.pop(MonoTime::from_nanos(now))));
            OK
        })
    }
}

unsafe extern "C" fn remove(this: *mut c_void, token: u64, error: *const Writer) -> i32 {
    // SAFETY: see above.
    unsafe { exclusive::<Subject>(this, error, |scheduler| if scheduler.remove(Token(token)) { OK } else { NONE }) }
}

unsafe extern "C" fn len(this: *mut c_void, out: *mut u64, error: *const Writer) -> i32 {
    // SAFETY: see above.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            *out = scheduler.len() as u64;
            OK
        })
    }
}

unsafe extern "C" fn on_finish(this: *mut c_void, token: u64, usage: *const RawUsage, error: *const Writer) -> i32 {
    // SAFETY: see above.
    let Some(usage) = (unsafe { read_sized(usage) }) else { return ERROR };
    // SAFETY: see above.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            scheduler.on_finish(Token(token), Usage::new(Duration::from_nanos(usage.ran_ns)));
            OK
        })
    }
}

unsafe extern "C" fn hold(this: *mut c_void, class: u32, error: *const Writer) -> i32 {
    // SAFETY: see above.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            scheduler.hold(ClassId(class));
            OK
        })
    }
}

unsafe extern "C" fn release(this: *mut c_void, class: u32, error: *const Writer) -> i32 {
    // SAFETY: see above.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            scheduler.release(ClassId(class));
            OK
        })
    }
}

unsafe extern "C" fn explain(
    this: *mut c_void,
    token: u64,
    now: u64,
    ahead: *mut u64,
    reason: *const Writer,
    error: *const Writer,
) -> i32 {
    // SAFETY: see above.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            let Some(position) = scheduler.explain(Token(token), MonoTime::from_nanos(now)) else { return NONE };
            *ahead = position.ahead.unwrap_or(NEVER);
            text::write(reason, &position.reason)
        })
    }
}

unsafe extern "C" fn push_many(
    this: *mut c_void,
    entries: *const RawEntry,
    count: usize,
    stride: usize,
    error: *const Writer,
) -> i32 {
    // SAFETY: see above; `count` entries lie `stride` bytes apart.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            let at = |place: usize| read_sized(entries.byte_add(place * stride));
            let raw: Vec<RawEntry> = (0..count).filter_map(at).collect();
            let all: Vec<Entry<'_>> = raw.iter().map(|raw| entry_of(raw)).collect();
            scheduler.push_many(&all);
            OK
        })
    }
}

unsafe extern "C" fn pop_many(
    this: *mut c_void,
    now: u64,
    max: usize,
    tokens: *mut u64,
    picked: *mut usize,
    last: *mut RawPick,
    error: *const Writer,
) -> i32 {
    // SAFETY: see above; there is room for `max` tokens.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            let mut all = Vec::new();
            let end = scheduler.pop_many(MonoTime::from_nanos(now), max, &mut all);
            for (place, token) in all.iter().take(max).enumerate() {
                *tokens.add(place) = token.0;
            }
            *picked = all.len().min(max);
            write_sized(last, &raw_pick(end.unwrap_or(Pick::Run(Token(0)))));
            OK
        })
    }
}
