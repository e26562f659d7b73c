//! A scheduler behind its table.

use std::{ffi::c_void, mem::size_of, time::Duration};

use batchmill_core::{ClassId, Entry, MonoTime, Pick, Priority, Scheduler, ShareUsage, Shares, Token, Usage};

use super::{
    create,
    guard::{self, exclusive},
};
use crate::{
    layout::{
        CAN_HOLD, CHARGES_MEMORY, ERROR, HAS_SHARES, NEVER, NONE, OK, PICK_EMPTY, PICK_NOT_BEFORE, PICK_RUN, RawEntry,
        RawPick, RawShareUsage, RawUsage, RawUsageMemory, SKIPS_FINISH, SchedulerTable, ShareWriter, Text, USED_CPU,
        USED_MEMORY, Writer, read_sized, set_sized, with_sized, write_sized,
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
    weight: Some(weight),
    set_weight: Some(set_weight),
    memory: Some(memory),
    recall: Some(recall),
    take_usage: Some(take_usage),
};

// In each of these functions the pointers are the host's, valid for the call as `batchmill_plugin.h` says, and the instance is
// one of ours that nobody else calls meanwhile.

unsafe extern "C" fn capabilities(this: *mut c_void) -> u64 {
    let mut bits = 0;
    let set = |scheduler: &mut Subject| {
        bits = if scheduler.can_hold() { CAN_HOLD } else { 0 };
        bits |= if scheduler.hears_finish() { 0 } else { SKIPS_FINISH };
        if let Some(shares) = scheduler.shares() {
            bits |= HAS_SHARES | if shares.charges_memory() { CHARGES_MEMORY } else { 0 };
        }
        OK
    };
    // SAFETY: see above.
    unsafe { exclusive::<Subject>(this, std::ptr::null(), set) };
    bits
}

unsafe extern "C" fn push(this: *mut c_void, entry: *const RawEntry, error: *const Writer) -> i32 {
    // SAFETY: see above.
    let pushed = unsafe {
        with_sized(entry, |raw| {
            exclusive::<Subject>(this, error, |scheduler| {
                scheduler.push(entry_of(raw));
                OK
            })
        })
    };
    pushed.unwrap_or(ERROR)
}

/// The entry of a raw one.
///
/// # Safety
/// Its share is there for the length of `'a`.
unsafe fn entry_of<'a>(raw: &RawEntry) -> Entry<'a> {
    // SAFETY: as the caller promises; text is UTF-8 by the rules of the boundary, and this one is a `str` of the host.
    let share = unsafe { std::str::from_utf8_unchecked(raw.share.bytes()) };
    let priority = Priority(u8::try_from(raw.priority).unwrap_or(u8::MAX));
    let enqueued = MonoTime::from_nanos(raw.enqueued);
    let mut entry = Entry::new(Token(raw.token), ClassId(raw.class_id), priority, share, enqueued);
    entry.cost = raw.cost;
    entry.deadline = (raw.deadline != NEVER).then(|| MonoTime::from_nanos(raw.deadline));
    entry
}

/// A pick as an answer and its value.
fn raw_pick(pick: Pick) -> (u32, u64) {
    match pick {
        Pick::Run(token) => (PICK_RUN, token.0),
        Pick::NotBefore(at) => (PICK_NOT_BEFORE, at.as_nanos()),
        _ => (PICK_EMPTY, 0),
    }
}

unsafe extern "C" fn pop(this: *mut c_void, now: u64, out: *mut RawPick, error: *const Writer) -> i32 {
    // SAFETY: see above.
    unsafe {
        exclusive::<Subject>(this, error, |scheduler| {
            let picked = raw_pick(scheduler.pop(MonoTime::from_nanos(now)));
            set_sized(out, |raw| (raw.answer, raw.value) = picked);
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
    let told = unsafe {
        with_sized(usage, |raw| {
            exclusive::<Subject>(this, error, |scheduler| {
                scheduler.on_finish(Token(token), usage_of(raw));
                OK
            })
        })
    };
    told.unwrap_or(ERROR)
}

/// What an older host does not tell was not measured.
fn usage_of(raw: &RawUsage) -> Usage {
    let mut usage = Usage::new(Duration::from_nanos(raw.ran_ns));
    usage.peak_memory = (raw.measured & USED_MEMORY != 0).then_some(raw.peak_memory);
    usage.cpu_time = (raw.measured & USED_CPU != 0).then(|| Duration::from_nanos(raw.cpu_ns));
    usage
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
            // Their shares lie with the host: nothing of a raw entry is needed after it was read.
            let at = |place: usize| with_sized(entries.byte_add(place * stride), |raw| entry_of(raw));
            let all: Vec<Entry<'_>> = (0..count).filter_map(at).collect();
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
            let mut all = Vec::with_capacity(max.min(1024));
            let end = scheduler.pop_many(MonoTime::from_nanos(now), max, &mut all);
            for (place, token) in all.iter().take(max).enumerate() {
                *tokens.add(place) = token.0;
            }
            *picked = all.len().min(max);
            let end = raw_pick(end.unwrap_or(Pick::Run(Token(0))));
            set_sized(last, |raw| (raw.answer, raw.value) = end);
            OK
        })
    }
}

/// Asks the shares of a scheduler; `NONE` where it has none.
///
/// # Safety
/// As of [`exclusive`].
unsafe fn of_shares(this: *mut c_void, error: *const Writer, ask: impl FnOnce(&mut dyn Shares) -> i32) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { exclusive::<Subject>(this, error, |scheduler| scheduler.shares().map_or(NONE, ask)) }
}

unsafe extern "C" fn weight(this: *mut c_void, share: Text, out: *mut f64, error: *const Writer) -> i32 {
    // SAFETY: see above.
    unsafe {
        of_shares(this, error, |shares| {
            *out = shares.weight(&text::read(share));
            OK
        })
    }
}

unsafe extern "C" fn set_weight(
    this: *mut c_void,
    share: Text,
    weight: f64,
    why: *const Writer,
    error: *const Writer,
) -> i32 {
    // SAFETY: see above.
    unsafe {
        of_shares(this, error, |shares| match shares.set_weight(&text::read(share), weight) {
            Ok(()) => OK,
            Err(reason) => create::refuse(why, NONE, &reason),
        })
    }
}

unsafe extern "C" fn memory(
    this: *mut c_void,
    out: *mut RawUsageMemory,
    unit: *const Writer,
    error: *const Writer,
) -> i32 {
    // SAFETY: see above.
    unsafe {
        of_shares(this, error, |shares| {
            let Some(memory) = shares.memory() else { return NONE };
            let half_life_ns = u64::try_from(memory.half_life.as_nanos()).unwrap_or(u64::MAX);
            let size = size_of::<RawUsageMemory>() as u32;
            write_sized(out, &RawUsageMemory { size, reserved: 0, half_life_ns });
            text::write(unit, memory.unit)
        })
    }
}

unsafe extern "C" fn recall(
    this: *mut c_void,
    now: u64,
    used: *const RawShareUsage,
    count: usize,
    stride: usize,
    error: *const Writer,
) -> i32 {
    // SAFETY: see above; `count` amounts lie `stride` bytes apart.
    unsafe {
        of_shares(this, error, |shares| {
            let at = |place: usize| read_sized(used.byte_add(place * stride));
            let one = |raw: RawShareUsage| ShareUsage::new(text::read(raw.share), raw.amount);
            let all: Vec<ShareUsage> = (0..count).filter_map(at).map(one).collect();
            shares.recall(MonoTime::from_nanos(now), &all);
            OK
        })
    }
}

unsafe extern "C" fn take_usage(this: *mut c_void, out: *const ShareWriter, error: *const Writer) -> i32 {
    // SAFETY: see above.
    unsafe {
        of_shares(this, error, |shares| {
            let Some(ShareWriter { ctx, write: Some(write), .. }) = read_sized(out) else { return ERROR };
            for used in shares.take_usage() {
                let size = size_of::<RawShareUsage>() as u32;
                let raw = RawShareUsage { size, reserved: 0, share: Text::of(&used.share), amount: used.amount };
                // What the host does not want it counts.
                write(ctx, &raw const raw);
            }
            OK
        })
    }
}
