//! The batch that a command goes on with, as an earlier host left it. Only read here: what is refused is left as it is.

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use batchmill_core::{
    BatchId, WallTime,
    fault::{self, Sabotage},
};
use batchmill_plugin::Registry;
use batchmill_store_sqlite::{BatchReader, Listed, Standing, StateDir, StoreError};

use super::{
    guard::{self, Guard},
    manifest::Manifest,
    os_text::OsText,
};
use crate::{
    cli::{IntakeArgs, Terms},
    intake::{Comparison, Jobs, JsonLines, Scratch, unchanged},
    problems::Refusal,
    refusal::of_store,
    work::Work,
};

/// A batch that is there already.
pub(super) struct Earlier {
    state: StateDir,
    pub(super) listed: Listed,
    pub(super) reader: BatchReader,
    pub(super) manifest: Manifest,
}

/// Its jobs, as it goes on with them.
pub(super) struct Going {
    pub(super) jobs: JsonLines,
    /// Whether they are elsewhere than its folder says, or others.
    pub(super) is_new: bool,
    /// What was accepted although it differs, one sentence each.
    pub(super) accepted: Vec<String>,
}

/// What a resume is given.
pub(super) struct Given<'a> {
    pub(super) guard: &'a Guard,
    pub(super) directory: &'a Path,
    pub(super) intake: &'a IntakeArgs,
    pub(super) jobs: &'a Jobs,
    pub(super) terms: &'a Terms,
    pub(super) registry: &'a Registry,
    pub(super) scratch: &'a Scratch,
}

/// Tells one source of batches from another: what is run, over which jobs, and where.
pub(super) fn source(work: &Work, jobs: &Jobs) -> Result<String, Refusal> {
    let full =
        |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path)).map(|path| OsText::from(&path));
    let here = |error: io::Error| Refusal::storage(format!("the working directory: {error}"));
    let jobs = match jobs {
        Jobs::File(path) if !jobs.is_stdin() => full(path).map_err(here)?,
        other => OsText::from(&other.argument()),
    };
    let directory = OsText::from(&env::current_dir().map_err(here)?);
    let source = match work {
        Work::Flow(path) => serde_json::json!({"flow": full(path).map_err(here)?, "jobs": jobs, "in": directory}),
        Work::Command(command) => serde_json::json!({"each": command.argv(), "jobs": jobs, "in": directory}),
    };
    Ok(source.to_string())
}

/// The newest batch of a name that a person gave, or of a source; `None` where there is none.
pub(super) fn find(state: &Path, name: Option<&BatchId>, source: &str) -> Result<Option<Earlier>, Refusal> {
    let Some(state) = StateDir::existing(state).map_err(|error| of_store(&error))? else { return Ok(None) };
    let Some(name) = name else {
        let latest = state.latest_of(source).map_err(|error| of_store(&error))?;
        return latest.map(|listed| Earlier::read(state, listed)).transpose();
    };
    for listed in state.list().map_err(|error| of_store(&error))? {
        if listed.id == *name || listed.name.as_deref() == Some(name.as_str()) {
            return Earlier::read(state, listed).map(Some);
        }
        // One that was started anew by that name has some digits behind it.
        let follows = listed.id.as_str().strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('-'));
        if follows {
            let earlier = Earlier::read(state.clone(), listed)?;
            if earlier.manifest.name() == Some(name.as_str()) {
                return Ok(Some(earlier));
            }
        }
    }
    Ok(None)
}

/// The batch that a person names for a resume, by default the newest that is not finished.
pub(super) fn named(state: &Path, name: Option<&str>) -> Result<Earlier, Refusal> {
    let place = state.display();
    let Some(dir) = StateDir::existing(state).map_err(|error| of_store(&error))? else {
        return Err(Refusal::data(format!("{place}: there are no batches here; --state names another folder")));
    };
    let listed = match name {
        Some(name) => dir.find(name).map_err(|error| of_store(&error))?,
        None => {
            let all = dir.list().map_err(|error| of_store(&error))?;
            let unfinished = all.into_iter().find(|listed| listed.standing == Standing::Open);
            unfinished
                .ok_or_else(|| Refusal::data(format!("{place}: every batch here is finished; nothing to resume")))?
        }
    };
    let earlier = Earlier::read(dir, listed)?;
    match earlier.listed.standing {
        Standing::Open => Ok(earlier),
        standing => Err(Refusal::data(ended(&earlier.listed, standing))),
    }
}

fn ended(listed: &Listed, standing: Standing) -> String {
    let id = &listed.id;
    let at = |moment: Option<WallTime>| moment.map(|at| format!(" at {at}")).unwrap_or_default();
    match standing {
        Standing::Abandoned => format!("the batch `{id}` was abandoned for a fresh one: there is nothing to resume"),
        _ => format!("the batch `{id}` has ended ({standing}{}): there is nothing to resume", at(listed.ended)),
    }
}

impl Earlier {
    fn read(state: StateDir, listed: Listed) -> Result<Self, Refusal> {
        let reader = state.read(&listed.id).map_err(|error| of_store(&error))?;
        let manifest = Manifest::read(reader.manifest().map_err(|error| of_store(&error))?)?;
        Ok(Self { state, listed, reader, manifest })
    }

    pub(super) fn id(&self) -> &BatchId {
        &self.listed.id
    }

    /// It has a host, and one is enough.
    pub(super) fn refuse_owned(&self) -> Result<(), Refusal> {
        match &self.listed.owner {
            Some(owner) => {
                let (batch, owner) = (self.id().clone(), owner.clone());
                Err(of_store(&StoreError::Owned { batch, owner }))
            }
            None => Ok(()),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.listed.standing == Standing::Open
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.listed.standing == Standing::Abandoned
    }

    fn folder(&self) -> PathBuf {
        self.state.folder(self.id())
    }

    /// The jobs as its folder has them, where nobody has to look at their source again to know that they are the same.
    pub(super) fn untouched_jobs(&self, jobs: &Jobs, intake: &IntakeArgs) -> Result<Option<JsonLines>, Refusal> {
        let Some(known) = &self.manifest.source else { return Ok(None) };
        if !intake.reads_as(&self.manifest.intake) {
            return Ok(None);
        }
        let Some(file) = unchanged(jobs, known) else { return Ok(None) };
        self.kept(jobs, Some(file))
    }

    /// Whether it has a copy of jobs whose file is gone, or was never one to be read twice.
    pub(super) fn outlives(&self, jobs: &Jobs) -> bool {
        let is_file = |path: &Path| path.metadata().is_ok_and(|about| about.is_file());
        jobs.file().is_some_and(|path| !is_file(path)) && JsonLines::has_copy(&self.folder())
    }

    /// The jobs of a source that is gone or has changed by being worked on: the copy is what was accepted.
    pub(super) fn copied_jobs(&self, jobs: &Jobs) -> Result<JsonLines, Refusal> {
        self.kept(jobs, None)?.ok_or_else(|| {
            let id = self.id();
            Refusal::data(format!(
                "`{id}`: its host ended before it could keep the jobs; nothing has run. Start it anew"
            ))
        })
    }

    fn kept(&self, jobs: &Jobs, file: Option<File>) -> Result<Option<JsonLines>, Refusal> {
        let mut kept = JsonLines::open(&self.folder(), &jobs.name(), file)?;
        if let Some(kept) = &mut kept {
            kept.set_left_out(self.manifest.left_out());
        }
        Ok(kept)
    }

    /// Holds what is given against what it was started with. `jobs` are the accepted ones of the source, or its own.
    pub(super) fn compare(&self, given: &Given<'_>, jobs: JsonLines, are_own: bool) -> Result<Going, Refusal> {
        let mut differences = given.guard.differences(&self.manifest.guard, given.registry);
        differences.extend(guard::directory(&self.manifest.directory(), given.directory));
        differences.extend(given.intake.differences(&self.manifest.intake));
        if are_own {
            self.allow(given, !differences.is_empty(), false, &differences)?;
            return Ok(Going { jobs, is_new: false, accepted: differences });
        }
        let source = given.jobs.file().and_then(|path| File::open(path).ok());
        let Some(kept) = self.kept(given.jobs, source)? else {
            // The host died before it could keep them, so before anything ran.
            if jobs.content() != self.manifest.content {
                differences.push(format!("{}: not the jobs that it was accepted with", given.jobs.name()));
            }
            self.allow(given, !differences.is_empty(), false, &differences)?;
            return Ok(Going { jobs, is_new: true, accepted: differences });
        };
        let unreadable = |error: io::Error| Refusal::storage(format!("{}: {error}", given.jobs.name()));
        let comparison = Comparison::of(&kept, &jobs).map_err(unreadable)?;
        let before = differences.len();
        differences.extend(guard::jobs(&given.jobs.name(), &comparison));
        self.allow(given, before > 0, comparison.is_appended(), &differences)?;
        if comparison.is_same() {
            return Ok(Going { jobs: kept, is_new: false, accepted: differences });
        }
        if self.is_open() {
            self.refuse_taken_out(&comparison, given)?;
        }
        let jobs = comparison.merge(&kept, jobs, given.scratch)?;
        Ok(Going { jobs, is_new: true, accepted: differences })
    }

    fn allow(&self, given: &Given<'_>, others: bool, appended: bool, differences: &[String]) -> Result<(), Refusal> {
        let Terms { accept_changes, accept_appended, .. } = given.terms;
        let accepted = *accept_changes || (appended && !others && *accept_appended);
        if differences.is_empty() || (accepted && self.is_open()) || fault::breaks(Sabotage::SkipGuard) {
            return Ok(());
        }
        Err(guard::refusal(self.id().as_str(), !self.is_open(), differences.to_vec()))
    }

    /// Every accepted job gets an end, so one that has none cannot be taken out.
    fn refuse_taken_out(&self, comparison: &Comparison, given: &Given<'_>) -> Result<(), Refusal> {
        for place in comparison.gone_places() {
            let result = self.reader.result_at(u64::from(*place)).map_err(|error| of_store(&error))?;
            if result.is_none() {
                let lines = guard::jobs(&given.jobs.name(), comparison);
                let mend = "jobs that have not ended cannot be taken out of a batch: put them back, or start anew with --fresh";
                return Err(Refusal::of(crate::exit::Exit::BadData, lines.into_iter().chain([mend.to_owned()])));
            }
        }
        Ok(())
    }

    /// How many jobs have ended.
    pub(super) fn ended(&self) -> Result<u64, Refusal> {
        self.reader.counts().map(|counts| counts.ended()).map_err(|error| of_store(&error))
    }

    /// Where the output's results are already: this batch wrote them.
    pub(super) fn outputs(&self) -> Vec<PathBuf> {
        self.manifest.outputs()
    }
}
