//! Owning a batch in the store: made, or taken over from a host that is no more.

use std::path::Path;

use batchmill_config::Durability;
use batchmill_core::{BatchId, WallTime};
use batchmill_store_sqlite::{self as sqlite, NewBatch, Standing, StateDir, StoreError};

use super::{again::Origin, manifest::Manifest, survivors};
use crate::{intake::JsonLines, problems::Refusal, refusal::of_store};

/// What is to be owned.
pub(super) struct Keep {
    pub(super) durability: sqlite::Durability,
    pub(super) manifest: Manifest,
    pub(super) how: How,
}

pub(super) enum How {
    /// A batch that begins.
    New {
        flow: String,
        source: String,
        /// The unfinished one that it takes the place of.
        instead_of: Option<BatchId>,
        /// The batch whose jobs it runs again.
        origin: Option<Origin>,
    },
    /// One that goes on.
    Again {
        /// Its manifest when it was looked at.
        known: Box<Manifest>,
        /// Whether its jobs are to be kept anew.
        jobs_are_new: bool,
        /// What is accepted although it differs.
        accepted: Vec<String>,
    },
}

/// What the config says, as the store has it; `None` where nothing is kept.
pub(super) fn durability(durability: Durability) -> Option<sqlite::Durability> {
    match durability {
        Durability::None => None,
        Durability::Buffered => Some(sqlite::Durability::Buffered),
        Durability::Fsync => Some(sqlite::Durability::Fsync),
    }
}

/// The time of the wall clock.
pub(super) fn now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

impl Keep {
    /// Owns the batch `id` with its `jobs`. Blocks.
    pub(super) fn own(self, state: &Path, id: &BatchId, jobs: &JsonLines) -> Result<sqlite::Batch, Refusal> {
        let dir = StateDir::open(state).map_err(|error| of_store(&error))?;
        let Self { durability, manifest, how } = self;
        let batch = match how {
            How::New { flow, source, instead_of, origin } => {
                let new = NewBatch {
                    id: id.clone(),
                    name: manifest.name().filter(|name| *name == id.as_str()).map(str::to_owned),
                    flow,
                    source,
                    manifest: manifest.to_json(),
                    jobs: batchmill_executor::JobSource::len(jobs),
                    content: jobs.content(),
                    accepted: now(),
                    durability,
                    generation: origin.as_ref().map_or(0, |origin| origin.generation),
                    parent: origin.map(|origin| origin.parent),
                };
                let batch = dir.create(new).map_err(|error| of_store(&error))?;
                keep_jobs(&batch, jobs, durability)?;
                instead_of.map_or(Ok(()), |old| abandon(&dir, &old))?;
                batch
            }
            How::Again { known, jobs_are_new, accepted } => {
                let mut batch = dir.adopt(id, durability).map_err(|error| of_store(&error))?;
                if *batch.manifest() != known.to_json() {
                    return Err(Refusal::new(
                        crate::exit::Exit::Interrupted,
                        format!("the batch `{id}` was changed by another host while it was compared; try again"),
                    ));
                }
                end_survivors(&batch);
                if jobs_are_new {
                    keep_jobs(&batch, jobs, durability)?;
                }
                // Asked even so: a host may have died between the two.
                accept(&mut batch, jobs)?;
                amend(&mut batch, manifest, &known, accepted)?;
                batch
            }
        };
        let signed = survivors::sign(batch.folder(), batchmill_node_run::run_marker());
        signed.map_err(|error| Refusal::storage(format!("{}: {error}", batch.folder().display())))?;
        Ok(batch)
    }
}

fn keep_jobs(batch: &sqlite::Batch, jobs: &JsonLines, durability: sqlite::Durability) -> Result<(), Refusal> {
    let kept = jobs.keep(batch.folder(), durability == sqlite::Durability::Fsync);
    kept.map_err(|error| Refusal::storage(format!("{}: jobs could not be kept: {error}", batch.folder().display())))
}

/// Records that the batch has other jobs, if it has. They are in its folder by then.
fn accept(batch: &mut sqlite::Batch, jobs: &JsonLines) -> Result<(), Refusal> {
    let (many, content) = (batchmill_executor::JobSource::len(jobs), jobs.content());
    if many == batch.jobs() && content == batch.content() {
        return Ok(());
    }
    batch.accept(many, &content, now()).map_err(|error| Refusal::storage(error.message))
}

/// The batch that a new one takes the place of. If it runs, both do, side by side.
fn abandon(dir: &StateDir, old: &BatchId) -> Result<(), Refusal> {
    match dir.set_standing(old, Standing::Abandoned) {
        Err(StoreError::Owned { owner, .. }) => {
            tracing::warn!(batch = %old, %owner, "the unfinished batch is not abandoned: it has a host");
            Ok(())
        }
        other => other.map_err(|error| of_store(&error)),
    }
}

/// What earlier hosts have left running is ended before its jobs run again.
fn end_survivors(batch: &sqlite::Batch) {
    match survivors::end(batch.folder()) {
        Ok(ended) if ended == survivors::Ended::default() => {}
        Ok(survivors::Ended { told, killed, left }) => {
            tracing::warn!(told, killed, ?left, "processes that an earlier host of the batch had left were ended");
        }
        Err(error) => tracing::warn!(%error, "processes that an earlier host may have left were not looked for"),
    }
}

fn amend(batch: &mut sqlite::Batch, now: Manifest, known: &Manifest, accepted: Vec<String>) -> Result<(), Refusal> {
    let mut amended = now.after(known);
    let at = self::now();
    amended.changes.extend(accepted.into_iter().map(|change| (at, change)));
    if amended == *known {
        return Ok(());
    }
    batch.amend(amended.to_json()).map_err(|error| Refusal::storage(error.message))
}
