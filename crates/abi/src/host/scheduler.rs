//! A scheduler of a plugin, as core knows schedulers.

use std::{cell::RefCell, convert::Infallible, fmt, time::Duration};

use batchmill_core::{
    BuildContext, BuildError, ClassId, Entry, MonoTime, Options, Pick, QueuePosition, Scheduler, Shares, Token, Usage,
};

use super::{
    Containment,
    instance::{Fault, Instance, Maker},
    shadow::{Heir, Shadow},
    shares::{self, Divided},
    succession::{Now, Succession},
};
use crate::{
    layout::{
        CAN_HOLD, CHARGES_MEMORY, HAS_SHARES, NEVER, NONE, PICK_EMPTY, PICK_NOT_BEFORE, PICK_RUN, RawEntry, RawPick,
        RawUsage, SKIPS_FINISH, SchedulerTable, Text, USED_CPU, USED_MEMORY,
    },
    text::Buffer,
};

/// So many tokens have room without an allocation: as many as the executor asks for at a time.
const FEW: usize = 16;

/// So many wrong answers in a row are no accident.
const MADE_UP_MAX: u32 = 100;

pub(super) type Remote = Instance<SchedulerTable>;

/// The scheduler that decides now, and what it takes to put another in its place.
pub(super) struct Contained {
    pub(super) now: Now<SchedulerTable, dyn Scheduler>,
    can_hold: bool,
    /// Whether ends of attempts change nothing in it.
    skips_finish: bool,
    /// Where it divides by shares.
    shares: Option<Divided>,
    /// Jobs that are queued, by our own count.
    queued: usize,
    /// Kept where another may take its place.
    pub(super) shadow: Option<Shadow>,
    /// Answers in a row that are no jobs that wait.
    made_up: u32,
    succession: Succession<SchedulerTable, dyn Scheduler>,
}

impl Contained {
    pub(super) fn new(
        maker: Maker<SchedulerTable>,
        containment: &Containment,
        options: &Options,
        context: &BuildContext,
    ) -> Result<Self, BuildError> {
        let fallback = containment.fallbacks.scheduler.as_ref();
        let succession = Succession::new(maker, containment.on_fault, fallback, options, context);
        let instance = succession.make()?;
        // No bit beyond those of a positive answer.
        let known = CAN_HOLD | HAS_SHARES | CHARGES_MEMORY | SKIPS_FINISH;
        let own = instance.table.capabilities.map_or(0, |ask| {
            // SAFETY: a function of its table with its own instance.
            instance.call("capabilities", |_, this, _| (unsafe { ask(this) } & known) as i32).unwrap_or(0)
        });
        let has = |bit: u64| own as u64 & bit != 0;
        let can_hold = has(CAN_HOLD) && instance.table.hold.is_some() && instance.table.release.is_some();
        let skips_finish = has(SKIPS_FINISH) || instance.table.on_finish.is_none();
        let shares = if has(HAS_SHARES) { Divided::of(&instance, has(CHARGES_MEMORY)) } else { None };
        let shadow = succession.keeps().then(Shadow::default);
        let now = Now::Plugin(instance);
        Ok(Self { now, can_hold, skips_finish, shares, queued: 0, shadow, made_up: 0, succession })
    }

    pub(super) fn divided(&self) -> Option<&Divided> {
        self.shares.as_ref()
    }

    /// Whether a job that was picked can be one that is queued.
    fn is_queued(&mut self, token: Token) -> bool {
        self.shadow.as_mut().map_or(self.queued > 0, |shadow| shadow.pick(token))
    }

    /// A job that is not queued here: it is not started, and a scheduler that has nothing else to say is replaced.
    #[cold]
    fn made_up(&mut self) {
        if let Now::Plugin(remote) = &self.now {
            remote.wrong("`pop` answers with a job that is not queued");
        }
        self.made_up += 1;
        if self.made_up >= MADE_UP_MAX {
            self.made_up = 0;
            let message = format!("{MADE_UP_MAX} wrong answers in a row: jobs that are not queued");
            self.mend(Fault::new("pop", -1, message));
        }
    }

    /// Puts another in the place of one that failed; whatever is queued goes with it.
    ///
    /// # Panics
    /// Where config says that this ends the host.
    #[cold]
    pub(super) fn mend(&mut self, fault: Fault) {
        let shadow = RefCell::new(self.shadow.as_mut());
        let teach_instance = |instance: &Remote| match shadow.borrow_mut().as_mut() {
            Some(shadow) => shadow.teach(&mut Fresh(instance)),
            None => Ok(()),
        };
        let teach_built_in = |scheduler: &mut (dyn Scheduler + 'static)| {
            if let Some(shadow) = shadow.borrow_mut().as_mut() {
                let Ok(()) = shadow.teach(&mut BuiltIn(scheduler));
            }
        };
        self.now = self.succession.next(fault, teach_instance, teach_built_in);
    }
}

/// An instance that takes the place of one that failed, and may fail itself.
struct Fresh<'a>(&'a Remote);

impl Heir for Fresh<'_> {
    type Error = Fault;

    fn weight(&mut self, share: &str, weight: f64) -> Result<(), Fault> {
        shares::set_weight(self.0, share, weight).map(drop)
    }

    fn push(&mut self, entry: Entry<'_>) -> Result<(), Fault> {
        push(self.0, &entry)
    }

    fn hold(&mut self, class: ClassId) -> Result<(), Fault> {
        hold(self.0, class)
    }
}

struct BuiltIn<'a>(&'a mut dyn Scheduler);

impl Heir for BuiltIn<'_> {
    type Error = Infallible;

    fn weight(&mut self, share: &str, weight: f64) -> Result<(), Infallible> {
        if let Some(shares) = self.0.shares() {
            // It may not want a weight that another took: then it keeps its own.
            let _ = shares.set_weight(share, weight);
        }
        Ok(())
    }

    fn push(&mut self, entry: Entry<'_>) -> Result<(), Infallible> {
        self.0.push(entry);
        Ok(())
    }

    fn hold(&mut self, class: ClassId) -> Result<(), Infallible> {
        self.0.hold(class);
        Ok(())
    }
}

fn push(remote: &Remote, entry: &Entry<'_>) -> Result<(), Fault> {
    let raw = raw_entry(entry);
    // SAFETY: a function of its table with its own instance, an entry and a writer for this call.
    let push = |t: &SchedulerTable, this, error| t.push.map_or(-1, |push| unsafe { push(this, &raw const raw, error) });
    remote.call("push", push).map(drop)
}

fn raw_entry(entry: &Entry<'_>) -> RawEntry {
    RawEntry {
        size: size_of::<RawEntry>() as u32,
        class_id: entry.class.0,
        token: entry.token.0,
        share: Text::of(entry.share),
        cost: entry.cost,
        enqueued: entry.enqueued.as_nanos(),
        deadline: entry.deadline.map_or(NEVER, MonoTime::as_nanos),
        priority: entry.priority.0.into(),
    }
}

fn raw_usage(usage: Usage) -> RawUsage {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    RawUsage {
        size: size_of::<RawUsage>() as u32,
        reserved: 0,
        ran_ns: nanos(usage.ran),
        measured: usage.peak_memory.map_or(0, |_| USED_MEMORY) | usage.cpu_time.map_or(0, |_| USED_CPU),
        peak_memory: usage.peak_memory.unwrap_or_default(),
        cpu_ns: usage.cpu_time.map_or(0, nanos),
    }
}

fn push_many(remote: &Remote, entries: &[Entry<'_>]) -> Result<(), Fault> {
    let Some(many) = remote.table.push_many else { return entries.iter().try_for_each(|entry| push(remote, entry)) };
    let raw: Vec<RawEntry> = entries.iter().map(raw_entry).collect();
    let call = |_: &SchedulerTable, this, error| {
        // SAFETY: a function of its table with its own instance; the entries are there for this call.
        unsafe { many(this, raw.as_ptr(), raw.len(), size_of::<RawEntry>(), error) }
    };
    remote.call("push_many", call).map(drop)
}

fn hold(remote: &Remote, class: ClassId) -> Result<(), Fault> {
    // SAFETY: a function of its table with its own instance.
    let hold = |t: &SchedulerTable, this, error| t.hold.map_or(0, |hold| unsafe { hold(this, class.0, error) });
    remote.call("hold", hold).map(drop)
}

fn release(remote: &Remote, class: ClassId) -> Result<(), Fault> {
    // SAFETY: a function of its table with its own instance.
    let release =
        |t: &SchedulerTable, this, error| t.release.map_or(0, |release| unsafe { release(this, class.0, error) });
    remote.call("release", release).map(drop)
}

fn pop(remote: &Remote, now: MonoTime) -> Result<Pick, Fault> {
    let mut raw = RawPick { size: size_of::<RawPick>() as u32, answer: PICK_EMPTY, value: 0 };
    let pop = |t: &SchedulerTable, this, error| {
        // SAFETY: a function of its table with its own instance, a place for the answer and a writer for this call.
        t.pop.map_or(-1, |pop| unsafe { pop(this, now.as_nanos(), &raw mut raw, error) })
    };
    remote.call("pop", pop)?;
    Ok(pick_of(raw, now, remote))
}

fn pick_of(raw: RawPick, now: MonoTime, remote: &Remote) -> Pick {
    if raw.answer == PICK_RUN { Pick::Run(Token(raw.value)) } else { no_pick(raw, now, remote) }
}

/// Apart from what nearly every call answers.
#[cold]
#[inline(never)]
fn no_pick(raw: RawPick, now: MonoTime, remote: &Remote) -> Pick {
    match raw.answer {
        PICK_NOT_BEFORE if raw.value > now.as_nanos() => Pick::NotBefore(MonoTime::from_nanos(raw.value)),
        PICK_EMPTY => Pick::Empty,
        PICK_NOT_BEFORE => {
            remote.wrong("`pop` names a moment that has passed");
            Pick::Empty
        }
        other => {
            remote.wrong(&format!("`pop` answers {other}, which means nothing"));
            Pick::Empty
        }
    }
}

impl Scheduler for Contained {
    fn push(&mut self, entry: Entry<'_>) {
        self.queued += 1;
        if let Some(shadow) = &mut self.shadow {
            shadow.push(&entry);
        }
        match &mut self.now {
            Now::Plugin(remote) => {
                if let Err(fault) = push(remote, &entry) {
                    self.mend(fault);
                }
            }
            Now::BuiltIn(scheduler) => scheduler.push(entry),
        }
    }

    fn pop(&mut self, now: MonoTime) -> Pick {
        loop {
            let picked = match &mut self.now {
                Now::Plugin(remote) => pop(remote, now),
                Now::BuiltIn(scheduler) => Ok(scheduler.pop(now)),
            };
            match picked {
                // Without a shadow only their number is known; dispatch, which counts what is wrong, knows each.
                Ok(Pick::Run(token)) if self.is_queued(token) => {
                    self.made_up = 0;
                    self.queued = self.queued.saturating_sub(1);
                    return Pick::Run(token);
                }
                Ok(Pick::Run(_)) => self.made_up(),
                Ok(other) => return other,
                Err(fault) => self.mend(fault),
            }
        }
    }

    fn remove(&mut self, token: Token) -> bool {
        let kept = self.shadow.as_mut().map(|shadow| shadow.remove(token));
        let removed = match &mut self.now {
            Now::Plugin(remote) => {
                let remove = |t: &SchedulerTable, this, error| {
                    // SAFETY: a function of its table with its own instance.
                    t.remove.map_or(NONE, |remove| unsafe { remove(this, token.0, error) })
                };
                match remote.call("remove", remove) {
                    Ok(code) => code != NONE,
                    Err(fault) => {
                        self.mend(fault);
                        kept.unwrap_or(false)
                    }
                }
            }
            Now::BuiltIn(scheduler) => scheduler.remove(token),
        };
        if removed {
            self.queued = self.queued.saturating_sub(1);
        }
        removed
    }

    fn len(&self) -> usize {
        let remote = match &self.now {
            Now::Plugin(remote) => remote,
            Now::BuiltIn(scheduler) => return scheduler.len(),
        };
        let mut said = 0;
        // SAFETY: a function of its table with its own instance and a place for the answer.
        let len = |t: &SchedulerTable, this, error| t.len.map_or(-1, |len| unsafe { len(this, &raw mut said, error) });
        match remote.call("len", len) {
            Ok(_) => usize::try_from(said).unwrap_or(usize::MAX),
            // The next call that can put another in its place will: this one is poisoned.
            Err(_) => self.queued,
        }
    }

    fn on_finish(&mut self, token: Token, usage: Usage) {
        if self.shadow.as_mut().is_some_and(|shadow| !shadow.finish(token)) {
            return;
        }
        match &mut self.now {
            Now::Plugin(_) if self.skips_finish => {}
            Now::Plugin(remote) => {
                let raw = raw_usage(usage);
                let tell = |t: &SchedulerTable, this, error| {
                    // SAFETY: a function of its table with its own instance and what was used, for this call.
                    t.on_finish.map_or(0, |tell| unsafe { tell(this, token.0, &raw const raw, error) })
                };
                if let Err(fault) = remote.call("on_finish", tell) {
                    self.mend(fault);
                }
            }
            Now::BuiltIn(scheduler) => scheduler.on_finish(token, usage),
        }
    }

    fn hears_finish(&self) -> bool {
        // One that may take its place may hear.
        !self.skips_finish || self.shadow.is_some()
    }

    fn prefers_many(&self) -> bool {
        let can = matches!(&self.now, Now::Plugin(remote) if remote.table.pop_many.is_some());
        can && !self.hears_finish()
    }

    fn can_hold(&self) -> bool {
        self.can_hold
    }

    fn hold(&mut self, class: ClassId) {
        if let Some(shadow) = &mut self.shadow {
            shadow.hold(class);
        }
        match &mut self.now {
            Now::Plugin(remote) => {
                if let Err(fault) = hold(remote, class) {
                    self.mend(fault);
                }
            }
            Now::BuiltIn(scheduler) => scheduler.hold(class),
        }
    }

    fn release(&mut self, class: ClassId) {
        if let Some(shadow) = &mut self.shadow {
            shadow.release(class);
        }
        match &mut self.now {
            Now::Plugin(remote) => {
                if let Err(fault) = release(remote, class) {
                    self.mend(fault);
                }
            }
            Now::BuiltIn(scheduler) => scheduler.release(class),
        }
    }

    fn shares(&mut self) -> Option<&mut dyn Shares> {
        if let Now::BuiltIn(_) = self.now {
            let Now::BuiltIn(scheduler) = &mut self.now else { unreachable!("it was looked at") };
            return scheduler.shares();
        }
        self.shares.is_some().then_some(self as &mut dyn Shares)
    }

    fn push_many(&mut self, entries: &[Entry<'_>]) {
        self.queued += entries.len();
        if let Some(shadow) = &mut self.shadow {
            entries.iter().for_each(|entry| shadow.push(entry));
        }
        match &mut self.now {
            Now::Plugin(remote) => {
                if let Err(fault) = push_many(remote, entries) {
                    self.mend(fault);
                }
            }
            Now::BuiltIn(scheduler) => scheduler.push_many(entries),
        }
    }

    fn pop_many(&mut self, now: MonoTime, max: usize, picked: &mut Vec<Token>) -> Option<Pick> {
        // A scheduler that others may replace is asked one by one: what is known of each pick is kept.
        let many = match &self.now {
            Now::Plugin(remote) if self.shadow.is_none() && max > 1 => remote.table.pop_many.map(|many| (remote, many)),
            _ => None,
        };
        let Some((remote, many)) = many else { return one_by_one(self, now, max, picked) };
        let (mut few, mut plenty) = ([0_u64; FEW], Vec::new());
        let (tokens, mut count) = match few.get_mut(..max) {
            Some(few) => (few, 0),
            None => {
                plenty.resize(max, 0);
                (plenty.as_mut_slice(), 0)
            }
        };
        let mut last = RawPick { size: size_of::<RawPick>() as u32, answer: PICK_EMPTY, value: 0 };
        let call = |_: &SchedulerTable, this, error| {
            // SAFETY: a function of its table with its own instance, and room for `max` tokens.
            unsafe { many(this, now.as_nanos(), max, tokens.as_mut_ptr(), &raw mut count, &raw mut last, error) }
        };
        if let Err(fault) = remote.call("pop_many", call) {
            self.mend(fault);
            return one_by_one(self, now, max, picked);
        }
        if count > max {
            remote.wrong("`pop_many` answers with more than it was asked for");
        }
        let (count, end) = (count.min(max), pick_of(last, now, remote));
        // Which of them are made up only dispatch knows: those that are queued have left the plugin, and must start.
        if count > self.queued {
            self.made_up();
        } else {
            self.made_up = 0;
        }
        picked.extend(tokens[..count].iter().map(|token| Token(*token)));
        self.queued = self.queued.saturating_sub(count);
        (!matches!(end, Pick::Run(_))).then_some(end)
    }

    fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
        let remote = match &self.now {
            Now::Plugin(remote) => remote,
            Now::BuiltIn(scheduler) => return scheduler.explain(token, now),
        };
        let (mut ahead, mut reason) = (NEVER, Buffer::default());
        let said = reason.writer();
        let Some(explain) = remote.table.explain else {
            return Some(QueuePosition::new(None, format!("queued; {} does not say where", remote.pulse.who)));
        };
        let ask = |_: &SchedulerTable, this, error| {
            // SAFETY: a function of its table with its own instance, a place for the answer and writers for this call.
            unsafe { explain(this, token.0, now.as_nanos(), &raw mut ahead, &raw const said, error) }
        };
        match remote.call("explain", ask) {
            Ok(NONE) => None,
            Ok(_) => Some(QueuePosition::new((ahead != NEVER).then_some(ahead), reason.into_text())),
            Err(fault) => Some(QueuePosition::new(None, format!("queued; {}: {fault}", remote.pulse.who))),
        }
    }
}

/// What `pop_many` is where it is nothing of its own.
fn one_by_one(scheduler: &mut Contained, now: MonoTime, max: usize, picked: &mut Vec<Token>) -> Option<Pick> {
    for _ in 0..max {
        match scheduler.pop(now) {
            Pick::Run(token) => picked.push(token),
            other => return Some(other),
        }
    }
    None
}

impl fmt::Debug for Contained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.now {
            Now::Plugin(remote) => remote.fmt(f),
            Now::BuiltIn(scheduler) => write!(f, "{scheduler:?} in place of {}", self.succession.maker.who()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_crosses_whole() {
        let mut entry =
            Entry::new(Token(7), ClassId(3), batchmill_core::Priority(255), "org/team", MonoTime::from_nanos(9));
        entry.deadline = Some(MonoTime::from_nanos(11));
        entry.cost = 2.5;
        let raw = raw_entry(&entry);
        let numbers = (raw.class_id, raw.token, raw.enqueued, raw.deadline, raw.priority, raw.share.len);
        assert_eq!((numbers, raw.cost), ((3, 7, 9, 11, 255, 8), 2.5));
    }
}
