//! Random rules and random ends, against a plain model that keeps the list of all ends and counts it anew each time.

use batchmill_core::{Directive, ErrorClass, FailureStrategy, FinalResult, JobError, MonoTime, Status, StopReason};
use batchmill_testkit::Seed;
use serde_json::{Value, json};

use crate::{built, problems};

const CLASSES: [&str; 6] = ["transient", "recoverable", "permanent", "timeout", "resource", "crash"];

/// A rule as the model knows it, made before it is written down.
#[derive(Debug, Clone)]
struct Plain {
    when: &'static str,
    condition: &'static str,
    /// Jobs, or with `percent` thousandths.
    threshold: u64,
    percent: bool,
    of_done: bool,
    min_sample: Option<u64>,
    window: Option<u64>,
    classes: Vec<&'static str>,
    /// Ends before this one count no more: it has paused the batch since.
    from: usize,
}

impl Plain {
    fn random(seed: &mut Seed) -> Self {
        let when = *seed.pick(&["soon", "now", "pause"]);
        let condition = *seed.pick(&["fail", "success", "done", "fail_rate"]);
        let rate = condition == "fail_rate";
        let percent = rate || seed.below(2) == 0;
        let of_done = rate || (percent && condition != "done" && seed.below(2) == 0);
        let failures = matches!(condition, "fail" | "fail_rate");
        let windowed = condition != "done" && (of_done || !percent) && seed.below(2) == 0;
        let window = windowed.then(|| 1 + seed.below(30));
        let most = window.unwrap_or(40);
        let threshold = if percent { 1 + seed.below(1000) } else { 1 + seed.below(most) };
        let min_sample = (condition != "done" && seed.below(2) == 0).then(|| seed.below(most + 1));
        let mut classes = Vec::new();
        if failures && seed.below(2) == 0 {
            classes = CLASSES.into_iter().filter(|_| seed.below(3) == 0).collect();
        }
        Self { when, condition, threshold, percent, of_done, min_sample, window, classes, from: 0 }
    }

    fn amount(&self) -> String {
        match (self.percent, self.threshold % 10) {
            (false, _) => self.threshold.to_string(),
            (true, 0) => format!("{}%", self.threshold / 10),
            (true, tenths) => format!("{}.{tenths}%", self.threshold / 10),
        }
    }

    /// The rule as config has it: a line, or a table.
    fn written(&self, seed: &mut Seed) -> Value {
        let mut pairs: Vec<(&str, Value)> = vec![(self.condition, json!(self.amount()))];
        if self.of_done && self.condition != "fail_rate" {
            pairs.push(("of", json!("done")));
        }
        pairs.extend(self.min_sample.map(|jobs| ("min_sample", json!(jobs))));
        pairs.extend(self.window.map(|ends| ("window", json!(ends))));
        if !self.classes.is_empty() {
            pairs.push(("classes", json!(self.classes)));
        }
        if seed.below(2) == 0 {
            let table = pairs.into_iter().chain([("when", json!(self.when))]);
            return Value::Object(table.map(|(key, value)| (key.to_owned(), value)).collect());
        }
        let text = |value: &Value| match value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("+"),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let settings: String = pairs.iter().map(|(key, value)| format!(",{key}={}", text(value))).collect();
        json!(format!("{}{settings}", self.when))
    }

    fn counts(&self, end: &FinalResult) -> bool {
        match self.condition {
            "success" => end.status == Status::Succeeded,
            "done" => true,
            _ => {
                let named = |class: ErrorClass| self.classes.contains(&class.as_str());
                end.status != Status::Succeeded && (self.classes.is_empty() || end.class.is_some_and(named))
            }
        }
    }

    /// How many of how many ends count, if that is enough.
    fn reached(&self, ends: &[FinalResult], total: u64, default_sample: u64) -> Option<u64> {
        let ended = |end: &&FinalResult| !matches!(end.status, Status::Cancelled | Status::Skipped);
        let seen: Vec<_> = ends[self.from..].iter().filter(ended).collect();
        let looked_at = self.window.map_or(seen.len(), |window| seen.len().min(usize::try_from(window).unwrap()));
        let looked_at = &seen[seen.len() - looked_at..];
        let counted = looked_at.iter().filter(|end| self.counts(end)).count() as u64;
        let sampled = self.percent && (self.of_done || self.condition == "fail");
        let sample = self.min_sample.unwrap_or(if sampled { default_sample } else { 0 });
        let whole = if self.of_done { looked_at.len() as u64 } else { total };
        let enough = if self.percent { counted * 1000 >= whole * self.threshold } else { counted >= self.threshold };
        let last = ends.len() as u64 >= total;
        let heeded = !last || (self.when != "pause" && self.condition != "done");
        (counted > 0 && enough && looked_at.len() as u64 >= sample && heeded).then_some(counted)
    }
}

fn random_end(seed: &mut Seed, bad: u64) -> FinalResult {
    let at = MonoTime::ZERO;
    let status = match seed.below(100) {
        0 => Status::Cancelled,
        1 => Status::Skipped,
        n if n < 2 + bad => *seed.pick(&[Status::Failed, Status::TimedOut, Status::Quarantined]),
        _ => Status::Succeeded,
    };
    if status == Status::Succeeded {
        return FinalResult::new(status, None, at);
    }
    let class: ErrorClass = seed.pick(&CLASSES).parse().unwrap();
    FinalResult::new(status, Some(&JobError::new(class, "test", "a test")), at)
}

fn taken_apart(directive: &Directive) -> Option<(&'static str, &StopReason)> {
    match directive {
        Directive::Soon(reason) => Some(("soon", reason)),
        Directive::Now(reason) => Some(("now", reason)),
        Directive::Pause(reason) => Some(("pause", reason)),
        _ => None,
    }
}

/// Plays one batch to its end and tells which rules spoke: WHEN and condition of each.
fn play(number: u64) -> Vec<(&'static str, &'static str)> {
    let mut seed = Seed::new(number);
    let default_sample = seed.below(15);
    let mut rules: Vec<Plain> = Vec::new();
    let mut written: Vec<Value> = Vec::new();
    for _ in 0..=seed.below(3) {
        let rule = Plain::random(&mut seed);
        if rules.iter().any(|other| other.amount() == rule.amount()) {
            continue;
        }
        written.push(rule.written(&mut seed));
        // What contradicts itself or another one is refused.
        if problems(json!({"rules": written, "min_sample": default_sample})).is_empty() {
            rules.push(rule);
        } else {
            written.pop();
        }
    }
    let mut halt: Box<dyn FailureStrategy> = built(json!({"rules": written, "min_sample": default_sample}));
    let total = 1 + seed.below(150);
    let bad = *seed.pick(&[5, 40, 90]);
    let (mut ends, mut spoke) = (Vec::new(), Vec::new());
    for _ in 0..total {
        let end = random_end(&mut seed, bad);
        ends.push(end);
        let answer = halt.on_result(&end, total);
        let reached = rules.iter_mut().find_map(|rule| {
            let counted = rule.reached(&ends, total, default_sample)?;
            Some((rule, counted))
        });
        let context = || format!("seed {number}, end {} of {total}, rules {written:?}", ends.len());
        let Some((rule, counted)) = reached else {
            assert_eq!(answer, Directive::Continue, "{}", context());
            continue;
        };
        let (when, reason) = taken_apart(&answer).unwrap_or_else(|| panic!("{rule:?} is reached, {}", context()));
        assert_eq!(when, rule.when, "{}", context());
        let begins = format!("{when},");
        let names_it =
            reason.rule.starts_with(&begins) && reason.rule.contains(&format!("{}={}", rule.condition, rule.amount()));
        assert!(names_it, "{reason:?} is not about {rule:?}, {}", context());
        assert!(reason.message.starts_with(&format!("{counted} of ")), "{reason:?}, {}", context());
        assert_eq!(reason.success, rule.condition == "success" && when != "pause", "{}", context());
        if when == "pause" {
            rule.from = ends.len();
        }
        spoke.push((rule.when, rule.condition));
    }
    spoke
}

#[test]
fn rules_decide_as_a_plain_count_of_all_ends_does() {
    let spoke: Vec<_> = (0..5_000).flat_map(play).collect();
    for when in ["soon", "now", "pause"] {
        for condition in ["fail", "success", "done", "fail_rate"] {
            let times = spoke.iter().filter(|said| **said == (when, condition)).count();
            assert!(times >= 100, "{when},{condition} was reached {times} times only: this proves little");
        }
    }
}
