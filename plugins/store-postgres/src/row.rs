//! A checkpoint as a row.

use batchmill_core::{Checkpoint, CheckpointId, ThreadId};
use serde::{Serialize, de::DeserializeOwned};
use tokio_postgres::Row as Found;

/// The columns, as text: ids have all 64 bits and no sign, and JSON stays as it was written.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) thread: ThreadId,
    pub(crate) id: u64,
    pub(crate) parent: Option<String>,
    pub(crate) step: String,
    pub(crate) state: String,
    pub(crate) next: String,
    pub(crate) joins: String,
    pub(crate) pending: String,
}

impl Row {
    /// The error is a sentence.
    pub(crate) fn of(thread: &ThreadId, checkpoint: &Checkpoint) -> Result<Self, String> {
        if thread.0.contains('\0') {
            return Err(format!("the name {:?} has a zero byte", thread.0));
        }
        Ok(Self {
            thread: thread.clone(),
            id: checkpoint.id.0,
            parent: checkpoint.parent.map(|id| id.0.to_string()),
            step: checkpoint.step.to_string(),
            state: json(&checkpoint.state)?,
            next: json(&checkpoint.next)?,
            joins: json(&checkpoint.joins)?,
            pending: json(&checkpoint.pending)?,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.state.len() + self.pending.len() + self.joins.len() + self.next.len() + self.thread.0.len()
    }
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| format!("a checkpoint cannot be written: {error}"))
}

/// The error is a sentence.
pub(crate) fn read(found: &Found) -> Result<Checkpoint, String> {
    let state = value(found, "state")?;
    let mut checkpoint =
        Checkpoint::new(CheckpointId(number(found, "id")?), number(found, "step")?, state, value(found, "next")?);
    let parent: Option<String> = found.try_get("parent").map_err(|error| damaged("parent", &error))?;
    checkpoint.parent = parent.map(|id| parse("parent", &id)).transpose()?.map(CheckpointId);
    checkpoint.joins = value(found, "joins")?;
    checkpoint.pending = value(found, "pending")?;
    Ok(checkpoint)
}

/// Of a list of ids.
pub(crate) fn id(found: &Found) -> Result<CheckpointId, String> {
    number(found, "id").map(CheckpointId)
}

fn number(found: &Found, column: &str) -> Result<u64, String> {
    let text: &str = found.try_get(column).map_err(|error| damaged(column, &error))?;
    parse(column, text)
}

fn parse(column: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| damaged(column, &error))
}

fn value<T: DeserializeOwned>(found: &Found, column: &str) -> Result<T, String> {
    let text: &str = found.try_get(column).map_err(|error| damaged(column, &error))?;
    serde_json::from_str(text).map_err(|error| damaged(column, &error))
}

fn damaged(column: &str, error: &dyn std::error::Error) -> String {
    format!("a checkpoint is damaged: column `{column}`: {error}")
}
