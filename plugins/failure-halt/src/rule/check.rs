//! From settings to a condition that holds together. Nothing that is written may go without effect: what contradicts the
//! rest of its rule is refused, and so is what would never matter.

use batchmill_core::ErrorClass;

use super::{
    Action, Condition, Counted, Of, Threshold,
    error::{Error, Fault, Place},
    setting::{Key, Setting},
    threshold::whole_number,
};

/// Makes a condition, or adds everything that is wrong with the settings to the `faults` that reading them found.
pub(super) fn condition(
    action: Option<Action>,
    settings: &[Setting],
    rule: &Place,
    mut faults: Vec<Fault>,
) -> Result<Condition, Error> {
    // What could not be read may have been the condition: only where all was read one is missing.
    if faults.is_empty() && !settings.iter().any(|setting| setting.key.is_condition()) {
        faults.push(Fault::new(rule.clone(), "a condition is missing: `fail`, `success`, `done` or `fail_rate`"));
    }
    once_each(settings, &mut faults);
    let given = Given::read(settings, &mut faults);
    given.agree(&mut faults);
    match (action, given.condition, given.threshold) {
        (Some(action), Some(condition), Some(threshold)) if faults.is_empty() => Ok(Condition {
            action,
            counted: counted(condition.key),
            threshold,
            of: given.of.map_or(default_of(condition.key), |(_, of)| of),
            min_sample: given.min_sample.map(|(_, jobs)| jobs),
            window: given.window.map(|(_, jobs)| jobs),
            classes: given.classes.map(|(_, classes)| classes).unwrap_or_default(),
        }),
        _ => {
            faults.sort_by_key(|fault| fault.place.offset);
            Err(Error { faults })
        }
    }
}

const fn counted(condition: Key) -> Counted {
    match condition {
        Key::Success => Counted::Succeeded,
        Key::Done => Counted::Done,
        _ => Counted::Failed,
    }
}

const fn default_of(condition: Key) -> Of {
    if matches!(condition, Key::FailRate) { Of::Done } else { Of::Total }
}

fn once_each(settings: &[Setting], faults: &mut Vec<Fault>) {
    for (place, setting) in settings.iter().enumerate() {
        let name = setting.key.name();
        let before = &settings[..place];
        if before.iter().any(|earlier| earlier.key == setting.key) {
            faults.push(Fault::new(setting.at.clone(), format!("`{name}` is there twice")));
        } else if let Some(first) = before.iter().find(|earlier| earlier.key.is_condition())
            && setting.key.is_condition()
        {
            let first = first.key.name();
            let message = format!("a rule has one condition, and this one has `{first}`: give `{name}` its own rule");
            faults.push(Fault::new(setting.at.clone(), message));
        }
    }
}

/// What was given and could be read, each with the setting that gave it.
struct Given<'a> {
    /// The first condition, also if its threshold can not be read: others may disagree with it all the same.
    condition: Option<&'a Setting>,
    threshold: Option<Threshold>,
    of: Option<(&'a Setting, Of)>,
    min_sample: Option<(&'a Setting, u64)>,
    window: Option<(&'a Setting, u64)>,
    classes: Option<(&'a Setting, Vec<ErrorClass>)>,
}

impl<'a> Given<'a> {
    fn read(settings: &'a [Setting], faults: &mut Vec<Fault>) -> Self {
        let find = |key| settings.iter().find(|setting: &&Setting| setting.key == key);
        let condition = settings.iter().find(|setting| setting.key.is_condition());
        let threshold = value(condition, faults, |text| match (condition.map(|c| c.key), Threshold::read(text)?) {
            (Some(Key::FailRate), Threshold::Count(count)) => {
                Err(format!("a rate is a percentage: write `{count}%`, or `fail={count}` for a number of jobs"))
            }
            (_, threshold) => Ok(threshold),
        });
        Self {
            condition,
            threshold: threshold.map(|(_, threshold)| threshold),
            of: value(find(Key::Of), faults, of),
            min_sample: value(find(Key::MinSample), faults, jobs),
            window: value(find(Key::Window), faults, |text| match jobs(text)? {
                0 => Err("a window must have room for at least 1 end".to_owned()),
                ends => Ok(ends),
            }),
            classes: find(Key::Classes).map(|setting| (setting, classes(setting, faults))),
        }
    }

    /// Finds what contradicts each other.
    fn agree(&self, faults: &mut Vec<Fault>) {
        let Some(condition) = self.condition else { return };
        let mut refuse = |setting: &Setting, message: String| {
            faults.push(Fault::new(setting.at.clone(), message));
        };
        match (condition.key, self.of) {
            (Key::FailRate, Some((setting, Of::Total))) => {
                refuse(setting, "a rate is of the jobs that have ended; `fail` takes a share of all jobs".to_owned());
            }
            (Key::Done, Some((setting, Of::Done))) => {
                refuse(setting, "of the jobs that have ended, all have ended: `done` is of all jobs".to_owned());
            }
            (_, Some((setting, _))) if matches!(self.threshold, Some(Threshold::Count(_))) => {
                refuse(setting, "`of` goes with a percentage, and this is a number of jobs".to_owned());
            }
            _ => {}
        }
        if let Some((setting, _)) = self.classes.as_ref().filter(|_| counted(condition.key) != Counted::Failed) {
            let name = condition.key.name();
            refuse(setting, format!("error classes go with `fail` and `fail_rate`, not with `{name}`"));
        }
        if condition.key == Key::Done {
            for setting in [self.window, self.min_sample].into_iter().flatten().map(|(setting, _)| setting) {
                refuse(setting, format!("`{}` does not go with `done`, which counts every end", setting.key.name()));
            }
            return;
        }
        let Some((setting, window)) = self.window else { return };
        let of = self.of.map_or(default_of(condition.key), |(_, of)| of);
        match self.threshold {
            Some(Threshold::Share { .. }) if of == Of::Total && condition.key != Key::FailRate => {
                let (name, share) = (condition.key.name(), condition.text());
                let message = format!("`{name}={share}` is of all jobs, and a window shows only some: add `of=done`");
                refuse(setting, message);
            }
            Some(Threshold::Count(count)) if count > window => {
                refuse(setting, format!("a window of {window} ends never shows {count}"));
            }
            _ => {}
        }
        if let Some((setting, sample)) = self.min_sample
            && sample > window
        {
            refuse(setting, format!("a window of {window} ends never holds a sample of {sample}"));
        }
    }
}

fn value<'a, T>(
    setting: Option<&'a Setting>,
    faults: &mut Vec<Fault>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<(&'a Setting, T)> {
    let setting = setting?;
    match read(&setting.text()) {
        Ok(value) => Some((setting, value)),
        Err(message) => {
            faults.push(Fault::new(setting.value_at(), message));
            None
        }
    }
}

fn jobs(text: &str) -> Result<u64, String> {
    whole_number(text).ok_or_else(|| format!("`{text}` is not a number of jobs"))
}

fn of(text: &str) -> Result<Of, String> {
    match text {
        "total" => Ok(Of::Total),
        "done" => Ok(Of::Done),
        _ => Err(format!("`{text}` is neither `total` nor `done`")),
    }
}

/// In the order of the reference, whatever the order of the rule.
fn classes(setting: &Setting, faults: &mut Vec<Fault>) -> Vec<ErrorClass> {
    let mut classes = Vec::new();
    for (text, place) in &setting.values {
        let read = match text.parse::<ErrorClass>() {
            Ok(ErrorClass::Fatal) => Err("a `fatal` error stops the batch whatever the rules say".to_owned()),
            Ok(ErrorClass::Cancelled) => Err("a job that was cancelled has not failed".to_owned()),
            Ok(class) if classes.contains(&class) => Err(format!("`{class}` is there twice")),
            Ok(class) => Ok(class),
            Err(_) => Err(format!(
                "`{text}` is not an error class that can be counted (transient, recoverable, permanent, timeout, resource, \
                 crash)"
            )),
        };
        match read {
            Ok(class) => classes.push(class),
            Err(message) => faults.push(Fault::new(place.clone(), message)),
        }
    }
    if setting.values.is_empty() {
        faults.push(Fault::new(setting.at.clone(), "no error class is named"));
    }
    classes.sort_unstable();
    classes
}
