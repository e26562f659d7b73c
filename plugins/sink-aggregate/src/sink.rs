//! Results that become numbers as they come.

use std::fmt;

use async_trait::async_trait;
use batchmill_core::{BatchId, BuildContext, BuildError, JobResult, ResultSink, Resumed, SinkError};
use batchmill_plugin::Offloaded;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Options,
    aggregate::{Aggregate, State},
    place::Place,
};

/// The longest mark.
const MARK_MAX: usize = 1024;

/// A state of more parts than these does not fit into a mark: it need not be written down to know that.
const PARTS_MAX: usize = 150;

/// Keeps what results come to, and writes it to a file whenever it is flushed.
pub struct Aggregates {
    aggregates: Vec<Aggregate>,
    /// The batch, once a result has named it.
    batch: Option<String>,
    results: u64,
    /// Stands for the options that aggregates are made of.
    form: String,
    place: Option<Offloaded<Place>>,
}

/// What a resume needs to know.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    form: String,
    batch: Option<String>,
    results: u64,
    /// Absent where it is too long: then all results come again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    states: Option<Vec<State>>,
}

impl Aggregates {
    /// Checks everything, and opens the file if there is one. Nothing is written before the first flush.
    pub fn open(options: &Options, context: &BuildContext) -> Result<Self, BuildError> {
        let compiled = options.aggregates.iter().map(Aggregate::compile);
        let aggregates = compiled.collect::<Result<_, _>>().map_err(BuildError::Options)?;
        let form = form(&serde_json::to_string(&options.aggregates).unwrap_or_default());
        let place = options.path.as_ref().map(|path| Place::open(path, options.overwrite, context)).transpose()?;
        Ok(Self { aggregates, batch: None, results: 0, form, place: place.map(Offloaded::new) })
    }

    /// What the results have come to.
    pub fn json(&self) -> Value {
        let aggregates: Vec<Value> = self.aggregates.iter().map(Aggregate::json).collect();
        json!({"batch": self.batch, "results": self.results, "aggregates": aggregates})
    }

    async fn store(&self) -> Result<(), SinkError> {
        let Some(place) = &self.place else { return Ok(()) };
        let (batch, text) = (self.batch.clone(), format!("{:#}\n", self.json()));
        place.run(move |place| place.store(batch.as_deref(), &text)).await
    }

    /// The state of all aggregates, if it fits into a mark and reads back as it is.
    fn states(&self) -> Option<Vec<State>> {
        let parts: usize = self.aggregates.iter().map(|aggregate| aggregate.state.parts()).sum();
        (parts <= PARTS_MAX).then(|| self.aggregates.iter().map(|aggregate| aggregate.state.clone()).collect())
    }
}

/// A short name for a long text (FNV-1a, 64 bits).
fn form(text: &str) -> String {
    let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, hash))
}

impl fmt::Debug for Aggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregates").field("results", &self.results).finish_non_exhaustive()
    }
}

#[async_trait]
impl ResultSink for Aggregates {
    async fn write(&mut self, batch: &BatchId, results: &[JobResult]) -> Result<(), SinkError> {
        let reads_records = self.aggregates.iter().any(Aggregate::reads_records);
        for result in results {
            let record = if reads_records { serde_json::to_value(result.to_record(batch)) } else { Ok(Value::Null) };
            let record = record.map_err(|error| {
                SinkError::permanent(format!("the result of job {} is no JSON: {error}", result.job_id))
            })?;
            self.aggregates.iter_mut().for_each(|aggregate| aggregate.take(result, &record));
            self.results += 1;
        }
        if self.batch.is_none() && !results.is_empty() {
            self.batch = Some(batch.as_str().to_owned());
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.store().await
    }

    fn mark(&self) -> Option<String> {
        let mut mark =
            Mark { form: self.form.clone(), batch: self.batch.clone(), results: self.results, states: self.states() };
        let text = serde_json::to_string(&mark).ok()?;
        let same = |text: &str| serde_json::from_str::<Mark>(text).is_ok_and(|read| read.states == mark.states);
        if text.len() <= MARK_MAX && same(&text) {
            return Some(text);
        }
        mark.states = None;
        serde_json::to_string(&mark).ok()
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, SinkError> {
        let mark: Option<Mark> = mark
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| SinkError::permanent(format!("the mark of these aggregates can not be read: {error}")))?;
        let known = mark.and_then(|mark| {
            self.batch.clone_from(&mark.batch);
            let is_same = mark.form == self.form;
            mark.states
                .filter(|states| is_same && states.len() == self.aggregates.len())
                .map(|states| (mark.results, states))
        });
        let resumed = match known {
            Some((results, states)) => {
                self.results = results;
                self.aggregates.iter_mut().zip(states).for_each(|(aggregate, state)| aggregate.state = state);
                Resumed::AtMark
            }
            None => {
                self.results = 0;
                self.aggregates.iter_mut().for_each(Aggregate::reset);
                Resumed::Empty
            }
        };
        // What was written after the mark is taken back.
        self.store().await?;
        Ok(resumed)
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.store().await
    }

    fn summary(&self) -> Option<Value> {
        Some(self.json())
    }
}
