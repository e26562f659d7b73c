//! JSON to jq's values and back. Whole numbers stay whole, keys keep their order.

use batchmill_core::StateData;
use jaq_json::{Map, Num, Val};
use serde_json::{Number, Value as Json};

use crate::{
    meter,
    reads::Reads,
    value::{ELEMENT, ENTRY, Value},
};

/// A JSON value for an expression.
pub(crate) fn value(json: &Json) -> Value {
    let (val, depth) = val(json);
    Value { val, depth }
}

/// An object for an expression: what it reads of it.
pub(crate) fn object(data: &StateData, reads: &Reads) -> Value {
    let (val, depth) = match reads {
        Reads::All => entries(data.iter()),
        Reads::Keys(keys) => entries(keys.iter().filter_map(|key| data.get_key_value(key.as_str()))),
    };
    Value { val, depth }
}

fn val(json: &Json) -> (Val, u32) {
    match json {
        Json::Null => (Val::Null, 0),
        Json::Bool(value) => (Val::Bool(*value), 0),
        Json::Number(value) => (Val::Num(number(value)), 0),
        Json::String(text) => (Val::utf8_str(text.clone()), 0),
        Json::Array(items) => {
            let mut inner = 0;
            let list = items.iter().map(|item| {
                let (val, depth) = val(item);
                inner = inner.max(depth);
                val
            });
            let list = Val::Arr(list.collect::<Vec<_>>().into());
            (list, inner + 1)
        }
        Json::Object(map) => entries(map.iter()),
    }
}

fn entries<'a>(map: impl Iterator<Item = (&'a String, &'a Json)>) -> (Val, u32) {
    let (mut entries, mut inner) = (Map::default(), 0);
    for (key, json) in map {
        let (val, depth) = val(json);
        inner = inner.max(depth);
        entries.insert(Val::utf8_str(key.clone()), val);
    }
    (Val::obj(entries), inner + 1)
}

fn number(number: &Number) -> Num {
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => Num::from_integral(whole),
        (None, Some(whole)) => Num::from_integral(whole),
        (None, None) => Num::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// Why a value is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotJson {
    /// See the message.
    Because(String),
    /// The run is over its limits.
    Limit,
}

/// A value as JSON, counted: a small value may be a large tree.
pub(crate) fn json(val: &Val) -> Result<Json, NotJson> {
    let fits = match val {
        Val::TStr(text) | Val::BStr(text) => meter::bytes(text.len()),
        Val::Arr(items) => meter::bytes(items.len() * ELEMENT),
        Val::Obj(map) => meter::bytes(map.len() * ENTRY),
        _ => meter::steps(1),
    };
    if !fits {
        return Err(NotJson::Limit);
    }
    Ok(match val {
        Val::Null => Json::Null,
        Val::Bool(value) => Json::Bool(*value),
        Val::Num(number) => Json::Number(json_number(number)?),
        Val::TStr(_) | Val::BStr(_) => Json::String(text(val)?),
        Val::Arr(items) => Json::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Val::Obj(map) => {
            let entries = map.iter().map(|(key, val)| Ok((text(key)?, json(val)?)));
            Json::Object(entries.collect::<Result<_, _>>()?)
        }
    })
}

/// A text as Rust's; `NotJson` where it is no text or no UTF-8.
pub(crate) fn text(val: &Val) -> Result<String, NotJson> {
    let Val::TStr(bytes) = val else { return Err(NotJson::Because(format!("{val} is not text"))) };
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(NotJson::Because("it has a text that is not UTF-8".into())),
    }
}

fn json_number(number: &Num) -> Result<Number, NotJson> {
    let float = match number {
        Num::Int(whole) => return Ok(Number::from(*whole as i64)),
        Num::BigInt(big) => {
            return u64::try_from(&**big)
                .map(Number::from)
                .map_err(|_| NotJson::Because(format!("the whole number {big} does not fit into 64 bits")));
        }
        Num::Float(float) => *float,
        Num::Dec(decimal) => decimal.parse().unwrap_or(f64::NAN),
    };
    Number::from_f64(float).ok_or_else(|| NotJson::Because(format!("JSON has no number for {number}")))
}
