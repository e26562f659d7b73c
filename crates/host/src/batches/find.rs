//! Which batch is meant, and how its host is reached.

use std::path::{Path, PathBuf};

use batchmill_core::{BatchId, JobId};
use batchmill_store_sqlite::{BatchReader, Listed, Standing as Stood, StateDir};
use serde_json::Value;

use super::standing::Standing;
use crate::{
    control::{Answer, Client, Unreachable},
    exit::Exit,
    intake,
    problems::Refusal,
    refusal,
    summary::quoted,
};

/// The state directory where none is named.
pub(crate) const USUAL_STATE: &str = ".batchmill";

/// A batch that somebody named.
#[derive(Debug)]
pub(crate) struct Found {
    pub(super) dir: StateDir,
    pub(super) listed: Listed,
}

/// The batch that goes by `name`: its id, the beginning of it, a name of its own, or `last`.
pub(crate) fn named(state: &Path, name: &str) -> Result<Found, Refusal> {
    let Some(dir) = open(state)? else { return Err(no_directory(state)) };
    let listed = dir.find(name).map_err(|error| refusal::of_store(&error))?;
    Ok(Found { dir, listed })
}

/// The batch that goes by `name`, or the one that runs.
pub(crate) fn running(state: &Path, name: Option<&str>) -> Result<Found, Refusal> {
    if let Some(name) = name {
        return named(state, name);
    }
    let Some(dir) = open(state)? else { return Err(no_directory(state)) };
    let mut batches = dir.list().map_err(|error| refusal::of_store(&error))?;
    batches.retain(|listed| listed.owner.is_some());
    match <[Listed; 1]>::try_from(batches) {
        Ok([listed]) => Ok(Found { dir, listed }),
        Err(batches) if batches.is_empty() => Err(Refusal::data(format!("no batch runs in {}", state.display()))),
        Err(batches) => {
            let ids: Vec<_> = batches.iter().map(|listed| listed.id.as_str()).collect();
            Err(Refusal::data(format!("several batches run, name one of them: {}", ids.join(", "))))
        }
    }
}

/// How all batches stand, the newest first. One that cannot be read is told and left out: it hides no other. Where nothing has
/// run yet there are none; another folder that somebody named is there.
pub(crate) fn all(state: &Path) -> Result<Vec<Standing>, Refusal> {
    let Some(dir) = open(state)? else {
        let is_named = state != Path::new(USUAL_STATE);
        return if is_named && !state.exists() { Err(no_directory(state)) } else { Ok(Vec::new()) };
    };
    let batches = dir.list().map_err(|error| refusal::of_store(&error))?;
    let standing = |listed: Listed| {
        let found = Found { dir: dir.clone(), listed };
        let standing = found.standing_in_brief();
        let tell = |refusal: &Refusal| {
            tracing::warn!(batch = %found.id(), "a batch cannot be read: {}", refusal.text());
        };
        standing.inspect_err(tell).ok()
    };
    Ok(batches.into_iter().filter_map(standing).collect())
}

/// The state directory; `None` where nothing has run yet.
pub(super) fn open(state: &Path) -> Result<Option<StateDir>, Refusal> {
    StateDir::existing(state).map_err(|error| refusal::of_store(&error))
}

pub(super) fn no_directory(state: &Path) -> Refusal {
    Refusal::data(format!("{}: there are no batches here; --state names another folder", state.display()))
}

/// `inspect-7f3a --state /var/batches`: how commands are given a batch. One in the usual place needs no flag.
pub(crate) fn argument(state: &Path, batch: &BatchId) -> String {
    let id = quoted(batch.as_str());
    if state == Path::new(USUAL_STATE) { id } else { format!("{id} --state {}", quoted(&state.to_string_lossy())) }
}

impl Found {
    /// How commands are given this batch.
    pub(crate) fn argument(&self) -> String {
        self.argument_of(self.id())
    }

    /// How they are given another one of its state directory.
    pub(crate) fn argument_of(&self, batch: &BatchId) -> String {
        argument(self.dir.path(), batch)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.listed.standing == Stood::Open
    }

    /// The batch itself, or the one that it is a retry of.
    pub(crate) fn root(&self) -> &BatchId {
        self.listed.parent.as_ref().unwrap_or(&self.listed.id)
    }

    /// What its host remembers of it.
    pub(crate) fn manifest(&self) -> Result<Value, Refusal> {
        self.reader()?.manifest().map_err(|error| refusal::of_store(&error))
    }

    pub(crate) fn id(&self) -> &BatchId {
        &self.listed.id
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.folder(&self.listed.id)
    }

    pub(crate) fn reader(&self) -> Result<BatchReader, Refusal> {
        self.dir.read(&self.listed.id).map_err(|error| refusal::of_store(&error))
    }

    /// Asks the host. Without one, says what to do instead.
    pub(crate) fn ask(&self, ask: impl FnOnce(&mut Client) -> Result<Answer, Unreachable>) -> Result<Answer, Refusal> {
        self.asked(ask).map_err(|unreachable| self.not_reached(&unreachable))
    }

    /// Asks the host, if there is one.
    pub(crate) fn ask_if_running(
        &self,
        ask: impl FnOnce(&mut Client) -> Result<Answer, Unreachable>,
    ) -> Option<Answer> {
        // Whoever does not know that a batch runs can do without it.
        self.asked(ask).inspect_err(|error| tracing::debug!(%error, "the host was not asked")).ok()
    }

    fn asked(&self, ask: impl FnOnce(&mut Client) -> Result<Answer, Unreachable>) -> Result<Answer, Unreachable> {
        ask(&mut Client::connect(&self.folder())?)
    }

    fn not_reached(&self, unreachable: &Unreachable) -> Refusal {
        let (id, argument) = (self.id(), self.argument());
        // Looked up anew: it may have ended since it was found.
        let listed = self.dir.find(id.as_str()).ok();
        let listed = listed.as_ref().unwrap_or(&self.listed);
        match (&listed.owner, unreachable) {
            (Some(owner), Unreachable::Failed(error)) => {
                Refusal::storage(format!("batch {id} is run by {owner}, which was not reached: {error}"))
            }
            (Some(owner), Unreachable::NobodyThere) => {
                let message =
                    format!("batch {id} is run by {owner}, which takes no requests yet, or none any more: try again");
                Refusal::new(Exit::Interrupted, message)
            }
            (None, _) => Refusal::data(match listed.standing {
                Stood::Open => {
                    format!("batch {id} is not running: it was interrupted; `batchmill resume {argument}` goes on")
                }
                Stood::Abandoned => format!("batch {id} is not running: a new batch was started in its place"),
                _ => format!("batch {id} is not running: it has ended; `batchmill status {argument}` says how"),
            }),
        }
    }

    /// The place of a job that has no result yet.
    pub(super) fn place_of(&self, job: &JobId) -> Result<u64, Refusal> {
        let place = intake::place_of(&self.folder(), job)?;
        place.map(u64::from).ok_or_else(|| Refusal::data(format!("batch {} has no job `{job}`", self.id())))
    }
}
