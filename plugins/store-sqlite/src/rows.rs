//! Results as rows.
//!
//! Whoever appends encodes: the writer only binds. One text holds all outputs and errors of an append, so that a row
//! costs no allocation.

use std::{ops::Range, sync::Arc, time::Duration};

use batchmill_core::{ErrorClass, JobId, JobResult, Priority, Status, Tenant, WallTime};
use rusqlite::{Row, Statement, ToSql};

/// The results of one append, ready to be bound.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) results: Arc<Vec<JobResult>>,
    /// Output or error of each result, by its index.
    texts: Vec<Texts>,
    text: String,
}

/// Where output and error stand.
type Texts = (Option<Range<usize>>, Option<Range<usize>>);

impl Rows {
    pub(crate) fn of(results: Arc<Vec<JobResult>>) -> serde_json::Result<Self> {
        let (mut text, mut texts) = (Vec::new(), Vec::with_capacity(results.len()));
        for result in &*results {
            let output = result.output.as_ref().map(|output| written(&mut text, output)).transpose()?;
            let error = result.error.as_ref().map(|error| written(&mut text, error)).transpose()?;
            texts.push((output, error));
        }
        // serde_json writes UTF-8; to look once more costs less than to doubt.
        let text = String::from_utf8(text).map_err(serde::ser::Error::custom)?;
        Ok(Self { results, texts, text })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.results.len() * 64
    }

    fn texts(&self, index: usize) -> (Option<&str>, Option<&str>) {
        let (output, error) = &self.texts[index];
        let of = |range: &Option<Range<usize>>| range.clone().map(|range| &self.text[range]);
        (of(output), of(error))
    }

    /// Inserts the result at `index`.
    pub(crate) fn insert(&self, index: usize, statement: &mut Statement<'_>, at: RowAt) -> rusqlite::Result<()> {
        let result = &self.results[index];
        let (output, error) = self.texts(index);
        let since = |moment: WallTime| moment.as_micros().saturating_sub(at.accepted.as_micros());
        let class = result.error.as_ref().map(|error| error.class.as_str());
        bind(statement, 1, at.position)?;
        bind(statement, 2, result.sequence)?;
        bind(statement, 3, result.job_id.as_str())?;
        bind(statement, 4, at.class)?;
        bind(statement, 5, code(result.status))?;
        bind(statement, 6, result.by_attempt())?;
        bind(statement, 7, result.attempts)?;
        bind(statement, 8, since(result.queued_at))?;
        bind(statement, 9, result.started_at.map(since))?;
        bind(statement, 10, since(result.finished_at))?;
        bind(statement, 11, nanos(result.queued))?;
        bind(statement, 12, nanos(result.duration))?;
        bind(statement, 13, class)?;
        bind(statement, 14, output)?;
        bind(statement, 15, error)?;
        statement.raw_execute().map(drop)
    }
}

/// What a row has besides its result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowAt {
    pub(crate) position: i64,
    pub(crate) class: i64,
    pub(crate) accepted: WallTime,
}

/// The statement that [`Rows::insert`] binds.
pub(crate) const INSERT: &str =
    "INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// What [`read`] reads; the class is joined.
pub(crate) const SELECT: &str = "SELECT record.position, place, job_id, tenant, priority, status, attempts, queued_us, \
    started_us, finished_us, waited_ns, ran_ns, output, error FROM record JOIN class ON class.id = record.class ";

/// A result and its position, of a row of [`SELECT`].
pub(crate) fn read(row: &Row<'_>, accepted: WallTime) -> Result<(u64, JobResult), Damage> {
    let moment = |micros: i64| WallTime::from_micros(accepted.as_micros().saturating_add(micros));
    let position = row.get(0)?;
    let id = JobId::new(row.get_ref(2)?.as_str()?)?;
    let mut result = JobResult::new(id, row.get(1)?, status(row.get(5)?)?);
    result.tenant = Tenant::new(row.get_ref(3)?.as_str()?)?;
    result.priority = Priority(row.get(4)?);
    result.attempts = row.get(6)?;
    result.queued_at = moment(row.get(7)?);
    result.started_at = row.get::<_, Option<i64>>(8)?.map(moment);
    result.finished_at = moment(row.get(9)?);
    result.queued = Duration::from_nanos(row.get(10)?);
    result.duration = Duration::from_nanos(row.get(11)?);
    result.output = row.get_ref(12)?.as_str_or_null()?.map(serde_json::from_str).transpose()?;
    result.error = row.get_ref(13)?.as_str_or_null()?.map(serde_json::from_str).transpose()?;
    Ok((position, result))
}

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error(transparent)]
    Type(#[from] rusqlite::types::FromSqlError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Id(#[from] batchmill_core::IdError),
    #[error("`{0}` is not known here")]
    Value(String),
}

/// The number that stands for a status: its place in the conservation law, which the table `status` repeats.
pub(crate) fn code(status: Status) -> i64 {
    Status::ALL.iter().position(|other| *other == status).and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
}

pub(crate) fn status(code: i64) -> Result<Status, Damage> {
    let at = usize::try_from(code).ok();
    at.and_then(|at| Status::ALL.get(at)).copied().ok_or_else(|| Damage::Value(format!("status {code}")))
}

pub(crate) fn class_of(text: &str) -> Result<ErrorClass, Damage> {
    text.parse().map_err(|_| Damage::Value(text.to_owned()))
}

fn bind(statement: &mut Statement<'_>, at: usize, value: impl ToSql) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(at, value)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn written(text: &mut Vec<u8>, value: &impl serde::Serialize) -> serde_json::Result<Range<usize>> {
    let start = text.len();
    serde_json::to_writer(&mut *text, value)?;
    Ok(start..text.len())
}
