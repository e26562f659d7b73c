//! What stands in a row: fields of a result, and what is computed of it.

use std::collections::BTreeSet;

use batchmill_core::{BatchId, JobResult, Problem, nearest};
use batchmill_expr::{Filter, Vars};
use serde_json::Value;

use crate::{Options, row::Row};

/// A field of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Batch,
    JobId,
    Sequence,
    Tenant,
    Priority,
    Status,
    Output,
    ErrorClass,
    ErrorCode,
    ErrorNode,
    ErrorMessage,
    Attempts,
    QueuedAt,
    StartedAt,
    FinishedAt,
    QueueSeconds,
    DurationSeconds,
}

/// In the order of the default columns.
const FIELDS: [(&str, Field); 17] = [
    ("batch", Field::Batch),
    ("job_id", Field::JobId),
    ("sequence", Field::Sequence),
    ("tenant", Field::Tenant),
    ("priority", Field::Priority),
    ("status", Field::Status),
    ("output", Field::Output),
    ("error_class", Field::ErrorClass),
    ("error_code", Field::ErrorCode),
    ("error_node", Field::ErrorNode),
    ("error_message", Field::ErrorMessage),
    ("attempts", Field::Attempts),
    ("queued_at", Field::QueuedAt),
    ("started_at", Field::StartedAt),
    ("finished_at", Field::FinishedAt),
    ("queue_seconds", Field::QueueSeconds),
    ("duration_seconds", Field::DurationSeconds),
];

impl Field {
    pub(crate) fn all() -> Vec<String> {
        FIELDS.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn named(name: &str) -> Option<Self> {
        FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    fn write(self, batch: &BatchId, result: &JobResult, row: &mut Row<'_>) {
        let error = result.error.as_deref();
        match self {
            Self::Batch => row.text(batch.as_str()),
            Self::JobId => row.text(result.job_id.as_str()),
            Self::Sequence => row.number(result.sequence),
            Self::Tenant => row.text(result.tenant.as_str()),
            Self::Priority => row.number(result.priority.0),
            Self::Status => row.text(result.status.as_str()),
            Self::Output => row.json(result.output.as_ref().unwrap_or(&Value::Null)),
            Self::ErrorClass => row.maybe(error.map(|error| error.class.as_str())),
            Self::ErrorCode => row.maybe(error.map(|error| &*error.code)),
            Self::ErrorNode => row.maybe(error.and_then(|error| error.node.as_deref())),
            Self::ErrorMessage => row.maybe(error.map(|error| &*error.message)),
            Self::Attempts => row.number(result.attempts),
            Self::QueuedAt => row.number(result.queued_at),
            Self::StartedAt => row.maybe(result.started_at.map(|at| at.to_string()).as_deref()),
            Self::FinishedAt => row.number(result.finished_at),
            Self::QueueSeconds => row.number(rounded(result.queued)),
            Self::DurationSeconds => row.number(rounded(result.duration)),
        }
    }
}

/// As in the record: to the microsecond.
fn rounded(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

#[derive(Debug)]
enum Content {
    Field(Field),
    Computed { filter: Filter, failed: Failed },
}

/// Results for which an expression has no value because it failed.
#[derive(Debug, Default)]
struct Failed {
    cells: u64,
    first: String,
}

/// The columns of a file.
#[derive(Debug)]
pub(crate) struct Columns {
    columns: Vec<(String, Content)>,
}

impl Columns {
    /// All columns, or everything that is wrong with them.
    pub(crate) fn compile(options: &Options) -> Result<Self, Vec<Problem>> {
        let (mut columns, mut problems, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (place, name) in options.columns.iter().enumerate() {
            let mut wrong = |message: String| problems.push(Problem::new(["columns", &place.to_string()], message));
            if !seen.insert(name.as_str()) {
                wrong(format!("`{name}` is there twice"));
                continue;
            }
            match (Field::named(name), options.expressions.get(name)) {
                (Some(field), None) => columns.push((name.clone(), Content::Field(field))),
                (None, Some(text)) => match filter(name, text) {
                    Ok(filter) => {
                        columns.push((name.clone(), Content::Computed { filter, failed: Failed::default() }));
                    }
                    Err(found) => problems.extend(found),
                },
                (Some(_), Some(_)) => {
                    wrong(format!("`{name}` is a field of results and has `expressions.{name}`: rename that"));
                }
                (None, None) => {
                    let known =
                        FIELDS.iter().map(|(name, _)| *name).chain(options.expressions.keys().map(String::as_str));
                    let mend = match nearest(name, known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("give it jq as `expressions.{name}`"),
                    };
                    wrong(format!("`{name}` is no field of results and has no expression; {mend}"));
                }
            }
        }
        if options.columns.is_empty() {
            problems.push(Problem::new(["columns"], "must name a column at least"));
        }
        for name in options.expressions.keys().filter(|name| !seen.contains(name.as_str())) {
            problems.push(Problem::new(["expressions", name], "is not among `columns`, so nobody would see it"));
        }
        if problems.is_empty() { Ok(Self { columns }) } else { Err(problems) }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Stands for what is in them.
    pub(crate) fn text(&self) -> String {
        let column = |(name, content): &(String, Content)| match content {
            Content::Field(_) => format!("{name:?}"),
            Content::Computed { filter, .. } => format!("{name:?}={:?}", filter.text()),
        };
        self.columns.iter().map(column).collect::<Vec<_>>().join(",")
    }

    /// The row of a result.
    pub(crate) fn write(&mut self, batch: &BatchId, result: &JobResult, mut row: Row<'_>) {
        let mut record = None;
        for (name, content) in &mut self.columns {
            match content {
                Content::Field(field) => field.write(batch, result, &mut row),
                Content::Computed { filter, failed } => {
                    let record = record.get_or_insert_with(|| {
                        serde_json::to_value(result.to_record(batch)).expect("a record is JSON")
                    });
                    match filter.run_one_on(record, &Vars::none()) {
                        Ok(value) => row.json(&value.unwrap_or_default()),
                        Err(error) => {
                            row.json(&Value::Null);
                            failed.note(name, result, &error.message);
                        }
                    }
                }
            }
        }
        row.end();
    }

    /// Says which cells are empty because their expression failed.
    pub(crate) fn tell_failed(&self, place: &str) {
        for (name, content) in &self.columns {
            if let Content::Computed { failed: Failed { cells: cells @ 1.., first }, .. } = content {
                tracing::warn!(
                    column = name,
                    "{place}: {cells} values are empty because the expression failed: {first}"
                );
            }
        }
    }
}

impl Failed {
    fn note(&mut self, name: &str, result: &JobResult, message: &str) {
        self.cells += 1;
        if self.cells == 1 {
            self.first = format!("{}: {message}", result.job_id);
            tracing::warn!(column = name, job = %result.job_id, "a value is left empty: {message}");
        }
    }
}

fn filter(name: &str, text: &str) -> Result<Filter, Vec<Problem>> {
    let at = ["expressions", name];
    let filter = Filter::compile(text).map_err(|errors| {
        let problems = errors.into_iter().map(|error| Problem::new(at, error.message).at_offset(error.offset));
        problems.collect::<Vec<_>>()
    })?;
    let variables: Vec<_> = filter.variables().collect();
    match variables.first() {
        Some(variable) => Err(vec![Problem::new(at, format!("`{variable}` has no value here; `.` is the result"))]),
        None => Ok(filter),
    }
}
