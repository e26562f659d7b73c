//! Functions that jaq has for its own value type only, or without a bound: the same, counted.

use jaq_core::{
    Bind, Cv, Exn, RunPtr, ValR, ValX,
    box_iter::box_once,
    data::JustLut,
    native::{Filter, bome, unary, v},
};
use jaq_json::{Num, Val};
use jaq_std::ValT as _;

use crate::{
    convert, meter,
    value::{ELEMENT, Value, fail, over_limit, walk},
    write,
};

type Data = JustLut<Value>;

/// The longest regular expression: the matcher's memory grows with it.
const MAX_PATTERN: usize = 1024;

/// Takes the place of jaq's functions of the same names.
pub(crate) fn all() -> Vec<Filter<RunPtr<Data>>> {
    let f = || -> Box<[Bind]> { [Bind::Fun(())].into() };
    vec![
        ("nan", v(0), |_| box_once(Ok(Value::from(f64::NAN)))),
        ("infinite", v(0), |_| box_once(Ok(Value::from(f64::INFINITY)))),
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("tojson", v(0), |cv| bome(write::json(&cv.1.val).map(Value::from).ok_or_else(over_limit))),
        ("length", v(0), |cv| bome(length(&cv.1))),
        ("contains", v(1), |cv| unary(cv, |whole, part| contains(&whole.val, &part.val).map(Value::from))),
        ("join", v(1), |cv| unary(cv, |list, separator| join(&list, &separator))),
        ("has", v(1), |cv| unary(cv, |value, key| has(&value, &key))),
        ("indices", v(1), |cv| unary(cv, |value, part| indices(&value, &part))),
        ("bsearch", v(1), |cv| unary(cv, |list, sought| search(&list, &sought))),
        ("sort", v(0), |cv| box_once(sorted(cv.1, |item| Ok(vec![item])))),
        ("sort_by", f(), |cv| {
            let (list, key) = keyed(cv);
            box_once(sorted(list, key))
        }),
        ("group_by", f(), |cv| {
            let (list, key) = keyed(cv);
            box_once(grouped(list, key))
        }),
        ("min_by_or_empty", f(), |cv| {
            let (list, key) = keyed(cv);
            extreme(list, key, |best, candidate| candidate < best)
        }),
        ("max_by_or_empty", f(), |cv| {
            let (list, key) = keyed(cv);
            extreme(list, key, |best, candidate| candidate >= best)
        }),
        ("regex_fits", v(1), |cv| unary(cv, |text, pattern| regex_fits(&text, &pattern))),
    ]
}

fn from_json(value: &Value) -> ValR<Value> {
    let text = value.as_utf8_bytes().ok_or_else(|| fail(format_args!("cannot read {value} as JSON: it is no text")))?;
    // A tree takes several times the memory of its text.
    if !meter::bytes(text.len().saturating_mul(4)) {
        return Err(over_limit());
    }
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(json) => Ok(convert::value(&json)),
        Err(error) => Err(fail(format_args!("cannot read {value} as JSON: {error}"))),
    }
}

fn length(value: &Value) -> ValR<Value> {
    match &value.val {
        Val::Null => Ok(Value::from(0usize)),
        Val::Num(Num::Int(number)) => Ok(Value::scalar(Val::Num(Num::from_integral(number.unsigned_abs())))),
        Val::Num(_) => Ok(Value::from(value.as_f64().unwrap_or(f64::NAN).abs())),
        Val::TStr(bytes) | Val::BStr(bytes) => match meter::steps(1 + meter::copying(bytes.len())) {
            true => Ok(Value::from(String::from_utf8_lossy(bytes).chars().count())),
            false => Err(over_limit()),
        },
        Val::Arr(items) => Ok(Value::from(items.len())),
        Val::Obj(map) => Ok(Value::from(map.len())),
        Val::Bool(_) => Err(fail(format_args!("{value} has no length"))),
    }
}

/// Null is empty text, numbers and booleans are as JSON, as in jq.
fn join(list: &Value, separator: &Value) -> ValR<Value> {
    let (Val::Arr(items), Val::TStr(separator)) = (&list.val, &separator.val) else {
        return Err(fail(format_args!("cannot join {list} with {separator}: a list and a text are needed")));
    };
    let mut joined = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            joined.extend_from_slice(separator);
        }
        let before = joined.len();
        match item {
            Val::Null => {}
            Val::TStr(text) => joined.extend_from_slice(text),
            Val::Bool(_) | Val::Num(_) => joined.extend_from_slice(write::json(item).unwrap_or_default().as_bytes()),
            _ => {
                return Err(fail(format_args!(
                    "cannot join {}: it is a list or an object",
                    Value::scalar(item.clone())
                )));
            }
        }
        if !meter::bytes(joined.len() - before + separator.len()) {
            return Err(over_limit());
        }
    }
    Ok(Value::scalar(Val::utf8_str(joined)))
}

fn has(value: &Value, key: &Value) -> ValR<Value> {
    match (&value.val, &key.val) {
        (Val::Obj(map), Val::TStr(_)) => Ok(Value::from(map.contains_key(&key.val))),
        (Val::Arr(items), Val::Num(_)) => {
            let present = key.as_isize().is_some_and(|index| index >= 0 && index.unsigned_abs() < items.len());
            Ok(Value::from(present))
        }
        _ => Err(fail(format_args!("cannot check whether {value} has the key {key}"))),
    }
}

/// Text: a part of it. Lists: each element is in some element. Objects: each entry. Otherwise: equal.
fn contains(whole: &Val, part: &Val) -> ValR<bool, Value> {
    if !meter::steps(1) {
        return Err(over_limit());
    }
    match (whole, part) {
        (Val::TStr(whole), Val::TStr(part)) => {
            // What is no UTF-8 is compared at each place.
            let each = if std::str::from_utf8(whole).and(std::str::from_utf8(part)).is_ok() { 0 } else { part.len() };
            let cost = meter::copying(whole.len()).saturating_mul(1 + each as u64);
            if meter::steps(cost) { Ok(find(whole, part).is_some()) } else { Err(over_limit()) }
        }
        (Val::Arr(whole), Val::Arr(parts)) => {
            for part in parts.iter() {
                let mut found = false;
                for candidate in whole.iter() {
                    if contains(candidate, part)? {
                        found = true;
                        break;
                    }
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Val::Obj(whole), Val::Obj(parts)) => {
            for (key, part) in parts.iter() {
                match whole.get(key) {
                    Some(candidate) if contains(candidate, part)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        _ => Ok(whole == part),
    }
}

fn find(whole: &[u8], part: &[u8]) -> Option<usize> {
    match (std::str::from_utf8(whole), std::str::from_utf8(part)) {
        (Ok(whole), Ok(part)) => whole.find(part),
        _ => whole.windows(part.len().max(1)).position(|window| window == part),
    }
}

fn indices(value: &Value, part: &Value) -> ValR<Value> {
    let places: Vec<usize> = match (&value.val, &part.val) {
        (Val::Null, _) => return Ok(Value::null()),
        (Val::TStr(_), Val::TStr(part)) if part.is_empty() => Vec::new(),
        (Val::Arr(_), Val::Arr(part)) if part.is_empty() => Vec::new(),
        (Val::TStr(text), Val::TStr(part)) => {
            let cost = (text.len() as u64).saturating_mul(1 + meter::copying(part.len()));
            if !meter::steps(1 + cost / 8) {
                return Err(over_limit());
            }
            let text = String::from_utf8_lossy(text);
            let starts = text.char_indices().enumerate();
            let found = starts.filter(|(_, (at, _))| text.as_bytes()[*at..].starts_with(part));
            found.map(|(place, _)| place).collect()
        }
        (Val::Arr(items), Val::Arr(sought)) => {
            let compared = (items.len() as u64).saturating_mul(sought.len() as u64);
            if !(meter::steps(compared) && walk(&value.val) && walk(&part.val)) {
                return Err(over_limit());
            }
            let windows = items.windows(sought.len()).enumerate();
            windows.filter(|(_, window)| *window == &sought[..]).map(|(place, _)| place).collect()
        }
        (Val::Arr(items), sought) => {
            if !(walk(&value.val) && walk(sought)) {
                return Err(over_limit());
            }
            items.iter().enumerate().filter(|(_, item)| *item == sought).map(|(place, _)| place).collect()
        }
        _ => return Err(fail(format_args!("cannot look for {part} in {value}"))),
    };
    Ok(places.into_iter().map(Value::from).collect())
}

fn search(list: &Value, sought: &Value) -> ValR<Value> {
    let Val::Arr(items) = &list.val else { return Err(fail(format_args!("cannot search {list}: it is no list"))) };
    if !(walk(&list.val) && walk(&sought.val)) {
        return Err(over_limit());
    }
    let place = items.binary_search(&sought.val).map_or_else(|at| -1 - at.cast_signed(), usize::cast_signed);
    Ok(Value::from(place))
}

/// The list of a `…_by(f)` and its key function.
fn keyed<'a>(mut cv: Cv<'a, Data>) -> (Value, impl Fn(Value) -> Result<Vec<Value>, Exn<'a, Value>>) {
    let (f, context) = cv.0.pop_fun();
    (cv.1, move |item| f.run((context.clone(), item)).collect())
}

/// Elements with their keys, all of them visited once, so that sorting compares nothing uncounted.
fn with_keys<'a>(
    list: Value,
    key: impl Fn(Value) -> Result<Vec<Value>, Exn<'a, Value>>,
) -> Result<Vec<(Vec<Value>, Value)>, Exn<'a, Value>> {
    let items: Vec<Value> =
        list.into_seq().map_err(|value: Value| fail(format_args!("cannot sort {value}: it is no list")))?;
    // What sorting compares: every key about as often as the length has bits.
    let rounds = u64::from(items.len().max(2).ilog2());
    let mut keyed = Vec::new();
    for item in items {
        let keys = key(item.clone())?;
        let visited = keys.iter().all(|key| walk(&key.val)) && meter::bytes(keys.len() * ELEMENT);
        if !(visited && meter::steps(rounds)) {
            return Err(over_limit().into());
        }
        keyed.push((keys, item));
    }
    Ok(keyed)
}

fn sorted<'a>(list: Value, key: impl Fn(Value) -> Result<Vec<Value>, Exn<'a, Value>>) -> ValX<'a, Value> {
    let mut keyed = with_keys(list, key)?;
    keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

fn grouped<'a>(list: Value, key: impl Fn(Value) -> Result<Vec<Value>, Exn<'a, Value>>) -> ValX<'a, Value> {
    let mut keyed = with_keys(list, key)?;
    keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
    let groups = keyed.chunk_by(|(left, _), (right, _)| left.cmp(right).is_eq());
    Ok(groups.map(|group| group.iter().map(|(_, item)| item.clone()).collect::<Value>()).collect())
}

fn extreme<'a>(
    list: Value,
    key: impl Fn(Value) -> Result<Vec<Value>, Exn<'a, Value>>,
    better: fn(&[Value], &[Value]) -> bool,
) -> jaq_core::ValXs<'a, Value> {
    let best = with_keys(list, key).map(|keyed| {
        keyed.into_iter().reduce(|best, next| if better(&best.0, &next.0) { next } else { best }).map(|(_, item)| item)
    });
    Box::new(best.transpose().into_iter())
}

/// Yields its input where jaq's matcher can be let loose on it with this pattern.
///
/// The matcher never backtracks: its time is the text's length times the pattern's size, in which counted repetitions
/// are multiplied out.
fn regex_fits(text: &Value, pattern: &Value) -> ValR<Value> {
    let length = text.as_bytes().map_or(0, <[u8]>::len) as u64;
    let pattern = pattern.as_bytes().unwrap_or_default();
    if pattern.len() > MAX_PATTERN {
        let found = pattern.len();
        return Err(fail(format_args!("a regular expression has at most {MAX_PATTERN} bytes, this one has {found}")));
    }
    let repeats = pattern
        .split(|byte| *byte == b'{')
        .skip(1)
        .flat_map(|rest| rest.split(|byte| *byte == b'}').next().unwrap_or_default().split(|byte| *byte == b','))
        .filter_map(|number| std::str::from_utf8(number).ok()?.trim().parse::<u64>().ok())
        .fold(1u64, |product, times| product.saturating_mul(times.max(1)));
    let size = (pattern.len() as u64).saturating_mul(repeats) / 16 + 1;
    // Compiling takes its time too, however short the text.
    match meter::steps(size.saturating_add((length / 16).saturating_mul(size))) {
        true => Ok(text.clone()),
        false => Err(over_limit()),
    }
}
