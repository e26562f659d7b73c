//! Arithmetic and order of values, counted before it happens.

use std::{
    cmp::Ordering,
    ops::{Add, Div, Mul, Neg, Rem, Sub},
};

use jaq_core::ValR;
use jaq_json::{Num, Val};

use crate::{
    meter,
    value::{ELEMENT, ENTRY, Value, copied, fail, lift, over_limit, walk, whole},
};

type Computed = ValR<Value>;

fn counted(fits: bool, compute: impl FnOnce() -> Computed) -> Computed {
    if fits { compute() } else { Err(over_limit()) }
}

/// Built from the beginnings of both values: what jaq would say holds them whole.
fn mismatch(left: &Value, sign: &str, right: &Value) -> Computed {
    match meter::steps(8) {
        true => Err(fail(format_args!("cannot calculate {left} {sign} {right}"))),
        false => Err(over_limit()),
    }
}

fn number(result: jaq_json::ValR) -> Computed {
    match result {
        Ok(Val::Num(number)) => Ok(Value::scalar(Val::Num(whole(number)))),
        Ok(val) => Ok(Value::scalar(val)),
        Err(error) => Err(lift(&error)),
    }
}

fn deep(result: jaq_json::ValR, depth: u32) -> Computed {
    result.map(|val| Value { val, depth }).map_err(|error| lift(&error))
}

impl Add for Value {
    type Output = Computed;
    fn add(self, other: Self) -> Computed {
        let depth = self.depth.max(other.depth);
        let fits = match (&self.val, &other.val) {
            (Val::Num(_), Val::Num(_)) => {
                return counted(meter::steps(1), || number(self.val + other.val));
            }
            (Val::TStr(left), Val::TStr(right)) => {
                let copy = if left.is_unique() { 0 } else { left.len() };
                meter::bytes(copy + right.len())
            }
            (Val::Arr(left), Val::Arr(right)) => {
                copied(left, left.len() * ELEMENT) && meter::bytes(right.len() * ELEMENT)
            }
            (Val::Obj(left), Val::Obj(right)) => copied(left, left.len() * ENTRY) && meter::bytes(right.len() * ENTRY),
            (Val::Null, _) | (_, Val::Null) => meter::steps(1),
            _ => return mismatch(&self, "+", &other),
        };
        counted(fits, || deep(self.val + other.val, depth))
    }
}

impl Sub for Value {
    type Output = Computed;
    fn sub(self, other: Self) -> Computed {
        let depth = self.depth;
        match (&self.val, &other.val) {
            (Val::Num(_), Val::Num(_)) => counted(meter::steps(1), || number(self.val - other.val)),
            // A search tree of the right, asked for each of the left.
            (Val::Arr(left), Val::Arr(right)) => {
                let fits = meter::steps((left.len() + right.len()) as u64) && walk(&self.val) && walk(&other.val);
                counted(fits, || deep(self.val - other.val, depth))
            }
            _ => mismatch(&self, "-", &other),
        }
    }
}

impl Mul for Value {
    type Output = Computed;
    fn mul(self, other: Self) -> Computed {
        let depth = self.depth.max(other.depth);
        match (&self.val, &other.val) {
            (Val::Num(_), Val::Num(_)) => counted(meter::steps(1), || number(self.val * other.val)),
            (Val::TStr(text), Val::Num(_)) => repeat(text, &other),
            (Val::Num(_), Val::TStr(text)) => repeat(text, &self),
            (Val::Obj(_), Val::Obj(_)) => {
                let fits = walk(&self.val) && walk(&other.val);
                counted(fits, || deep(self.val * other.val, depth))
            }
            _ => mismatch(&self, "*", &other),
        }
    }
}

/// `"ab" * 3`; null for less than one time, as in jq.
fn repeat(text: &[u8], times: &Value) -> Computed {
    let times = jaq_std::ValT::as_f64(times).unwrap_or(0.0).ceil();
    if times.is_nan() || times < 1.0 {
        return Ok(Value::null());
    }
    // A float that is too large saturates, and with it the size.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, which is over every limit")]
    let times = times as usize;
    if text.is_empty() {
        return Ok(Value::scalar(Val::utf8_str(Vec::new())));
    }
    counted(meter::bytes(text.len().saturating_mul(times)), || Ok(Value::scalar(Val::utf8_str(text.repeat(times)))))
}

impl Div for Value {
    type Output = Computed;
    fn div(self, other: Self) -> Computed {
        match (&self.val, &other.val) {
            (Val::Num(_), Val::Num(Num::Int(0))) => Err(fail(format_args!("{self} cannot be divided by zero"))),
            (Val::Num(_), Val::Num(_)) => counted(meter::steps(1), || number(self.val / other.val)),
            (Val::TStr(text), Val::TStr(separator)) => {
                // Each piece is an element and a handle to the text it is a part of.
                let size = pieces(text, separator).saturating_mul(ELEMENT + 40);
                counted(meter::bytes(size) && meter::steps(meter::copying(text.len())), || {
                    deep(self.val / other.val, 1)
                })
            }
            _ => mismatch(&self, "/", &other),
        }
    }
}

/// An upper bound of the pieces that splitting yields.
fn pieces(text: &[u8], separator: &[u8]) -> usize {
    match (separator, std::str::from_utf8(text), std::str::from_utf8(separator)) {
        ([], ..) => text.len(),
        (_, Ok(text), Ok(separator)) => text.matches(separator).count() + 1,
        _ => text.len() / separator.len() + 1,
    }
}

impl Rem for Value {
    type Output = Computed;
    fn rem(self, other: Self) -> Computed {
        match (&self.val, &other.val) {
            (Val::Num(_), Val::Num(_)) => counted(meter::steps(1), || number(self.val % other.val)),
            _ => mismatch(&self, "%", &other),
        }
    }
}

impl Neg for Value {
    type Output = Computed;
    fn neg(self) -> Computed {
        match &self.val {
            Val::Num(_) => counted(meter::steps(1), || number(-self.val)),
            _ => Err(fail(format_args!("cannot negate {self}"))),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        comparable(self) && comparable(other) && self.val == other.val
    }
}

impl Eq for Value {}

#[allow(clippy::non_canonical_partial_ord_impl, reason = "comparing counts, sorting was counted before")]
impl PartialOrd for Value {
    /// Over the limit nothing is ordered; the run ends with the limit's error whatever it makes of that.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (comparable(self) && comparable(other)).then(|| self.val.cmp(&other.val))
    }
}

impl Ord for Value {
    /// For sorting, whose keys were counted before it began.
    fn cmp(&self, other: &Self) -> Ordering {
        self.val.cmp(&other.val)
    }
}

fn comparable(value: &Value) -> bool {
    match &value.val {
        Val::Arr(_) | Val::Obj(_) | Val::TStr(_) => walk(&value.val),
        _ => meter::steps(1),
    }
}
