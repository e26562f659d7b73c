//! What was measured, in the forms in which it is kept: JSON for programs, a table for the terminal, a page with plots.

mod machine;
mod number;
mod page;
mod plot;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    measure::{Goal, Kind, Unit},
    screen::say,
};

pub(crate) use machine::Machine;
pub(crate) use table::{sides, table};

/// A run of the benchmark, or what is kept of several: each suite has its own machine and date.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) suites: Vec<SuiteRecord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SuiteRecord {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    /// How long the suite took.
    pub(crate) seconds: f64,
    pub(crate) cases: Vec<CaseRecord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CaseRecord {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    /// The first one is what the others are divided by.
    pub(crate) sides: Vec<SideRecord>,
    pub(crate) goals: Vec<Goal>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SideRecord {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Jobs a round.
    pub(crate) jobs: u32,
    /// One a round, in the unit of the case.
    pub(crate) values: Vec<f64>,
    /// CPU time a job, one a round.
    pub(crate) cpu_nanos: Vec<f64>,
    /// Why there are no values.
    pub(crate) skipped: Option<String>,
}

impl SideRecord {
    pub(crate) fn median(&self) -> Option<f64> {
        median(&self.values)
    }

    pub(crate) fn median_cpu_nanos(&self) -> Option<f64> {
        median(&self.cpu_nanos)
    }

    /// The smallest and the largest value.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let smallest = self.values.iter().copied().min_by(f64::total_cmp)?;
        Some((smallest, self.values.iter().copied().max_by(f64::total_cmp)?))
    }
}

impl CaseRecord {
    fn side(&self, name: &str) -> Option<&SideRecord> {
        self.sides.iter().find(|side| side.name == name)
    }

    /// The median of a side over that of the first.
    fn ratio(&self, side: &SideRecord) -> Option<f64> {
        Some(side.median()? / self.sides.first()?.median()?)
    }

    /// What a goal speaks of, as measured; `None` where a side was skipped.
    fn measured(&self, goal: &Goal) -> Option<f64> {
        let value = self.side(&goal.side)?.median()?;
        match &goal.against {
            Some(against) => Some(value / self.side(against)?.median()?),
            None => Some(value),
        }
    }
}

impl Record {
    /// Sides of Batchmill, or of this program, that did not run: that is never for want of something from outside.
    pub(crate) fn defects(&self) -> usize {
        let sides = self.suites.iter().flat_map(|suite| &suite.cases).flat_map(|case| &case.sides);
        sides.filter(|side| side.skipped.is_some() && side.kind != Kind::Outside).count()
    }

    /// Goals that were reached, and goals that were measured.
    pub(crate) fn goals(&self) -> (usize, usize) {
        let cases = || self.suites.iter().flat_map(|suite| &suite.cases);
        let values = cases().flat_map(|case| case.goals.iter().map(|goal| (goal, case.measured(goal))));
        let measured: Vec<bool> = values.filter_map(|(goal, value)| Some(goal.bound.is_met_by(value?))).collect();
        (measured.iter().filter(|reached| **reached).count(), measured.len())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))
    }

    fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Takes a suite, instead of that of the same name.
    fn put(&mut self, suite: SuiteRecord) {
        match self.suites.iter_mut().find(|known| known.name == suite.name) {
            Some(known) => *known = suite,
            None => self.suites.push(suite),
        }
    }
}

/// Keeps a suite in the repository: in `docs/benchmarks/results.json`, on the page and as a plot.
pub(crate) fn keep(suite: &SuiteRecord) -> Result<(), String> {
    let mut kept = if results().exists() { Record::read(&results())? } else { Record::default() };
    kept.put(suite.clone());
    fs::create_dir_all(docs().join("benchmarks")).map_err(|error| error.to_string())?;
    kept.write(&results())?;
    render()
}

/// Writes the page and the plots again from what is kept.
pub(crate) fn render() -> Result<(), String> {
    let record = Record::read(&results())?;
    let write = |path: PathBuf, text: String| {
        say(format!("wrote {}", path.display()));
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    for suite in &record.suites {
        write(docs().join(format!("benchmarks/{}.svg", suite.name)), plot::svg(suite))?;
    }
    let page = docs().join("benchmarks.md");
    let text = fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    write(page, page::with_results(&text, &record)?)
}

fn docs() -> PathBuf {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    benches.parent().unwrap_or(benches).join("docs")
}

fn results() -> PathBuf {
    docs().join("benchmarks/results.json")
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even.is_multiple_of(2) => Some((values[middle - 1] + values[middle]) / 2.0),
        _ => Some(values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Bound;

    /// A suite of one case: by hand, a peer that is missing, Batchmill.
    pub(super) fn suite() -> SuiteRecord {
        let side = |name: &str, kind, values: &[f64]| SideRecord {
            name: name.to_owned(),
            kind,
            jobs: 1000,
            values: values.to_vec(),
            cpu_nanos: values.iter().map(|_| 812.4).collect(),
            skipped: values.is_empty().then(|| "it is not installed".to_owned()),
        };
        let goal = |against: &str, bound| Goal { side: "batchmill".into(), against: Some(against.into()), bound };
        SuiteRecord {
            name: "noop".into(),
            about: "jobs that do nothing".into(),
            machine: Machine::default(),
            rounds: 3,
            seconds: 4.2,
            cases: vec![CaseRecord {
                name: "no-op jobs & more, 10 at a time".into(),
                unit: Unit::JobsPerSecond,
                sides: vec![
                    side("by hand", Kind::ByHand, &[1_000_000.0, 1_200_000.0, 900_000.0]),
                    side("peer", Kind::Outside, &[]),
                    side("batchmill", Kind::Batchmill, &[3_000_000.0, 3_100_000.0, 2_900_000.0]),
                ],
                goals: vec![
                    goal("by hand", Bound::AtLeast(2.0)),
                    goal("by hand", Bound::AtMost(1.5)),
                    goal("peer", Bound::AtLeast(1.0)),
                ],
            }],
        }
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn goals_speak_of_medians_and_a_skipped_side_says_nothing() {
        let case = &suite().cases[0];
        let measured: Vec<_> = case.goals.iter().map(|goal| case.measured(goal)).collect();
        assert_eq!(measured, [Some(3.0), Some(3.0), None]);
        assert!(case.goals[0].bound.is_met_by(3.0) && !case.goals[1].bound.is_met_by(3.0));
    }

    #[test]
    fn a_record_survives_its_file_and_newer_suites_replace_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        let record = Record { suites: vec![suite()] };
        record.write(&path).unwrap();
        let mut read = Record::read(&path).unwrap();
        assert_eq!(read, record);

        let (newer, other) = (SuiteRecord { rounds: 9, ..suite() }, SuiteRecord { name: "spawn".into(), ..suite() });
        read.put(newer.clone());
        read.put(other.clone());
        assert_eq!(read.suites, [newer, other]);
    }

    #[test]
    fn only_sides_of_our_own_are_defects_when_they_do_not_run() {
        let mut record = Record { suites: vec![suite()] };
        assert_eq!((record.defects(), record.goals()), (0, (1, 2)));
        record.suites[0].cases[0].sides[2].skipped = Some("lost jobs".into());
        assert_eq!(record.defects(), 1);
    }
}
