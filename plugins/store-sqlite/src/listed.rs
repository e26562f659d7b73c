//! Batches as they are listed, and as they are made.

use batchmill_core::{BatchId, WallTime};
use serde_json::Value;

use crate::Owner;

/// What a batch promises about what it has recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Written when it is answered, synced within a second: survives the end of the process, not a loss of power.
    Buffered,
    /// Synced when it is answered.
    #[default]
    Fsync,
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// It has not ended: a host runs it, or `resume` goes on with it.
    Open,
    /// All its jobs have ended.
    Finished,
    /// Its failure strategy, a person or its deadline ended it.
    Halted,
    /// A person started anew instead.
    Abandoned,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Open, Self::Finished, Self::Halted, Self::Abandoned];

    /// The standing as it is written in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finished => "finished",
            Self::Halted => "halted",
            Self::Abandoned => "abandoned",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == text)
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A batch that is to be made.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// Its id, which names its folder.
    pub id: BatchId,
    /// The name that a person gave it: no other batch has it.
    pub name: Option<String>,
    /// The name of its flow.
    pub flow: String,
    /// What it runs, as the host tells one source from another.
    pub source: String,
    /// Whatever the host needs to go on with it.
    pub manifest: Value,
    /// How many jobs it has.
    pub jobs: u64,
    /// The hash of its jobs.
    pub content: String,
    /// When it is accepted.
    pub accepted: WallTime,
    /// What it promises.
    pub durability: Durability,
    /// The batch whose jobs it runs again.
    pub parent: Option<BatchId>,
    /// 0, or one more than the generation of its parent.
    pub generation: u32,
}

/// A batch of a state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Its id.
    pub id: BatchId,
    /// The name that a person gave it.
    pub name: Option<String>,
    /// The name of its flow.
    pub flow: String,
    /// See [`NewBatch::source`].
    pub source: String,
    /// Where it stands.
    pub standing: Standing,
    /// How many jobs it has.
    pub jobs: u64,
    /// When it was accepted.
    pub created: WallTime,
    /// When it ended.
    pub ended: Option<WallTime>,
    /// The batch whose jobs it runs again.
    pub parent: Option<BatchId>,
    /// See [`NewBatch::generation`].
    pub generation: u32,
    /// Who runs it.
    pub owner: Option<Owner>,
}

impl Listed {
    pub(crate) fn of_new(new: &NewBatch) -> Self {
        Self {
            id: new.id.clone(),
            name: new.name.clone(),
            flow: new.flow.clone(),
            source: new.source.clone(),
            standing: Standing::Open,
            jobs: new.jobs,
            created: new.accepted,
            ended: None,
            parent: new.parent.clone(),
            generation: new.generation,
            owner: None,
        }
    }

    /// What people call it.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(self.id.as_str())
    }
}
