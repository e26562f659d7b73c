//! Some jobs of a batch that has ended, run again in a batch of their own.

use std::{fs::File, io};

use batchmill_config::Flag;
use batchmill_core::BatchId;
use batchmill_store_sqlite::{Listed, Standing};

use super::{Order, manifest::Manifest};
use crate::{
    batches::{self, Found},
    cli::RetryArgs,
    exit::Exit,
    intake::{Jobs, JsonLines, Scratch},
    problems::Refusal,
};

/// A batch made of jobs of another one.
pub(crate) struct Again {
    origin: Origin,
    /// Copied, with the ids and the keys that they had.
    jobs: JsonLines,
}

/// Where it comes from, and what it is called.
pub(super) struct Origin {
    pub(super) batch: BatchId,
    /// The batch that it is a retry of; never a retry itself.
    pub(super) parent: BatchId,
    pub(super) generation: u32,
}

impl Again {
    pub(super) fn apart(self) -> (Origin, JsonLines) {
        (self.origin, self.jobs)
    }
}

impl Origin {
    /// No command without its name goes on with it by chance.
    pub(super) fn source(&self) -> String {
        serde_json::json!({"retry": self.batch}).to_string()
    }
}

/// The command that started the batch, for some of its jobs; `None` where no job is chosen. From here on this process is
/// where that was.
pub(super) fn order(args: RetryArgs, flags: Vec<Flag>, quiet: bool) -> Result<Option<Order>, Refusal> {
    if args.terms.accept_changes || args.terms.accept_appended {
        let message = "a retry is a batch of its own: there is nothing to accept, flow and config are read anew";
        return Err(Refusal::new(Exit::Usage, message));
    }
    let selection = args.selection();
    let RetryArgs { batch, mut terms, config, policy, .. } = args;
    let here = |error: io::Error| Refusal::storage(format!("the working directory: {error}"));
    let config = config.absolute().map_err(here)?;
    let found = batches::named(&terms.state, batch.as_deref().unwrap_or("last"))?;
    let siblings = found.retried()?;
    refuse_unfinished(&found, &siblings)?;
    let places = found.select(&selection)?;
    if places.is_empty() {
        return Ok(None);
    }
    let asked = terms.state.clone();
    terms.absolute().map_err(here)?;
    let manifest = Manifest::read(found.manifest()?)?;
    let again = Box::new(again(&found, &siblings, &places, &manifest, &terms.state)?);
    super::stand_in(&manifest.directory(), &mut terms, asked)?;
    // Results of another batch have their own place.
    let output = terms.output.take();
    let mut order = manifest.order(terms, config, policy, flags);
    order.args.terms.output = output;
    (order.jobs, order.quiet, order.again) = (Jobs::Stdin, quiet, Some(again));
    Ok(Some(order))
}

fn again(
    found: &Found,
    siblings: &[Listed],
    places: &[u64],
    manifest: &Manifest,
    state: &std::path::Path,
) -> Result<Again, Refusal> {
    let parent = found.root().clone();
    let generation = siblings.iter().map(|sibling| sibling.generation).max().unwrap_or(0) + 1;
    let batch = BatchId::new(format!("{parent}.r{generation}")).map_err(|error| Refusal::data(error.to_string()))?;
    let jobs = manifest.jobs();
    let source = jobs.file().map(|path| manifest.directory().join(path)).and_then(|path| File::open(path).ok());
    let Some(all) = JsonLines::open(&found.folder(), &jobs.name(), source)? else {
        return Err(Refusal::data(format!("batch {} has no index of its jobs: run it anew", found.id())));
    };
    let jobs = all.pick(places, &Scratch::beside(state))?;
    Ok(Again { origin: Origin { batch, parent, generation }, jobs })
}

/// What has not ended has no last word yet.
fn refuse_unfinished(found: &Found, siblings: &[Listed]) -> Result<(), Refusal> {
    let unfinished = siblings.iter().find(|sibling| sibling.standing == Standing::Open);
    let open = if found.is_open() { Some(found.id()) } else { unfinished.map(|sibling| &sibling.id) };
    match open {
        Some(id) => {
            let argument = found.argument_of(id);
            Err(Refusal::data(format!("batch {id} has not ended: `batchmill resume {argument}` goes on with it")))
        }
        None => Ok(()),
    }
}
