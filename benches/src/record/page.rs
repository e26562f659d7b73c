//! The part of `docs/benchmarks.md` that a run writes.

use std::fmt::Write;

use super::{CaseRecord, Record, SideRecord, SuiteRecord, number};
use crate::measure::Goal;

const BEGIN: &str = "<!-- results: written by `cargo xtask bench --record` -->";
const END: &str = "<!-- end of results -->";

/// The page with these results instead of its old ones.
pub(super) fn with_results(page: &str, record: &Record) -> Result<String, String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("the page needs the lines `{BEGIN}` and `{END}`"))?;
    let suites: String = record.suites.iter().map(suite).collect();
    Ok(format!("{before}{BEGIN}\n{suites}\n{END}{after}"))
}

fn suite(suite: &SuiteRecord) -> String {
    let SuiteRecord { name, about, machine, rounds, seconds, cases } = suite;
    let mut text = format!("\n### `{name}`: {about}\n\n");
    let _ = writeln!(text, "{}. Medians of {rounds} rounds; the suite took {seconds:.0} s.\n", machine.line());
    let _ = writeln!(text, "![Medians of the suite {name}](benchmarks/{name}.svg)\n");
    text += "| case | side | median | lowest to highest | CPU a job | ratio |\n|---|---|--:|--:|--:|--:|\n";
    cases.iter().flat_map(|case| case.sides.iter().map(move |side| row(case, side))).for_each(|row| text += &row);
    if cases.iter().any(|case| !case.goals.is_empty()) {
        text += "\n| case | goal | measured | |\n|---|---|--:|---|\n";
        cases.iter().flat_map(goals).for_each(|row| text += &row);
    }
    text
}

fn row(case: &CaseRecord, side: &SideRecord) -> String {
    let (Some(median), Some((low, high))) = (side.median(), side.range()) else {
        let why = side.skipped.as_deref().unwrap_or("no round");
        return format!("| {} | {} | skipped: {why} | | | |\n", case.name, side.name);
    };
    let [median, low, high] = [median, low, high].map(|value| number::value(value, case.unit));
    let cpu = side.median_cpu_nanos().map(number::nanos).unwrap_or_default();
    let ratio = case.ratio(side).map(number::times).unwrap_or_default();
    // The unit once is enough.
    let low = low.rsplit_once(' ').map_or(low.as_str(), |(number, _)| number);
    format!("| {} | {} | {median} | {low} to {high} | {cpu} | {ratio} |\n", case.name, side.name)
}

fn goals(case: &CaseRecord) -> Vec<String> {
    let row = |goal: &Goal| {
        let Goal { side, against, bound } = goal;
        let against = against.as_ref().map(|against| format!(" / {against}")).unwrap_or_default();
        let (value, verdict) = match case.measured(goal) {
            Some(value) if bound.is_met_by(value) => (format!("{value:.2}"), "reached"),
            Some(value) => (format!("{value:.2}"), "**missed**"),
            None => (String::new(), "not measured"),
        };
        format!("| {} | {side}{against}: {bound} | {value} | {verdict} |\n", case.name)
    };
    case.goals.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::suite, *};

    #[test]
    fn results_replace_older_ones_and_nothing_else() {
        let page = format!("# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n");
        let record = Record { suites: vec![suite()] };
        let once = with_results(&page, &record).unwrap();
        assert!(once.starts_with("# Before\n\n") && once.ends_with("\n\nAfter\n") && !once.contains("old"));
        assert_eq!(with_results(&once, &record).unwrap(), once);
        for row in [
            "| no-op jobs & more, 10 at a time | by hand | 1,000,000 jobs/s | 900,000 to 1,200,000 jobs/s | 812 ns | 1.00 × |",
            "| no-op jobs & more, 10 at a time | peer | skipped: it is not installed | | | |",
            "| no-op jobs & more, 10 at a time | batchmill / by hand: at least 2 | 3.00 | reached |",
            "| no-op jobs & more, 10 at a time | batchmill / by hand: at most 1.5 | 3.00 | **missed** |",
            "| no-op jobs & more, 10 at a time | batchmill / peer: at least 1 |  | not measured |",
        ] {
            assert!(once.lines().any(|line| line == row), "{row} in\n{once}");
        }
    }

    #[test]
    fn a_page_without_its_place_is_refused() {
        assert!(with_results("# No place\n", &Record::default()).is_err());
    }
}
