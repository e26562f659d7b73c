//! Some jobs of a batch, to be run again: found by their ids, copied for a batch of their own.

use std::{fs::File, io, path::Path};

use batchmill_core::{JobError, JobId};

use super::{
    accept,
    index::{Index, IndexWriter, SPOOLED},
    jsonl::{INDEX, JsonLines},
    spool::{Scratch, Spool},
};
use crate::problems::Refusal;

/// The place of a job in the batch in `folder`; `None` where it has no such job, or died before it could keep its jobs.
pub(crate) fn place_of(folder: &Path, job: &JobId) -> Result<Option<u32>, Refusal> {
    let path = folder.join(INDEX);
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => Refusal::data(format!("{}: {error}", path.display())),
        _ => Refusal::storage(format!("{}: {error}", path.display())),
    };
    match File::open(&path) {
        Ok(file) => Index::open(file).and_then(|index| index.find(job)).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

impl JsonLines {
    /// The place of the job with this id.
    pub(crate) fn find(&self, job: &JobId) -> Option<u32> {
        self.index()
            .find(job)
            .inspect_err(|error| tracing::warn!(%error, "the index of jobs could not be read"))
            .ok()?
    }

    /// The jobs at `places`, with their ids and keys, as a copy that needs their source no more.
    pub(crate) fn pick(&self, places: &[u64], scratch: &Scratch) -> Result<Self, Refusal> {
        let failed = |error: io::Error| scratch.refusal(accept::INDEX, &error);
        let mut picked = IndexWriter::create(scratch).map_err(failed)?;
        let mut copy = Spool::create(scratch).map_err(failed)?;
        for place in places {
            let row = u32::try_from(*place).map_err(|error| Refusal::data(error.to_string()))?;
            let bytes = self.bytes(row).map_err(|error| self.refusal(&error))?;
            let row = self.index().row(row).map_err(failed)?;
            let offset = copy.add(&bytes).map_err(failed)?;
            let added = picked.copy(self.index(), row.moved_to(offset));
            added.map_err(|not_added| accept::refusal(accept::INDEX, scratch, not_added))?;
        }
        let index = picked.finish(self.index().flags() | SPOOLED).map_err(failed)?;
        Ok(Self::new(self.name().to_owned(), copy.finish().map_err(failed)?, index))
    }

    /// What was said of the first line that is not what was accepted.
    fn refusal(&self, error: &JobError) -> Refusal {
        self.broken().cloned().unwrap_or_else(|| Refusal::data(error.message.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use batchmill_executor::JobSource;

    use super::*;
    use crate::intake::{Rules, format::JobLines};

    fn accept(text: &str) -> (JsonLines, File) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let rules = Rules { max_line: 200, ..Rules::default() };
        let records = JobLines::new(io::Cursor::new(text.as_bytes().to_vec()), rules.max_line);
        let source = file.try_clone().unwrap();
        (accept::accept("jobs.jsonl".into(), Box::new(records), Some(file), rules, &|_| Ok(())).unwrap(), source)
    }

    const JOBS: &str = "{\"n\":1}\n\n{\"id\":\"b\",\"input\":{\"n\":2},\"priority\":7,\"cost\":2.5}\n{\"id\":\"2\",\"input\":{}}\n{\"n\":5}\n";

    fn id(text: &str) -> JobId {
        JobId::new(text).unwrap()
    }

    #[test]
    fn a_job_is_found_by_its_id() {
        let (jobs, _) = accept(JOBS);
        let found = ["1", "b", "2", "5", "3", "05", "x"].map(|job| jobs.find(&id(job)));
        assert_eq!(found, [Some(0), Some(1), Some(2), Some(3), None, None, None]);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(place_of(folder.path(), &id("b")).unwrap(), None);
        jobs.keep(folder.path(), false).unwrap();
        assert_eq!(place_of(folder.path(), &id("b")).unwrap(), Some(1));
    }

    #[test]
    fn picked_jobs_keep_their_ids_and_keys_and_need_their_source_no_more() {
        let (jobs, source) = accept(JOBS);
        let picked = jobs.pick(&[1, 3], &Scratch::default()).unwrap();
        source.set_len(0).unwrap();
        let ids: Vec<_> = (0..picked.len()).map(|place| picked.load(place).unwrap().id.to_string()).collect();
        assert_eq!(ids, ["b", "5"]);
        assert_eq!((picked.keys(0), picked.load(0).unwrap().input["n"].as_u64()), (jobs.keys(1), Some(2)));
        assert!(picked.is_spooled());
        let folder = tempfile::tempdir().unwrap();
        picked.keep(folder.path(), false).unwrap();
        let again = JsonLines::open(folder.path(), "stdin", None).unwrap().unwrap();
        assert_eq!(again.load(1).unwrap().id.as_str(), "5");
        let refusal = jobs.pick(&[0], &Scratch::default()).unwrap_err();
        assert_eq!(refusal, Refusal::data("jobs.jsonl:1: the line changed after the batch was accepted"));
    }
}
