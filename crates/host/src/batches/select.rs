//! Which jobs of a batch run again.

use batchmill_core::{ErrorClass, JobResult, Status};
use batchmill_store_sqlite::Listed;

use super::{
    Found,
    latest::{self, Latest},
};
use crate::{problems::Refusal, refusal};

/// What somebody wants to run again. What is named in several ways must be all of it; something is named.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) statuses: Vec<Status>,
    pub(crate) classes: Vec<ErrorClass>,
    pub(crate) nodes: Vec<String>,
}

impl Selection {
    fn takes(&self, result: &JobResult) -> bool {
        let error = result.error.as_deref();
        let class = error.map(|error| error.class);
        let node = error.and_then(|error| error.node.as_deref());
        (self.statuses.is_empty() || self.statuses.contains(&result.status))
            && (self.classes.is_empty() || class.is_some_and(|class| self.classes.contains(&class)))
            && (self.nodes.is_empty() || node.is_some_and(|node| self.nodes.iter().any(|wanted| wanted == node)))
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
        let mut places = Vec::new();
        while let Some(page) = latest.page()? {
            places.extend(page.iter().filter(|told| selection.takes(&told.result)).map(|told| told.place));
        }
        places.sort_unstable();
        Ok(places)
    }

    /// All retries of the batch, or of the one that it is a retry of.
    pub(crate) fn retried(&self) -> Result<Vec<Listed>, Refusal> {
        let mut all = self.dir.list().map_err(|error| refusal::of_store(&error))?;
        all.retain(|listed| listed.parent.as_ref() == Some(self.root()));
        Ok(all)
    }
}
