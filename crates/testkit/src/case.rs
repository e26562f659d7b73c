//! Cases, how they end, and the report about them.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Makes a fresh instance for a case; may be called several times in one.
pub type Make<'a, T> = &'a dyn Fn() -> T;

/// What keeps a case from passing.
#[derive(Debug)]
pub(crate) enum Unmet {
    Failed(String),
    NotApplicable(&'static str),
}

pub(crate) type Checked = Result<(), Unmet>;

/// Fails the case with a message unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        let holds: bool = $condition;
        if !holds {
            return Err($crate::case::Unmet::Failed(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// One rule of a contract, as a test.
pub struct Case<T> {
    name: &'static str,
    check: fn(Make<'_, T>) -> Checked,
}

impl<T> Case<T> {
    pub(crate) const fn new(name: &'static str, check: fn(Make<'_, T>) -> Checked) -> Self {
        Self { name, check }
    }

    /// The rule in snake case, for example `every_token_leaves_once_by_pop`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case. A panic fails it.
    pub fn run(&self, make: impl Fn() -> T) -> Ending {
        match catch_unwind(AssertUnwindSafe(|| (self.check)(&make))) {
            Ok(Ok(())) => Ending::Passed,
            Ok(Err(Unmet::Failed(message))) => Ending::Failed(message),
            Ok(Err(Unmet::NotApplicable(why))) => Ending::NotApplicable(why.to_owned()),
            Err(panic) => Ending::Failed(format!("panicked: {}", panic_message(&*panic))),
        }
    }
}

impl<T> fmt::Debug for Case<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({})", self.name)
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no message",
    }
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The rule holds.
    Passed,
    /// The rule is broken; the message says where.
    Failed(String),
    /// The rule is about an ability that this implementation does not claim.
    NotApplicable(String),
}

/// A case and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The case.
    pub name: &'static str,
    /// How it ended.
    pub ending: Ending,
}

/// How all cases of a kit ended. Displays as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The kit, for example `scheduler`.
    pub kit: &'static str,
    /// In the order of the kit.
    pub rows: Vec<Row>,
}

impl Report {
    pub(crate) fn of<T>(kit: &'static str, cases: &[Case<T>], make: &dyn Fn() -> T) -> Self {
        Self { kit, rows: cases.iter().map(|case| Row { name: case.name, ending: case.run(make) }).collect() }
    }

    /// The names of the cases that failed.
    pub fn failures(&self) -> Vec<&'static str> {
        self.rows.iter().filter(|row| matches!(row.ending, Ending::Failed(_))).map(|row| row.name).collect()
    }

    /// The names of the cases that did not apply.
    pub fn not_applicable(&self) -> Vec<&'static str> {
        self.rows.iter().filter(|row| matches!(row.ending, Ending::NotApplicable(_))).map(|row| row.name).collect()
    }

    /// # Panics
    /// With the table, if a case failed.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.failures().is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, skipped) = (self.failures().len(), self.not_applicable().len());
        let passed = self.rows.len() - failed - skipped;
        writeln!(f, "{} kit: {passed} passed, {failed} failed, {skipped} not applicable", self.kit)?;
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for row in &self.rows {
            match &row.ending {
                Ending::Passed => writeln!(f, "  ok    {}", row.name)?,
                Ending::Failed(message) => writeln!(f, "  FAIL  {:width$}  {message}", row.name)?,
                Ending::NotApplicable(why) => writeln!(f, "  n/a   {:width$}  {why}", row.name)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &[Case<u8>] = &[
        Case::new("is_even", |make| {
            let number = make();
            ensure!(number % 2 == 0, "{number} is odd");
            Ok(())
        }),
        Case::new("divides", |make| {
            assert!(100 % make() == 0, "does not divide 100");
            Ok(())
        }),
        Case::new("flies", |_| Err(Unmet::NotApplicable("numbers have no wings"))),
    ];

    #[test]
    fn a_report_is_a_table_and_a_panic_is_a_failure() {
        let report = Report::of("number", CASES, &|| 3);
        assert_eq!(
            report.to_string(),
            "number kit: 0 passed, 2 failed, 1 not applicable\n  \
             FAIL  is_even  3 is odd\n  \
             FAIL  divides  panicked: does not divide 100\n  \
             n/a   flies    numbers have no wings\n"
        );
        assert_eq!(Report::of("number", CASES, &|| 0).failures(), ["divides"], "a division by zero is a panic too");
        Report::of("number", CASES, &|| 4).assert_passed();
    }

    #[test]
    #[should_panic(expected = "3 is odd")]
    fn a_failed_report_does_not_pass() {
        Report::of("number", CASES, &|| 3).assert_passed();
    }
}
