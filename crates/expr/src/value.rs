//! The value that expressions work on: jaq's, with a count of every operation.

use std::fmt;

use jaq_core::{
    Error, Exn, ValR, ValX,
    path::Opt,
    val::{Range, ValT},
};
use jaq_json::{Map, Num, Val};

use crate::{
    clip::Clip,
    meter::{self, Exceeded, MAX_DEPTH},
};

/// A jq value and an upper bound of how deep lists and objects nest in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Value {
    pub(crate) val: Val,
    pub(crate) depth: u32,
}

/// The memory that one element of a list takes.
pub(crate) const ELEMENT: usize = size_of::<Val>();
/// The memory that one entry of an object takes: key, value, hash, index.
pub(crate) const ENTRY: usize = 2 * size_of::<Val>() + 24;

pub(crate) fn over_limit() -> Error<Value> {
    Error::new(Value::scalar(Val::Null))
}

pub(crate) fn fail(message: impl fmt::Display) -> Error<Value> {
    Error::new(Value::scalar(Val::from(message.to_string())))
}

/// An error of jaq's about its own value, without carrying that value along.
pub(crate) fn lift(error: &Error<Val>) -> Error<Value> {
    fail(Clip::of(error))
}

impl Value {
    /// A value without lists and objects.
    pub(crate) fn scalar(val: Val) -> Self {
        Self { val, depth: 0 }
    }

    pub(crate) fn null() -> Self {
        Self::scalar(Val::Null)
    }

    fn child(&self, val: Val) -> Self {
        Self { val, depth: self.depth.saturating_sub(1) }
    }

    /// A list or an object around something of `inner` depth.
    pub(crate) fn around(val: Val, inner: u32) -> Self {
        if inner >= MAX_DEPTH {
            meter::exceed(Exceeded::Depth);
            return Self::null();
        }
        Self { val, depth: inner + 1 }
    }

    fn not_iterable(&self) -> Error<Value> {
        fail(format_args!("cannot iterate over {self}"))
    }

    /// How many elements have to be copied to take the value apart.
    fn take_apart(&self) -> bool {
        let length = match &self.val {
            Val::Arr(items) => items.len(),
            Val::Obj(entries) => 2 * entries.len(),
            _ => 0,
        };
        meter::steps(1 + length as u64 / 8)
    }
}

impl ValT for Value {
    fn from_num(number: &str) -> ValR<Self> {
        Val::from_num(number).map(Self::scalar).map_err(|error| lift(&error))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(entries: I) -> ValR<Self> {
        let (mut map, mut inner) = (Map::default(), 0);
        for (key, value) in entries {
            if !matches!(key.val, Val::TStr(_)) {
                return Err(fail(format_args!("a key of an object must be a string, found {key}")));
            }
            if !meter::bytes(ENTRY) {
                return Err(over_limit());
            }
            inner = inner.max(value.depth);
            map.insert(key.val, value.val);
        }
        Ok(Self::around(Val::obj(map), inner))
    }

    fn key_values(self) -> Box<dyn Iterator<Item = ValR<(Self, Self), Self>>> {
        let entries: Vec<(Val, Val)> = match &self.val {
            _ if !self.take_apart() => return Box::new(std::iter::once(Err(over_limit()))),
            Val::Arr(items) => items.iter().cloned().enumerate().map(|(i, item)| (Val::from(i), item)).collect(),
            Val::Obj(map) => map.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            _ => return Box::new(std::iter::once(Err(self.not_iterable()))),
        };
        let depth = self.depth.saturating_sub(1);
        Box::new(entries.into_iter().map(move |(key, val)| match meter::steps(1) {
            true => Ok((Self::scalar(key), Self { val, depth })),
            false => Err(over_limit()),
        }))
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        if !self.take_apart() {
            return Box::new(std::iter::once(Err(over_limit())));
        }
        let depth = self.depth.saturating_sub(1);
        let counted = move |val| match meter::steps(1) {
            true => Ok(Self { val, depth }),
            false => Err(over_limit()),
        };
        match self.val {
            Val::Arr(items) => Box::new(unshare(items).into_iter().map(counted)),
            Val::Obj(map) => Box::new(unshare(map).into_iter().map(move |(_, val)| counted(val))),
            val => Box::new(std::iter::once(Err(Self::scalar(val).not_iterable()))),
        }
    }

    fn index(self, index: &Self) -> ValR<Self> {
        let cost = match (&self.val, &index.val) {
            (Val::Arr(items), Val::Arr(sought)) if walk(&self.val) && walk(&index.val) => {
                (items.len() as u64).saturating_mul(sought.len() as u64)
            }
            (Val::Obj(_), Val::TStr(_)) | (Val::Null, _) => 1,
            (Val::Obj(_), _) => return Err(fail(format_args!("cannot index an object with {index}"))),
            (Val::TStr(text), Val::Obj(_)) => 1 + meter::copying(text.len()),
            (Val::Arr(_), Val::Num(_) | Val::Obj(_)) => 1,
            _ => {
                meter::steps(8);
                return Err(fail(format_args!("cannot index {self} with {index}")));
            }
        };
        if !meter::steps(cost) {
            return Err(over_limit());
        }
        let depth = match index.val {
            // Positions, or a slice, of a list are a list again.
            Val::Arr(_) | Val::Obj(_) => self.depth,
            _ => self.depth.saturating_sub(1),
        };
        self.val.index(&index.val).map(|val| Self { val, depth }).map_err(|error| lift(&error))
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        let copied = match &self.val {
            Val::Arr(items) => items.len() * ELEMENT,
            Val::TStr(text) => text.len(),
            Val::Null => return Ok(self),
            _ => return Err(fail(format_args!("cannot take a slice of {self}"))),
        };
        if !meter::steps(1 + meter::copying(copied)) {
            return Err(over_limit());
        }
        let depth = self.depth;
        let range = range.start.map(|value| &value.val)..range.end.map(|value| &value.val);
        self.val.range(range).map(|val| Self { val, depth }).map_err(|error| lift(&error))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        if !self.take_apart() {
            return Err(over_limit().into());
        }
        let Some(_nested) = meter::deeper() else { return Err(over_limit().into()) };
        let (child, mut inner) = (self.depth.saturating_sub(1), 0);
        match self.val {
            Val::Arr(items) => {
                let mut mapped = Vec::with_capacity(items.len());
                for val in unshare(items) {
                    for output in f(Self { val, depth: child }) {
                        let output = output?;
                        if !meter::bytes(ELEMENT) {
                            return Err(over_limit().into());
                        }
                        inner = inner.max(output.depth);
                        mapped.push(output.val);
                    }
                }
                Ok(Self::around(mapped.into_iter().collect(), inner))
            }
            Val::Obj(map) => {
                let mut mapped = Map::default();
                for (key, val) in unshare(map) {
                    if let Some(output) = f(Self { val, depth: child }).next() {
                        let output = output?;
                        if !meter::bytes(ENTRY) {
                            return Err(over_limit().into());
                        }
                        inner = inner.max(output.depth);
                        mapped.insert(key, output.val);
                    }
                }
                Ok(Self::around(Val::obj(mapped), inner))
            }
            val => opt.fail(Self::scalar(val), |value| Exn::from(value.not_iterable())),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        if !meter::steps(1) {
            return Err(over_limit().into());
        }
        if let (Val::Arr(_), Val::Obj(bounds)) = (&self.val, &index.val) {
            let bound = |name: &str| bounds.get(&Val::utf8_str(name.to_owned())).cloned().map(Self::scalar);
            let (start, end) = (bound("start"), bound("end"));
            return self.map_range(start.as_ref()..end.as_ref(), opt, f);
        }
        let Some(_nested) = meter::deeper() else { return Err(over_limit().into()) };
        let child = self.depth.saturating_sub(1);
        match (self.val, &index.val) {
            (Val::Null, Val::TStr(_)) => match f(Self::null()).next().transpose()? {
                Some(output) => Self::from_map([(index.clone(), output)]).map_err(Exn::from),
                None => Ok(Self::null()),
            },
            (Val::Obj(mut map), Val::TStr(_)) => {
                if !meter::bytes(ENTRY) || !copied(&map, map.len() * ENTRY) {
                    return Err(over_limit().into());
                }
                let entries = jaq_json::Rc::make_mut(&mut map);
                let old = entries.get_mut(&index.val).map(std::mem::take).unwrap_or_default();
                let inner = match f(Self { val: old, depth: child }).next().transpose()? {
                    Some(output) => {
                        entries.insert(index.val.clone(), output.val);
                        child.max(output.depth)
                    }
                    None => {
                        // Keeps the order of the others.
                        entries.shift_remove(&index.val);
                        child
                    }
                };
                Ok(Self::around(Val::Obj(map), inner))
            }
            (Val::Arr(mut list), Val::Num(_)) => {
                let Some(position) = position(&index.val, list.len()) else {
                    let value = Self { val: Val::Arr(list), depth: child + 1 };
                    return opt.fail(value, |_| Exn::from(fail(format_args!("index {index} is out of bounds"))));
                };
                if !copied(&list, list.len() * ELEMENT) {
                    return Err(over_limit().into());
                }
                let items = jaq_json::Rc::make_mut(&mut list);
                let old = std::mem::take(&mut items[position]);
                let inner = match f(Self { val: old, depth: child }).next().transpose()? {
                    Some(output) => {
                        items[position] = output.val;
                        child.max(output.depth)
                    }
                    None => {
                        items.remove(position);
                        child
                    }
                };
                Ok(Self::around(Val::Arr(list), inner))
            }
            (val, _) => opt.fail(Self { val, depth: child + 1 }, |value| {
                Exn::from(fail(format_args!("cannot update {value} at {index}")))
            }),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let Val::Arr(items) = &self.val else {
            return opt.fail(self, |value| Exn::from(fail(format_args!("cannot update a slice of {value}"))));
        };
        let length = items.len();
        if !meter::bytes(length * ELEMENT) {
            return Err(over_limit().into());
        }
        let Some(_nested) = meter::deeper() else { return Err(over_limit().into()) };
        let whole = self.clone();
        let slice = match self.range(range.clone()) {
            Ok(slice) => slice,
            Err(error) => return opt.fail(whole, |_| Exn::from(error)),
        };
        // The slice was taken, so its bounds are whole numbers or absent.
        let start = range.start.map_or(0, |bound| bounded(&bound.val, length, 0));
        let Val::Arr(cut) = &slice.val else { return Ok(whole) };
        let cut = cut.len();
        let output = f(slice).next().transpose()?.unwrap_or_else(|| Self::around(Val::Arr(Default::default()), 0));
        let (Val::Arr(items), Val::Arr(new)) = (&whole.val, &output.val) else {
            return Err(fail(format_args!("a slice of a list must become a list, found {output}")).into());
        };
        if !meter::bytes(new.len() * ELEMENT) {
            return Err(over_limit().into());
        }
        let kept = items.iter().take(start).chain(new.iter()).chain(items.iter().skip(start + cut));
        Ok(Self { val: kept.cloned().collect(), depth: whole.depth.max(output.depth) })
    }

    fn as_bool(&self) -> bool {
        !matches!(self.val, Val::Null | Val::Bool(false))
    }

    fn into_string(self) -> Self {
        match self.val {
            Val::TStr(_) => self,
            val => crate::write::json(&val).map_or_else(Self::null, Self::from),
        }
    }
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match &self.val {
            Val::Arr(items) => {
                meter::steps(1 + items.len() as u64 / 8);
                Ok(items.iter().map(|item| self.child(item.clone())).collect())
            }
            _ => Err(self),
        }
    }

    fn is_int(&self) -> bool {
        jaq_std::ValT::is_int(&self.val)
    }

    fn as_isize(&self) -> Option<isize> {
        jaq_std::ValT::as_isize(&self.val)
    }

    fn as_f64(&self) -> Option<f64> {
        jaq_std::ValT::as_f64(&self.val)
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self.val, Val::TStr(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        jaq_std::ValT::as_bytes(&self.val)
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        meter::bytes(ELEMENT);
        Self::scalar(jaq_std::ValT::as_sub_str(&self.val, sub))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        if !meter::bytes(bytes.as_ref().len()) {
            return Self::null();
        }
        Self::scalar(<Val as jaq_std::ValT>::from_utf8_bytes(bytes))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::scalar(Val::Bool(value))
    }
}

impl From<isize> for Value {
    fn from(number: isize) -> Self {
        meter::steps(1);
        Self::scalar(Val::from(number))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        meter::steps(1);
        Self::scalar(Val::from(number))
    }
}

impl From<f64> for Value {
    /// What functions compute is a whole number where it can be, as in jq: `pow(2; 3)` is `8`, not `8.0`.
    fn from(number: f64) -> Self {
        meter::steps(1);
        Self::scalar(Val::Num(whole(Num::Float(number))))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        meter::bytes(text.len());
        Self::scalar(Val::from(text))
    }
}

impl From<Range<Value>> for Value {
    fn from(range: Range<Value>) -> Self {
        let range = range.start.map(|value| value.val)..range.end.map(|value| value.val);
        Self::around(Val::from(range), 0)
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<T: IntoIterator<Item = Value>>(values: T) -> Self {
        let mut inner = 0;
        let items = values.into_iter().take_while(|_| meter::bytes(ELEMENT)).map(|value| {
            inner = inner.max(value.depth);
            value.val
        });
        let list = items.collect();
        Self::around(list, inner)
    }
}

impl fmt::Display for Value {
    /// For messages: long values are cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::write::brief(&self.val))
    }
}

/// A computed number as a whole one where it is one and exact.
pub(crate) fn whole(number: Num) -> Num {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number {
        #[allow(clippy::cast_possible_truncation, reason = "whole and small enough")]
        Num::Float(f) if f.fract() == 0.0 && f.abs() <= EXACT => Num::Int(f as isize),
        // Beyond what a floating-point number can hold: as jq, infinite, so that repeated squaring cannot fill memory.
        Num::BigInt(big) if big.bits() > 1023 => {
            Num::Float(if *big < Default::default() { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        other => other,
    }
}

/// Visits every part of a value, counting, so that what follows may visit it again. `false` over the limit: parts may
/// be shared, and a small value can be a large tree.
pub(crate) fn walk(val: &Val) -> bool {
    match val {
        Val::Arr(items) => meter::steps(1) && items.iter().all(walk),
        Val::Obj(map) => meter::steps(1) && map.values().all(walk),
        Val::TStr(text) | Val::BStr(text) => meter::steps(1 + meter::copying(text.len())),
        _ => meter::steps(1),
    }
}

fn unshare<T: Clone>(shared: jaq_json::Rc<T>) -> T {
    jaq_json::Rc::try_unwrap(shared).unwrap_or_else(|shared| (*shared).clone())
}

/// Counts the copy that changing a shared value makes.
pub(crate) fn copied<T>(shared: &jaq_json::Rc<T>, size: usize) -> bool {
    jaq_json::Rc::strong_count(shared) == 1 || meter::steps(1 + meter::copying(size))
}

/// The place that `index` names in a list of `length` elements; negative ones count from the end.
fn position(index: &Val, length: usize) -> Option<usize> {
    let index = jaq_std::ValT::as_isize(index)?;
    let position = if index < 0 { length.checked_sub(index.unsigned_abs())? } else { index.unsigned_abs() };
    (position < length).then_some(position)
}

/// A bound of a slice as a place in a list of `length` elements.
fn bounded(bound: &Val, length: usize, absent: usize) -> usize {
    match jaq_std::ValT::as_isize(bound) {
        None => absent,
        Some(index) if index < 0 => length.saturating_sub(index.unsigned_abs()),
        Some(index) => index.unsigned_abs().min(length),
    }
}
