//! Functions of a plugin that answer anything.

use std::{
    ffi::c_void,
    sync::{Mutex, MutexGuard, PoisonError},
};

use batchmill_testkit::Seed;

use crate::{
    host::tickets::{self, Answer},
    layout::{
        BuildInfo, FailureTable, GovernorTable, HostServices, RawAdjustment, RawBudget, RawDirective, RawEntry,
        RawFailedAttempt, RawFinalResult, RawLoadSample, RawPick, RawRecord, RawRetryDecision, RawShareUsage, RawUsage,
        RawUsageMemory, RetryTable, SchedulerTable, ShareWriter, SinkTable, Text, Writer,
    },
};

static SEED: Mutex<Option<Seed>> = Mutex::new(None);

/// Answers follow from this.
pub(super) fn begin(seed: u64) {
    *lock() = Some(Seed::new(seed));
}

fn lock() -> MutexGuard<'static, Option<Seed>> {
    SEED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn chance<T>(ask: impl FnOnce(&mut Seed) -> T) -> T {
    ask(lock().get_or_insert_with(|| Seed::new(0)))
}

/// Mostly that it went well.
fn code() -> i32 {
    chance(|seed| if seed.once_in(4) { *seed.pick(&[1, 7, i32::MAX, -1, -2, -3, -4, -5, -6, -7, i32::MIN]) } else { 0 })
}

fn number() -> u64 {
    chance(|seed| *seed.pick(&[0, 1, 2, 3, 4, 5, 6, 63, 1 << 20, u64::MAX - 1, u64::MAX]))
}

fn float() -> f64 {
    let all = [0.0, -0.0, -1.0, 0.5, 1.0, 99.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE];
    chance(|seed| *seed.pick(&all))
}

fn small() -> u32 {
    chance(|seed| *seed.pick(&[0, 1, 2, 3, 4, 99, u32::MAX]))
}

fn write(to: *const Writer) {
    let texts: [&'static [u8]; 12] = [
        b"",
        b" ",
        b"a sentence",
        b"{}",
        b"[]",
        b"{\"type\": \"object\"}",
        b"[{\"path\": [1, null], \"offset\": -1}]",
        b"[1, \"x\"]",
        b"\xff\xfe",
        b"\0\0",
        b"seconds",
        b"{\"a\": ",
    ];
    // SAFETY: a writer of the host.
    let Some((ctx, write)) = (unsafe { to.as_ref() }).and_then(|to| to.write.map(|write| (to.ctx, write))) else {
        return;
    };
    for _ in 0..chance(|seed| seed.below(3)) {
        let bytes = chance(|seed| *seed.pick(&texts));
        // SAFETY: its own function with its own context, and a static text.
        unsafe { write(ctx, Text { ptr: bytes.as_ptr(), len: bytes.len() }) };
    }
    if chance(|seed| seed.once_in(200)) {
        let flood = "x".repeat(2 << 20);
        // SAFETY: as above; the text lives as long as the call.
        unsafe { write(ctx, Text::of(&flood)) };
    }
}

pub(super) unsafe extern "C" fn init(_: *const HostServices, error: *const Writer) -> i32 {
    write(error);
    code()
}

pub(super) unsafe extern "C" fn schema(_: *mut c_void, out: *const Writer) -> i32 {
    write(out);
    code()
}

pub(super) unsafe extern "C" fn validate(_: *mut c_void, _: Text, problems: *const Writer) -> i32 {
    write(problems);
    code()
}

unsafe extern "C" fn create(
    _: *mut c_void,
    _: Text,
    _: *const BuildInfo,
    out: *mut *mut c_void,
    error: *const Writer,
) -> i32 {
    write(error);
    if chance(|seed| !seed.once_in(8)) {
        // SAFETY: a place of the host. Nobody follows this pointer.
        unsafe { *out = std::ptr::without_provenance_mut(0x1000) };
    }
    code()
}

unsafe extern "C" fn destroy(_: *mut c_void) -> i32 {
    code()
}

unsafe extern "C" fn capabilities(_: *mut c_void) -> u64 {
    number()
}

unsafe extern "C" fn push(_: *mut c_void, _: *const RawEntry, error: *const Writer) -> i32 {
    write(error);
    code()
}

unsafe extern "C" fn pop(_: *mut c_void, _: u64, out: *mut RawPick, error: *const Writer) -> i32 {
    write(error);
    // SAFETY: a place of the host.
    unsafe { ((*out).answer, (*out).value) = (small(), number()) };
    code()
}

unsafe extern "C" fn by_number(_: *mut c_void, _: u64, error: *const Writer) -> i32 {
    write(error);
    code()
}

unsafe extern "C" fn by_class(_: *mut c_void, _: u32, error: *const Writer) -> i32 {
    write(error);
    code()
}

unsafe extern "C" fn a_number(_: *mut c_void, out: *mut u64, error: *const Writer) -> i32 {
    write(error);
    // SAFETY: a place of the host.
    unsafe { *out = number() };
    code()
}

unsafe extern "C" fn on_finish(_: *mut c_void, _: u64, _: *const RawUsage, error: *const Writer) -> i32 {
    write(error);
    code()
}

unsafe extern "C" fn explain(
    _: *mut c_void,
    _: u64,
    _: u64,
    ahead: *mut u64,
    reason: *const Writer,
    error: *const Writer,
) -> i32 {
    write(reason);
    // SAFETY: a place of the host.
    unsafe { a_number(std::ptr::null_mut(), ahead, error) }
}

unsafe extern "C" fn push_many(_: *mut c_void, _: *const RawEntry, _: usize, _: usize, error: *const Writer) -> i32 {
    write(error);
    code()
}

unsafe extern "C" fn pop_many(
    _: *mut c_void,
    now: u64,
    max: usize,
    tokens: *mut u64,
    picked: *mut usize,
    last: *mut RawPick,
    error: *const Writer,
) -> i32 {
    // SAFETY: room for `max` tokens, and places of the host.
    unsafe {
        (0..max).for_each(|place| *tokens.add(place) = number());
        *picked = usize::try_from(number()).unwrap_or_default();
        pop(std::ptr::null_mut(), now, last, error)
    }
}

unsafe extern "C" fn weight(_: *mut c_void, _: Text, out: *mut f64, error: *const Writer) -> i32 {
    write(error);
    // SAFETY: a place of the host.
    unsafe { *out = float() };
    code()
}

unsafe extern "C" fn set_weight(_: *mut c_void, _: Text, _: f64, why: *const Writer, error: *const Writer) -> i32 {
    write(why);
    write(error);
    code()
}

unsafe extern "C" fn memory(
    _: *mut c_void,
    out: *mut RawUsageMemory,
    unit: *const Writer,
    error: *const Writer,
) -> i32 {
    write(unit);
    write(error);
    // SAFETY: a place of the host.
    unsafe { (*out).half_life_ns = number() };
    code()
}

unsafe extern "C" fn recall(
    _: *mut c_void,
    _: u64,
    _: *const RawShareUsage,
    _: usize,
    _: usize,
    error: *const Writer,
) -> i32 {
    write(error);
    code()
}

unsafe extern "C" fn take_usage(_: *mut c_void, out: *const ShareWriter, error: *const Writer) -> i32 {
    write(error);
    for share in [&b"a/b"[..], b"", b"\xff", b"\0"] {
        let share = Text { ptr: share.as_ptr(), len: share.len() };
        let used = RawShareUsage { size: size_of::<RawShareUsage>() as u32, reserved: 0, share, amount: float() };
        // SAFETY: a writer of the host, and what lies there for the call.
        unsafe {
            let (ctx, write) = ((*out).ctx, (*out).write.expect("a host writes"));
            write(ctx, &raw const used);
            write(ctx, std::ptr::null());
        }
    }
    code()
}

unsafe extern "C" fn decide(
    _: *mut c_void,
    _: *const RawFailedAttempt,
    out: *mut RawRetryDecision,
    reason: *const Writer,
    error: *const Writer,
) -> i32 {
    write(reason);
    write(error);
    // SAFETY: a place of the host.
    unsafe { ((*out).action, (*out).delay_ns) = (small(), number()) };
    code()
}

unsafe extern "C" fn budget(_: *mut c_void, out: *mut RawBudget, error: *const Writer) -> i32 {
    write(error);
    // SAFETY: a place of the host.
    unsafe { ((*out).burst, (*out).ratio, (*out).per_second) = (small(), float(), float()) };
    code()
}

unsafe extern "C" fn on_result(
    _: *mut c_void,
    _: *const RawFinalResult,
    _: u64,
    out: *mut RawDirective,
    rule: *const Writer,
    message: *const Writer,
    error: *const Writer,
) -> i32 {
    [rule, message, error].into_iter().for_each(write);
    // SAFETY: a place of the host.
    unsafe { ((*out).action, (*out).success) = (small(), small()) };
    code()
}

unsafe extern "C" fn adjust(
    _: *mut c_void,
    _: *const RawLoadSample,
    _: u32,
    out: *mut RawAdjustment,
    reason: *const Writer,
    error: *const Writer,
) -> i32 {
    write(reason);
    write(error);
    // SAFETY: a place of the host.
    unsafe { (*out).limit = small() };
    code()
}

unsafe extern "C" fn range(_: *mut c_void, least: *mut u32, most: *mut u32, error: *const Writer) -> i32 {
    write(error);
    // SAFETY: places of the host.
    unsafe { (*least, *most) = (small(), small()) };
    code()
}

/// Takes a call and ends it at once, or refuses it.
fn call(ticket: u64, error: *const Writer) -> i32 {
    write(error);
    let code = code();
    if code >= 0 {
        let answer = Answer { status: self::code(), value: small(), message: "said".into() };
        tickets::complete("fuzzed", ticket, answer.clone());
        // Once more, and one that is nobody's.
        tickets::complete("fuzzed", ticket, answer.clone());
        tickets::complete("fuzzed", u64::MAX - 1, answer);
    }
    code
}

unsafe extern "C" fn write_results(
    _: *mut c_void,
    ticket: u64,
    _: Text,
    _: *const RawRecord,
    _: usize,
    _: usize,
    error: *const Writer,
) -> i32 {
    call(ticket, error)
}

unsafe extern "C" fn by_ticket(_: *mut c_void, ticket: u64, error: *const Writer) -> i32 {
    call(ticket, error)
}

unsafe extern "C" fn resume(_: *mut c_void, ticket: u64, _: u32, _: Text, error: *const Writer) -> i32 {
    call(ticket, error)
}

unsafe extern "C" fn a_text(_: *mut c_void, out: *const Writer, error: *const Writer) -> i32 {
    write(out);
    write(error);
    code()
}

pub(super) static SCHEDULER: SchedulerTable = SchedulerTable {
    size: size_of::<SchedulerTable>() as u32,
    reserved: 0,
    create: Some(create),
    destroy: Some(destroy),
    capabilities: Some(capabilities),
    push: Some(push),
    pop: Some(pop),
    remove: Some(by_number),
    len: Some(a_number),
    on_finish: Some(on_finish),
    hold: Some(by_class),
    release: Some(by_class),
    explain: Some(explain),
    push_many: Some(push_many),
    pop_many: Some(pop_many),
    weight: Some(weight),
    set_weight: Some(set_weight),
    memory: Some(memory),
    recall: Some(recall),
    take_usage: Some(take_usage),
};

pub(super) static RETRY: RetryTable = RetryTable {
    size: size_of::<RetryTable>() as u32,
    reserved: 0,
    create: Some(create),
    destroy: Some(destroy),
    decide: Some(decide),
    budget: Some(budget),
};

pub(super) static FAILURE: FailureTable = FailureTable {
    size: size_of::<FailureTable>() as u32,
    reserved: 0,
    create: Some(create),
    destroy: Some(destroy),
    on_result: Some(on_result),
};

pub(super) static GOVERNOR: GovernorTable = GovernorTable {
    size: size_of::<GovernorTable>() as u32,
    reserved: 0,
    create: Some(create),
    destroy: Some(destroy),
    adjust: Some(adjust),
    window: Some(a_number),
    range: Some(range),
};

pub(super) static SINK: SinkTable = SinkTable {
    size: size_of::<SinkTable>() as u32,
    reserved: 0,
    create: Some(create),
    destroy: Some(destroy),
    write: Some(write_results),
    flush: Some(by_ticket),
    close: Some(by_ticket),
    resume: Some(resume),
    mark: Some(a_text),
    summary: Some(a_text),
};
