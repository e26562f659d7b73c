//! What is wrong, with its place, and the refusal made of it: nothing runs while there are problems.

use std::fmt;

use batchmill_config::{ConfigProblem, Origin};
use batchmill_flow::FlowProblem;
use serde_json::{Value, json};

use crate::exit::Exit;

/// Where something is wrong: a file, and as far as known a line and a column in it, both from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// As the user wrote it.
    pub(crate) file: String,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// As far as it is in a file.
    place: Option<Place>,
    /// Who said it, where that is no file: a flag, a variable.
    origin: Option<String>,
    /// Dotted; empty where none is meant.
    key: String,
    /// One sentence: what is wrong and what is allowed.
    message: String,
}

impl Finding {
    /// For programs. Fields are added, never renamed or removed.
    pub(crate) fn json(&self) -> Value {
        let Self { place, origin, key, message } = self;
        let (line, column) =
            (place.as_ref().and_then(|place| place.line), place.as_ref().and_then(|place| place.column));
        let (file, key) = (place.as_ref().map(|place| &place.file), Some(key).filter(|key| !key.is_empty()));
        json!({"file": file, "line": line, "column": column, "origin": origin, "key": key, "message": message})
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl<T: Into<String>> From<T> for Finding {
    fn from(message: T) -> Self {
        Self { place: None, origin: None, key: String::new(), message: message.into() }
    }
}

impl Finding {
    /// Something in a file.
    pub(crate) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::from(message) }
    }

    /// Something in config.
    pub(crate) fn of_config(problem: &ConfigProblem) -> Self {
        let (place, origin) = match &problem.origin {
            Origin::File { path, place } => {
                let (line, column) = place.map(|place| (place.line as u64, place.column as u64)).unzip();
                (Some(Place { file: path.display().to_string(), line, column }), None)
            }
            other => (None, Some(other.to_string())),
        };
        Self { place, origin, key: problem.key.clone(), message: problem.message.clone() }
    }

    /// Something in a flow.
    pub(crate) fn of_flow(problem: &FlowProblem) -> Self {
        let FlowProblem { file, place, path, message, .. } = problem;
        let place = Place { file: file.to_string(), line: Some(place.line as u64), column: Some(place.column as u64) };
        Self { place: Some(place), origin: None, key: path.join("."), message: message.clone() }
    }
}

/// How many problems of one file are shown; the rest is counted. More would scroll the first ones away.
pub(crate) const SHOWN: usize = 20;

/// Problems of one input: the first [`SHOWN`] in order of place, and the number of all.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    shown: Vec<(Place, String)>,
    total: u64,
}

impl Problems {
    pub(crate) fn add(&mut self, place: Place, message: impl Into<String>) {
        self.total += 1;
        let at = self.shown.partition_point(|(other, _)| *other <= place);
        if at < SHOWN {
            self.shown.insert(at, (place, message.into()));
            self.shown.truncate(SHOWN);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Each of them, and how many are not shown.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        let hidden = self.total - self.shown.len() as u64;
        let shown = self.shown.into_iter().map(|(place, message)| Finding::at(place, message));
        shown.chain((hidden > 0).then(|| format!("and {hidden} more").into())).collect()
    }
}

/// Why nothing was run: every problem at once, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) exit: Exit,
    /// Each with its place.
    pub(crate) problems: Vec<Finding>,
}

impl Refusal {
    pub(crate) fn new(exit: Exit, problem: impl Into<String>) -> Self {
        Self { exit, problems: vec![Finding::from(problem)] }
    }

    /// Several at once.
    pub(crate) fn of<T: Into<Finding>>(exit: Exit, problems: impl IntoIterator<Item = T>) -> Self {
        Self { exit, problems: problems.into_iter().map(Into::into).collect() }
    }

    /// All of it in one line.
    pub(crate) fn text(&self) -> String {
        self.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// Bad data: a flow, a job line, a file that is not there.
    pub(crate) fn data(problem: impl Into<String>) -> Self {
        Self::new(Exit::BadData, problem)
    }

    /// The outside world failed: a disk, a permission.
    pub(crate) fn storage(problem: impl Into<String>) -> Self {
        Self::new(Exit::Storage, problem)
    }
}

/// Gathers what several independent checks refuse, so that a user sees all of it in one run.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Vec<Refusal>);

impl Refusals {
    /// Keeps the refusal of a check that failed, and hands on what a good one made.
    pub(crate) fn keep<T>(&mut self, checked: Result<T, Refusal>) -> Option<T> {
        checked.map_err(|refusal| self.0.push(refusal)).ok()
    }

    /// All of them as one. Config comes first: where it is wrong too, the exit code is its code.
    pub(crate) fn into_result(self) -> Result<(), Refusal> {
        let exits = [Exit::Usage, Exit::BadConfig, Exit::BadData, Exit::Storage];
        let Some(exit) = exits.into_iter().find(|exit| self.0.iter().any(|r| r.exit == *exit)) else {
            return self.0.into_iter().next().map_or(Ok(()), Err);
        };
        Err(Refusal { exit, problems: self.0.into_iter().flat_map(|refusal| refusal.problems).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u64) -> Place {
        Place { file: "jobs.jsonl".into(), line: Some(line), column: Some(5) }
    }

    #[test]
    fn problems_are_shown_in_order_of_place_and_the_rest_is_counted() {
        let mut problems = Problems::default();
        for line in (1..=25).rev() {
            problems.add(place(line), "bad");
        }
        let lines: Vec<String> = problems.into_findings().iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 21);
        assert_eq!((lines[0].as_str(), lines[19].as_str()), ("jobs.jsonl:1:5: bad", "jobs.jsonl:20:5: bad"));
        assert_eq!(lines[20], "and 5 more");
    }

    #[test]
    fn several_refusals_are_one_with_all_problems() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.keep::<u8>(Err(Refusal::data("flow"))), None);
        assert_eq!(refusals.keep(Ok(7)), Some(7));
        assert_eq!(refusals.keep::<u8>(Err(Refusal::new(Exit::BadConfig, "config"))), None);
        let refusal = refusals.into_result().unwrap_err();
        assert_eq!(refusal, Refusal { exit: Exit::BadConfig, problems: vec!["flow".into(), "config".into()] });
        assert_eq!(Refusals::default().into_result(), Ok(()));
    }
}
