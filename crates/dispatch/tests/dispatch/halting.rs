//! Halt rules as a plain reader understands them, beside the plugin that is used.

use batchmill_core::{Directive, FailureStrategy, FinalResult, Problem, Status};
use batchmill_failure_halt::{Halt, Options, Rule};

use crate::{
    policies::{Heard, HeardLog},
    rng::SplitMix64,
};

/// `WHEN,COUNTED=THRESHOLD`, and where its counting begins.
#[derive(Debug, Clone)]
struct PlainRule {
    when: &'static str,
    counted: &'static str,
    threshold: u64,
    percent: bool,
    since: usize,
}

impl PlainRule {
    fn text(&self) -> String {
        let unit = if self.percent { "%" } else { "" };
        format!("{},{}={}{unit}", self.when, self.counted, self.threshold)
    }

    fn is_reached(&self, ends: &[Status], total: u64) -> bool {
        let counts = |status: &&Status| match self.counted {
            "fail" => **status != Status::Succeeded,
            "success" => **status == Status::Succeeded,
            _ => true,
        };
        let last = ends.len() as u64 >= total;
        let is_for_all = self.when != "pause" && self.counted != "done";
        let many = ends[self.since..].iter().filter(counts).count() as u64;
        let enough = if self.percent { many * 100 >= self.threshold * total } else { many >= self.threshold };
        enough && many > 0 && (!last || is_for_all)
    }
}

/// The first rule that is reached answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlainHalt {
    rules: Vec<PlainRule>,
    ends: Vec<Status>,
}

impl PlainHalt {
    /// One or two rules, no two alike, and none that the other one forestalls.
    pub(crate) fn some(rng: &mut SplitMix64) -> Self {
        let rule = |counted| {
            let percent = rng.one_in(2);
            let threshold = if percent { 10 + rng.below(80) } else { 1 + rng.below(12) };
            PlainRule { when: rng.pick(&["soon", "now", "pause"]), counted, threshold, percent, since: 0 }
        };
        let mut rules: Vec<_> = ["fail", "success", "done"].map(rule).to_vec();
        rules.remove(rng.small(3) as usize);
        if rng.one_in(2) {
            rules.pop();
        }
        let mut halt = Self { rules, ends: Vec::new() };
        if halt.made().is_err() {
            // `done` is asked last, and may be reached before all others.
            halt.rules.remove(0);
        }
        halt
    }

    /// Whether a rule pauses: then the order of ends matters.
    pub(crate) fn pauses(&self) -> bool {
        self.rules.iter().any(|rule| rule.when == "pause")
    }

    /// The plugin, with these rules.
    pub(crate) fn plugin(&self) -> Halt {
        self.made().expect("good rules")
    }

    fn made(&self) -> Result<Halt, Vec<Problem>> {
        let rules: Vec<Rule> = self.rules.iter().map(|rule| rule.text().parse().expect("a rule")).collect();
        Halt::new(&Options::with_rules(&rules).min_sample(1))
    }

    /// What the answer to one more end must be: when, which rule, and whether that is a success.
    pub(crate) fn hears(&mut self, status: Status, total: u64) -> Option<(&'static str, String, bool)> {
        self.ends.push(status);
        let ends = &self.ends;
        let rule = self.rules.iter_mut().find(|rule| rule.is_reached(ends, total))?;
        if rule.when == "pause" {
            rule.since = ends.len();
        }
        Some((rule.when, rule.text(), rule.counted == "success" && rule.when != "pause"))
    }
}

/// The same of a real answer.
pub(crate) fn said(answer: &Directive) -> Option<(&'static str, String, bool)> {
    let (when, reason) = match answer {
        Directive::Pause(reason) => ("pause", reason),
        Directive::Soon(reason) => ("soon", reason),
        Directive::Now(reason) => ("now", reason),
        _ => return None,
    };
    Some((when, reason.rule.clone(), reason.success))
}

/// A strategy whose answers are written down.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) strategy: Halt,
    pub(crate) log: HeardLog,
}

impl FailureStrategy for Logged {
    fn on_result(&mut self, result: &FinalResult, total: u64) -> Directive {
        let answer = self.strategy.on_result(result, total);
        let heard = Heard { status: result.status, class: result.class, total, answer: answer.clone() };
        self.log.lock().unwrap().push_back(heard);
        answer
    }
}
