//! Which jobs of a batch run again.

use batchmill_core::{ErrorClass, JobResult, Status};
use batchmill_store_sqlite::Listed;

use super::{
    Found, GroupId,
    latest::{self, Latest},
};
use crate::{problems::Refusal, refusal};

/// What somebody wants to run again. What is named in several ways must be all of it; something is named.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) statuses: Vec<Status>,
    pub(crate) classes: Vec<ErrorClass>,
    pub(crate) nodes: Vec<String>,
    /// Jobs that failed alike.
    pub(crate) groups: Vec<GroupId>,
}

impl Selection {
    fn takes(&self, result: &JobResult) -> bool {
        let error = result.error.as_deref();
        let class = error.map(|error| error.class);
        let node = error.and_then(|error| error.node.as_deref());
        (self.statuses.is_empty() || self.statuses.contains(&result.status))
            && (self.classes.is_empty() || class.is_some_and(|class| self.classes.contains(&class)))
            && (self.nodes.is_empty() || node.is_some_and(|node| self.nodes.iter().any(|wanted| wanted == node)))
            && (self.groups.is_empty() || self.groups.iter().any(|group| group.has(result)))
    }
}

impl Found {
    /// The places of the jobs that are selected by their latest results, in order of place.
    pub(crate) fn select(&self, selection: &Selection) -> Result<Vec<u64>, Refusal> {
        let mut latest = if selection.statuses.contains(&Status::Succeeded) {
            Latest::over(self, &latest::retries(self)?)?
        } else {
            Latest::failures(self)?
        };
        let (mut places, mut unknown) = (Vec::new(), selection.groups.clone());
        while let Some(page) = latest.page()? {
            if !unknown.is_empty() {
                unknown.retain(|group| !page.iter().any(|told| group.has(&told.result)));
            }
            places.extend(page.iter().filter(|told| selection.takes(&told.result)).map(|told| told.place));
        }
        self.refuse_unknown(&unknown)?;
        places.sort_unstable();
        Ok(places)
    }

    /// Groups that no job is in were mistyped, or their jobs have succeeded since.
    pub(super) fn refuse_unknown(&self, unknown: &[GroupId]) -> Result<(), Refusal> {
        let Some(group) = unknown.first() else { return Ok(()) };
        let (id, argument) = (self.id(), self.argument_of(self.id()));
        Err(Refusal::data(format!(
            "no failed job of batch {id} is in group {group}: `batchmill errors {argument}` lists the groups"
        )))
    }

    /// All retries of the batch, or of the one that it is a retry of.
    pub(crate) fn retried(&self) -> Result<Vec<Listed>, Refusal> {
        let mut all = self.dir.list().map_err(|error| refusal::of_store(&error))?;
        all.retain(|listed| listed.parent.as_ref() == Some(self.root()));
        Ok(all)
    }
}
