//! A rule as one line: GNU parallel's grammar, and the qualifiers behind it.
//!
//! ```text
//! never
//! WHEN,CONDITION=THRESHOLD[,QUALIFIER=VALUE ...]
//! ```

use std::borrow::Cow;

use batchmill_core::nearest;

use super::{
    Action, Condition, check,
    error::{Error, Fault, Place},
    setting::{Key, Setting},
};

/// GNU parallel's short forms, which it keeps "for backwards compatibility", as the lines that they stand for.
pub(super) fn expand(text: &str) -> Cow<'_, str> {
    let long = match text {
        "0" => "never",
        "1" => "soon,fail=1",
        "2" => "now,fail=1",
        "-1" => "soon,success=1",
        "-2" => "now,success=1",
        // As there: digits, no decimals.
        _ if text.strip_suffix('%').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit())) => {
            return Cow::Owned(format!("soon,fail={text}"));
        }
        _ => text,
    };
    Cow::Borrowed(long)
}

/// Reads a line that is not `never`.
pub(super) fn read(text: &str) -> Result<Condition, Error> {
    let mut parts = Parts { rest: Some(text), offset: 0 };
    let (_, when) = parts.next().unwrap_or_default();
    let mut faults = Vec::new();
    let action = match Action::NAMES.into_iter().find(|(name, _)| *name == when) {
        Some((_, action)) => Some(action),
        None => {
            faults.push(Fault::new(Place::at_byte(0), not_an_action(text, when)));
            None
        }
    };
    let mut settings = Vec::new();
    for (offset, part) in parts {
        match setting(part, offset) {
            Ok(setting) => settings.push(setting),
            Err(fault) => faults.push(fault),
        }
    }
    // What can not be read may be the condition: only where all was read one is missing.
    if faults.is_empty() && settings.is_empty() {
        let missing = format!("`{when}` needs a condition, for example `{when},fail=1`");
        return Err(Fault::new(Place::at_byte(0), missing).into());
    }
    check::condition(action, &settings, &Place::at_byte(0), faults)
}

fn not_an_action(text: &str, when: &str) -> String {
    const FORM: &str = "write `never`, or `soon`, `now` or `pause` with a condition, for example `soon,fail=10%`";
    match when {
        "" if text.is_empty() => format!("a rule must not be empty; {FORM}"),
        "never" => "`never` stands alone: remove what follows it".to_owned(),
        _ if when.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            format!("`{when}` is none of the short forms, which are 0, 1, 2, -1, -2 and a percentage; {FORM}")
        }
        _ => match nearest(when, Action::NAMES.map(|(name, _)| name).into_iter().chain(["never"])) {
            Some(near) => format!("`{when}` is no rule, did you mean `{near}`?"),
            None => format!("`{when}` is none of `soon`, `now` and `pause`; {FORM}"),
        },
    }
}

fn setting(part: &str, offset: usize) -> Result<Setting, Fault> {
    let at = Place::at_byte(offset);
    let refuse = |message: String| Err(Fault::new(at.clone(), message));
    if part.is_empty() {
        return refuse("nothing stands behind this comma".to_owned());
    }
    let (name, value) = match part.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    };
    let Some(key) = Key::named(name) else {
        return refuse(unknown(name));
    };
    let Some(value) = value else {
        return refuse(format!("`{name}` has no value, for example `{name}={}`", example(key)));
    };
    let start = offset + name.len() + 1;
    let separator = if key == Key::Classes { '+' } else { '\0' };
    let values = value.split(separator).scan(start, |next, text| {
        let place = Place::at_byte(*next);
        *next += text.len() + 1;
        Some((text.to_owned(), place))
    });
    Ok(Setting { key, at, values: values.collect() })
}

/// What is said of a word that is no key.
fn unknown(name: &str) -> String {
    let known = Key::ALL.map(Key::name);
    let trimmed = name.trim();
    if trimmed != name && Key::named(trimmed).is_some() {
        return format!("`{name}` has a space too many: write `{trimmed}`");
    }
    match nearest(name, known) {
        Some(near) => format!("unknown word `{name}`, did you mean `{near}`?"),
        None => format!("unknown word `{name}`, known are: {}", known.join(", ")),
    }
}

fn example(key: Key) -> &'static str {
    match key {
        Key::Fail | Key::Success | Key::Done => "3",
        Key::FailRate => "10%",
        Key::Of => "done",
        Key::MinSample | Key::Window => "100",
        Key::Classes => "timeout+transient",
    }
}

/// What stands between the commas, with its place.
struct Parts<'a> {
    rest: Option<&'a str>,
    offset: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (offset, rest) = (self.offset, self.rest?);
        let (part, rest) = rest.split_once(',').map_or((rest, None), |(part, rest)| (part, Some(rest)));
        self.offset += part.len() + 1;
        self.rest = rest;
        Some((offset, part))
    }
}
