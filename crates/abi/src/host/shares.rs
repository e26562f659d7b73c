//! The shares of a scheduler of a plugin, as core knows them.

use std::{
    collections::BTreeSet,
    ffi::c_void,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use batchmill_core::{MonoTime, ShareUsage, Shares, UsageMemory};

use super::{
    instance::Fault,
    scheduler::{Contained, Remote},
    succession::Now,
};
use crate::{
    layout::{ERROR, NONE, OK, RawShareUsage, RawUsageMemory, SchedulerTable, ShareWriter, Text, read_sized},
    text::Buffer,
};

/// So many shares are handed out at once, and not more.
const SHARES_MAX: usize = 1 << 20;

/// The longest path of a share.
const SHARE_MAX: usize = 64 * 1024;

/// What is known of a scheduler that divides by shares.
#[derive(Debug)]
pub(super) struct Divided {
    charges_memory: bool,
    memory: Option<UsageMemory>,
}

impl Divided {
    /// Of an instance that says that it has shares; `None` where its table has not all that belongs to them.
    pub(super) fn of(remote: &Remote, charges_memory: bool) -> Option<Self> {
        let table = &remote.table;
        let is_whole = table.weight.is_some()
            && table.set_weight.is_some()
            && table.memory.is_some()
            && table.recall.is_some()
            && table.take_usage.is_some();
        if !is_whole {
            remote.wrong("it says that it has shares, and lacks functions of them");
            return None;
        }
        Some(Self { charges_memory, memory: memory(remote).ok().flatten() })
    }
}

/// Asked once: the options say it.
fn memory(remote: &Remote) -> Result<Option<UsageMemory>, Fault> {
    let mut raw = RawUsageMemory { size: size_of::<RawUsageMemory>() as u32, reserved: 0, half_life_ns: 0 };
    let mut unit = Buffer::default();
    let said = unit.writer();
    let ask = |t: &SchedulerTable, this, error| {
        // SAFETY: a function of its table with its own instance, a place for the answer and writers for this call.
        t.memory.map_or(NONE, |memory| unsafe { memory(this, &raw mut raw, &raw const said, error) })
    };
    if remote.call("memory", ask)? == NONE {
        return Ok(None);
    }
    let unit = unit.into_text();
    if raw.half_life_ns == 0 || !is_unit(&unit) {
        remote.wrong("`memory` answers with a half-life of zero, or a unit that is no word");
        return Ok(None);
    }
    Ok(Some(UsageMemory::new(kept(unit), Duration::from_nanos(raw.half_life_ns))))
}

/// One word: `seconds`, `GiB-seconds`.
fn is_unit(unit: &str) -> bool {
    (1..=63).contains(&unit.len()) && unit.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Units are few words, which stay.
fn kept(unit: String) -> &'static str {
    static UNITS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut units = UNITS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = units.get(unit.as_str()) {
        return known;
    }
    let unit: &'static str = unit.leak();
    units.insert(unit);
    unit
}

fn weight(remote: &Remote, share: &str) -> Result<f64, Fault> {
    let mut weight = 1.0;
    let ask = |t: &SchedulerTable, this, error| {
        // SAFETY: a function of its table with its own instance, text and a place for the answer for this call.
        t.weight.map_or(NONE, |ask| unsafe { ask(this, Text::of(share), &raw mut weight, error) })
    };
    remote.call("weight", ask)?;
    if !(weight.is_finite() && weight > 0.0) {
        remote.wrong(&format!("`weight` answers {weight}"));
        return Ok(1.0);
    }
    Ok(weight)
}

pub(super) fn set_weight(remote: &Remote, share: &str, weight: f64) -> Result<Result<(), String>, Fault> {
    let mut why = Buffer::default();
    let said = why.writer();
    let set = |t: &SchedulerTable, this, error| {
        // SAFETY: a function of its table with its own instance, text and writers for this call.
        t.set_weight.map_or(NONE, |set| unsafe { set(this, Text::of(share), weight, &raw const said, error) })
    };
    if remote.call("set_weight", set)? != NONE {
        return Ok(Ok(()));
    }
    let why = why.into_text();
    Ok(Err(if why.trim().is_empty() { "the scheduler refuses it and does not say why".to_owned() } else { why }))
}

fn recall(remote: &Remote, now: MonoTime, used: &[ShareUsage]) -> Result<(), Fault> {
    let raw = |used: &ShareUsage| RawShareUsage {
        size: size_of::<RawShareUsage>() as u32,
        reserved: 0,
        share: Text::of(&used.share),
        amount: used.amount,
    };
    let raw: Vec<RawShareUsage> = used.iter().map(raw).collect();
    let stride = size_of::<RawShareUsage>();
    let tell = |t: &SchedulerTable, this, error| {
        t.recall.map_or(OK, |recall| {
            // SAFETY: a function of its table with its own instance; what was used is there for this call.
            unsafe { recall(this, now.as_nanos(), raw.as_ptr(), raw.len(), stride, error) }
        })
    };
    remote.call("recall", tell).map(drop)
}

/// What a plugin hands out in one call.
#[derive(Default)]
struct Taken {
    used: Vec<ShareUsage>,
    wrong: u64,
}

fn take_usage(remote: &Remote) -> Result<Vec<ShareUsage>, Fault> {
    let mut taken = Taken::default();
    let out = ShareWriter {
        size: size_of::<ShareWriter>() as u32,
        reserved: 0,
        ctx: std::ptr::from_mut(&mut taken).cast(),
        write: Some(add),
    };
    let take = |t: &SchedulerTable, this, error| {
        // SAFETY: a function of its table with its own instance and writers for this call.
        t.take_usage.map_or(OK, |take| unsafe { take(this, &raw const out, error) })
    };
    remote.call("take_usage", take)?;
    if taken.wrong > 0 {
        let times = taken.wrong;
        remote.wrong(&format!("`take_usage` hands out what no share can have used, {times} times: left out"));
    }
    Ok(taken.used)
}

unsafe extern "C" fn add(ctx: *mut c_void, used: *const RawShareUsage) -> i32 {
    // SAFETY: `ctx` is that of the writer, which lives as long as the call for which it was made, and one call has it.
    let taken = unsafe { &mut *ctx.cast::<Taken>() };
    // SAFETY: the other side promises that it is there until we return.
    let Some(raw) = (unsafe { read_sized(used) }) else { return ERROR };
    // SAFETY: as above.
    let share = if raw.share.len > SHARE_MAX { None } else { std::str::from_utf8(unsafe { raw.share.bytes() }).ok() };
    match share {
        Some(share) if raw.amount.is_finite() && raw.amount >= 0.0 && taken.used.len() < SHARES_MAX => {
            taken.used.push(ShareUsage::new(share, raw.amount));
            OK
        }
        _ => {
            taken.wrong += 1;
            ERROR
        }
    }
}

/// Of the plugin; a built-in that took its place has shares of its own.
impl Shares for Contained {
    fn weight(&self, share: &str) -> f64 {
        match &self.now {
            // The next call that can put another in its place will: this one is poisoned.
            Now::Plugin(remote) => weight(remote, share).unwrap_or(1.0),
            Now::BuiltIn(_) => 1.0,
        }
    }

    fn set_weight(&mut self, share: &str, weight: f64) -> Result<(), String> {
        loop {
            let answered = match &mut self.now {
                Now::Plugin(remote) => set_weight(remote, share, weight),
                Now::BuiltIn(scheduler) => {
                    let Some(shares) = scheduler.shares() else { return Err("it has no shares".to_owned()) };
                    Ok(shares.set_weight(share, weight))
                }
            };
            match answered {
                Ok(Ok(())) => {
                    if let Some(shadow) = &mut self.shadow {
                        shadow.weigh(share, weight);
                    }
                    return Ok(());
                }
                Ok(refused) => return refused,
                Err(fault) => self.mend(fault),
            }
        }
    }

    fn charges_memory(&self) -> bool {
        self.divided().is_some_and(|divided| divided.charges_memory)
    }

    fn memory(&self) -> Option<UsageMemory> {
        self.divided().and_then(|divided| divided.memory)
    }

    fn recall(&mut self, now: MonoTime, used: &[ShareUsage]) {
        loop {
            let told = match &mut self.now {
                Now::Plugin(remote) => recall(remote, now, used),
                Now::BuiltIn(scheduler) => {
                    if let Some(shares) = scheduler.shares() {
                        shares.recall(now, used);
                    }
                    return;
                }
            };
            match told {
                Ok(()) => return,
                Err(fault) => self.mend(fault),
            }
        }
    }

    fn take_usage(&mut self) -> Vec<ShareUsage> {
        loop {
            let taken = match &mut self.now {
                Now::Plugin(remote) => take_usage(remote),
                Now::BuiltIn(scheduler) => return scheduler.shares().map(Shares::take_usage).unwrap_or_default(),
            };
            match taken {
                Ok(used) => return used,
                // What it would have handed out is gone with it.
                Err(fault) => self.mend(fault),
            }
        }
    }
}
