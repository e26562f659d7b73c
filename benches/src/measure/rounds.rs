//! Runs the cases of a suite: every side once a round, and who begins changes from round to round.

use std::time::Instant;

use super::{Case, Kind, Side};
use crate::{
    record::{self, CaseRecord, Machine, SideRecord, SuiteRecord},
    screen::say,
    suites::Suite,
    tools::Tools,
};

/// How much is run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Cases whose names contain this; all if it is empty.
    pub(crate) case: String,
    /// The same of their sides.
    pub(crate) side: String,
    pub(crate) rounds: usize,
    /// At most so many jobs a round.
    pub(crate) jobs_max: u32,
    /// Without the sides that come from outside.
    pub(crate) only_ours: bool,
}

/// A first run is this much smaller.
const WARM_UP: u32 = 10;

/// Runs a suite and prints its cases as they end.
pub(crate) fn suite(suite: &Suite, plan: &Plan, tools: &Tools) -> SuiteRecord {
    say(format!("\n{}: {}", suite.name, suite.about));
    let (machine, started) = (Machine::look(), Instant::now());
    let mut cases = Vec::new();
    for mut case in (suite.cases)(tools) {
        case.sides.retain(|side| side.name.contains(&plan.side));
        if !case.name.contains(&plan.case) || case.sides.is_empty() {
            continue;
        }
        let measured = measure(case, plan);
        // A quick run proves that it works; its ratios mean nothing.
        say(if plan.only_ours { record::sides(&measured) } else { record::table(&measured) }.trim_end());
        cases.push(measured);
    }
    let seconds = started.elapsed().as_secs_f64();
    say(format!("  {}: {seconds:.0} s", suite.name));
    SuiteRecord {
        name: suite.name.to_owned(),
        about: suite.about.to_owned(),
        machine,
        rounds: plan.rounds,
        seconds,
        cases,
    }
}

fn measure(case: Case, plan: &Plan) -> CaseRecord {
    let Case { name, unit, mut sides, goals, warm_up } = case;
    let mut records: Vec<SideRecord> = sides.iter().map(|side| SideRecord::of(side, plan)).collect();
    if warm_up && !plan.only_ours {
        for (side, record) in sides.iter_mut().zip(&mut records).filter(|(_, record)| record.runs()) {
            if let Err(why) = (side.run)((record.jobs / WARM_UP).max(1)) {
                record.skipped = Some(why);
            }
        }
    }
    for round in 0..plan.rounds {
        for turn in 0..sides.len() {
            let place = (round + turn) % sides.len();
            if records[place].runs() {
                add_round(&mut sides[place], &mut records[place]);
            }
        }
    }
    CaseRecord { name, unit, sides: records, goals }
}

fn add_round(side: &mut Side, record: &mut SideRecord) {
    match (side.run)(record.jobs) {
        Ok(sample) => {
            record.values.push(sample.value);
            record.cpu_nanos.extend(sample.cpu_nanos);
        }
        // Half a series compares with nothing.
        Err(why) => {
            record.values.clear();
            record.cpu_nanos.clear();
            record.skipped = Some(why);
        }
    }
}

impl SideRecord {
    fn of(side: &Side, plan: &Plan) -> Self {
        let skip = plan.only_ours && side.kind == Kind::Outside;
        Self {
            name: side.name.to_owned(),
            kind: side.kind,
            jobs: side.jobs.min(plan.jobs_max),
            values: Vec::with_capacity(plan.rounds),
            cpu_nanos: Vec::with_capacity(plan.rounds),
            skipped: skip.then(|| "not in a quick run".to_owned()),
        }
    }

    fn runs(&self) -> bool {
        self.skipped.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;
    use crate::measure::{Sample, Unit};

    const PLAN: Plan = Plan { case: String::new(), side: String::new(), rounds: 3, jobs_max: 50, only_ours: false };

    #[test]
    fn sides_run_in_turn_and_who_begins_changes() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let side = |name: &'static str| {
            let log = log.clone();
            move |jobs| {
                log.borrow_mut().push((name, jobs));
                Ok(Sample::of(1.0))
            }
        };
        let case = Case::new("x", Unit::Seconds).side(Kind::ByHand, "a", 100, side("a"));
        let measured = measure(case.side(Kind::Batchmill, "b", 20, side("b")), &PLAN);
        let warm_up = [("a", 5), ("b", 2)];
        let rounds = [("a", 50), ("b", 20), ("b", 20), ("a", 50), ("a", 50), ("b", 20)];
        assert_eq!(*log.borrow(), [&warm_up[..], &rounds[..]].concat());
        assert_eq!(measured.sides[0].values, [1.0; 3]);
    }

    #[test]
    fn a_side_that_fails_is_skipped_and_the_others_go_on() {
        let mut left = 2;
        let flaky = move |_| {
            left -= 1;
            if left > 0 { Ok(Sample::of(1.0)) } else { Err("it is gone".to_owned()) }
        };
        let case = Case::new("x", Unit::Seconds).side(Kind::Outside, "flaky", 1, flaky).without_warm_up();
        let measured = measure(case.side(Kind::Batchmill, "ours", 1, |_| Ok(Sample::of(2.0))), &PLAN);
        assert_eq!(measured.sides[0].skipped.as_deref(), Some("it is gone"));
        assert!(measured.sides[0].values.is_empty(), "half a series compares with nothing");
        assert_eq!(measured.sides[1].values, [2.0; 3]);
    }

    #[test]
    fn a_quick_run_needs_nothing_from_outside() {
        let outside = |_| -> Result<Sample, String> { unreachable!("it must not run") };
        let case = Case::new("x", Unit::Seconds).side(Kind::Outside, "peer", 1, outside);
        let measured = measure(case, &Plan { only_ours: true, ..PLAN });
        assert!(measured.sides[0].skipped.is_some());
    }
}
