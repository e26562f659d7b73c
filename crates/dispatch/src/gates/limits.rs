//! All limits of a host: their keys, the classes of jobs with these keys, and who waits.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
};

use batchmill_core::{ClassId, Key as Name, LimitId, LimitKeys, MonoTime, Priority, Token};

use super::{
    breaker::Breaker,
    bucket::Bucket,
    key::{Attempt, Block, Hot, Key, KeyId},
    limit::{LimitChange, LimitSettings, LimitStanding, RateSettings},
    waiting::{Turn, Waiter},
};

/// Why those who wait are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// There may be more room.
    Room,
    /// Somebody who was let go does not start.
    Instead,
    /// Nothing is known any more of those who were let go.
    Anew,
}

/// A key of a class, and what each start takes of its rate.
#[derive(Debug, Clone, Copy)]
struct Use {
    key: KeyId,
    units: u32,
}

/// What the limits know of a class.
#[derive(Debug, Clone, Copy)]
struct Class {
    /// Its keys, in the list of all.
    from: u32,
    many: u16,
    /// Classes of one group differ, for the scheduler, in nothing but when their jobs were queued.
    group: u32,
    /// Where it waits, while it is held.
    held: Option<(KeyId, Turn)>,
}

/// The limits of a host. Not there where config has none, so that they cost nothing.
#[derive(Debug)]
pub(crate) struct Limits {
    list: Vec<LimitSettings>,
    /// By key: how many attempts run, which every start and end writes; what every start looks at; and the rest.
    running: Vec<u32>,
    hot: Vec<Hot>,
    keys: Vec<Key>,
    /// The keys of each limit by their names.
    names: Vec<HashMap<Name, KeyId>>,
    /// The keys of limits that have one for all jobs.
    shared: Vec<KeyId>,
    classes: Vec<Class>,
    uses: Vec<Use>,
    groups: HashMap<(Box<str>, Priority), u32>,
    /// Jobs that are set aside, and for which key.
    aside: BTreeMap<Token, (KeyId, Turn)>,
    /// How many keys are awaited: commonly none, and then no end and no start has to look whether its keys are.
    awaited: usize,
}

impl Limits {
    /// `None` where there is no limit.
    ///
    /// # Panics
    /// If there are more than 65,535.
    pub(crate) fn new(list: Vec<LimitSettings>) -> Option<Box<Self>> {
        assert!(u16::try_from(list.len()).is_ok(), "a host has fewer limits");
        if list.is_empty() {
            return None;
        }
        let mut limits = Self {
            running: Vec::new(),
            hot: Vec::new(),
            keys: Vec::new(),
            names: list.iter().map(|_| HashMap::new()).collect(),
            shared: Vec::new(),
            classes: Vec::new(),
            uses: Vec::new(),
            groups: HashMap::new(),
            aside: BTreeMap::new(),
            awaited: 0,
            list,
        };
        for place in 0..limits.list.len() {
            if !limits.list[place].has_key {
                let key = limits.add(limit_at(place), None, MonoTime::ZERO);
                limits.shared.push(key);
            }
        }
        Some(Box::new(limits))
    }

    fn add(&mut self, limit: LimitId, name: Option<Name>, now: MonoTime) -> KeyId {
        let key = KeyId(u32::try_from(self.hot.len()).expect("fewer than 2^32 keys"));
        let settings = &self.list[usize::from(limit.0)];
        let (most, is_plain) = (most(settings), is_plain(settings));
        self.running.push(0);
        self.hot.push(Hot { limit, most, is_plain, is_awaited: false });
        self.keys.push(Key::new(name, settings, now));
        key
    }

    fn settings(&self, key: KeyId) -> &LimitSettings {
        &self.list[usize::from(self.hot[key.0 as usize].limit.0)]
    }

    /// Knows a class from now on, if it does not yet. Classes come in the order of their numbers.
    pub(crate) fn know(
        &mut self,
        class: ClassId,
        (keys, share, priority): (&LimitKeys, &str, Priority),
        now: MonoTime,
    ) {
        if (class.0 as usize) < self.classes.len() {
            return;
        }
        assert_eq!(class.0 as usize, self.classes.len(), "classes come in their order");
        let from = u32::try_from(self.uses.len()).expect("fewer than 2^32 uses of keys");
        for place in 0..self.shared.len() {
            let key = self.shared[place];
            let limit = self.hot[key.0 as usize].limit;
            let units = keys.iter().find(|own| own.limit == limit).map_or(1, |own| own.units);
            self.uses.push(Use { key, units });
        }
        for own in keys {
            let Some(name) = &own.key else { continue };
            let Some(names) = self.names.get(usize::from(own.limit.0)) else { continue };
            if !self.list[usize::from(own.limit.0)].has_key {
                continue;
            }
            let key = match names.get(name) {
                Some(key) => *key,
                None => {
                    let key = self.add(own.limit, Some(name.clone()), now);
                    self.names[usize::from(own.limit.0)].insert(name.clone(), key);
                    key
                }
            };
            self.uses.push(Use { key, units: own.units });
        }
        let many = u16::try_from(self.uses.len() - from as usize).expect("one use a limit");
        let next = u32::try_from(self.groups.len()).expect("fewer groups than classes");
        let group = *self.groups.entry((share.into(), priority)).or_insert(next);
        self.classes.push(Class { from, many, group, held: None });
    }

    fn uses(&self, class: ClassId) -> &[Use] {
        let Class { from, many, .. } = self.classes[class.0 as usize];
        &self.uses[from as usize..][..usize::from(many)]
    }

    /// The keys of a class.
    pub(crate) fn keys(&self, class: ClassId) -> impl Iterator<Item = KeyId> {
        self.uses(class).iter().map(|used| used.key)
    }

    /// Whether a job of this class is one of a key.
    pub(crate) fn has(&self, class: ClassId, key: KeyId) -> bool {
        self.uses(class).iter().any(|used| used.key == key)
    }

    /// Whether a key is one of all jobs.
    pub(crate) fn is_shared(&self, key: KeyId) -> bool {
        self.shared.contains(&key)
    }

    fn block(&self, Use { key, units }: Use, now: MonoTime) -> Option<Block> {
        let hot = &self.hot[key.0 as usize];
        if self.running[key.0 as usize] >= hot.most {
            return Some(Block::Concurrency);
        }
        if hot.is_plain {
            return None;
        }
        self.keys[key.0 as usize].block(&self.list[usize::from(hot.limit.0)], units, now)
    }

    /// The first key that lets no job of this class start, and why.
    pub(crate) fn blocked(&self, class: ClassId, now: MonoTime) -> Option<(KeyId, Block)> {
        self.uses(class).iter().find_map(|used| Some((used.key, self.block(*used, now)?)))
    }

    /// The first key of all jobs that lets none start, and why.
    pub(crate) fn shut(&self, now: MonoTime) -> Option<(KeyId, Block)> {
        self.shared.iter().find_map(|key| Some((*key, self.block(Use { key: *key, units: 1 }, now)?)))
    }

    /// How many of a key may start, if each takes one unit.
    pub(crate) fn room(&self, key: KeyId, now: MonoTime) -> u32 {
        let hot = &self.hot[key.0 as usize];
        let slots = hot.most.saturating_sub(self.running[key.0 as usize]);
        if slots == 0 || hot.is_plain {
            return slots;
        }
        slots.min(self.keys[key.0 as usize].room(&self.list[usize::from(hot.limit.0)], now))
    }

    /// When a key lets something start again by itself, if it does not now.
    pub(crate) fn opens(&self, key: KeyId, now: MonoTime) -> Option<MonoTime> {
        self.keys[key.0 as usize].block(self.settings(key), 1, now)?.until()
    }

    /// Lets a job of this class start, or says which key does not. Whether anybody waits for one of its keys.
    pub(crate) fn admit(&mut self, class: ClassId, now: MonoTime) -> Result<bool, (KeyId, Block)> {
        if let Some(blocked) = self.blocked(class, now) {
            return Err(blocked);
        }
        let Self { list, running, hot, keys, classes, uses, .. } = self;
        let Class { from, many, .. } = classes[class.0 as usize];
        let mut is_awaited = false;
        for Use { key, units } in &uses[from as usize..][..usize::from(many)] {
            let hot = &hot[key.0 as usize];
            running[key.0 as usize] += 1;
            is_awaited |= hot.is_awaited;
            if hot.is_awaited {
                let let_go = &mut keys[key.0 as usize].let_go;
                *let_go = let_go.saturating_sub(1);
            }
            if !hot.is_plain {
                keys[key.0 as usize].start(&list[usize::from(hot.limit.0)], *units, now);
            }
        }
        Ok(is_awaited)
    }

    /// The same where it takes nothing but a place under each of its keys, and nobody waits for one. False: nothing has
    /// happened, and [`admit`](Self::admit) is to be asked.
    pub(crate) fn enter(&mut self, class: ClassId) -> bool {
        let Self { running, hot, classes, uses, .. } = self;
        let Class { from, many, .. } = classes[class.0 as usize];
        let uses = &uses[from as usize..][..usize::from(many)];
        let is_free = |used: &Use| {
            let hot = &hot[used.key.0 as usize];
            hot.is_plain && !hot.is_awaited && running[used.key.0 as usize] < hot.most
        };
        if !uses.iter().all(is_free) {
            return false;
        }
        uses.iter().for_each(|used| running[used.key.0 as usize] += 1);
        true
    }

    /// An attempt of a job of this class has ended. Whether anybody waits for one of its keys.
    pub(crate) fn ended(&mut self, class: ClassId, attempt: Attempt, now: MonoTime) -> bool {
        let Self { list, running, hot, keys, classes, uses, .. } = self;
        let Class { from, many, .. } = classes[class.0 as usize];
        let mut is_awaited = false;
        for Use { key, .. } in &uses[from as usize..][..usize::from(many)] {
            let hot = &hot[key.0 as usize];
            running[key.0 as usize] -= 1;
            is_awaited |= hot.is_awaited;
            if !hot.is_plain {
                keys[key.0 as usize].end(&list[usize::from(hot.limit.0)], attempt, now);
            }
        }
        is_awaited
    }

    /// An attempt was asked to wait until `until`: so are all jobs with those of its keys that pause.
    pub(crate) fn pause(&mut self, class: ClassId, until: MonoTime) {
        let Class { from, many, .. } = self.classes[class.0 as usize];
        for place in from as usize..from as usize + usize::from(many) {
            let key = self.uses[place].key;
            if self.settings(key).pauses {
                let paused = &mut self.keys[key.0 as usize].paused;
                *paused = until.max(*paused);
            }
        }
    }

    /// Nobody takes tokens of a key before the next job can.
    pub(crate) fn reserve(&mut self, key: KeyId, block: Block) {
        if let Block::Rate(at) = block {
            self.keys[key.0 as usize].reserved = at;
        }
    }

    /// Something is changed by a person.
    pub(crate) fn change(&mut self, limit: LimitId, change: LimitChange, now: MonoTime) {
        let place = usize::from(limit.0);
        let Some(settings) = self.list.get_mut(place) else { return };
        match change {
            LimitChange::Concurrency(most) => settings.concurrency = Some(most),
            LimitChange::Rate(rate) => {
                let before = settings.rate;
                settings.rate = Some(match before {
                    Some(before) => RateSettings { rate, ..before },
                    None => RateSettings::new(rate, NonZeroU32::MIN),
                });
                for (hot, key) in self.hot.iter().zip(&mut self.keys).filter(|(hot, _)| hot.limit == limit) {
                    debug_assert_eq!(hot.limit, limit);
                    key.reserved = MonoTime::ZERO;
                    match before {
                        Some(before) => key.bucket.change(before.rate, rate, before.burst.get(), now),
                        None => key.bucket = Bucket::full(rate, 1, now),
                    }
                }
            }
        }
        let settings = &self.list[place];
        let (most, is_plain) = (most(settings), is_plain(settings));
        let of_limit = self.hot.iter_mut().filter(|hot| hot.limit == limit);
        of_limit.for_each(|hot| (hot.most, hot.is_plain) = (most, is_plain));
    }

    /// Whether any key is waited for.
    pub(crate) fn is_any_awaited(&self) -> bool {
        self.awaited > 0
    }

    /// The keys of a limit that are waited for.
    pub(crate) fn awaited(&self, limit: LimitId) -> Vec<KeyId> {
        let keys = (0..).zip(&self.hot).filter(|(_, hot)| hot.limit == limit && hot.is_awaited);
        keys.map(|(key, _)| KeyId(key)).collect()
    }

    /// The keys of all limits that are waited for.
    pub(crate) fn all_awaited(&self) -> Vec<KeyId> {
        let keys = (0..).zip(&self.hot).filter(|(_, hot)| hot.is_awaited);
        keys.map(|(key, _)| KeyId(key)).collect()
    }

    pub(crate) fn is_awaited(&self, key: KeyId) -> bool {
        self.hot[key.0 as usize].is_awaited
    }

    /// A class waits for a key from now on; `enqueued` and `token` are those of its next job.
    pub(crate) fn hold(&mut self, class: ClassId, key: KeyId, enqueued: MonoTime, token: Token) {
        // Whoever was let go for it comes back as well.
        self.keys[key.0 as usize].let_go = 0;
        let turn = Turn { group: self.classes[class.0 as usize].group, is_class: true, enqueued, token };
        self.classes[class.0 as usize].held = Some((key, turn));
        self.wait(key, turn, Waiter::Class(class));
    }

    pub(crate) fn is_held(&self, class: ClassId) -> bool {
        self.classes[class.0 as usize].held.is_some()
    }

    /// A job waits for a key from now on, beside the scheduler.
    pub(crate) fn set_aside(&mut self, class: ClassId, key: KeyId, enqueued: MonoTime, token: Token) {
        self.keys[key.0 as usize].let_go = 0;
        let turn = Turn { group: self.classes[class.0 as usize].group, is_class: false, enqueued, token };
        self.aside.insert(token, (key, turn));
        self.wait(key, turn, Waiter::Job(token));
    }

    fn wait(&mut self, key: KeyId, turn: Turn, waiter: Waiter) {
        let of = &mut self.keys[key.0 as usize];
        of.waiters.insert(turn, waiter);
        self.set_awaited(key, true);
    }

    fn set_awaited(&mut self, key: KeyId, is_awaited: bool) {
        let before = std::mem::replace(&mut self.hot[key.0 as usize].is_awaited, is_awaited);
        self.awaited = self.awaited + usize::from(is_awaited) - usize::from(before);
    }

    fn take_out(&mut self, key: KeyId, turn: Turn) -> Option<Waiter> {
        let waiters = &mut self.keys[key.0 as usize].waiters;
        let waiter = waiters.remove(&turn);
        let is_awaited = !waiters.is_empty();
        self.set_awaited(key, is_awaited);
        waiter
    }

    /// A job is queued that goes before those of its class, which is held: the class moves forward.
    pub(crate) fn queued(&mut self, class: ClassId, enqueued: MonoTime, token: Token) {
        let Some((key, turn)) = self.classes[class.0 as usize].held else { return };
        if (enqueued, token) < (turn.enqueued, turn.token)
            && let Some(waiter) = self.take_out(key, turn)
        {
            let turn = Turn { enqueued, token, ..turn };
            self.classes[class.0 as usize].held = Some((key, turn));
            self.wait(key, turn, waiter);
        }
    }

    /// Whether the place of a held class is that of this job.
    pub(crate) fn stands_for(&self, class: ClassId, token: Token) -> bool {
        self.classes[class.0 as usize].held.is_some_and(|(_, turn)| turn.token == token)
    }

    /// Held classes whose next job `goes` names.
    pub(crate) fn held_for(&self, goes: impl Fn(Token) -> bool) -> Vec<ClassId> {
        let held = (0..).zip(&self.classes).filter(|(_, class)| class.held.is_some_and(|(_, turn)| goes(turn.token)));
        held.map(|(class, _)| ClassId(class)).collect()
    }

    /// A class waits no more.
    pub(crate) fn let_go(&mut self, class: ClassId) {
        if let Some((key, turn)) = self.classes[class.0 as usize].held.take() {
            self.take_out(key, turn);
        }
    }

    /// A job that was set aside is not any more; false if it was not.
    pub(crate) fn take_back(&mut self, token: Token) -> bool {
        let Some((key, turn)) = self.aside.remove(&token) else { return false };
        self.take_out(key, turn);
        true
    }

    /// Jobs that are set aside.
    pub(crate) fn aside(&self) -> usize {
        self.aside.len()
    }

    /// The same, that `goes` names.
    pub(crate) fn aside_of(&self, goes: impl Fn(Token) -> bool) -> Vec<Token> {
        self.aside.keys().copied().filter(|token| goes(*token)).collect()
    }

    /// Those who may try their luck with a key now: of each group as many as there is room for, the first ones first, less those
    /// who were let go before; one of each where somebody of them did not start. They wait no more.
    pub(crate) fn next(&mut self, key: KeyId, call: Call, now: MonoTime) -> Vec<Waiter> {
        let room = self.room(key, now);
        let let_go = &mut self.keys[key.0 as usize].let_go;
        let many = match call {
            Call::Room => {
                let more = room.saturating_sub(*let_go);
                *let_go += more;
                more
            }
            Call::Instead if room > 0 => 1,
            Call::Instead => {
                *let_go = let_go.saturating_sub(1);
                0
            }
            Call::Anew => {
                *let_go = room;
                room
            }
        };
        if many == 0 {
            return Vec::new();
        }
        let many = usize::try_from(many).unwrap_or(usize::MAX);
        let waiters = &self.keys[key.0 as usize].waiters;
        let (mut turns, mut group) = (Vec::new(), 0);
        loop {
            let mut rest = waiters.range(Turn::first(group)..).map(|(turn, _)| *turn).peekable();
            let Some(first) = rest.peek() else { break };
            group = first.group;
            turns.extend(rest.take_while(|turn| turn.group == group).take(many));
            group += 1;
        }
        turns.into_iter().filter_map(|turn| self.leave(key, turn)).collect()
    }

    fn leave(&mut self, key: KeyId, turn: Turn) -> Option<Waiter> {
        let waiter = self.take_out(key, turn)?;
        match waiter {
            Waiter::Class(class) => self.classes[class.0 as usize].held = None,
            Waiter::Job(token) => drop(self.aside.remove(&token)),
        }
        Some(waiter)
    }

    /// A key is to be looked at again at this moment; false if it is already.
    pub(crate) fn arm(&mut self, key: KeyId, at: MonoTime) -> bool {
        let armed = &mut self.keys[key.0 as usize].armed;
        let is_new = armed.is_none_or(|known| at < known);
        if is_new {
            *armed = Some(at);
        }
        is_new
    }

    /// The moment has come.
    pub(crate) fn went_off(&mut self, key: KeyId, now: MonoTime) {
        let armed = &mut self.keys[key.0 as usize].armed;
        if armed.is_some_and(|at| at <= now) {
            *armed = None;
        }
    }

    /// The limit of a key, its place, and the name of the key.
    pub(crate) fn about(&self, key: KeyId) -> (LimitId, &LimitSettings, Option<&str>) {
        let name = self.keys[key.0 as usize].name.as_ref().map(Name::as_str);
        (self.hot[key.0 as usize].limit, self.settings(key), name)
    }

    /// How each limit stands.
    pub(crate) fn standing(&self, now: MonoTime) -> Vec<LimitStanding> {
        let mut all: Vec<LimitStanding> = self
            .list
            .iter()
            .enumerate()
            .map(|(place, settings)| LimitStanding {
                limit: limit_at(place),
                settings: settings.clone(),
                keys: 0,
                running: 0,
                shut: 0,
                open: 0,
                paused: 0,
            })
            .collect();
        let keys = self.hot.iter().zip(&self.running).zip(&self.keys);
        for (number, ((hot, running), key)) in (0..).zip(keys) {
            let of = &mut all[usize::from(hot.limit.0)];
            of.keys += 1;
            of.running += u64::from(*running);
            of.shut += u64::from(self.room(KeyId(number), now) == 0);
            of.open += u64::from(!key.breaker.is_closed());
            of.paused += u64::from(now < key.paused);
        }
        all
    }

    /// A limit by its name.
    pub(crate) fn named(&self, name: &str) -> Option<LimitId> {
        self.list.iter().position(|limit| limit.name == name).map(limit_at)
    }
}

fn limit_at(place: usize) -> LimitId {
    LimitId(u16::try_from(place).expect("a host has fewer limits"))
}

/// How many attempts may run with a key of a limit.
fn most(settings: &LimitSettings) -> u32 {
    settings.concurrency.map_or(u32::MAX, NonZeroU32::get)
}

/// Whether nothing but the number of running attempts matters.
fn is_plain(settings: &LimitSettings) -> bool {
    settings.rate.is_none() && settings.breaker.is_none() && !settings.pauses
}

const _: () = assert!(size_of::<Hot>() <= 8 && size_of::<Breaker>() <= 24);
