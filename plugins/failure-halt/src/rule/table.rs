//! A rule as a table of config: `{ when = "soon", fail_rate = "20%", window = 100, classes = ["timeout"] }`.

use batchmill_core::{Options as Table, Problem};
use serde_json::Value;

use super::{
    Action, Rule, check,
    error::{Error, Fault, Place},
    setting::{Key, Setting},
};

/// Reads a table; the rule displays as the line that means the same.
pub(super) fn read(table: &Table) -> Result<Rule, Error> {
    let mut faults = Vec::new();
    let action = match action(table) {
        Ok(action) => Some(action),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    let mut settings = Vec::new();
    for (name, value) in table.iter().filter(|(name, _)| *name != "when") {
        match setting(name, value) {
            Ok(setting) => settings.push(setting),
            Err(found) => faults.extend(found),
        }
    }
    let text = line(table, &settings);
    check::condition(action, &settings, &Place::default(), faults)
        .map(|condition| Rule { text, condition: Some(condition) })
}

fn action(table: &Table) -> Result<Action, Fault> {
    let refuse = |message: &str| Err(Fault::new(Place::at_key(["when"]), message));
    let known = |text: &str| Action::NAMES.into_iter().find(|(name, _)| *name == text);
    match table.get("when") {
        Some(Value::String(text)) => match known(text) {
            Some((_, action)) => Ok(action),
            None if text == "never" => refuse("`never` takes no table: write it as a string, alone in the list"),
            None => refuse(&format!("`{text}` is none of `soon`, `now` and `pause`")),
        },
        Some(_) => refuse("must be a string: \"soon\", \"now\" or \"pause\""),
        None => Err(Fault::new(Place::default(), "`when` is missing: \"soon\", \"now\" or \"pause\"")),
    }
}

fn setting(name: &str, value: &Value) -> Result<Setting, Vec<Fault>> {
    let at = Place::at_key([name]);
    let refuse = |message: String| Err(vec![Fault::new(at.clone(), message)]);
    let Some(key) = Key::named(name) else {
        let names: Vec<&str> = ["when"].into_iter().chain(Key::ALL.map(Key::name)).collect();
        return refuse(Problem::unknown_key([name], &names).message);
    };
    let text = match (key, value) {
        (Key::Classes, value) => {
            return classes(value).map(|values| Setting { key, at: Place::at_key([name]), values });
        }
        (Key::Fail | Key::Success | Key::Done | Key::FailRate | Key::Of, Value::String(text)) => text.clone(),
        (Key::Fail | Key::Success | Key::Done | Key::MinSample | Key::Window, Value::Number(number)) => {
            number.to_string()
        }
        (Key::Fail | Key::Success | Key::Done, _) => {
            return refuse("must be a number of jobs such as 3, or a percentage such as \"10%\"".to_owned());
        }
        (Key::FailRate, _) => return refuse("must be a percentage such as \"20%\"".to_owned()),
        (Key::Of, _) => return refuse("must be \"total\" or \"done\"".to_owned()),
        (Key::MinSample | Key::Window, _) => return refuse("must be a number of jobs, such as 100".to_owned()),
    };
    let values = vec![(text, at.clone())];
    Ok(Setting { key, at, values })
}

fn classes(value: &Value) -> Result<Vec<(String, Place)>, Vec<Fault>> {
    const FORM: &str = "must be a list of error classes, such as [\"timeout\"]";
    let refuse = |place: Place| Fault::new(place, FORM);
    let Value::Array(items) = value else { return Err(vec![refuse(Place::at_key(["classes"]))]) };
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let place = Place::at_key(["classes".to_owned(), index.to_string()]);
        match item {
            Value::String(text) => values.push((text.clone(), place)),
            _ => faults.push(refuse(place)),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

/// The condition first, then the qualifiers: a table has no order.
fn line(table: &Table, settings: &[Setting]) -> String {
    let mut line = table.get("when").and_then(Value::as_str).unwrap_or_default().to_owned();
    for key in Key::ALL {
        for setting in settings.iter().filter(|setting| setting.key == key) {
            line.push_str(&format!(",{}={}", key.name(), setting.text()));
        }
    }
    line
}
