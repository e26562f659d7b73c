//! A case for the terminal.

use super::{CaseRecord, SideRecord, number};
use crate::measure::Kind;

/// Its sides and its goals.
pub(crate) fn table(case: &CaseRecord) -> String {
    let mut text = sides(case);
    for goal in &case.goals {
        let against = goal.against.as_ref().map(|against| format!(" / {against}")).unwrap_or_default();
        let verdict = match case.measured(goal) {
            Some(value) if goal.bound.is_met_by(value) => format!("reached: {value:.2}"),
            Some(value) => format!("MISSED: {value:.2}"),
            None => "not measured".to_owned(),
        };
        text += &format!("    goal: {}{against} {}: {verdict}\n", goal.side, goal.bound);
    }
    text
}

/// Its sides alone.
pub(crate) fn sides(case: &CaseRecord) -> String {
    let lines = case.sides.iter().map(|side| line(case, side));
    std::iter::once(format!("  {}\n", case.name)).chain(lines).collect()
}

fn line(case: &CaseRecord, side: &SideRecord) -> String {
    let (Some(median), Some((low, high))) = (side.median(), side.range()) else {
        let why = side.skipped.as_deref().unwrap_or("no round");
        let what = if side.kind == Kind::Outside { "skipped" } else { "FAILED" };
        return format!("    {:<46} {what}: {why}\n", side.name);
    };
    let value = number::value(median, case.unit);
    let spread = format!("±{:.0} %", (high - low) / 2.0 / median.abs() * 100.0);
    let cpu = side.median_cpu_nanos().map(|cpu| format!("{} CPU/job", number::nanos(cpu))).unwrap_or_default();
    let ratio = case.ratio(side).map(number::times).unwrap_or_default();
    format!("    {:<46} {value:>18} {spread:>7} {cpu:>18} {ratio:>9}\n", side.name)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::suite, *};

    #[test]
    fn a_case_shows_every_side_and_every_goal() {
        let text = table(&suite().cases[0]);
        let lines: Vec<String> = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "no-op jobs & more, 10 at a time",
                "by hand 1,000,000 jobs/s ±15 % 812 ns CPU/job 1.00 ×",
                "peer skipped: it is not installed",
                "batchmill 3,000,000 jobs/s ±3 % 812 ns CPU/job 3.00 ×",
                "goal: batchmill / by hand at least 2: reached: 3.00",
                "goal: batchmill / by hand at most 1.5: MISSED: 3.00",
                "goal: batchmill / peer at least 1: not measured",
            ]
        );
    }
}
