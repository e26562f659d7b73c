//! The state directory: one folder a batch, and the catalogue.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use batchmill_core::{BatchId, WallTime, nearest};

use crate::{
    Batch, BatchReader, Durability, Listed, NewBatch, Standing, StoreError,
    adopt::adopt,
    catalogue::Catalogue,
    clock, create,
    error::At,
    lock::{self, Lock},
    reader,
};

/// The folder of the batches.
const BATCHES: &str = "batches";

/// A folder that is being made, or removed, begins with a dot: no batch does.
const HIDDEN: char = '.';

/// A state directory.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
    catalogue: Catalogue,
}

impl StateDir {
    /// Opens the directory at `path`; makes what is missing.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let state = Self { root: path.to_path_buf(), catalogue: Catalogue::at(path) };
        let batches = state.batches();
        fs::create_dir_all(&batches).at(&batches)?;
        state.catalogue.make()?;
        state.mend()?;
        Ok(state)
    }

    /// Opens the directory at `path` for commands that read, if it is there. Makes nothing.
    pub fn existing(path: &Path) -> Result<Option<Self>, StoreError> {
        let state = Self { root: path.to_path_buf(), catalogue: Catalogue::at(path) };
        match fs::metadata(state.batches()) {
            Ok(found) if found.is_dir() => Ok(Some(state)),
            Ok(_) => Err(StoreError::Foreign { path: state.batches() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(state.batches(), &error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.root
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The folder of a batch, whether it is there or not.
    pub fn folder(&self, id: &BatchId) -> PathBuf {
        self.batches().join(id.as_str())
    }

    /// Makes a batch and owns it: folder, lock, database, its place in the catalogue and the record of its jobs, or
    /// nothing at all.
    pub fn create(&self, new: NewBatch) -> Result<Batch, StoreError> {
        check_name(new.id.as_str())?;
        if let Some(name) = &new.name {
            check_name(name)?;
        }
        let folder = self.folder(&new.id);
        let make = || create::folder(&self.batches(), &folder, &new);
        let unmake = |lock| create::take_back(&folder, lock);
        let Some(lock) = self.catalogue.add_with(&new, make, unmake)? else {
            return Err(StoreError::Taken(new.name.unwrap_or_else(|| new.id.to_string())));
        };
        let (id, durability) = (new.id, new.durability);
        let begun = create::begin(&folder)
            .and_then(|connection| Batch::start(id.clone(), &folder, connection, lock, durability, Vec::new()));
        if begun.is_err() {
            // What cannot be taken back is a batch that nothing happened to.
            let _ = self.remove(&id);
        }
        begun
    }

    /// Takes a batch over that no process owns, to go on with it.
    pub fn adopt(&self, id: &BatchId, durability: Durability) -> Result<Batch, StoreError> {
        let folder = self.existing_folder(id)?;
        let batch = adopt(id, &folder, durability)?;
        self.catalogue.set_standing(id, Standing::Open, None, batch.jobs())?;
        Ok(batch)
    }

    /// Opens a batch for reading, beside whoever runs it.
    pub fn read(&self, id: &BatchId) -> Result<BatchReader, StoreError> {
        let folder = self.existing_folder(id)?;
        BatchReader::open(id, &folder)
    }

    /// Finds a batch by its name or id, a prefix that only one has, with its retries, or `last`: the newest.
    pub fn find(&self, name: &str) -> Result<Listed, StoreError> {
        let mut all = self.list()?;
        if let Some(at) = all.iter().position(|batch| batch.id.as_str() == name || batch.name.as_deref() == Some(name))
        {
            return Ok(all.swap_remove(at));
        }
        if name == "last" && !all.is_empty() {
            return Ok(all.swap_remove(0));
        }
        let begins = |batch: &Listed| batch.id.as_str().starts_with(name) || batch.called().starts_with(name);
        let found: Vec<usize> = (0..all.len()).filter(|at| !name.is_empty() && begins(&all[*at])).collect();
        // The names of its retries begin with a batch's own: the batch itself is meant.
        let is_retry_of = |at: usize, of: usize| all[at].parent.as_ref() == Some(&all[of].id);
        let mut found: Vec<usize> =
            found.iter().copied().filter(|at| !found.iter().any(|of| is_retry_of(*at, *of))).collect();
        match (found.pop(), found.is_empty()) {
            (Some(at), true) => Ok(all.swap_remove(at)),
            (Some(last), false) => {
                let candidates = found.into_iter().chain([last]).map(|at| all[at].called().to_owned()).collect();
                Err(StoreError::Ambiguous { prefix: name.to_owned(), candidates })
            }
            (None, _) => Err(self.unknown(name, &all)),
        }
    }

    /// The newest batch of a source.
    pub fn latest_of(&self, source: &str) -> Result<Option<Listed>, StoreError> {
        let newest = self.catalogue.latest_of(source)?;
        // Usually it is there; where somebody removed its folder, look at all of them.
        match newest {
            Some(newest) if self.is_there(&newest.id) => self.with_owner(newest).map(Some),
            _ => Ok(self.list()?.into_iter().find(|batch| batch.source == source)),
        }
    }

    /// All batches, the newest first.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let Differences { mut known, found, .. } = self.compare()?;
        known.extend(found);
        known.sort_by_key(|batch| std::cmp::Reverse(batch.created));
        known.into_iter().map(|batch| self.with_owner(batch)).collect()
    }

    /// Says where a batch stands. One that is run by somebody cannot be abandoned.
    pub fn set_standing(&self, id: &BatchId, standing: Standing) -> Result<(), StoreError> {
        let folder = self.existing_folder(id)?;
        let _lock = if standing == Standing::Abandoned { Some(Lock::take(&folder, id)?) } else { None };
        let (ended, jobs) = reader::write_standing(&folder, standing)?;
        self.catalogue.set_standing(id, standing, ended, jobs)
    }

    /// Removes batches that ended before a moment, unless a batch that stays is made of their jobs. What cannot be read, of
    /// a later version for example, is told and left alone. Says which; with `dry_run` it only says so.
    pub fn prune(&self, ended_before: WallTime, dry_run: bool) -> Result<Vec<Listed>, StoreError> {
        let all = self.list()?;
        let is_old = |batch: &Listed| {
            batch.standing != Standing::Open
                && batch.owner.is_none()
                && batch.ended.is_some_and(|ended| ended < ended_before)
                && self.is_ours(&batch.id)
        };
        let (mut gone, mut kept): (Vec<_>, Vec<_>) = all.into_iter().partition(is_old);
        // What a batch that stays was made of stays, and so on.
        while let Some(at) =
            gone.iter().position(|batch| kept.iter().any(|child| child.parent.as_ref() == Some(&batch.id)))
        {
            kept.push(gone.swap_remove(at));
        }
        gone.sort_by_key(|batch| batch.created);
        if dry_run {
            return Ok(gone);
        }
        for batch in &gone {
            self.remove(&batch.id)?;
        }
        self.sweep()?;
        Ok(gone)
    }

    /// Whether what is in the folder of a batch is known to be that.
    fn is_ours(&self, id: &BatchId) -> bool {
        match BatchReader::open(id, &self.folder(id)) {
            Ok(_) | Err(StoreError::Older { .. }) => true,
            Err(error) => {
                tracing::warn!(batch = %id, %error, "the batch is not removed: it cannot be read");
                false
            }
        }
    }

    fn remove(&self, id: &BatchId) -> Result<(), StoreError> {
        let folder = self.folder(id);
        // Nobody takes it over meanwhile.
        let _lock = Lock::take(&folder, id)?;
        let hidden = self.batches().join(format!("{HIDDEN}gone-{id}"));
        fs::rename(&folder, &hidden).at(&folder)?;
        fs::remove_dir_all(&hidden).at(&hidden)?;
        self.catalogue.mend(&[], std::slice::from_ref(id))
    }

    /// Removes what a process left that died while it made or removed a folder.
    fn sweep(&self) -> Result<(), StoreError> {
        for name in self.names()?.into_iter().filter(|name| name.starts_with(HIDDEN)) {
            let folder = self.batches().join(&name);
            if lock::owner(&folder)?.is_none() {
                fs::remove_dir_all(&folder).at(&folder)?;
            }
        }
        Ok(())
    }

    /// Makes the catalogue say what the folders say.
    fn mend(&self) -> Result<(), StoreError> {
        let Differences { found, gone, .. } = self.compare()?;
        self.catalogue.mend(&found, &gone)
    }

    fn compare(&self) -> Result<Differences, StoreError> {
        let names: HashSet<String> = self.names()?.into_iter().filter(|name| !name.starts_with(HIDDEN)).collect();
        let (known, missing): (Vec<_>, Vec<_>) =
            self.catalogue.list()?.into_iter().partition(|batch| names.contains(batch.id.as_str()));
        let gone = missing.into_iter().map(|batch| batch.id).collect();
        let listed: HashSet<&str> = known.iter().map(|batch| batch.id.as_str()).collect();
        let found = names.iter().filter(|name| !listed.contains(name.as_str())).filter_map(|name| self.unlisted(name));
        let found = found.collect();
        Ok(Differences { known, found, gone })
    }

    /// A folder that the catalogue does not know. What is no batch is told and left alone.
    fn unlisted(&self, name: &str) -> Option<Listed> {
        let folder = self.batches().join(name);
        let read = BatchId::new(name)
            .map_err(|error| StoreError::io(&folder, &io::Error::other(error)))
            .and_then(|id| BatchReader::open(&id, &folder)?.listed());
        read.inspect_err(|error| tracing::warn!(%error, "a folder in the state directory is no batch that can be read"))
            .ok()
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let batches = self.batches();
        let mut names = Vec::new();
        for entry in fs::read_dir(&batches).at(&batches)? {
            let entry = entry.at(&batches)?;
            // What is not UTF-8 is no id. A folder may be a link to one.
            if let (true, Ok(name)) = (entry.path().is_dir(), entry.file_name().into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn existing_folder(&self, id: &BatchId) -> Result<PathBuf, StoreError> {
        check_name(id.as_str())?;
        if self.is_there(id) { Ok(self.folder(id)) } else { Err(self.unknown(id.as_str(), &self.list()?)) }
    }

    fn is_there(&self, id: &BatchId) -> bool {
        self.folder(id).is_dir()
    }

    fn with_owner(&self, batch: Listed) -> Result<Listed, StoreError> {
        let owner = lock::owner(&self.folder(&batch.id))?;
        Ok(Listed { owner, ..batch })
    }

    fn unknown(&self, name: &str, all: &[Listed]) -> StoreError {
        let near_name = nearest(name, all.iter().map(Listed::called)).map(str::to_owned);
        StoreError::Unknown { name: name.to_owned(), state: self.root.clone(), near_name }
    }

    fn batches(&self) -> PathBuf {
        self.root.join(BATCHES)
    }
}

/// The folders compared with the catalogue.
struct Differences {
    /// In both.
    known: Vec<Listed>,
    /// Only a folder.
    found: Vec<Listed>,
    /// Only in the catalogue.
    gone: Vec<BatchId>,
}

/// Names of batches are names of folders.
fn check_name(name: &str) -> Result<(), StoreError> {
    let why = if name.contains('/') {
        "it has a `/`"
    } else if name.starts_with(HIDDEN) {
        "it begins with a dot"
    } else if name.len() > 200 {
        "it has more than 200 bytes"
    } else if name == "last" {
        "`last` means the newest batch"
    } else if name.is_empty() || name.chars().any(char::is_control) {
        "it is empty or has control characters"
    } else {
        return Ok(());
    };
    Err(StoreError::BadName { name: name.to_owned(), why })
}

/// Syncs a folder: what was made, renamed or removed in it.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).at(path)
}

/// Now, where a batch does not say when it ended.
pub(crate) fn ended_now(ended: Option<WallTime>) -> WallTime {
    ended.unwrap_or_else(clock::now)
}
